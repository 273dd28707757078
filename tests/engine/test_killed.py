"""kill -9 at every step of a sync and of a rollback: the next run ends in the right state, and says what it mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from sloth_ci.core.workflow import WorkflowSpec
from support import killed
from support.bodies import deployment
from support.world import World, configmap, failing_check


def run(world: World, workflow: WorkflowSpec, action: str, step: int) -> subprocess.CompletedProcess[str]:
    settings = {
        "root": str(world.root),
        "cache": str(world.folder / "cache"),
        "table": msgspec.to_builtins(workflow, enc_hook=float),
        "action": action,
        "step": step,
    }
    file = world.folder / "settings.json"
    file.write_text(json.dumps(settings))
    path = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, killed.__file__, str(file)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def prepare(world: World, policy: dict[str, Any]) -> WorkflowSpec:
    workflow = world.workflow(sync_policy=policy)
    world.push("one", {"k8s/a.yaml": configmap("a"), "k8s/b.yaml": configmap("b"), "k8s/c.yaml": configmap("c")})
    assert world.sync(workflow).status == "succeeded"
    return workflow


def second(world: World, image: str) -> str:
    """An update, a create and two deletions."""
    return world.push(
        "two",
        {"k8s/web.yaml": deployment(image=image), "k8s/d.yaml": configmap("d")},
        delete=("k8s/b.yaml", "k8s/c.yaml"),
    )


def steps(world: World, workflow: WorkflowSpec, action: str) -> int:
    done = run(world, workflow, action, 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def wanted_of(world: World, workflow: WorkflowSpec) -> None:
    assert world.preview(workflow).changes == ()
    assert not any(".sloth-partial" in name for name in world.live())


@pytest.mark.parametrize("step", range(1, 12))
def test_a_sync_killed_at_any_step_is_finished_by_the_next(world: World, step: int) -> None:
    workflow = prepare(world, {})
    second(world, "web:2")
    done = run(world, workflow, "sync", step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    outcome = world.sync(workflow)
    assert outcome.status in {"succeeded", "nothing"}
    if outcome.status == "succeeded":
        assert "was interrupted while applying" in (outcome.recovered or "")
    assert sorted(world.live()) == [
        "shop/configmap-a.yaml",
        "shop/configmap-d.yaml",
        "shop/deployment.apps-web.yaml",
    ]
    wanted_of(world, workflow)


@pytest.mark.parametrize("step", range(1, 11))
def test_a_failing_sync_killed_at_any_step_ends_restored_and_reverted(world: World, step: int) -> None:
    workflow = prepare(world, failing_check(world))
    before = world.live()
    bad = second(world, "broken")
    done = run(world, workflow, "sync", step)
    assert done.returncode == -signal.SIGKILL, done.stderr or done.stdout
    outcome = world.sync(workflow)
    assert outcome.recovered or outcome.rolled_back
    assert world.live() == before
    assert world.log()[0].startswith(f"Revert {bad[:10]}")
    world.pull()
    assert world.checkout.files() == [".gitignore", "k8s/a.yaml", "k8s/b.yaml", "k8s/c.yaml", "k8s/web.yaml"]
    assert world.sync(workflow).status == "nothing"
    assert sum("Revert" in subject for subject in world.log()) == 1


@pytest.mark.parametrize("step", range(1, 13))
def test_a_rollback_killed_at_any_step_is_finished_by_the_next(world: World, step: int) -> None:
    workflow = prepare(world, {})
    before = world.live()
    second(world, "web:2")
    world.sync(workflow)
    done = run(world, workflow, "rollback", step)
    assert done.returncode == -signal.SIGKILL, done.stderr or done.stdout
    world.rollback(workflow)
    assert world.live() == before
    assert sum("Revert" in subject for subject in world.log()) == 1
    wanted_of(world, workflow)


def test_the_ranges_above_cover_every_step(world: World) -> None:
    workflow = prepare(world, {})
    second(world, "web:2")
    assert steps(world, workflow, "sync") == 11
    assert steps(world, workflow, "rollback") == 12
    failing = world.workflow(sync_policy=failing_check(world))
    world.pull()
    second(world, "broken")
    assert steps(world, failing, "sync") == 10


def test_a_rollback_killed_half_way_is_finished_by_a_sync_too(world: World) -> None:
    workflow = prepare(world, {})
    before = world.live()
    second(world, "web:2")
    world.sync(workflow)
    assert run(world, workflow, "rollback", 4).returncode == -signal.SIGKILL
    outcome = world.sync(workflow)
    assert "the rollback is finished" in (outcome.recovered or "")
    assert world.live() == before
