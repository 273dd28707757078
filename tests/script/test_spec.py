"""Every Lua block of the specification, as it stands there; `spec/` holds them by the order and the heading.

Some of them use names that the text around them takes as given: `workflow_id`, `repo_id`, `environment`. These are set
on the line before the block; nothing in a block is changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.script.outcome import TaskOutcome
from sloth_ci.script.run import Script
from support.luahost import DELETE_VOLUME, UPDATE, MemoryHost

SPEC = Path(__file__).parent / "spec"
SPEC_TEXT = os.environ.get("SLOTH_TEST_SPEC")

DECLARED = """
local given = gitops.register_repository({url = "https://github.com/company/given"})
repo_id = given
workflow_id = gitops.create_workflow({name = "given", repository = given})
"""


def block(name: str) -> str:
    """The text of the block whose heading starts so."""
    [file] = SPEC.glob(f"[0-9][0-9]_{name}*.lua")
    return file.read_text()


@pytest.mark.skipif(SPEC_TEXT is None, reason="SLOTH_TEST_SPEC names no specification")
def test_the_blocks_are_those_of_the_specification() -> None:
    text = Path(str(SPEC_TEXT)).read_text()
    blocks = re.findall(r"^```lua\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [file.read_text() for file in sorted(SPEC.glob("*.lua"))] == blocks


@pytest.mark.parametrize("file", sorted(SPEC.glob("*.lua")), ids=lambda file: file.stem)
@pytest.mark.parametrize("environment", ["production", "staging"])
def test_every_block_runs(run: Callable[..., Script], file: Path, environment: str) -> None:
    run(f"environment = {environment!r} {DECLARED}{file.read_text()}")


def test_simple_workflow(run: Callable[..., Script], host: MemoryHost) -> None:
    run(block("simple"))
    [(workflow_id, workflow)] = host.workflows.items()
    assert host.logs == [("info", f"GitOps workflow created: {workflow_id}")]
    assert workflow["auto_sync"] is True
    assert workflow["rollback_on_failure"] is True
    assert workflow["branch"] == "main"


def test_environments(run: Callable[..., Script], host: MemoryHost) -> None:
    run(block("advanced"))
    assert [workflow["name"] for workflow in host.workflows.values()] == [
        "development Environment", "staging Environment", "production Environment",
    ]  # fmt: skip
    assert [workflow["auto_sync"] for workflow in host.workflows.values()] == [True, True, False]
    assert len(host.repositories) == 3
    assert host.lines[-1].startswith("Created GitOps workflow for production: production-environment-")


@pytest.fixture
def deploy(run: Callable[..., Script]) -> Callable[..., TaskOutcome]:
    """Run the only task of a block for the workflow `given`."""

    def go(name: str, **params: str) -> TaskOutcome:
        script = run(DECLARED + block(name))
        [task] = script.tasks
        return script.run_task(task, params).tasks[task]

    return go


def test_preview_before_deployment(deploy: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    outcome = deploy("preview_changes")
    assert (outcome.status, outcome.message) == ("succeeded", "")
    assert host.synced == ["given"]
    assert host.lines[:2] == [" Deployment Summary:", "  Total changes: 1"]
    assert host.lines[-1] == " Executing deployment..."

    assert deploy("preview_changes").message == "No changes to deploy"

    host.synced.clear()
    host.conflicts = [{"type": "duplicate_resource", "resource": "Service/shop/web", "description": "declared twice"}]
    assert deploy("preview_changes").message == "Conflicts must be resolved before deployment"
    assert ("warn", "  Service/shop/web: declared twice") in host.logs

    host.conflicts, host.changes, host.warnings = [], [UPDATE, DELETE_VOLUME], ["namespace of web is not declared"]
    assert deploy("preview_changes").status == "succeeded"
    assert ("info", "Proceed with 1 high-impact changes? (y/N)") in host.logs
    assert ("warn", "  namespace of web is not declared") in host.logs
    host.synced.clear()
    host.answer = ""
    outcome = deploy("preview_changes")
    assert (outcome.status, outcome.message) == ("failed", "Deployment cancelled by user")

    host.answer, host.failing = "y", {"given"}
    outcome = deploy("preview_changes")
    assert (outcome.status, outcome.message) == ("failed", "given is not healthy")


def test_automatic_synchronization(run: Callable[..., Script], host: MemoryHost) -> None:
    run(block("automatic_synchronization"))
    assert host.auto_sync == ["start"]
    assert [workflow["sync_interval"] for workflow in host.workflows.values()] == ["5m"]


def test_manual_synchronization(deploy: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    assert deploy("manual_synchronization").message == "Production deployed successfully"
    host.synced.clear()
    host.changes = [DELETE_VOLUME]
    assert deploy("manual_synchronization").message == "Breaking changes detected - manual review required"
    host.changes, host.failing = [UPDATE], {"given"}
    assert deploy("manual_synchronization").message == "Deployment failed"


def test_automatic_rollback(deploy: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    assert deploy("automatic_rollback").message == "Deployment successful"
    host.failing = {"given"}
    assert deploy("automatic_rollback").message == "Deployment failed but rollback successful"
    assert host.rolled_back == [("given", "Deployment failed", None)]
    host.failing.add("given rollback")
    assert deploy("automatic_rollback").message == "Deployment and rollback both failed"


def test_manual_rollback(deploy: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    assert deploy("manual_rollback", reason="we said so").message == "Manual rollback completed"
    assert deploy("manual_rollback").status == "succeeded"
    assert host.rolled_back == [("given", "we said so", None), ("given", "Manual rollback requested", None)]
    host.failing = {"given rollback"}
    assert deploy("manual_rollback").message == "Manual rollback failed"


def test_kubernetes(run: Callable[..., Script], host: MemoryHost) -> None:
    host.changes = [UPDATE, {**DELETE_VOLUME, "resource": "Namespace/shop"}]
    outcome = run(block("native_kubernetes")).run_task("kubernetes_gitops")
    assert outcome.success
    assert ("warn", "  Deleting namespace: Namespace/shop") in host.logs
    [workflow] = host.workflows.values()
    assert workflow["target_path"] == "manifests/production"
    assert host.synced == ["k8s-manifests"]


def test_reference(run: Callable[..., Script], host: MemoryHost) -> None:
    run(DECLARED + block("sync_operations") + block("diff_and_preview") + block("rollback_operations"))
    assert host.synced == ["given"]
    assert host.rolled_back == [("given", "Reason for rollback", None)]
    run(block("auto_sync_control"))
    assert host.auto_sync == ["start", "stop"]
    run(block("repository_management") + block("workflow_management"))
    assert host.workflows[[*host.workflows][-1]]["target_path"] == "k8s/production"


def test_repositories_in_sequence(run: Callable[..., Script], host: MemoryHost) -> None:
    run(block("multi_repository"))
    assert host.synced == ["database-config", "backend-config", "frontend-config"]


def test_sync_policy(run: Callable[..., Script], host: MemoryHost) -> None:
    run(DECLARED + block("custom_sync_policies"))
    assert [*host.workflows.values()][-1]["sync_policy"] == {
        "auto_prune": True,
        "retry": {"limit": 5, "backoff": "exponential"},
        "health_check": {"enabled": True, "timeout": "10m"},
    }
