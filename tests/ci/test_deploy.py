"""After the merge: failures that go back, protected branches, interrupted jobs, drift."""

from __future__ import annotations

from sloth_ci.core.yaml import dump
from support.bodies import body
from support.ciworld import CiWorld, Request
from support.ciworld_github import GitHubCi


def approved(world: CiWorld, image: str, branch: str) -> tuple[Request, str]:
    """A pull request with a plan and an approval, merged."""
    pull = world.pull(image, branch=branch)
    world.preview(pull)
    pull.approve("bob")
    return pull, pull.merge("bob", "squash")


def test_what_fails_is_put_back_at_the_destination_and_in_git(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    assert world.deploy().code == 0
    pull, bad = approved(world, "web:broken", "two")
    job = world.deploy()
    assert job.code == 8, job.log
    assert job.outputs["sync-status"] == "rolled-back"
    assert "web:2" in world.rendered()
    subject = world.subjects()[0]
    assert subject.startswith(f"Revert {bad[:10]}")
    assert job.outputs["rollback-commit"] == world.repo.head()
    if isinstance(world, GitHubCi):
        assert world.repo.head() in world.fake.verified
    message = world.git("log", "-1", "--format=%B", "main")
    assert f"Sloth-Reverts: {bad}" in message
    assert "[skip ci]" not in message
    told = world.comment(pull, "sloth-ci:deployment")
    assert "rolled back" in told
    assert next(state for _, state, sha in world.deployments() if sha == bad) == "failure"

    again = world.deploy()
    assert again.code == 0, again.log
    assert len(world.subjects()) == len(set(world.subjects())), "the revert was not reverted"


def test_what_is_held_is_tried_again_by_a_person(world: CiWorld) -> None:
    """The fault was elsewhere, the same manifests come back: the push stays away from them, a person may try them again."""
    approved(world, "web:2", "one")
    assert world.deploy().code == 0
    approved(world, "web:broken", "two")
    assert world.deploy().code == 8
    world.git("config", "test.mended", "true")
    approved(world, "web:broken", "three")
    refused = world.deploy()
    assert refused.code == 8, refused.log
    assert "input `release-hold`" in refused.log
    assert "web:2" in world.rendered()

    assert world.by_hand("sync").code == 8
    job = world.by_hand("sync", inputs={"release-hold": "true"})
    assert job.code == 0, job.log
    assert "web:broken" in world.rendered()
    assert world.by_hand("sync").code == 0, "a success takes the hold away"


def test_a_protected_branch_gets_a_pull_request_for_the_revert(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.deploy()
    _, bad = approved(world, "web:broken", "two")
    world.protect("main")
    job = world.deploy()
    assert job.code == 8, job.log
    revert = next(pull for pull in world.pulls() if pull.branch.startswith("sloth/revert-"))
    assert world.labels(revert) == ["sloth-revert"]
    assert f"/{revert.number}" in job.log
    assert bad[:10] in revert.title
    assert "web:2" in world.rendered()


def test_a_job_that_comes_late_does_not_go_back(world: CiWorld) -> None:
    _, first = approved(world, "web:2", "one")
    world.deploy()
    approved(world, "web:3", "two")
    world.deploy()
    job = world.deploy(first)
    assert job.code == 0, job.log
    assert "something newer" in job.log
    assert "web:3" in world.rendered()


def test_each_merged_commit_is_deployed_by_its_own_approval(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.deploy()
    pulls = []
    for name in ("a", "b"):
        config = dump(body("ConfigMap", name, data={"x": "1"}))
        world.repo.commit("alice", name, {f"k8s/{name}.yaml": config}, name)
        pulls.append(world.open("alice", name, title=name))
    for pull in pulls:
        world.preview(pull)
        pull.approve("bob")
    for pull in pulls:
        pull.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 0, job.log
    assert "name: a" in world.rendered()
    assert "name: b" in world.rendered()
    assert [state for _, state, _ in world.deployments()] == ["success"] * 3


def test_the_commits_of_a_rebase_are_deployed_as_one(world: CiWorld) -> None:
    """Nobody saw a plan of the first of them."""
    approved(world, "web:2", "one")
    world.deploy()
    pull = world.pull("web:3", branch="two")
    pull.push("alice", {"k8s/more.yaml": dump(body("ConfigMap", "more", data={"x": "1"}))})
    world.preview(pull)
    pull.approve("bob")
    pull.merge("bob", world.linear)
    job = world.deploy()
    assert job.code == 0, job.log
    assert "web:3" in world.rendered()
    assert "name: more" in world.rendered()
    assert len(world.deployments()) == 2


def test_a_protected_environment_needs_a_job_that_declares_it(world: CiWorld) -> None:
    world.protect_environment("production", reviewers=["bob"])
    approved(world, "web:2", "one")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "add `environment: production` to the job" in job.log
    assert not world.rendered()


def test_a_freeze_keeps_a_merge_from_being_deployed(world: CiWorld) -> None:
    lua = world.git("show", "main:sloth.lua")
    freeze = 'freeze = { { from = "2020-01-01", to = "2120-01-01", reason = "for good" } },'
    pull = world.pull(**{"sloth.lua": lua.replace("approval_required = true,", f"approval_required = true, {freeze}")})
    world.preview(pull)
    pull.approve("bob")
    pull.merge("bob")
    job = world.deploy()
    assert job.code == 4, job.log
    assert "for good" in job.log


def test_without_a_change_nothing_is_called_a_success(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.deploy()
    world.repo.commit("alice", "main", {"README.md": "hello"}, "docs")
    job = world.deploy()
    assert job.code == 0, job.log
    assert job.outputs["sync-status"] == "nothing"
    assert len(world.deployments()) == 1


def test_a_schedule_finds_drift(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.deploy()
    assert "no drift" in world.schedule().log
    path = world.git("ls-tree", "-r", "--name-only", "rendered/production").splitlines()
    web = next(name for name in path if name.endswith(".yaml"))
    text = world.git("show", f"rendered/production:{web}").replace("web:2", "web:hotfix")
    world.repo.commit("carol", "rendered/production", {web: text}, "by hand")
    job = world.schedule()
    assert "drift in shop" in job.log
    assert job.outputs["has-changes"] == "true"
    assert "web:hotfix" in world.rendered()


def test_somebody_rolls_back_by_hand(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.deploy()
    approved(world, "web:3", "two")
    world.deploy()
    job = world.by_hand("rollback", inputs={"environment": "production", "reason": "checkout fails"})
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()
    assert world.subjects()[0].startswith("Revert ")
