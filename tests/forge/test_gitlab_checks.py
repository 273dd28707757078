"""Commit statuses: the plan as GitLab keeps it, which takes no approvals back."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloth_ci.core.errors import ForgeError
from support.forges.clock import seconds_of
from support.gitlab import MergeRequest
from support.gitlab.model import Status
from support.gitlab_shop import FILE, Lab, plan_report, seen

NAME = "sloth-ci / production"
CHANGES = {"update Deployment/shop/web": "0a1b", "delete ConfigMap/shop/a--> <!-- x": "ff"}


def kept(lab: Lab, sha: str, name: str = NAME) -> list[Status]:
    return lab.project.statuses_of(sha, name, everything=True)


@pytest.fixture
def pull(lab: Lab) -> MergeRequest:
    return lab.opened()


@pytest.fixture
def sha(pull: MergeRequest) -> str:
    return pull.head


def test_it_holds_the_plan(lab: Lab, pull: MergeRequest) -> None:
    job = lab.project.job(lab.project.pipeline("merge_request_event", pull=pull))
    made = lab.forge(job=job).report_check(pull.head, plan_report(text="## Changes", changes=CHANGES))
    [status] = kept(lab, pull.head)
    assert (status.state, status.pipeline) == ("success", job.pipeline)
    assert status.description is not None
    assert status.description.startswith("1 change · plan one.two · changes ")
    assert status.target_url == made.url == f"{lab.project.url}/-/jobs/{job.id}"
    assert (made.id, made.name, made.digest, made.changes) == (status.id, NAME, "one.two", CHANGES)
    assert made.completed == seconds_of(status.created_at)
    found = lab.forge().plan_check(pull.head, NAME)
    assert found is not None
    assert (found.digest, found.completed, found.changes) == ("one.two", made.completed, {})


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [("success", "success"), ("neutral", "success"), ("failure", "failed"), ("action_required", "pending")],
)
def test_each_conclusion_has_its_state(lab: Lab, sha: str, conclusion: str, state: str) -> None:
    made = lab.forge().report_check(sha, plan_report(conclusion=conclusion))
    [status] = kept(lab, sha)
    assert status.state == state
    assert made.completed == seconds_of(status.created_at)


def test_what_is_said_already_is_not_said_again(lab: Lab, sha: str) -> None:
    first = lab.forge().report_check(sha, plan_report())
    lab.fake.clock.advance(100)
    again = lab.forge().report_check(sha, plan_report())
    assert again == first
    assert len(kept(lab, sha)) == 1


def test_the_same_plan_again_keeps_its_time(lab: Lab, sha: str) -> None:
    first = lab.forge().report_check(sha, plan_report())
    lab.fake.clock.advance(100)
    again = lab.forge().report_check(sha, plan_report(title="1 change, approved", conclusion="failure"))
    assert again.id != first.id
    assert again.completed == first.completed
    assert lab.forge().plan_check(sha, NAME) == again


def test_another_plan_is_shown_since_it_is_there(lab: Lab, sha: str) -> None:
    forge = lab.forge()
    first = forge.report_check(sha, plan_report())
    second = forge.report_check(sha, plan_report("three.four"))
    third = lab.forge().report_check(sha, plan_report())
    assert first.completed is not None
    assert second.completed is not None
    assert third.completed is not None
    assert first.completed < second.completed < third.completed
    assert lab.forge().plan_check(sha, NAME) == third


def test_a_plan_that_could_not_be_made_is_another_one_in_between(lab: Lab, sha: str) -> None:
    first = lab.forge().report_check(sha, plan_report())
    lab.forge().report_check(sha, plan_report("", conclusion="failure", title="no plan"))
    third = lab.forge().report_check(sha, plan_report())
    assert first.completed is not None
    assert third.completed is not None
    assert third.completed > first.completed


def test_one_that_waits_becomes_what_it_waited_for(lab: Lab, sha: str) -> None:
    first = lab.forge().report_check(sha, plan_report(conclusion="action_required", title="Waiting for bob"))
    lab.fake.clock.advance(100)
    again = lab.forge().report_check(sha, plan_report(title="Approved"))
    [status] = kept(lab, sha)
    assert (status.state, again.id, again.completed) == ("success", first.id, first.completed)


def test_one_that_waits_for_another_plan_stays_what_it_was(lab: Lab, sha: str) -> None:
    """Else it would look as if the new plan had been there since the old one was."""
    first = lab.forge().report_check(sha, plan_report(conclusion="action_required"))
    lab.fake.clock.advance(100)
    second = lab.forge().report_check(sha, plan_report("three.four"))
    old, new = kept(lab, sha)
    assert (old.state, new.state) == ("canceled", "success")
    assert old.description is not None
    assert "plan one.two" in old.description
    assert first.completed is not None
    assert second.completed is not None
    assert second.completed >= first.completed + 100


@pytest.mark.parametrize("digest", ["one.two", "three.four"])
def test_one_that_waits_waits_for_something_else(lab: Lab, sha: str, digest: str) -> None:
    """GitLab refuses to let a status wait that waits already."""
    first = lab.forge().report_check(sha, plan_report(conclusion="action_required", title="Waiting for bob"))
    lab.fake.clock.advance(100)
    again = lab.forge().report_check(sha, plan_report(digest, conclusion="action_required", title="Waiting for carol"))
    assert [status.state for status in kept(lab, sha)] == ["canceled", "pending"]
    assert (again.completed == first.completed) == (digest == "one.two")


def test_one_of_an_older_pipeline_does_not_wait_for_ever(lab: Lab, pull: MergeRequest) -> None:
    for title, conclusion in (("Waiting", "action_required"), ("Approved", "success")):
        job = lab.project.job(lab.project.pipeline("merge_request_event", pull=pull))
        lab.forge(job=job).report_check(pull.head, plan_report(title=title, conclusion=conclusion))
    assert [status.state for status in kept(lab, pull.head)] == ["canceled", "success"]


def test_a_check_about_no_plan(lab: Lab, sha: str) -> None:
    for title in ("waits for bob", "approved by bob"):
        lab.forge().report_check(sha, plan_report("", name=f"{NAME} / approval", title=title))
    assert kept(lab, sha, f"{NAME} / approval")[-1].description == "approved by bob"
    assert lab.forge().plan_check(sha, NAME) is None


def test_a_status_of_somebody_else_is_not_ours(lab: Lab, sha: str) -> None:
    theirs = lab.forge(token=lab.fake.token("alice")).report_check(sha, plan_report())
    assert lab.forge().plan_check(sha, NAME) is None
    assert lab.forge().report_check(sha, plan_report()).id != theirs.id


def test_a_job_of_that_name_is_not_ours(lab: Lab, pull: MergeRequest) -> None:
    job = lab.project.job(lab.project.pipeline(pull=pull, login=lab.us), NAME)
    job.description = "1 change · plan one.two"
    assert lab.forge().plan_check(pull.head, NAME) is None


def test_outside_of_a_pipeline_of_that_commit_the_newest_one_gets_it(lab: Lab, pull: MergeRequest) -> None:
    pipeline = lab.project.pipeline("merge_request_event", pull=pull)
    elsewhere = lab.project.job()
    lab.forge(job=elsewhere).report_check(pull.head, plan_report())
    [status] = kept(lab, pull.head)
    assert status.pipeline is pipeline
    assert len(lab.project.pipelines) == 2


def test_the_head_of_a_fork_gets_it_by_its_merge_request(lab: Lab) -> None:
    """Its branch has the name of one that is protected in this project."""
    lab.project.protect("main")
    fork = lab.project.fork("mallory")
    fork.commit("mallory", "main", {FILE: "replicas: 0\n"})
    pull = lab.project.open_pull("mallory", "main", head_project=fork)
    forge = lab.forge()
    with pytest.raises(ForgeError, match="References for commit"):
        forge.report_check(pull.head, plan_report())
    seen(forge, pull)
    assert forge.report_check(pull.head, plan_report()).digest == "one.two"
    [status] = kept(lab, pull.head)
    assert status.pipeline.ref == "refs/merge-requests/1/head"


def test_in_a_pipeline_of_merged_results_the_head_gets_it_by_its_branch(lab: Lab, tmp_path: Path) -> None:
    """That pipeline is of a commit that nobody has pushed, and other branches may hold the head."""
    pull = lab.opened()
    lab.project.commit("bob", "another", {"README": "x\n"}, start="feature")
    event = lab.fake.event("merge_request_event", lab.project, pull=pull, kind="merged_result")
    environ = event.environ(tmp_path / "job")
    assert environ["CI_COMMIT_SHA"] != pull.head
    forge = lab.forge(environ=environ)
    seen(forge, pull)
    for conclusion in ("action_required", "success"):
        forge.report_check(pull.head, plan_report(conclusion=conclusion))
    [status] = kept(lab, pull.head)
    assert (status.pipeline.ref, status.pipeline.source, status.state) == ("feature", "external", "success")


def test_a_status_whose_answer_was_lost_is_not_made_twice(lab: Lab, sha: str) -> None:
    lab.fake.unhappy.add("lost", method="POST", path="/statuses/")
    made = lab.forge().report_check(sha, plan_report())
    [status] = kept(lab, sha)
    assert made.id == status.id


def test_one_that_was_ended_before_an_answer_was_lost(lab: Lab, sha: str) -> None:
    lab.forge().report_check(sha, plan_report(conclusion="action_required"))
    lab.fake.unhappy.add("lost", method="POST", path="/statuses/")
    lab.forge().report_check(sha, plan_report("three.four", conclusion="action_required"))
    assert [status.state for status in kept(lab, sha)] == ["canceled", "pending"]


def test_a_long_title_leaves_room_for_the_plan(lab: Lab, sha: str) -> None:
    made = lab.forge().report_check(sha, plan_report(title="ä" * 300, changes=CHANGES))
    [status] = kept(lab, sha)
    assert status.description is not None
    assert len(status.description) == 255
    assert (made.digest, made.changes) == ("one.two", CHANGES)


def test_a_protected_branch_takes_more_and_the_error_says_so(lab: Lab) -> None:
    lab.project.protect("main")
    sha = lab.project.head()
    with pytest.raises(ForgeError, match="cannot write the status 'sloth-ci / production'") as caught:
        lab.forge().report_check(sha, plan_report())
    assert "on a protected branch one that may push to it or merge into it" in (caught.value.hint or "")
    assert lab.forge("maintainer").report_check(sha, plan_report()).digest == "one.two"


def test_a_commit_that_nobody_pushed_has_no_check(lab: Lab) -> None:
    assert lab.forge().plan_check("f" * 40, NAME) is None


def test_a_hundred_checks_on_a_commit(lab: Lab, sha: str) -> None:
    forge = lab.forge()
    for number in range(105):
        forge.report_check(sha, plan_report(name=f"other {number}"))
    wanted = forge.report_check(sha, plan_report())
    assert lab.forge().plan_check(sha, NAME) == wanted
