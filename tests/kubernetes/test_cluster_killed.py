"""kill -9 around every request of a sync and of a rollback that changes the cluster: the next run ends in the right state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.workflow import WorkflowSpec
from support.bodies import body
from support.cluster import ControlPlane
from support.clusterworld import ClusterWorld
from support.gitrepo import GitRepo
from support.killed import Victims
from support.shop import web

SLICES = 6
"""Parts in which the requests are gone through, so that several workers can: every sixth request each."""
EVERY_SLICE = pytest.mark.parametrize("first", range(1, SLICES + 1))


@pytest.fixture
def world(
    tmp_path: Path, git_repo: Callable[..., GitRepo], control_plane: ControlPlane, namespace: str
) -> ClusterWorld:
    return ClusterWorld(tmp_path, git_repo, control_plane, namespace)


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as victims:
        yield victims


def objects(*names: str, **data: str) -> dict[str, Any]:
    return {f"k8s/{name}.yaml": body("ConfigMap", name, None, data=data) for name in names}


def job(image: str) -> dict[str, Any]:
    """One whose template cannot change: it is made anew."""
    return body(
        "Job",
        "migrate",
        None,
        api="batch/v1",
        metadata={"annotations": {"sloth-ci/on-immutable": "recreate"}},
        spec={"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}},
    )


def unwatched(world: ClusterWorld, **policy: Any) -> WorkflowSpec:
    """A workflow that asks no object how it is: what is killed here is a request that changes something."""
    return world.to_cluster(sync_policy={"health_check": {"ignore": ["*"]}, **policy})


def prepare(world: ClusterWorld) -> WorkflowSpec:
    workflow = unwatched(world)
    world.push("one", {"k8s/web.yaml": web("web:1"), "k8s/job.yaml": job("job:1"), **objects("a", "b", "c", key="1")})
    outcome = world.sync(workflow)
    assert outcome.status == "succeeded", outcome.message
    return workflow


def second(world: ClusterWorld, image: str = "web:2", attempt: int = 0) -> str:
    """Two updates, one object made anew, a create and two deletions."""
    updated = objects("a", key="2", attempt=str(attempt))
    changed = {"k8s/web.yaml": web(image), "k8s/job.yaml": job("job:2"), **updated, **objects("d")}
    return world.push("two", changed, delete=("k8s/b.yaml", "k8s/c.yaml"))


def undo(world: ClusterWorld) -> None:
    """Take the last commit back in Git."""
    world.checkout.git("revert", "--no-edit", "HEAD")
    world.checkout.git("push", "-q", "origin", "HEAD:main")


AFTER = {"Deployment/web": "web:2", "Job/migrate": "job:2", "ConfigMap/a": "2", "ConfigMap/d": None}
BEFORE = {
    "Deployment/web": "web:1",
    "Job/migrate": "job:1",
    "ConfigMap/a": "1",
    "ConfigMap/b": "1",
    "ConfigMap/c": "1",
}


def there(world: ClusterWorld) -> dict[str, str | None]:
    """What is in the namespace, each with its image or its key."""
    found = {}
    for name, item in world.spec_of_all().items():
        pods = item.get("spec", {}).get("template", {}).get("spec")
        found[name] = pods["containers"][0]["image"] if pods else (item.get("data") or {}).get("key")
    return found


def no_leak(world: ClusterWorld, workflow: WorkflowSpec) -> None:
    """A second look finds nothing to do, and every member of the set is declared."""
    plan = world.preview(workflow)
    assert plan.changes == ()
    kinds = "configmaps,secrets,services,deployments,jobs"
    members = json.loads(world.kubectl("get", kinds, "-l", "applyset.kubernetes.io/part-of", "-o", "json"))["items"]
    assert len(members) == plan.unchanged


@EVERY_SLICE
def test_a_sync_killed_at_any_request_is_finished_by_the_next(
    world: ClusterWorld, victims: Victims, first: int
) -> None:
    workflow = prepare(world)
    second(world)
    step = first
    while victims.run(world, workflow, "sync", step, requests=True).killed:
        outcome = world.sync(workflow)
        assert outcome.status in {"succeeded", "nothing"}, f"step {step}: {outcome.message}"
        assert there(world) == AFTER, f"step {step}"
        no_leak(world, workflow)
        undo(world)
        assert world.sync(workflow).status == "succeeded"
        assert there(world) == BEFORE, f"step {step}"
        undo(world)
        step += SLICES
    assert step > 20, "a sync that changes six objects takes more requests than that"


@EVERY_SLICE
def test_a_failing_sync_killed_at_any_request_ends_restored_and_reverted(
    world: ClusterWorld, victims: Victims, first: int
) -> None:
    good = prepare(world)
    workflow = unwatched(world, post_sync_hooks=["exit 1"])
    before = world.spec_of_all()
    step = first
    while True:
        bad = second(world, "web:3", step)
        if not victims.run(world, workflow, "sync", step, requests=True).killed:
            break
        outcome = world.sync(workflow)
        # "nothing": it was killed when all was done but giving the lock back.
        assert outcome.recovered or outcome.rolled_back or outcome.status == "nothing", (
            f"step {step}: {outcome.message}"
        )
        assert there(world) == BEFORE, f"step {step}"
        subject = world.log()[0]
        assert subject.startswith("Revert "), f"step {step}"
        assert bad[:10] in subject, f"step {step}"
        world.pull()
        no_leak(world, good)
        step += SLICES
    assert step > 30
    after = world.spec_of_all()
    assert {key for key in before | after if before.get(key) != after.get(key)} <= {"Job/migrate"}


@EVERY_SLICE
def test_a_rollback_killed_at_any_request_is_finished_by_the_next(
    world: ClusterWorld, victims: Victims, first: int
) -> None:
    workflow = prepare(world)
    step = first
    while True:
        second(world, attempt=step)
        assert world.sync(workflow).status == "succeeded", f"step {step}"
        if not victims.run(world, workflow, "rollback", step, requests=True).killed:
            break
        outcome = world.rollback(workflow)
        assert outcome.status in {"succeeded", "nothing"}, f"step {step}: {outcome.message}"
        assert there(world) == BEFORE, f"step {step}"
        world.pull()
        no_leak(world, workflow)
        step += SLICES
    assert step > 20
