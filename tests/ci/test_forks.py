"""Pull requests of forks: no rights, and a bundle that proves nothing."""

from __future__ import annotations

import json

import msgspec
import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.ciworld import Ended
from support.ciworld_github import GitHubCi
from support.github.accounts import Permissions
from support.github.events import Event
from support.github.pull import Pull

REPORT: Permissions = {"actions": "read", "pull_requests": "write", "metadata": "read"}


def fork_pull(github: GitHubCi, **files: str) -> tuple[Pull, Event, Ended]:
    """A pull request from mallory's fork, and its own job."""
    fork = github.repo.fork("mallory")
    fork.commit("mallory", "feature", {"k8s/web.yaml": dump(deployment(image="web:fork")), **files})
    pull = github.repo.open_pull("mallory", "feature", title="From a fork", head_repository=fork)
    event = github.fake.event("pull_request", github.repo, pull=pull)
    return pull, event, github.job(event, fork=True)


def relay(github: GitHubCi, event: Event, bundle: bytes) -> Ended:
    """The trusted workflow that follows."""
    event.run.head_repository = "mallory/shop"
    ended = github.fake.event("workflow_run", github.repo, of=event.run)
    return github.job(ended, REPORT, into={"sloth-bundle.json": bundle}, inputs={"command": "report"})


def test_the_plan_of_a_fork_is_reported_by_a_second_workflow(github: GitHubCi) -> None:
    pull, event, job = fork_pull(github)
    assert job.code == 0, job.log
    assert not github.repo.checks
    assert not pull.comments
    assert job.outputs["total"] == "1"
    bundle = (job.workspace / "sloth-bundle.json").read_bytes()
    told = relay(github, event, bundle)
    assert told.code == 0, told.log
    assert "nobody vouches for it" in github.comment(pull, "sloth-ci:fork")
    assert "web:fork" in github.comment(pull, "sloth-ci:fork")
    assert not github.repo.checks


def test_somebody_with_write_access_gets_the_real_plan(github: GitHubCi) -> None:
    pull, _, _ = fork_pull(github)
    job = github.say(pull, "bob", "/sloth preview")
    assert job.code == 0, job.log
    assert github.checks(pull.head)["sloth-ci / production"] == "success"
    assert "branch rendered/production" in github.comment(pull)


def test_what_a_fork_has_is_not_deployed_before_its_merge(github: GitHubCi) -> None:
    pull, _, _ = fork_pull(github)
    github.say(pull, "bob", "/sloth preview")
    job = github.say(pull, "bob", "/sloth deploy production")
    assert job.code == 5
    assert not github.rendered()


@pytest.mark.parametrize(
    "change",
    [
        {"head": "f" * 40},
        {"schema": "sloth-ci/bundle/v9"},
        {"plans": [{"name": "x"}]},
        {"extra": 1},
        {"plans": [None] * 3},
    ],
)
def test_a_bundle_that_is_not_what_it_should_be_is_refused(github: GitHubCi, change: dict[str, object]) -> None:
    pull, event, job = fork_pull(github)
    bundle = {**json.loads((job.workspace / "sloth-bundle.json").read_bytes()), **change}
    told = relay(github, event, json.dumps(bundle).encode())
    assert told.code == 2, told.log
    assert "::error" in told.log
    assert not pull.comments


def test_a_bundle_is_shown_and_believed_in_nothing(github: GitHubCi) -> None:
    """It may say that it is approved, name checks and people, and carry markup."""
    pull, event, job = fork_pull(github)
    bundle = json.loads((job.workspace / "sloth-bundle.json").read_bytes())
    evil = "@bob </details><script>alert(1)</script> ::set-output name=x::y `` <!-- sloth-ci:deployment -->"
    bundle["notes"] = [evil]
    bundle["plans"][0] |= {"name": evil, "environment": evil, "warnings": [evil]}
    told = relay(github, event, msgspec.json.encode(bundle))
    assert told.code == 0, told.log
    body = github.comment(pull, "sloth-ci:fork")
    assert "<script>" not in body
    assert "@bob" not in body
    assert body.count("<!-- sloth-ci:") == 1
    assert not github.repo.checks
