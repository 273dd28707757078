"""What may be tried where the jobs are GitLab's: by who may push, who has a token, or who may set a variable of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.ciworld import CiWorld
from support.ciworld_gitlab import GitLabCi
from support.gitlab import MergeRequest

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"
WEB_EVIL = dump(deployment(image="web:evil"))


class Elsewhere(ThreadingHTTPServer):
    """A server that is not GitLab's, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Elsewhere)
        self.server.requests.append(self.path)
        self.send_error(401)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def evil_base(world: CiWorld, more: str = "", *, branch: str = "evil") -> MergeRequest:
    """A branch that anybody who may push can make, with Lua that nobody has looked at, and a merge request into it."""
    source = world.git("show", "main:sloth.lua").replace('branch = "main"', f'branch = "{branch}"')
    world.repo.commit("alice", branch, {"sloth.lua": f'log.warn("evil runs")\n{more}\n{source}'})
    world.repo.commit("alice", "feature", {"k8s/web.yaml": WEB_EVIL}, start=branch)
    pull: MergeRequest = world.open("alice", "feature", branch)
    return pull


# --- Lua that nobody has looked at


def test_the_end_of_a_request_runs_no_lua_of_the_branch_it_went_into(gitlab: GitLabCi) -> None:
    marker = gitlab.folder / "ran"
    pull = evil_base(gitlab, f'exec.run("touch {marker}")\nexec.run("touch {marker}", {{ read_only = true }})')
    pull.close("alice")
    job = gitlab.closed(pull)
    assert not marker.exists(), job.log
    assert "evil runs" not in job.log


