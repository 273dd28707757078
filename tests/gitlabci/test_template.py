"""The template in a user's file: which jobs a pipeline has, what they are given, and that it composes with jobs of his own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from support.gitlabci import CiLocal, CiLocalError, File, Given
from support.gitrepo import GitRepo
from support.project import ROOT

USER = (ROOT / "lua/templates/gitlab.yml").read_text(encoding="utf-8")
PUSH = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main"}
REQUEST = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_REF_NAME": "feature"}
OF_REQUEST = {"sloth:preview": "on_success"}
OF_PUSH = {"sloth:deploy": "on_success", "sloth:rollback": "manual"}

Checkout = Callable[[str], Path]


@pytest.fixture
def checkout(git_repo: Callable[..., GitRepo]) -> Checkout:
    """A checkout with a file for GitLab."""
    numbers = itertools.count()

    def make(file: str) -> Path:
        repo = git_repo(f"repo-{next(numbers)}")
        repo.commit("first", {".gitlab-ci.yml": file})
        repo.git("remote", "add", "origin", "http://127.0.0.1:9/acme/shop.git")
        return repo.path

    return make


def _with(*inputs: str, jobs: str = "") -> str:
    return USER + "".join(f"      {line}\n" for line in inputs) + f"{dedent(jobs).strip()}\n"


def _jobs(ci: CiLocal, place: Path, predefined: Mapping[str, str], **pipeline: str) -> dict[str, str]:
    found = ci.jobs(place, Given(predefined=predefined, pipeline=pipeline))
    return {name: job.when for name, job in found.items()}


@pytest.mark.parametrize(
    ("predefined", "pipeline", "jobs"),
    [
        (REQUEST, {}, OF_REQUEST),
        ({**REQUEST, "CI_PIPELINE_SOURCE": "parent_pipeline"}, {}, OF_REQUEST),
        (PUSH, {}, OF_PUSH),
        ({**PUSH, "CI_PIPELINE_SOURCE": "parent_pipeline"}, {}, {"sloth:deploy": "on_success"}),
        ({**PUSH, "CI_COMMIT_BRANCH": "feature"}, {}, {}),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"}, {}, {}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "schedule"}, {}, {"sloth:drift": "on_success"}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "schedule"}, {"SLOTH_COMMAND": "none"}, {}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "schedule"}, {"SLOTH_COMMAND": "sync"}, {"sloth:deploy": "on_success"}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "web"}, {}, {}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "web"}, {"SLOTH_COMMAND": "preview"}, {"sloth:preview": "on_success"}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "web"}, {"SLOTH_COMMAND": "doctor"}, {"sloth:drift": "on_success"}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "api"}, {"SLOTH_COMMAND": "run"}, {"sloth:deploy": "on_success"}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "web"}, {"SLOTH_COMMAND": "rollback"}, {"sloth:rollback": "on_success"}),
        ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "feature"}, {"SLOTH_COMMAND": "rollback"}, {}),
        ({**PUSH, "CI_PIPELINE_SOURCE": "trigger"}, {"TRIGGER_PAYLOAD": "x"}, {"sloth:webhook": "on_success"}),
        (
            {**PUSH, "CI_PIPELINE_SOURCE": "trigger"},
            {"TRIGGER_PAYLOAD": "x", "SLOTH_COMMAND": "sync"},
            {"sloth:deploy": "on_success"},
        ),
    ],
)
def test_each_pipeline_has_its_job(
    ci_local: CiLocal, checkout: Checkout, predefined: dict[str, str], pipeline: dict[str, str], jobs: dict[str, str]
) -> None:
    assert _jobs(ci_local, checkout(USER), predefined, **pipeline) == jobs


def test_gitlabs_schema_takes_the_whole_file(ci_local: CiLocal, checkout: Checkout) -> None:
    assert len(ci_local.jobs(checkout(USER), Given(predefined=PUSH), schema=True)) == 2


def test_an_optional_rollback_does_not_hold_the_pipeline_and_no_other_failure_is_hidden(
    ci_local: CiLocal, checkout: Checkout
) -> None:
    place = checkout(_with("deploy: manual"))
    of_push = ci_local.jobs(place, Given(predefined=PUSH))
    assert {name: (job.when, job.allow_failure) for name, job in of_push.items()} == {
        "sloth:deploy": ("manual", False),
        "sloth:rollback": ("manual", True),
    }
    by_hand = Given(predefined={**PUSH, "CI_PIPELINE_SOURCE": "web"}, pipeline={"SLOTH_COMMAND": "rollback"})
    assert not ci_local.jobs(place, by_hand)["sloth:rollback"].allow_failure


def test_only_the_deployment_is_one_for_gitlab(ci_local: CiLocal, checkout: Checkout) -> None:
    place = checkout(USER)
    found = {**ci_local.jobs(place, Given(predefined=PUSH)), **ci_local.jobs(place, Given(predefined=REQUEST))}
    assert {name: job.environment for name, job in found.items()} == {
        "sloth:deploy": {"name": "production"},
        "sloth:rollback": {"name": "production", "action": "access"},
        "sloth:preview": {},
    }


@pytest.mark.parametrize("job", ["preview", "deploy", "drift", "rollback", "webhook"])
def test_each_job_can_be_left_out(ci_local: CiLocal, checkout: Checkout, job: str) -> None:
    place = checkout(_with(f"{job}: never"))
    for predefined in (REQUEST, PUSH, {**PUSH, "CI_PIPELINE_SOURCE": "schedule"}):
        assert f"sloth:{job}" not in _jobs(ci_local, place, predefined)
    assert _jobs(ci_local, place, {**PUSH, "CI_PIPELINE_SOURCE": "trigger"}, TRIGGER_PAYLOAD="x") == (
        {} if job == "webhook" else {"sloth:webhook": "on_success"}
    )


def test_a_pipeline_input_of_the_users_chooses_the_command(ci_local: CiLocal, checkout: Checkout) -> None:
    """Where nobody may set variables of a pipeline, which is the default of new projects on GitLab.com."""
    header = "spec:\n  inputs:\n    command: { default: auto }\n---\n"
    by_hand = {**PUSH, "CI_PIPELINE_SOURCE": "web"}
    for command, jobs in (("auto", {}), ("drift", {"sloth:drift": "on_success"})):
        file = header.replace("auto", command) + _with("command: $[[ inputs.command ]]")
        place = checkout(file)
        assert _jobs(ci_local, place, by_hand) == jobs
        assert _jobs(ci_local, place, PUSH) == OF_PUSH, "a push is never what an input says"
        assert _jobs(ci_local, place, REQUEST) == OF_REQUEST


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fail-on: sometimes", "allowed options"),
        ("comment: false", "not a string"),
        ('image: "a b"', "does not match"),
        ("workflow: 'a\"b'", "does not match"),
        ("approvals: many", "not a number"),
        ("job-prefix: .hidden", "does not match"),
        ("gitlab-environment: a:b", "does not match"),
    ],
)
def test_a_wrong_input_is_refused(ci_local: CiLocal, checkout: Checkout, line: str, said: str) -> None:
    with pytest.raises(CiLocalError, match=said):
        ci_local.jobs(checkout(_with(line)), Given(predefined=PUSH))


SHOW = """\
.sloth:
  script:
    - env | grep -E '^(SLOTH_|GIT_|CI_ENV)' | sort
    - test -z "$SLOTH_KUBECONFIG" || grep . "$SLOTH_KUBECONFIG"
    - echo LATER=1 > sloth.env
    - echo report > sloth-report.html
