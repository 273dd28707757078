"""The examples, the strategies and the workflow of a repository that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloth_ci import assets
from sloth_ci.core.errors import UsageError
from sloth_ci.script.run import Script, load
from support.luahost import DELETE_VOLUME, UPDATE, MemoryHost

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(host: MemoryHost) -> Iterator[Callable[..., Script]]:
    loaded: list[Script] = []

    def go(name: str, **more: object) -> Script:
        loaded.append(load(EXAMPLES / f"{name}.lua", host, **more))  # type: ignore[arg-type]  # handed on
        return loaded[-1]

    yield go
    for script in loaded:
        script.close()


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.lua")), ids=lambda file: file.stem)
def test_every_example_loads_and_runs(host: MemoryHost, file: Path) -> None:
    with load(file, host, params={"wait": "0s"}) as script:
        outcomes = script.run_definitions()
    assert outcomes
    assert all(outcome.success for outcome in outcomes)
    assert host.workflows


def test_multi_environment(example: Callable[..., Script], host: MemoryHost) -> None:
    host.failing = {"staging"}
    [outcome] = example("multi_environment", values={"repositories": "/srv/git"}).run_definitions()
    assert [task.status for task in outcome.tasks.values()] == ["succeeded", "failed", "not_run"]
    assert host.synced == ["development"]
    assert host.lines[-2:] == ["development: done, 1 changes", "staging: failed, 1 changes"]
    assert {table["url"] for table in host.repositories.values()} >= {"/srv/git/k8s-dev", "/srv/git/k8s-prod"}
    host.changes = [{**DELETE_VOLUME}]
    host.synced.clear()
    outcome = example("multi_environment").run_task("production")
    assert outcome.tasks["development"].message == "PersistentVolumeClaim/shop/data (delete) cannot be undone"


def test_kubernetes(example: Callable[..., Script], host: MemoryHost) -> None:
    host.changes = [UPDATE, DELETE_VOLUME]
    outcome = example("kubernetes").run_task("deploy")
    assert outcome.tasks["check"].message == "would delete PersistentVolumeClaim/shop/data"
    outcome = example("kubernetes", params={"allow_deletes": "yes"}).run_task("deploy")
    assert outcome.tasks["deploy"].message == "synced 2 objects"
    outcome = example("kubernetes").run_task("deploy")
    assert [task.status for task in outcome.tasks.values()] == ["succeeded", "skipped"]


def test_cluster(example: Callable[..., Script], host: MemoryHost) -> None:
    host.drift = [
        {"resource": "ConfigMap/shop/web", "path": "data.a", "manager": "kubectl-edit", "outcome": "overwritten"},
        {"resource": "Deployment/shop/web", "path": "spec.replicas", "manager": "autoscaler", "outcome": "left"},
    ]
    outcome = example("cluster").run_task("production")
    assert outcome.tasks["production"].message == "changed by hand: ConfigMap/shop/web data.a (kubectl-edit)"
    assert host.synced == ["shop-staging"]
    outcome = example("cluster", params={"overwrite": "yes"}).run_task("production")
    assert outcome.success


def test_blue_green(example: Callable[..., Script], host: MemoryHost) -> None:
    outcome = example("blue_green", params={"live": "green"}, values={"check": "exit 0"}).run_task("release")
    assert outcome.tasks["release"].message == "the traffic is on blue"
    assert host.synced == ["blue", "traffic"]
    host.synced.clear()
    outcome = example("blue_green", values={"check": "echo down >&2; exit 1"}).run_task("release")
    assert outcome.tasks["release"].message == "idle colour: idle colour does not answer: down\n"
    assert [name for name, _, _ in host.rolled_back] == ["green"]


def test_canary(example: Callable[..., Script], host: MemoryHost) -> None:
    assert example("canary", params={"wait": "0s"}).run_task("release").success
    assert host.synced == ["canary-10", "canary-50", "stable"]
    host.failing = {"stable"}
    outcome = example("canary", params={"wait": "1ms"}).run_task("release")
    assert outcome.tasks["release"].message == "stable: stable is not healthy"
    assert [name for name, _, _ in host.rolled_back] == ["canary-50", "canary-10"]
    assert host.logs[-1] == ("error", "the release is off: stable: stable is not healthy")


def test_disaster_recovery(example: Callable[..., Script], host: MemoryHost) -> None:
    script = example("disaster_recovery")
    [outcome] = script.run_definitions()
    assert outcome.tasks["drill"].output == {"success": True, "message": "status: active", "differs": True}
    assert script.run_task("restore", {"to": "abc123"}).success
    assert host.rolled_back == [("primary", "disaster recovery", "abc123")]
    assert script.run_task("rebuild").success
    assert host.synced == ["standby"]
    assert [task.name for task in script.list()] == ["drill", "restore", "rebuild"]


def test_the_default_workflow(host: MemoryHost) -> None:
    file = assets.lua_dir() / "default.lua"
    load(file, host).close()
    load(file, host, values={"repository": "/srv/x", "name": "x"}, params={"target_path": "k8s"}).close()
    first, second = host.workflows.values()
    assert first == {
        "name": "default", "repo": ".", "repository": ".", "auto_sync": False, "diff_preview": True, "rollback_on_failure": True,
    }  # fmt: skip
    assert (second["name"], second["repo"], second["target_path"]) == ("x", "/srv/x", "k8s")


STAGES = """
local strategies = require("strategies")
local function w(name) return gitops.workflow({name = name, repo = "x"}) end
"""


def test_progressive(run: Callable[..., Script], host: MemoryHost) -> None:
    run(STAGES + """
        print(strategies.progressive({
            verify = function(stage) return stage.name ~= "b", "too slow" end, wait = "1ms",
            stages = {{name = "a", workflow = w("a")}, {name = "b", workflow = w("b").workflow_id}, {workflow = w("c")}},
        }))
        print(strategies.progressive({rollback = false, stages = {{workflow = w("a"), verify = function() error("x", 0) end}}}))
        print(strategies.progressive({stages = {{workflow = w("a"), verify = function() return true end}}}))
    """)  # fmt: skip
    assert host.rolled_back == [("b", "b: too slow", None), ("a", "b: too slow", None)]
    assert [line for line in host.lines if line.startswith(("true", "false"))] == [
        "false\tb: too slow", "false\tstage 1: x", "true",
    ]  # fmt: skip


def test_a_rollback_that_fails_is_told(run: Callable[..., Script], host: MemoryHost) -> None:
    host.failing = {"b", "a rollback"}
    run(
        STAGES
        + "print(strategies.progressive({stages = {{name = 'a', workflow = w('a')}, {name = 'b', workflow = w('b')}}}))"
    )
    assert host.lines[-1] == "false\tb: b is not healthy; a could not be rolled back: no backup"


def test_a_rehearsal_verifies_nothing(run: Callable[..., Script], host: MemoryHost) -> None:
    host.rehearsal = True
    run(
        STAGES
        + "print(strategies.canary({canary = w('a'), stable = w('b'), wait = '1h', verify = function() error('no') end}))"
    )
    assert host.lines[-1] == "true"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("progressive()", "sloth.lua:4: strategies.progressive: expected a table, got nil"),
        ("progressive({})", "sloth.lua:4: strategies.progressive: 'stages' is a list"),
        ("progressive({stages = {{}}})", "sloth.lua:4: strategies.progressive: stage 1 has no workflow"),
        ("progressive({stages = {{workflow = 'x', verify = 5}}})", "'verify' is a function, got number"),
        ("progressive({steps = {}})", "unknown key 'steps'"),
        ("canary({canary = 'x'})", "sloth.lua:4: strategies.canary: give 'canary' and 'stable'"),
        ("blue_green({idle = 'x'})", "sloth.lua:4: strategies.blue_green: give 'idle' and 'switch'"),
    ],
)
def test_strategies_check_their_tables(run: Callable[..., Script], call: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(f"{STAGES}strategies.{call}")
    assert message in caught.value.message
