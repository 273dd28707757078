"""Jobs of GitLab that GitHub has no like of: without a token, in a fork, called by a webhook, in a freeze."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.ciworld_gitlab import GitLabCi
from support.gitlab import FakeGitLab, MergeRequest
from support.gitrepo import GitRepo

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


def findings(workspace: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((workspace / "sloth-codequality.json").read_bytes())
    return found


def cases(workspace: Path) -> dict[str, str]:
    """What each test of the JUnit report came to."""
    root = ET.parse(workspace / "sloth-junit.xml").getroot()  # noqa: S314 - our own
    return {case.get("name", ""): next((part.tag for part in case), "passed") for case in root.iter("testcase")}


# --- artifacts


def test_a_preview_leaves_what_the_merge_request_shows(gitlab: GitLabCi) -> None:
    job = gitlab.preview(gitlab.pull("web:2"))
    assert job.code == 0, job.log
    left = {path.name for path in job.workspace.glob("sloth*")}
    assert left == {
        "sloth.lua", "sloth.env", "sloth-report.html", "sloth-summary.md", "sloth-codequality.json", "sloth-junit.xml",
    }  # fmt: skip
    assert job.outputs["total"] == "1"
    assert job.outputs["comment-url"].startswith(f"{gitlab.repo.url}/-/merge_requests/1#note_")
    assert "web:2" in job.summary
    assert cases(job.workspace)["approval"] == "skipped"
    assert "artifacts/file/sloth-report.html" in gitlab.comment(gitlab.pulls()[0])
    assert "/-/jobs/" in job.outputs["check-url"]


def test_findings_are_on_the_lines_of_the_manifests(gitlab: GitLabCi) -> None:
    keys = dump(body("Secret", "keys", stringData={"a": "S3cretValue"}))
    twice = f"# the same again\n{dump(deployment(image='web:9'))}"
    job = gitlab.preview(gitlab.pull(**{"k8s/keys.yaml": keys, "k8s/again.yaml": twice}))
    assert job.code == 4, job.log
    found = findings(job.workspace)
    [conflict] = [one for one in found if one["severity"] == "blocker"]
    assert "duplicate_resource" in conflict["description"]
    assert conflict["location"]["path"] in {"k8s/web.yaml", "k8s/again.yaml"}
    assert conflict["location"]["lines"]["begin"] >= 1
    assert len({one["fingerprint"] for one in found}) == len(found)
    assert "S3cretValue" not in (job.workspace / "sloth-codequality.json").read_text()
    assert "failure" in cases(job.workspace).values()


def test_what_the_checkout_brings_is_no_artifact(gitlab: GitLabCi) -> None:
    """A dotenv report of the merge request's own would set the variables of later jobs."""
    pull = gitlab.pull(**{"sloth.env": "SLOTH_COMMAND=rollback\n", "sloth-junit.xml": "<testsuites/>"})
    job = gitlab.preview(pull, command="nonsense")
    assert job.code == 2
    assert not (job.workspace / "sloth.env").exists()
    assert not (job.workspace / "sloth-junit.xml").exists()


# --- without a token


@pytest.mark.parametrize(("fail_on", "code"), [("conflicts", 0), ("changes", 20)])
def test_without_a_token_a_preview_is_all_there_but_the_note(gitlab: GitLabCi, fail_on: str, code: int) -> None:
    pull = gitlab.pull()
    job = gitlab.job(gitlab.opened(pull), token=False, inputs={"fail-on": fail_on})
    assert job.code == code, job.log
    assert gitlab.preview(pull, fail_on=fail_on).code == code, "the same with a token"
    assert "there is no SLOTH_TOKEN with the scope `api`" in job.log
    assert "image 1 → 2" in job.log or "Deployment/shop/web" in job.log
    assert (job.workspace / "sloth-report.html").exists()
    assert job.outputs["total"] == "1"
    assert "required" in job.summary


