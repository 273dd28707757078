"""A pull request, from its plan to its deployment."""

from __future__ import annotations

from support.ciworld import CiWorld

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


def test_from_the_plan_to_the_deployment(world: CiWorld) -> None:
    pull = world.pull()
    job = world.preview(pull)
    assert job.code == 0, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "action_required"}
    assert "waiting for approval" in world.comment(pull)
    assert (job.outputs["total"], job.outputs["created"], job.outputs["has-changes"]) == ("1", "1", "true")
    assert job.outputs["comment-url"].startswith(world.fake.url)
    assert (job.workspace / job.outputs["report-path"]).exists()

    job = world.review(pull)
    assert job.code == 0, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "success"}
    assert "✅ approved" in world.comment(pull)

    sha = pull.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 0, job.log
    assert job.outputs["sync-status"] == "succeeded"
    assert "web:2" in world.rendered()
    assert [(d.environment, d.state, d.sha) for d in world.repo.deployments.values()] == [("production", "success", sha)]
    assert "synced" in world.comment(pull, "sloth-ci:deployment")


def test_what_is_not_approved_is_not_deployed(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.merge("bob")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "1 more approval of 1" in job.log
    assert job.outputs["sync-status"] == "refused"
    assert not world.rendered()
    assert not world.repo.deployments
    assert "1 more approval" in world.comment(pull, "sloth-ci:deployment")
