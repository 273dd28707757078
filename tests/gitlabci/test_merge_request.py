"""The `.gitlab-ci.yml` that `sloth-ci init` writes: from a merge request to its deployment, with GitLab's runner and template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.gitlabci import CiLocal, Running
from support.gitrepo import GitRepo
from support.waiting import until

if TYPE_CHECKING:
    from support.ciworld import Ended
    from support.cluster import ControlPlane
    from support.gitlab import FakeGitLab
    from support.gitlabciworld import CiLocalClusterWorld, CiLocalWorld

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


@pytest.fixture
def world(tmp_path: Path, fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo], ci_local: CiLocal) -> CiLocalWorld:
    """A workflow that asks for one approval; jobs run in a shell."""
    from support.gitlabciworld import CiLocalWorld

    return CiLocalWorld(tmp_path, fake_gitlab, git_repo("source"), ci_local)


@pytest.fixture
def container_world(
    tmp_path: Path, fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo], ci_of_containers: CiLocal
) -> CiLocalWorld:
    """The same; jobs run in the container."""
    from support.gitlabciworld import CiLocalWorld

    return CiLocalWorld(tmp_path, fake_gitlab, git_repo("source"), ci_of_containers)


@pytest.fixture
def cluster_world(
    tmp_path: Path,
    fake_gitlab: FakeGitLab,
    git_repo: Callable[..., GitRepo],
    ci_local: CiLocal,
    control_plane: ControlPlane,
    namespace: str,
) -> CiLocalClusterWorld:
    """The same, into a real cluster."""
    from support.gitlabciworld import CiLocalClusterWorld

    return CiLocalClusterWorld(tmp_path, fake_gitlab, git_repo("source"), ci_local, control_plane, namespace)


def _job(world: CiLocalWorld) -> str:
    name, _ = world.ran[-1]
    return name


def _goes_from_the_plan_to_the_deployment(world: CiLocalWorld) -> None:
    pull = world.pull()
    job = world.preview(pull)
    assert (_job(world), job.code) == ("sloth:preview", 0), job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "action_required"}
    assert "waiting for approval" in world.comment(pull)
    assert (job.outputs["total"], job.outputs["created"], job.outputs["has-changes"]) == ("1", "1", "true")
    assert "Deployment/shop/web" in job.summary
    assert (job.workspace / "sloth-report.html").exists()

    job = world.review(pull)
    assert (_job(world), job.code) == ("sloth:webhook", 0), job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "success"}

    sha = pull.merge("bob", "squash")
    job = world.deploy()
    assert (_job(world), job.code) == ("sloth:deploy", 0), job.log
    assert job.outputs["sync-status"] == "succeeded"
    assert "web:2" in world.rendered()
    assert world.deployments() == [("production", "success", sha)], "the job's own, and no other"


def test_from_the_plan_to_the_deployment(world: CiLocalWorld) -> None:
    _goes_from_the_plan_to_the_deployment(world)


def test_from_the_plan_to_the_deployment_in_the_image(container_world: CiLocalWorld) -> None:
    _goes_from_the_plan_to_the_deployment(container_world)


def test_from_the_plan_to_the_deployment_by_the_component(
    tmp_path: Path, fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo], ci_local: CiLocal
) -> None:
    from support.gitlabciworld import USER_FILE, CiLocalWorld

    lines = USER_FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    component = "  - component: $CI_SERVER_FQDN/sloth-runner/gitops/gitops@v1\n"
    file = "".join(component if "remote:" in line else line for line in lines)
    assert component in file
    world = CiLocalWorld(tmp_path, fake_gitlab, git_repo("source"), ci_local, user_file=file)
    _goes_from_the_plan_to_the_deployment(world)


@pytest.mark.timeout(300)
def test_a_rollout_that_fails_is_put_back_in_the_cluster_and_in_git(cluster_world: CiLocalClusterWorld) -> None:
    world = cluster_world
    good = world.pull("web:2")
    job = world.preview(good)
    assert job.code == 0, job.log
    assert "Deployment/" in world.comment(good)
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
    head = world.git("rev-parse", "main").strip()
    assert job.outputs["rollback-commit"] == head
    assert f"Sloth-Reverts: {merged}" in world.git("show", "--no-patch", "--format=%B", "main")
    assert "web:2" in world.git("show", "main:k8s/web.yaml")
    assert "ImagePullBackOff" in world.comment(bad, "sloth-ci:deployment")
    assert [state for _, state, sha in world.deployments() if sha == merged] == ["failure"]

    job = world.deploy()
    assert job.code == 0, f"the revert is what the cluster has already: {job.log}"
    assert world.live() == "web:2"


def test_somebody_starts_the_rollback_that_the_pipeline_offers(cluster_world: CiLocalClusterWorld) -> None:
    world = cluster_world
    for image, branch in (("web:2", "two"), ("web:3", "three")):
        pull = world.pull(image, branch=branch)
        world.preview(pull)
        pull.approve("bob")
        pull.merge("bob")
        job = world.deploy()
        assert job.code == 0, job.log
    assert world.live() == "web:3"
    event = world.fake.event("push", world.repo, branch="main")
    job = world.job(event, start="sloth:rollback", inputs={"reason": "prices are wrong"})
    assert job.code == 0, job.log
    assert world.live() == "web:2"
    assert "prices are wrong" in world.git("log", "-1", "--format=%B", "main")


def test_a_deployment_that_is_cancelled_lets_go_of_its_lock_and_says_so(cluster_world: CiLocalClusterWorld) -> None:
    world = cluster_world
    pull = world.pull("web:slow")
    world.preview(pull)
    pull.approve("bob")
    pull.merge("bob", "squash")

    def cancel(job: Running) -> None:
        until(lambda: world.live() == "web:slow", what="the deployment is waited for")
        assert len(world.holders()) == 1
        job.cancel()

    job = world.job(world.fake.event("push", world.repo, branch="main"), meanwhile=cancel)
    assert job.code == 130, job.log
    assert world.holders() == []
    assert "SIGTERM: stopping at the next safe point" in job.log
    assert "stopped" in world.comment(pull, "sloth-ci:deployment")


def test_a_command_in_a_note_deploys_what_is_approved(world: CiLocalWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    job = world.say(pull, "eve", "/sloth deploy production")
    assert (_job(world), job.code) == ("sloth:webhook", 0), job.log
    assert not world.rendered(), "eve may read, and no more"
    job = world.say(pull, "bob", "/sloth deploy production")
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()
    assert world.deployments() == [("production", "success", pull.head)], (
        "made by the API: the job declares access alone"
    )


def test_a_note_that_is_no_command_is_nothing(world: CiLocalWorld) -> None:
    pull = world.pull()
    job = world.say(pull, "bob", "looks good")
    assert (_job(world), job.code) == ("sloth:webhook", 0), job.log
    assert world.ours(pull) == []


def test_who_calls_the_trigger_himself_says_what_is_to_be_done(world: CiLocalWorld) -> None:
    job = world.job(world.fake.event("trigger", world.repo))
    assert (_job(world), job.code) == ("sloth:webhook", 0), job.log
    assert "nothing to do" in job.log
    job = world.job(world.fake.event("trigger", world.repo), inputs={"command": "drift"})
    assert (_job(world), job.code) == ("sloth:drift", 0), job.log


def test_a_schedule_looks_for_drift(world: CiLocalWorld) -> None:
    job = world.schedule()
    assert (_job(world), job.code) == ("sloth:drift", 0), job.log
    job = world.by_hand("doctor")
    assert _job(world) == "sloth:drift"
    assert "git version" in job.log, job.log


def test_without_a_token_the_plan_is_in_the_artifacts(world: CiLocalWorld) -> None:
    pull = world.pull()
    job: Ended = world.job(world.opened(pull), token=False)
    assert (_job(world), job.code) == ("sloth:preview", 0), job.log
    assert "there is no SLOTH_TOKEN" in job.log
    assert world.ours(pull) == []
    assert world.checks(pull.head) == {}
    assert "Deployment/shop/web" in job.summary
    assert (job.workspace / "sloth-report.html").exists()
    assert job.outputs["total"] == "1"


def test_a_forks_pipeline_runs_in_the_fork_and_needs_nothing(world: CiLocalWorld) -> None:
    world.repo.visibility = "public"  # a fork's job token reads no private project
    fork = world.repo.fork("mallory")
    fork.commit("mallory", "feature", {"k8s/web.yaml": dump(deployment(image="web:fork"))})
    pull = world.repo.open_pull("mallory", "feature", title="From a fork", head_project=fork)
    job = world.job(world.opened(pull))
    assert (_job(world), job.code) == ("sloth:preview", 0), job.log
    assert world.ours(pull) == []
    assert "Deployment/shop/web" in job.summary
    assert world.token.value not in job.log
