"""kill -9 at every step of a sync and of a rollback: the next run ends in the right state, and says what it mended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sloth_ci.core.workflow import WorkflowSpec
from support.bodies import deployment
from support.killed import Victims
from support.world import World, configmap, failing_check


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as victims:
        yield victims


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


def wanted_of(world: World, workflow: WorkflowSpec) -> None:
    assert world.preview(workflow).changes == ()
    assert not any(".sloth-partial" in name for name in world.live())


@pytest.mark.parametrize("step", range(1, 12))
def test_a_sync_killed_at_any_step_is_finished_by_the_next(world: World, victims: Victims, step: int) -> None:
    workflow = prepare(world, {})
    second(world, "web:2")
    assert victims.run(world, workflow, "sync", step).killed
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
def test_a_failing_sync_killed_at_any_step_ends_restored_and_reverted(
    world: World, victims: Victims, step: int
) -> None:
    workflow = prepare(world, failing_check(world))
    before = world.live()
    bad = second(world, "broken")
    assert victims.run(world, workflow, "sync", step).killed
    outcome = world.sync(workflow)
    assert outcome.recovered or outcome.rolled_back
    assert world.live() == before
    assert world.log()[0].startswith(f"Revert {bad[:10]}")
    world.pull()
    assert world.checkout.files() == [".gitignore", "k8s/a.yaml", "k8s/b.yaml", "k8s/c.yaml", "k8s/web.yaml"]
    assert world.sync(workflow).status == "nothing"
    assert sum("Revert" in subject for subject in world.log()) == 1


@pytest.mark.parametrize("step", range(1, 13))
def test_a_rollback_killed_at_any_step_is_finished_by_the_next(world: World, victims: Victims, step: int) -> None:
    workflow = prepare(world, {})
    before = world.live()
    second(world, "web:2")
    world.sync(workflow)
    assert victims.run(world, workflow, "rollback", step).killed
    world.rollback(workflow)
    assert world.live() == before
    assert sum("Revert" in subject for subject in world.log()) == 1
    wanted_of(world, workflow)


def test_the_ranges_above_cover_every_step(world: World, victims: Victims) -> None:
    workflow = prepare(world, {})
    second(world, "web:2")
    assert victims.run(world, workflow, "sync", 0).passed == 11
    assert victims.run(world, workflow, "rollback", 0).passed == 12
    failing = world.workflow(sync_policy=failing_check(world))
    world.pull()
    second(world, "broken")
    assert victims.run(world, failing, "sync", 0).passed == 10


def test_a_rollback_killed_half_way_is_finished_by_a_sync_too(world: World, victims: Victims) -> None:
    workflow = prepare(world, {})
    before = world.live()
    second(world, "web:2")
    world.sync(workflow)
    assert victims.run(world, workflow, "rollback", 4).killed
    outcome = world.sync(workflow)
    assert "the rollback is finished" in (outcome.recovered or "")
    assert world.live() == before
