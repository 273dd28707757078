"""Environments that are protected, and deployments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import DeploymentState, Protection
from sloth_ci.forge.errors import Denied
from support.gitlab import FakeGitLab
from support.gitlab_shop import Lab
from support.gitrepo import GitRepo

SAID: tuple[DeploymentState, ...] = ("in_progress", "success")


@pytest.fixture
def premium(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Lab:
    return Lab(fake_gitlab, git_repo(), premium=True)


# --- protection


def test_no_rule_is_no_protection(premium: Lab) -> None:
    premium.project.environment("staging")
    forge = premium.forge("maintainer", job=premium.project.job())
    assert forge.protection("production") is None
    assert forge.protection("staging") is None


def test_free_knows_no_protection(lab: Lab) -> None:
    assert lab.forge("maintainer", job=lab.project.job()).protection("production") is None


def test_a_job_that_declared_it_and_was_approved(premium: Lab) -> None:
    project = premium.project
    project.protect_environment("production", deployers=("alice",), rules=[project.rule(1, people=("carol",))])
    job = project.job(environment="production")
    [made] = project.deployments_of("production")
    project.approve_deployment(made, "carol")
    made.state = "running"  # the job that waited is started
    forge = premium.forge("maintainer", job=job)
    wanted = Protection(environment="production", reviewers=True, declared=True, approved_by=("carol",))
    assert forge.protection("production") == wanted
    asked = forge.requests
    assert forge.protection("production") == wanted
    assert forge.requests == asked


def test_a_job_that_did_not_declare_it(premium: Lab) -> None:
    project = premium.project
    project.protect_environment("production", rules=[project.rule(1, people=("carol",))])
    project.job(environment="production")
    project.deployments_of("production")[0].state = "running"
    environ = {"CI_ENVIRONMENT_NAME": "production"}  # anybody may set that
    found = premium.forge("maintainer", job=project.job(name="other"), environ=environ).protection("production")
    assert found == Protection(environment="production", reviewers=True, declared=False)


def test_rules_without_reviewers_are_a_protection_too(premium: Lab) -> None:
    premium.project.protect_environment("eu/production")
    job = premium.project.job(environment="eu/production")
    found = premium.forge("maintainer", job=job).protection("eu/production")
    assert found == Protection(environment="eu/production", reviewers=False, declared=True)


def test_outside_of_a_job_nothing_is_declared(premium: Lab) -> None:
    premium.project.protect_environment("production")
    found = premium.forge("maintainer").protection("production")
    assert found == Protection(environment="production", reviewers=False, declared=False)


@pytest.mark.parametrize("level", [None, "developer"])
def test_what_cannot_be_read_is_no_matter_where_gitlab_held_the_job_to_it(premium: Lab, level: str | None) -> None:
    premium.project.protect_environment("production", deployers=(30,))
    job = premium.project.job(environment="production")
    assert premium.forge(level, job=job).protection("production") is None  # type: ignore[arg-type]  # one of the levels


@pytest.mark.parametrize("level", [None, "developer"])
@pytest.mark.parametrize("declared", ["", "staging"])
def test_what_cannot_be_read_is_an_error_elsewhere(premium: Lab, level: str | None, declared: str) -> None:
    premium.project.protect_environment("production")
    job = premium.project.job(environment=declared)
    with pytest.raises(Denied, match="cannot read the rules of environment production") as caught:
        premium.forge(level, job=job).protection("production")  # type: ignore[arg-type]  # one of the levels
    assert "have the job declare `environment: production`" in (caught.value.hint or "")
    assert "SLOTH_TOKEN" in (caught.value.hint or "")
    assert "Maintainer" in (caught.value.hint or "")


# --- deployments


def test_the_jobs_own_deployment_is_used(lab: Lab) -> None:
    job = lab.project.job(environment="production")
    forge = lab.forge(None, job=job)
    found = forge.deploying(job.pipeline.sha, "production")
    [made] = lab.project.deployments_of("production")
    assert found == made.id
    forge.deployed(made.id, "in_progress", description="x")
    forge.deployed(made.id, "failure", description="x")
    states = [made.state]
    lab.project.finish(job)
    assert [*states, made.state] == ["running", "success"]


def test_one_is_made_where_no_job_has_it(lab: Lab) -> None:
    project = lab.project
    project.environment("production")
    theirs = project.deploy("bob", "production", project.head(), "main", "running", job=project.job(name="other"))
    forge = lab.forge(None, job=project.job(), environ={"CI_COMMIT_BRANCH": "main"})
    found = forge.deploying(project.head(), "production")
    _, made = project.deployments_of("production")
    assert found == made.id != theirs.id
    assert (made.sha, made.ref, made.tag, made.state, made.login) == (project.head(), "main", False, "running", "alice")
    states = []
    for said in SAID:
        forge.deployed(made.id, said, description="x")
        states.append(made.state)
    assert states == ["running", "success"]
    assert theirs.state == "running"


@pytest.mark.parametrize(("state", "kept"), [("failure", "failed"), ("inactive", "canceled")])
def test_each_state_has_its_word(lab: Lab, state: str, kept: str) -> None:
    forge = lab.forge(job=lab.project.job())
    found = forge.deploying(lab.project.head(), "production")
    assert found is not None
    forge.deployed(found, state, description="x")  # type: ignore[arg-type]  # one of the states
    assert lab.project.deployments[found].state == kept


def test_one_of_another_commit_or_environment_is_not_taken(lab: Lab) -> None:
    project = lab.project
    older = project.head()
    newer = project.commit("bob", "main", {"README": "x\n"})
    for environment in ("production", "staging"):
        project.environment(environment)
    project.deploy("bob", "production", older, "main", "running")
    project.deploy("bob", "staging", newer, "main", "running")
    found = lab.forge(job=project.job()).deploying(newer, "production")
    assert found == max(project.deployments)
    assert len(project.deployments) == 3


def test_one_whose_answer_was_lost_is_not_made_twice(lab: Lab) -> None:
    lab.fake.unhappy.add("lost", method="POST", path="/deployments$")
    found = lab.forge(job=lab.project.job()).deploying(lab.project.head(), "production")
    [made] = lab.project.deployments_of("production")
    assert found == made.id


def test_a_tag_is_said(lab: Lab) -> None:
    lab.project.git.set_ref("refs/tags/v1", lab.project.head())
    environ = {"CI_COMMIT_TAG": "v1"}
    found = lab.forge(job=lab.project.job(), environ=environ).deploying(lab.project.head(), "production")
    assert found is not None
    made = lab.project.deployments[found]
    assert (made.ref, made.tag) == ("v1", True)


@pytest.mark.parametrize("own", [True, False])
def test_the_environment_gets_its_address(lab: Lab, own: bool) -> None:
    job = lab.project.job(environment="production" if own else "")
    forge = lab.forge(job=job)
    found = forge.deploying(lab.project.head(), "production")
    assert found is not None
    forge.deployed(found, "success", description="x", url="https://shop.example.com")
    assert lab.project.environments["production"].external_url == "https://shop.example.com"
    assert lab.notices == []


def test_an_address_that_is_refused_is_only_told(lab: Lab) -> None:
    forge = lab.forge(job=lab.project.job(environment="production"))
    found = forge.deploying(lab.project.head(), "production")
    assert found is not None
    lab.fake.unhappy.add("403", method="PUT", path="/environments/")
    forge.deployed(found, "success", description="x", url="https://shop.example.com")
    [notice] = lab.notices
    assert "the environment production does not get its address" in notice


def test_an_environment_that_the_jobs_person_may_not_deploy_to(premium: Lab) -> None:
    premium.project.protect_environment("production", deployers=(40,))
    with pytest.raises(ForgeError, match="cannot deploy to production") as caught:
        premium.forge(None, job=premium.project.job()).deploying(premium.project.head(), "production")
    assert "CI_JOB_TOKEN may do what whoever started the job may do" in (caught.value.hint or "")