def test_a_request_that_is_open_has_no_end_whatever_a_webhook_says(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    assert gitlab.say(pull, "bob", "/sloth lock production").code == 0
    job = gitlab.closed(pull)
    assert job.code == 0, job.log
    assert "is free again" not in job.log


def test_a_preview_that_is_asked_for_runs_no_lua_of_a_branch_of_ones_own(world: CiWorld) -> None:
    job = world.say(evil_base(world), "alice", "/sloth preview")
    assert job.code == 0, job.log
    assert "evil runs" not in job.log


def test_an_approval_runs_no_lua_of_a_branch_of_ones_own(gitlab: GitLabCi) -> None:
    pull = evil_base(gitlab)
    job = gitlab.review(pull)
    assert job.code == 0, job.log
    assert "evil runs" not in job.log
    assert not gitlab.checks(pull.head)


def test_a_merge_request_into_an_unprotected_branch_is_planned_with_the_lua_of_the_default_one(
    gitlab: GitLabCi,
) -> None:
    pull = evil_base(gitlab)
    assert "evil runs" not in gitlab.preview(pull).log
    gitlab.protect("evil")
    assert "evil runs" in gitlab.preview(pull).log


def test_a_webhook_is_answered_on_the_default_branch_alone(gitlab: GitLabCi) -> None:
    pull = evil_base(gitlab)
    for about in ({"note": pull.comment("alice", "/sloth help")}, {"pull": pull, "action": "approved"}):
        job = gitlab.job(gitlab.fake.event("trigger", gitlab.repo, branch="evil", **about))
        assert job.code == 2, job.log
        assert "evil runs" not in job.log


def test_by_hand_no_command_of_another_branch_runs(gitlab: GitLabCi) -> None:
    marker = gitlab.folder / "ran"
    evil_base(gitlab, f'exec.run("touch {marker}", {{ read_only = true }})')
    for command in ("preview", "drift"):
        job = gitlab.by_hand(command, branch="evil")
        assert job.code != 0
        assert not marker.exists(), job.log


def test_no_lua_is_run_that_a_variable_brings(gitlab: GitLabCi) -> None:
    """A variable of a pipeline may be of type file, which the runner puts beside the checkout."""
    given = gitlab.folder / "SLOTH_WORKFLOW"
    ran = f'log.warn("evil runs")\n{gitlab.git("show", "main:sloth.lua")}'
    given.write_text(ran.replace("approval_required = true,", ""), encoding="utf-8")
    job = gitlab.by_hand("sync", inputs={"workflow": str(given)})
    assert job.code == 2, job.log
    assert "evil runs" not in job.log


# --- tokens


def test_lua_and_its_commands_do_not_see_the_job_token_in_an_address(gitlab: GitLabCi) -> None:
    source = gitlab.git("show", "main:sloth.lua")
    told = {'env.get("CI_REPOSITORY_URL")': "is not allowed", 'exec.run("env | grep ^CI_").stdout': "CI_PROJECT_ID="}
    for line, said in told.items():
        gitlab.repo.commit("bob", "main", {"sloth.lua": f"log.warn({line})\n{source}"})
        event = gitlab.fake.event("push", gitlab.repo, branch="main")
        log = gitlab.job(event).log
        assert event.token.value not in log
        assert said in log


@pytest.mark.parametrize(
    "credentials",
    [
        'type = "token", token_env = "SLOTH_TOKEN"',
        'type = "basic", username = "me", password_env = "CI_JOB_TOKEN"',
    ],
)
def test_lua_does_not_send_a_token_of_the_job_to_another_server(
    gitlab: GitLabCi, elsewhere: Elsewhere, credentials: str
) -> None:
    other = f'gitops.workflow({{ name = "x", repo = "{elsewhere.url}/x.git", credentials = {{ {credentials} }} }})'
    source = gitlab.git("show", "main:sloth.lua")
    gitlab.repo.commit("bob", "main", {"sloth.lua": f"{source}\n{other}"})
    job = gitlab.by_hand("preview")
    assert job.code == 2, job.log
    assert "is not given to" in job.log
    assert not elsewhere.requests


def test_a_secret_that_is_given_for_an_ssh_key_is_not_told(gitlab: GitLabCi) -> None:
    key = 'credentials = { type = "ssh", ssh_key_env = "SLOTH_TOKEN" }'
    other = f'gitops.workflow({{ name = "x", repo = "ssh://git@git.example.com/x.git", {key} }})'
    source = gitlab.git("show", "main:sloth.lua")
    gitlab.repo.commit("bob", "main", {"sloth.lua": f"{source}\n{other}"})
    job = gitlab.by_hand("preview")
    assert job.code == 2, job.log
    assert gitlab.token.value not in job.log + job.summary


@pytest.mark.parametrize("name", ["CI_API_V4_URL", "CI_SERVER_URL", "CI_SERVER_HOST"])
def test_a_variable_that_leads_to_another_server_gets_no_token(
    gitlab: GitLabCi, elsewhere: Elsewhere, name: str
) -> None:
    place = {
        "CI_API_V4_URL": f"{elsewhere.url}/api/v4",
        "CI_SERVER_URL": elsewhere.url,
        "CI_SERVER_HOST": "evil.example",
    }
    event = gitlab.fake.event("web", gitlab.repo, branch="main")
    job = gitlab.job(event, inputs={"command": "preview"}, env={name: place[name]})
    assert job.code == 2, job.log
    assert "are not of one GitLab" in job.log
    assert not elsewhere.requests


# --- approvals


@pytest.mark.parametrize("note", [False, True])
def test_the_account_of_our_own_token_approves_nothing(gitlab: GitLabCi, note: bool) -> None:
    """Whoever changes a job of his own merge request may have the token."""
    pull = gitlab.pull()
    gitlab.preview(pull)
    if note:
        pull.comment(gitlab.us, "/sloth approve")
    else:
        pull.approve(gitlab.us)
    pull.merge("alice", "squash")
    job = gitlab.deploy()
    assert job.code == 5, job.log
    assert f"{gitlab.us} is whom SLOTH_TOKEN belongs to" in job.log
    assert not gitlab.rendered()


def test_another_access_token_of_the_project_approves_nothing(gitlab: GitLabCi) -> None:
    other = gitlab.fake.project_token(gitlab.repo, "developer")
    assert other.login != gitlab.us
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve(other.login)
    assert gitlab.checks(pull.head)[APPROVAL] == "action_required"
    assert "is an access token, and no person" in gitlab.job(gitlab.opened(pull)).log + gitlab.comment(pull)


def test_another_request_with_the_same_head_does_not_choose_the_owners(gitlab: GitLabCi) -> None:
    """It goes into a branch that is what main was before it had owners, and came last."""
    rules = gitlab.git("show", "main:sloth.lua").replace(
        "approval_required = true,", "approval = { reviews = 1, code_owners = true },"
    )
    gitlab.git("branch", "old", "main")
    gitlab.repo.commit("carol", "main", {gitlab.owners_file: "/k8s/web.yaml @carol\n", "sloth.lua": rules})
    pull = gitlab.pull("web:evil")
    gitlab.preview(pull)
    other = gitlab.open("alice", "feature", "old")
    gitlab.fake.clock.advance(5)
    pull.approve("bob")
    other.approve("bob")
    pull.merge("alice", "ff")
    other.merge("alice", "ff")
    assert gitlab.repo.head("old") == gitlab.repo.head("main")
    job = gitlab.deploy()
    assert job.code == 5, job.log
    assert "an owner of /k8s/web.yaml: carol" in job.log
    assert not gitlab.rendered()


def test_a_pipeline_of_the_former_target_says_nothing_about_the_present_one(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.repo.commit("alice", "easy", {"README.md": "easy"}, start="main")
    gitlab.protect("easy")
    pull.base = "easy"
    before = gitlab.opened(pull)
    variables = before.environ(gitlab.folder / "before")
    pull.base = "main"
    target = "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
    job = gitlab.job(before, env={target: variables[target]})
    assert job.code == 2, job.log
    assert "goes into main by now" in job.log
    assert not gitlab.checks(pull.head)
    assert not pull.comments


# --- events that come again


@pytest.mark.parametrize("command", ["/sloth rollback production", "/sloth lock production"])
def test_the_event_of_an_old_comment_is_not_followed_again(gitlab: GitLabCi, command: str) -> None:
    """Whoever has the trigger's token can send it."""
    for image, branch in (("web:2", "one"), ("web:3", "two")):
        pull = gitlab.pull(image, branch=branch)
        gitlab.preview(pull)
        pull.approve("bob")
        pull.merge("bob", "squash")
        assert gitlab.deploy().code == 0
    pull = gitlab.repo.pulls[2]
    event = gitlab.commented(pull.comment("bob", command))
    assert gitlab.job(event).code == 0
    assert gitlab.say(pull, "bob", "/sloth unlock production").code == 0
    before = gitlab.rendered()
    job = gitlab.job(gitlab.commented(next(note for note in pull.comments if note.body == command)))
    assert job.code == 0, job.log
    assert "was answered before" in job.log
    assert gitlab.rendered() == before
    assert gitlab.say(pull, "bob", "/sloth lock production").code == 0, "nobody holds a lock"


# --- the template


def test_jobs_take_nothing_from_jobs_before_them() -> None:
    text = (Path(__file__).parents[2] / ".gitlab-ci-template.yml").read_text(encoding="utf-8")
    assert "  dependencies: []" in text
    assert "GIT_STRATEGY: fetch" not in text, "an earlier job may have been a merge request's tests"
