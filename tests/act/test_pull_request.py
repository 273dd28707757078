"""README's workflow file on GitHub: from a pull request to its deployment, in act, with the published form of the action."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sloth_ci.core.yaml import dump
from support.act import ACTION, ARTIFACTS, Act, ActError, Running
from support.bodies import body, deployment
from support.gitrepo import GitRepo
from support.project import ROOT
from support.waiting import until

if TYPE_CHECKING:
    from support.actworld import ActClusterWorld, ActWorld
    from support.cluster import ControlPlane
    from support.github import FakeGitHub
    from support.github.accounts import Permissions

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


MORE = dump(body("ConfigMap", "more", data={"a": "1"}))
REPORT: Permissions = {"actions": "read", "pull_requests": "write", "metadata": "read"}


@pytest.fixture
def world(tmp_path: Path, fake_github: FakeGitHub, git_repo: Callable[..., GitRepo], act: Act) -> ActWorld:
    """A workflow that asks for one approval."""
    from support.actworld import ActWorld, needs_root

    needs_root()

    return ActWorld(tmp_path, fake_github, git_repo("source"), act)


@pytest.fixture
def cluster_world(
    tmp_path: Path,
    fake_github: FakeGitHub,
    git_repo: Callable[..., GitRepo],
    act: Act,
    control_plane: ControlPlane,
    namespace: str,
) -> ActClusterWorld:
    """The same, into a real cluster."""
    from support.actworld import ActClusterWorld, needs_root

    needs_root()

    return ActClusterWorld(tmp_path, fake_github, git_repo("source"), act, control_plane, namespace)


def test_from_the_plan_to_the_deployment(world: ActWorld) -> None:
    pull = world.pull()
    job = world.preview(pull)
    assert world.ran[-1].jobs == {"preview": "success"}, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "action_required"}
    assert "waiting for approval" in world.comment(pull)
    assert (job.outputs["total"], job.outputs["created"], job.outputs["has-changes"]) == ("1", "1", "true")
    assert "Deployment/shop/web" in job.summary
    assert (job.workspace / ARTIFACTS / "sloth-report" / "sloth-report.html").exists()

    job = world.review(pull)
    assert world.ran[-1].jobs == {"preview": "success"}, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "success"}

    sha = pull.merge("bob", "squash")
    job = world.deploy()
    assert world.ran[-1].jobs == {"deploy": "success"}, job.log
    assert job.outputs["sync-status"] == "succeeded"
    assert "web:2" in world.rendered()
    assert [(d.environment, d.state, d.sha) for d in world.repo.deployments.values()] == [
        ("production", "success", sha)
    ]


@pytest.mark.timeout(300)
def test_a_rollout_that_fails_is_put_back_in_the_cluster_and_in_git(cluster_world: ActClusterWorld) -> None:
    world = cluster_world
    good = world.pull("web:2")
    world.preview(good)
    good.approve("bob")
    good.merge("bob", "squash")
    job = world.deploy()
    assert job.outputs["sync-status"] == "succeeded", job.log
    assert world.live() == "web:2"

    bad = world.pull("web:broken", branch="bad")
    world.preview(bad)
    assert "web:broken" in world.comment(bad)
    bad.approve("bob")
    merged = bad.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 8, job.log
    assert job.outputs["sync-status"] == "rolled-back"
    assert world.live() == "web:2"
    head = world.repo.git.git("rev-parse", "main").strip()
    assert job.outputs["rollback-commit"] == head
    assert f"Sloth-Reverts: {merged}" in world.repo.git.git("show", "--no-patch", "--format=%B", "main")
    assert "web:2" in world.repo.git.git("show", "main:k8s/web.yaml")
    assert "ImagePullBackOff" in world.comment(bad, "sloth-ci:deployment")
    assert [d.state for d in world.repo.deployments.values() if d.sha == merged] == ["failure"]

    job = world.deploy()
    assert job.code == 0, f"the revert is what the cluster has already: {job.log}"
    assert world.live() == "web:2"


def test_a_deployment_that_is_cancelled_lets_go_of_its_lock_and_says_so(cluster_world: ActClusterWorld) -> None:
    world = cluster_world
    pull = world.pull("web:slow")
    world.preview(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")

    def cancel(job: Running) -> None:
        until(lambda: world.live() == "web:slow", what="the deployment is waited for")
        assert len(world.holders()) == 1
        job.signal("TERM")

    job = world.job(world.fake.event("push", world.repo), meanwhile=cancel)
    assert job.code == 130, job.log
    assert world.holders() == []
    (told,) = world.repo.deployments.values()
    assert told.state == "failure"
    assert "the next run goes on from here" in told.statuses[-1].description
    assert "SIGTERM: stopping at the next safe point" in job.log
    assert "stopped" in world.comment(pull, "sloth-ci:deployment")


def test_a_command_in_a_comment_deploys_what_is_approved(world: ActWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    with pytest.raises(ActError, match="ran no job"):  # eve may read, and the workflow file starts nothing for her
        world.say(pull, "eve", "/sloth deploy production")
    job = world.say(pull, "bob", "/sloth deploy production")
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()


def test_a_plan_that_is_stale_is_refused(world: ActWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    world.repo.commit("carol", "main", {"k8s/more.yaml": MORE}, "pushed past everybody")
    pull.merge("bob")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "approved 1 change, now 2: new is create ConfigMap/shop/more" in job.log
    assert not world.rendered()


def test_the_plan_of_a_fork_is_told_by_the_workflow_for_forks(world: ActWorld) -> None:
    from support.actworld import FORKS

    fork = world.repo.fork("mallory")
    fork.commit("mallory", "feature", {"k8s/web.yaml": dump(deployment(image="web:fork"))})
    pull = world.repo.open_pull("mallory", "feature", title="From a fork", head_repository=fork)
    event = world.fake.event("pull_request", world.repo, pull=pull)
    job = world.job(event, fork=True)
    assert job.code == 0, job.log
    assert not pull.comments

    event.run.head_repository = "mallory/shop"
    ended = world.fake.event("workflow_run", world.repo, of=event.run)
    job = world.job(ended, REPORT, workflow=FORKS, artifacts=job.workspace)
    assert job.code == 0, job.log
    assert "web:fork" in world.comment(pull, "sloth-ci:fork")


def test_the_job_of_our_own_ci_previews_the_manifests_of_a_pull_request(world: ActWorld, tmp_path: Path) -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    before, _, jobs = text.partition("jobs:\n")
    own = "  action:\n" + jobs.partition("  action:\n")[2]
    for ours, here in (
        ("uses: ./", f"uses: {ACTION}"),
        ("target-path: deploy", "target-path: k8s"),
        ("-24.04", "-latest"),
    ):
        assert ours in own
        own = own.replace(ours, here)
    (tmp_path / "ci.yml").write_text(f"{before}jobs:\n{own}", encoding="utf-8")
    world.repo.commit("alice", "main", {"sloth.lua": None}, "As here: no workflow at the top")
    pull = world.pull()
    may: Permissions = {"contents": "read", "checks": "write", "pull_requests": "read", "metadata": "read"}
    job = world.job(world.fake.event("pull_request", world.repo, pull=pull), may, workflow=tmp_path / "ci.yml")
    assert world.ran[-1].jobs == {"action": "success"}, job.log
    assert job.outputs["has-changes"] == "true"
    assert not pull.comments
