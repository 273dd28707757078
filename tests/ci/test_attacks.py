"""What somebody with write access, and without anybody's approval, may try. A gate that they can walk around is none."""

from __future__ import annotations

import json

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.ciworld import CiWorld, Request
from support.ciworld_github import GitHubCi

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"
MORE = dump(body("ConfigMap", "more", data={"a": "9"}))
OWNED = "approval = { reviews = 1, code_owners = true },"


def lua(world: CiWorld, rules: str = "") -> str:
    """The Lua file of main, with other rules."""
    return world.git("show", "main:sloth.lua").replace("approval_required = true,", rules)


def approved(world: CiWorld, image: str, branch: str) -> Request:
    """A pull request that went all the way."""
    pull: Request = world.pull(image, branch=branch)
    world.preview(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")
    assert world.deploy().code == 0
    return pull


@pytest.mark.parametrize("command", ["/sloth deploy production", "/sloth help"])
def test_a_branch_of_ones_own_is_no_base_to_deploy_from(world: CiWorld, command: str) -> None:
    """Whoever may push makes a branch with a Lua file without a gate, and a pull request into it."""
    marker = world.folder / "ran"
    evil = lua(world).replace('branch = "main"', 'branch = "evil"')
    evil = f'exec.run("touch {marker}", {{ read_only = true }})\n{evil}'
    world.repo.commit("alice", "evil", {"sloth.lua": evil})
    world.repo.commit("alice", "feature", {"k8s/web.yaml": dump(deployment(image="web:evil"))}, start="evil")
    pull = world.open("alice", "feature", "evil")
    world.preview(pull)
    job = world.say(pull, "alice", command)
    assert not marker.exists(), job.log
    assert not world.rendered(), job.log


def test_a_merge_does_not_weaken_the_gate_that_it_has_to_pass_itself(world: CiWorld) -> None:
    pull = world.pull("web:evil", **{"sloth.lua": lua(world, "auto_sync = true,")})
    world.preview(pull)
    pull.merge("alice", "squash")
    job = world.deploy()
    assert job.code == 5, job.log
    assert not world.rendered()


def test_another_branch_is_not_deployed_by_hand(world: CiWorld) -> None:
    evil = lua(world, "auto_sync = true,").replace('"main"', '"feature"')
    world.repo.commit("alice", "feature", {"k8s/web.yaml": dump(deployment(image="web:evil")), "sloth.lua": evil})
    for command in ("run", "sync", "rollback"):
        job = world.by_hand(command, branch="feature")
        assert job.code == 2, job.log
        assert "run it on main" in job.log
    assert not world.rendered()


def test_a_tag_deploys_nothing(world: CiWorld) -> None:
    files = {"k8s/web.yaml": dump(deployment(image="web:evil")), "sloth.lua": lua(world, "auto_sync = true,")}
    world.repo.commit("alice", "feature", files)
    job = world.job(world.tagged("v1", "feature"))
    assert job.code == 0, job.log
    assert not world.rendered()


def test_an_old_approval_is_not_good_for_another_time(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    bad = approved(world, "web:3", "two")
    approved(world, "web:2", "three")
    job = world.say(bad, "alice", "/sloth deploy production")
    assert job.code == 2, job.log
    assert "web:2" in world.rendered()


def test_a_file_that_is_moved_or_deleted_still_belongs_to_its_owner(world: CiWorld) -> None:
    owners = "/k8s/web.yaml @carol\n/k8s/more.yaml @carol\n/k8s/mine/ @bob\n"
    files = {world.owners_file: owners, "sloth.lua": lua(world, OWNED), "k8s/more.yaml": MORE}
    world.repo.commit("bob", "main", files)
    web = dump(deployment(image="web:evil"))
    for branch, changed in (
        ("moved", {"k8s/web.yaml": None, "k8s/mine/web.yaml": web}),
        ("gone", {"k8s/more.yaml": None, "k8s/mine/other.yaml": MORE.replace("more", "other")}),
    ):
        world.repo.commit("alice", branch, changed)
        pull = world.open("alice", branch)
        world.preview(pull)
        world.review(pull, "bob")
        assert world.checks(pull.head)[APPROVAL] == "action_required", branch
        assert "an owner of /k8s/" in world.comment(pull)
        world.review(pull, "carol")
        assert world.checks(pull.head)[APPROVAL] == "success"


def test_a_pull_request_does_not_choose_its_own_owners(world: CiWorld) -> None:
    world.repo.commit("bob", "main", {world.owners_file: "/k8s/web.yaml @carol\n", "sloth.lua": lua(world, OWNED)})
    world.repo.commit("alice", "one", {world.owners_file: "/nothing @carol\n"})
    world.repo.commit("alice", "one", {"k8s/web.yaml": dump(deployment(image="web:evil"))})
    pull = world.open("alice", "one")
    world.preview(pull)
    world.review(pull, "bob")
    assert world.checks(pull.head)[APPROVAL] == "action_required"
    pull.merge("alice", world.linear)
    job = world.deploy()
    assert job.code == 5, job.log
    assert "an owner of /k8s/web.yaml: carol" in job.log
    assert not world.rendered()


def test_an_older_job_that_is_run_again_does_not_hide_the_newest_plan(world: CiWorld) -> None:
    pull = world.pull("web:2")
    old = world.opened(pull)
    world.job(old)
    pull.push("alice", {"k8s/web.yaml": dump(deployment(image="web:evil"))})
    world.preview(pull, "synchronize")
    job = world.job(old)
    assert "has another head by now" in job.log
    assert "web:evil" in world.comment(pull)


def test_what_a_fork_says_does_not_take_the_place_of_a_real_plan(github: GitHubCi) -> None:
    fork = github.repo.fork("mallory")
    fork.commit("mallory", "feature", {"k8s/web.yaml": dump(deployment(image="web:fork"))})
    pull = github.repo.open_pull("mallory", "feature", head_repository=fork)
    event = github.opened(pull)
    job = github.job(event, fork=True)
    bundle = json.loads((job.workspace / "sloth-bundle.json").read_bytes())
    github.say(pull, "bob", "/sloth preview")
    event.run.head_repository = "mallory/shop"
    ended = github.fake.event("workflow_run", github.repo, of=event.run)
    empty = json.dumps({**bundle, "plans": []}).encode()
    told = github.job(ended, into={"sloth-bundle.json": empty}, inputs={"command": "report"})
    assert told.code == 0, told.log
    assert "web:fork" in github.comment(pull)
    assert "nobody vouches" in github.comment(pull, "sloth-ci:fork")


def test_a_direct_push_is_passed_over_once_it_is_undone(world: CiWorld) -> None:
    approved(world, "web:2", "one")
    world.repo.commit("alice", "main", {"k8s/more.yaml": MORE}, "direct")
    assert world.deploy().code == 5
    world.repo.commit("alice", "undo", {"k8s/more.yaml": None})
    undo = world.open("alice", "undo")
    world.preview(undo)
    undo.merge("bob", "squash")
    assert world.deploy().code == 0
    approved(world, "web:3", "three")
    assert "web:3" in world.rendered()


def test_a_lock_ends_with_the_merge_that_brings_nothing_new(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    refused = world.say(pull, "alice", "/sloth deploy production")
    assert refused.code == 5, refused.log
    other = world.pull("web:1", branch="other", **{"k8s/more.yaml": MORE})
    world.preview(other)
    other.approve("bob")
    other.merge("bob", "squash")
    assert world.deploy().code == 0, "a deployment that was refused locks nothing"
    locked = world.pull("web:2", branch="locked")
    world.preview(locked)
    locked.approve("bob")
    assert world.say(locked, "bob", "/sloth deploy production").code == 0
    locked.merge("bob", "squash")
    assert world.deploy().code == 0
    approved(world, "web:3", "three")
    assert "web:3" in world.rendered()


def test_a_task_that_fails_still_leaves_what_it_did(world: CiWorld) -> None:
    source = lua(world).replace("gitops.workflow({", "local shop = gitops.workflow({")
    source += """
workflow.define("ship", { tasks = {
    task("go"):command(function() return gitops.sync_workflow(shop) end):build(),
} })
"""
    world.repo.commit("bob", "main", {"sloth.lua": source})
    world.repo.commit("bob", "main", {"README.md": "from now on without approvals"})
    assert world.deploy().code == 0
    pull = world.pull("web:broken")
    world.preview(pull)
    pull.merge("alice", "squash")
    job = world.deploy()
    assert job.code == 8, job.log
    assert job.outputs["sync-status"] == "rolled-back"
    assert job.outputs["rollback-commit"]
    assert "rolled back" in world.comment(pull, "sloth-ci:deployment")


def test_a_folder_or_a_link_in_the_place_of_the_report_does_no_harm(world: CiWorld) -> None:
    job = world.preview(world.pull(**{"sloth-report.html/x": "y"}))
    assert job.code == 2, job.log
    assert "cannot write sloth-report.html" in job.log


def test_a_merge_group_has_both_checks(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    event = world.merge_group(pull)
    world.job(event)
    assert world.checks(event.sha) == {CHECK: "success", APPROVAL: "success"}


@pytest.mark.parametrize("command", ["sync", "drift", "doctor", "rollback"])
def test_a_pull_request_and_a_comment_get_no_command_of_the_workflow_file(world: CiWorld, command: str) -> None:
    pull = world.pull(**{"sloth.lua": f'log.warn("the pull request runs")\n{lua(world)}'})
    job = world.preview(pull, command=command)
    assert job.code == 2, job.log
    assert "the pull request runs" not in job.log
    comment = pull.comment("eve", "hello")
    job = world.job(world.commented(comment), inputs={"command": command})
    assert job.code == 2, job.log
    assert not world.rendered()
