"""kill -9 around every request of a sync and of a rollback that changes the cluster: the next run ends in the right state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sloth_ci.core.workflow import WorkflowSpec
from support import killed
from support.bodies import body, deployment
from support.cluster import ControlPlane
from support.clusterworld import ClusterWorld
from support.gitrepo import GitRepo


@pytest.fixture
def world(
    tmp_path: Path, git_repo: Callable[..., GitRepo], control_plane: ControlPlane, namespace: str
) -> ClusterWorld:
    return ClusterWorld(tmp_path, git_repo, control_plane, namespace)


def run(world: ClusterWorld, workflow: WorkflowSpec, action: str, step: int) -> subprocess.CompletedProcess[str]:
    settings = {
        "root": str(world.root),
        "cache": str(world.folder / "cache"),
        "table": msgspec.to_builtins(workflow, enc_hook=float),
        "action": action,
        "step": step,
        "requests": True,
    }
    file = world.folder / "settings.json"
    file.write_text(json.dumps(settings))
    return subprocess.run(
        [sys.executable, killed.__file__, str(file)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def objects(*names: str, **data: str) -> dict[str, Any]:
    return {f"k8s/{name}.yaml": body("ConfigMap", name, None, data=data) for name in names}


def web(image: str) -> dict[str, Any]:
    made = deployment(image=image, replicas=1)
    del made["metadata"]["namespace"]
    return made


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


def prepare(world: ClusterWorld, **policy: Any) -> WorkflowSpec:
    workflow = world.to_cluster(sync_policy=policy)
    world.push("one", {"k8s/web.yaml": web("web:1"), "k8s/job.yaml": job("job:1"), **objects("a", "b", "c", key="1")})
    outcome = world.sync(workflow)
    assert outcome.status == "succeeded", outcome.message
    return workflow


def second(world: ClusterWorld, image: str = "web:2", attempt: int = 0) -> str:
    """Two updates, one object made anew, a create and two deletions."""
    updated = objects("a", key="2", attempt=str(attempt))
    changed = {"k8s/web.yaml": web(image), "k8s/job.yaml": job("job:2"), **updated, **objects("d")}
    return world.push("two", changed, delete=("k8s/b.yaml", "k8s/c.yaml"))


AFTER = {"Deployment/web", "Job/migrate", "ConfigMap/a", "ConfigMap/d"}
BEFORE = {"Deployment/web", "Job/migrate", "ConfigMap/a", "ConfigMap/b", "ConfigMap/c"}


def images(world: ClusterWorld) -> list[str]:
    found = [world.get(what) for what in ("deployment/web", "job/migrate")]
    return [item["spec"]["template"]["spec"]["containers"][0]["image"] for item in found]


def no_leak(world: ClusterWorld, workflow: WorkflowSpec) -> None:
    """A second look finds nothing to do, and every member of the set is declared."""
    plan = world.preview(workflow)
    assert plan.changes == ()
    kinds = "configmaps,secrets,services,deployments,jobs"
    members = json.loads(world.kubectl("get", kinds, "-l", "applyset.kubernetes.io/part-of", "-o", "json"))["items"]
    assert len(members) == plan.unchanged


def steps(world: ClusterWorld, workflow: WorkflowSpec, action: str) -> int:
    done = run(world, workflow, action, 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.timeout(600)
def test_a_sync_killed_at_any_request_is_finished_by_the_next(world: ClusterWorld) -> None:
    workflow = prepare(world)
    second(world)
    step = 0
    while True:
        step += 1
        done = run(world, workflow, "sync", step)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, f"step {step}: {done.stderr}"
        outcome = world.sync(workflow)
        assert outcome.status in {"succeeded", "nothing"}, f"step {step}: {outcome.message}"
        assert (world.objects(), images(world)) == (AFTER, ["web:2", "job:2"]), f"step {step}"
        no_leak(world, workflow)
        world.checkout.git("revert", "--no-edit", "HEAD")
        world.checkout.git("push", "-q", "origin", "HEAD:main")
        assert world.sync(workflow).status == "succeeded"
        assert (world.objects(), images(world)) == (BEFORE, ["web:1", "job:1"]), f"step {step}"
        world.checkout.git("revert", "--no-edit", "HEAD")
        world.checkout.git("push", "-q", "origin", "HEAD:main")
    assert step > 20, "a sync that changes six objects takes more requests than that"


@pytest.mark.timeout(600)
def test_a_failing_sync_killed_at_any_request_ends_restored_and_reverted(world: ClusterWorld) -> None:
    check = {"health_check": {"command": "exit 1", "timeout": "100ms", "interval": "50ms", "ignore": ["*"]}}
    good = prepare(world)
    workflow = world.to_cluster(sync_policy=check)
    before = world.spec_of_all()
    step = 0
    while True:
        step += 1
        bad = second(world, "web:3", step)
        done = run(world, workflow, "sync", step)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, f"step {step}: {done.stderr}"
        outcome = world.sync(workflow)
        # "nothing": it was killed when all was done but giving the lock back.
        assert outcome.recovered or outcome.rolled_back or outcome.status == "nothing", (
            f"step {step}: {outcome.message}"
        )
        assert (world.objects(), images(world)) == (BEFORE, ["web:1", "job:1"]), f"step {step}"
        subject = world.log()[0]
        assert subject.startswith("Revert "), f"step {step}"
        assert bad[:10] in subject, f"step {step}"
        world.pull()
        no_leak(world, good)
    assert step > 30
    assert world.objects() == BEFORE
    assert {key for key in before if before[key] != world.spec_of_all()[key]} <= {"Job/migrate"}


@pytest.mark.timeout(600)
def test_a_rollback_killed_at_any_request_is_finished_by_the_next(world: ClusterWorld) -> None:
    workflow = prepare(world)
    step = 0
    while True:
        step += 1
        second(world, attempt=step)
        assert world.sync(workflow).status == "succeeded", f"step {step}"
        done = run(world, workflow, "rollback", step)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, f"step {step}: {done.stderr}"
        outcome = world.rollback(workflow)
        assert outcome.status in {"succeeded", "nothing"}, f"step {step}: {outcome.message}"
        assert (world.objects(), images(world)) == (BEFORE, ["web:1", "job:1"]), f"step {step}"
        world.pull()
        no_leak(world, workflow)
    assert step > 20