"""
INPUTS = (
    'workflow: "deploy/my shop.lua"',
    "environment: staging",
    "target-path: k8s/überall",
    "approvals: 2",
    "comment: 'false'",
    "fail-on: high",
    "working-directory: apps/shop",
    "allow-env: A, B",
)


def test_a_job_is_given_the_inputs(ci_local: CiLocal, checkout: Checkout) -> None:
    ran = ci_local.run(checkout(_with(*INPUTS, jobs=SHOW)), "sloth:deploy", Given(predefined=PUSH))
    lines = dict(line.split("=", 1) for line in ran.log.splitlines() if "=" in line)
    assert lines == {
        "CI_ENVIRONMENT_NAME": "production",
        **{f"CI_ENVIRONMENT_{name}": lines[f"CI_ENVIRONMENT_{name}"] for name in ("ACTION", "SLUG", "TIER", "URL")},
        "GIT_DEPTH": "0",
        "GIT_STRATEGY": "clone",
        "SLOTH_ALLOW_ENV": "A, B",
        "SLOTH_APPROVALS": "2",
        "SLOTH_CACHE_DIR": lines["SLOTH_CACHE_DIR"],  # the harness's
        "SLOTH_COMMAND": "auto",
        "SLOTH_COMMENT": "false",
        "SLOTH_ENVIRONMENT": "staging",
        "SLOTH_FAIL_ON": "high",
        "SLOTH_TARGET_PATH": "k8s/überall",
        "SLOTH_WORKFLOW": "deploy/my shop.lua",
        "SLOTH_WORKING_DIRECTORY": "apps/shop",
    }
    assert ran.dotenv == {"LATER": "1"}
    assert (ran.artifacts / "sloth-report.html").read_text() == "report\n"


def test_a_preview_and_a_deployment_have_a_kubeconfig_of_their_own(ci_local: CiLocal, checkout: Checkout) -> None:
    place = checkout(_with(jobs=SHOW))
    scoped = {"SLOTH_KUBECONFIG": {"production": File("strong"), "*": File("weak")}}
    for job, predefined, content in (("deploy", PUSH, "strong"), ("preview", REQUEST, "weak")):
        log = ci_local.run(place, f"sloth:{job}", Given(predefined=predefined, project=scoped)).log
        assert [word for word in ("strong", "weak") if word in log] == [content]


def test_a_job_takes_its_kubeconfig_from_another_variable(ci_local: CiLocal, checkout: Checkout) -> None:
    jobs = ".sloth:deploy: { variables: { SLOTH_KUBECONFIG: $PRODUCTION } }\n"
    place = checkout(_with(jobs=SHOW + jobs))
    given = Given(predefined=PUSH, project={"PRODUCTION": File("strong")})
    assert "strong" in ci_local.run(place, "sloth:deploy", given).log
    given = Given(predefined=REQUEST, project={"PRODUCTION": File("strong")})
    assert "strong" not in ci_local.run(place, "sloth:preview", given).log


def test_several_environments_each_have_a_job_of_their_own(ci_local: CiLocal, checkout: Checkout) -> None:
    jobs = """
        sloth:staging:
          extends: .sloth:deploy
          variables: { SLOTH_ENVIRONMENT: staging }
          environment: staging
        sloth:production:
          extends: .sloth:deploy
          needs: [sloth:staging]
          variables: { SLOTH_ENVIRONMENT: production }
          environment: production
    """
    place = checkout(_with("deploy: on_success", jobs=jobs) + SHOW)
    given = Given(predefined=PUSH, project={"SLOTH_KUBECONFIG": {"staging": File("blue"), "production": File("red")}})
    assert list(ci_local.jobs(place, given)) == ["sloth:deploy", "sloth:rollback", "sloth:staging", "sloth:production"]
    for environment, kubeconfig in (("staging", "blue"), ("production", "red")):
        log = ci_local.run(place, f"sloth:{environment}", given).log
        assert f"SLOTH_ENVIRONMENT={environment}\n" in log
        assert f"CI_ENVIRONMENT_NAME={environment}\n" in log
        assert "SLOTH_COMMAND=auto\n" in log
        assert kubeconfig in log
        assert {"blue": "red", "red": "blue"}[kubeconfig] not in log


def test_the_users_defaults_are_for_his_own_jobs(ci_local: CiLocal, checkout: Checkout) -> None:
    jobs = """
        default:
          before_script: [echo of the user]
          after_script: [echo of the user]
          retry: 2
        stages: [build, check, ship]
        build:
          stage: build
          script: [echo build]
    """
    file = _with("preview-stage: check", "deploy-stage: ship", "job-prefix: gitops", jobs=jobs)
    place = checkout(file + SHOW.replace(".sloth", ".gitops"))
    assert _jobs(ci_local, place, PUSH) == {
        "gitops:deploy": "on_success",
        "gitops:rollback": "manual",
        "build": "on_success",
    }
    assert "of the user" not in ci_local.run(place, "gitops:deploy", Given(predefined=PUSH)).log
    assert "of the user" in ci_local.run(place, "build", Given(predefined=PUSH)).log


def test_the_component_is_the_same(ci_local: CiLocal, checkout: Checkout) -> None:
    address = "component: $CI_SERVER_FQDN/sloth-runner/gitops/gitops@v1"
    component = USER.replace(next(line for line in USER.splitlines() if "remote:" in line).strip(" -"), address)
    assert address in component
    place = checkout(component)
    assert _jobs(ci_local, place, PUSH) == OF_PUSH
    assert _jobs(ci_local, place, REQUEST) == OF_REQUEST


def test_a_job_runs_in_the_image(ci_of_containers: CiLocal, checkout: Checkout) -> None:
    show = SHOW.replace("    - env", "    - sloth-ci --version\n    - pwd\n    - env")
    given = Given(predefined=PUSH, project={"SLOTH_KUBECONFIG": {"production": File("strong")}})
    ran = ci_of_containers.run(checkout(_with(jobs=show)), "sloth:deploy", given)
    assert ran.exit_code == 0, ran.text
    assert "sloth-ci, version" in ran.log
    assert "/builds/acme/shop\n" in ran.log
    assert "strong" in ran.log
    assert ran.dotenv == {"LATER": "1"}
    assert (ran.artifacts / "sloth-report.html").read_text() == "report\n"