def test_without_a_token_nothing_is_written_to_gitlab(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.job(gitlab.opened(pull), token=False)
    assert not pull.comments
    assert not [one for one in gitlab.repo.statuses_of(pull.head) if one.name.startswith("sloth-ci / ")]
    assert {method for method, _, _ in (one.partition(" ") for one in gitlab.requests())} == {"GET"}


def test_without_a_token_an_approval_cannot_be_seen_and_that_is_said(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")
    job = gitlab.job(gitlab.fake.event("push", gitlab.repo, branch="main"), token=False)
    assert job.code == 9, job.log
    assert "SLOTH_TOKEN" in job.log
    assert "`api`" in job.log
    assert not gitlab.rendered()


def test_without_a_token_what_needs_no_approval_is_deployed(gitlab: GitLabCi) -> None:
    lua = gitlab.git("show", "main:sloth.lua").replace("approval_required = true,", "auto_sync = true,")
    gitlab.repo.commit("alice", "main", {"sloth.lua": lua})
    gitlab.repo.commit("alice", "main", {"k8s/web.yaml": dump(deployment(image="web:2"))})
    gitlab.repo.job_token_may_push = True
    event = gitlab.fake.event("push", gitlab.repo, branch="main", environment="production")
    job = gitlab.job(event, token=False)
    assert job.code == 0, job.log
    assert "web:2" in gitlab.rendered()
    assert [state for _, state, _ in gitlab.deployments()] == ["success"]


# --- forks


def fork_pull(world: GitLabCi) -> MergeRequest:
    world.repo.visibility = "public"
    fork = world.repo.fork("mallory")
    evil = f'log.warn("the fork runs")\n{world.git("show", "main:sloth.lua")}'
    fork.commit("mallory", "feature", {"k8s/web.yaml": dump(deployment(image="web:fork")), "sloth.lua": evil})
    # What the fork calls main is the fork's own business.
    fork.commit("mallory", "main", {"k8s/web.yaml": dump(deployment(image="web:elsewhere")), "sloth.lua": evil})
    return world.repo.open_pull("mallory", "feature", title="From a fork", head_project=fork)


def test_a_fork_plans_against_the_branch_it_wants_into_with_that_branches_lua(gitlab: GitLabCi) -> None:
    pull = fork_pull(gitlab)
    job = gitlab.job(gitlab.opened(pull), token=False)
    assert job.code == 0, job.log
    assert "the fork runs" not in job.log
    assert "web:1" in job.summary
    assert "web:fork" in job.summary
    assert "web:elsewhere" not in job.summary
    assert (job.workspace / "sloth-report.html").exists()
    assert not pull.comments
    assert not gitlab.rendered()


def test_a_fork_that_may_not_read_the_project_plans_on_what_it_left(gitlab: GitLabCi) -> None:
    """The job's token of a fork is let into a private project only where that says so."""
    pull = fork_pull(gitlab)
    gitlab.repo.visibility = "private"
    job = gitlab.job(gitlab.opened(pull), token=False)
    assert job.code == 0, job.log
    assert "the fork runs" not in job.log
    assert "main could not be read, so this is planned on" in job.summary
    assert "web:fork" in job.summary
    assert "web:elsewhere" not in job.summary


def test_whatever_token_a_fork_has_it_is_not_used_for_the_project_it_wants_into(gitlab: GitLabCi) -> None:
    pull = fork_pull(gitlab)
    job = gitlab.job(gitlab.opened(pull), token=True)  # mallory found one
    assert job.code == 0, job.log
    assert not pull.comments
    assert {one.login for one in gitlab.fake.record.matching(api="rest")} == {"mallory"}


def test_a_member_starts_the_pipeline_of_a_fork_and_gets_the_real_plan(gitlab: GitLabCi) -> None:
    pull = fork_pull(gitlab)
    job = gitlab.job(gitlab.fake.event("merge_request_event", gitlab.repo, pull=pull, in_target=True, login="bob"))
    assert job.code == 0, job.log
    assert "the fork runs" not in job.log
    assert gitlab.checks(pull.head)[CHECK] == "success"
    assert "branch rendered/production" in gitlab.comment(pull)


def test_a_fork_is_previewed_by_a_comment(gitlab: GitLabCi) -> None:
    pull = fork_pull(gitlab)
    job = gitlab.say(pull, "bob", "/sloth preview")
    assert job.code == 0, job.log
    assert "web:fork" in gitlab.comment(pull)
    assert gitlab.say(pull, "mallory", "/sloth deploy production").code == 0
    assert not gitlab.rendered()


# --- webhooks


def test_what_a_webhook_says_is_a_pointer_and_no_more(gitlab: GitLabCi) -> None:
    """Whoever has the trigger's token can send anything."""
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    note = pull.comment("eve", "hello")
    event = gitlab.commented(note)
    assert event.payload is not None
    event.payload["object_attributes"]["note"] = "/sloth deploy production"
    event.payload["user"] = {"username": "bob"}
    job = gitlab.job(event)
    assert job.code == 0, job.log
    assert not gitlab.rendered()
    assert not gitlab.answer(pull)


def test_an_approval_that_a_webhook_invents_opens_nothing(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.preview(pull)
    job = gitlab.job(gitlab.fake.event("trigger", gitlab.repo, pull=pull, action="approved", sender="bob"))
    assert job.code == 0, job.log
    assert gitlab.checks(pull.head)[APPROVAL] == "action_required"


def test_other_news_of_a_webhook_need_nothing_done(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    job = gitlab.job(gitlab.fake.event("trigger", gitlab.repo, pull=pull, action="update"))
    assert job.code == 0, job.log
    assert "there is nothing to do for 'merge_request update'" in job.log
    assert not gitlab.requests()


def test_a_pipeline_of_merged_results_is_about_the_head(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    job = gitlab.job(gitlab.fake.event("merge_request_event", gitlab.repo, pull=pull, kind="merged_result"))
    assert job.code == 0, job.log
    pull.approve("bob")
    pull.merge("bob", "squash")
    assert gitlab.deploy().code == 0
    assert "web:2" in gitlab.rendered()


# --- what else GitLab has


def test_a_freeze_of_the_project_holds_a_sync_and_no_preview(gitlab: GitLabCi) -> None:
    gitlab.repo.freeze("0 0 1 1 *", "0 0 31 12 *")
    pull = gitlab.pull()
    assert gitlab.preview(pull).code == 0
    assert "frozen until" in gitlab.comment(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")
    job = gitlab.deploy()
    assert job.code == 4, job.log
    assert "frozen until" in job.log
    assert not gitlab.rendered()


def test_a_freeze_that_the_job_names_holds_without_a_token(gitlab: GitLabCi) -> None:
    lua = gitlab.git("show", "main:sloth.lua").replace("approval_required = true,", "auto_sync = true,")
    gitlab.repo.commit("alice", "main", {"sloth.lua": lua})
    event = gitlab.fake.event("push", gitlab.repo, branch="main", environment="production", frozen=True)
    job = gitlab.job(event, token=False)
    assert job.code == 4, job.log
    assert not gitlab.rendered()


def test_an_approval_rule_of_gitlab_holds_what_is_deployed_before_the_merge(gitlab: GitLabCi) -> None:
    gitlab.repo.approval_rules.append(gitlab.repo.rule(1, people=["carol"], name="security"))
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    job = gitlab.say(pull, "bob", "/sloth deploy production")
    assert job.code == 5, job.log
    assert "security" in gitlab.answer(pull)
    assert not gitlab.rendered()
    pull.approve("carol")
    assert gitlab.say(pull, "bob", "/sloth deploy production").code == 0
    assert "web:2" in gitlab.rendered()


def test_a_job_whose_deployment_was_approved_passes_the_protected_environment(gitlab: GitLabCi) -> None:
    gitlab.protect_environment("production", reviewers=["carol"])
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")
    event = gitlab.fake.event("push", gitlab.repo, branch="main", environment="production")
    made = gitlab.repo.deployments_of("production")[-1]
    gitlab.repo.approve_deployment(made, "carol")
    made.state = "running"  # somebody starts the job
    job = gitlab.job(event)
    assert job.code == 0, job.log
    assert "web:2" in gitlab.rendered()
    assert gitlab.deployments() == [("production", "success", gitlab.repo.head())]


def test_a_project_in_a_group_of_a_group(
    tmp_path: Path, fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]
) -> None:
    world = GitLabCi(tmp_path, fake_gitlab, git_repo("source"), name="acme/web/shop")
    for image, branch, code in (("web:2", "one", 0), ("web:broken", "two", 8)):
        pull = world.pull(image, branch=branch)
        world.preview(pull)
        pull.approve("bob")
        pull.merge("bob", "squash")
        job = world.deploy()
        assert job.code == code, job.log
    assert world.subjects()[0].startswith("Revert ")
    assert [one for one in world.requests() if one == "POST /projects/acme%2Fweb%2Fshop/repository/commits"]


def test_what_gitlab_refuses_to_tell_leaves_no_lock_behind(gitlab: GitLabCi) -> None:
    """A developer's token may not read who protects an environment, and the job of a webhook declares none."""
    gitlab.token = gitlab.fake.project_token(gitlab.repo, "developer")
    gitlab.us = gitlab.token.login
    pull = gitlab.pull()
    gitlab.preview(pull)
    pull.approve("bob")
    job = gitlab.say(pull, "bob", "/sloth deploy production")
    assert job.code == 9, job.log
    assert "Maintainer" in gitlab.answer(pull)
    other = gitlab.pull("web:3", branch="other")
    gitlab.preview(other)
    other.approve("bob")
    other.merge("bob", "squash")
    job = gitlab.job(gitlab.fake.event("push", gitlab.repo, branch="main", environment="production"))
    assert job.code == 0, job.log
    assert "web:3" in gitlab.rendered()


def test_a_fault_of_gitlab_is_an_error_and_no_traceback(gitlab: GitLabCi) -> None:
    pull = gitlab.pull()
    gitlab.fake.unhappy.add("403", method="POST", path="/statuses/", times=9)
    job = gitlab.preview(pull)
    assert job.code == 9, job.log
    assert "SLOTH_TOKEN" in job.log
