"""What a person reads of a cluster: is it true, is it short, does it name the way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError
from sloth_ci.engine.doctor import workflow_findings
from sloth_ci.engine.drift import NeverSynced, drift_of_all
from support.canary import WatchedWorld
from support.shop import config, push, web


def slow(name: str) -> dict[str, Any]:
    """A Deployment whose pod is not ready for longer than any test takes."""
    return web("web:1", name, **{"sloth-test/ready-after": "300s"})


CHART = {
    "k8s/Chart.yaml": {"apiVersion": "v2", "name": "c", "version": "1.0.0"},
    "k8s/templates/c.yaml": config("kept", a="1"),
    "k8s/templates/h.yaml": config("hooked", a="1"),
}


def late(name: str) -> dict[str, Any]:
    made = config(name, a="1")
    made["metadata"]["annotations"] = {"argocd.argoproj.io/sync-wave": "1"}
    return made


@pytest.mark.parametrize(
    "check",
    [{"ignore": ["Deployment/*/stuck"]}, {"enabled": False}, {"failure_mode": "ignore", "timeout": "2s"}],
    ids=["ignored", "no check", "any health will do"],
)
def test_a_wave_waits_for_nothing_that_is_not_to_be_waited_for(watched: WatchedWorld, check: dict[str, Any]) -> None:
    workflow = watched.to_cluster(sync_policy={"health_check": {"timeout": "10s", **check}})
    push(watched, slow("stuck"), late("late"))
    outcome = watched.sync(workflow)
    assert outcome.status == "succeeded", outcome.message
    assert watched.get("configmap/late")


def test_what_is_not_healthy_is_named_in_the_first_line_and_the_way_out_is_told(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster(rollback_on_failure=True, sync_policy={"health_check": {"timeout": "2s"}})
    push(watched, slow("stuck"), slow("more"), late("late"))
    first = watched.sync(workflow).message.partition("\n")[0]
    prefix = f"Deployment/{watched.namespace}"
    assert first.startswith(f"2 of 2 objects are not healthy after 2 s: {prefix}/more, {prefix}/stuck; ")
    assert "sync_policy.health_check.timeout gives it longer, and .ignore leaves it out" in watched.listener.text()
    held = [warning for warning in watched.preview(workflow).warnings if "is held" in warning]
    assert held
    assert "\n" not in held[0]
    assert held[0].endswith(f"{prefix}/stuck")


def test_hooks_of_a_chart_are_hooks_and_nothing_else_is_said_of_them(
    watched: WatchedWorld, helm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{helm.parent}{os.pathsep}{os.environ['PATH']}")
    hook = CHART["k8s/templates/h.yaml"]
    hook = {**hook, "metadata": {**hook["metadata"], "annotations": {"helm.sh/hook": "pre-install,pre-upgrade"}}}
    watched.push("a chart", {**CHART, "k8s/templates/h.yaml": hook})
    plan = watched.preview(watched.to_cluster())
    assert [(one.phase, one.ref.name) for one in plan.hooks] == [("PreSync", "hooked")]
    assert [change.ref.name for change in plan.changes] == ["kept"]
    assert plan.warnings == ()


def test_doctor_names_every_missing_right_though_the_state_cannot_be_read(watched: WatchedWorld) -> None:
    push(watched, web("web:1"))
    nobody = watched.plane.kubeconfig(user="nobody", namespace=watched.namespace)
    workflow = watched.to_cluster(destination={"kubeconfig": str(nobody)})
    with watched.opened() as session:
        found = list(workflow_findings(session, workflow))
    missing = [finding.detail for finding in found if finding.name == "shop: rights" and not finding.ok]
    assert f"may not create secrets in {watched.namespace}: writes the inventory and backups" in missing
    assert f"may not patch deployments.apps in {watched.namespace}: applies, and rehearses" in missing


def test_doctor_says_that_a_namespace_is_not_there(watched: WatchedWorld) -> None:
    push(watched, web("web:1"))
    gone = f"{watched.namespace}-gone"
    workflow = watched.to_cluster(destination={"namespace": gone, "state_namespace": watched.namespace})
    with watched.opened() as session:
        (found,) = (one for one in workflow_findings(session, workflow) if one.name == "shop: namespace")
    assert (found.ok, found.needed, found.detail) == (False, False, f"{gone} does not exist")
    assert f"kubectl create namespace {gone}" in found.mend


def test_drift_of_several_goes_on_past_one_that_was_never_synced(watched: WatchedWorld) -> None:
    push(watched, config("a", key="1"))
    synced = watched.to_cluster()
    watched.sync(synced)
    never = watched.to_cluster(name="other", environment="staging", destination={"state_namespace": watched.namespace})
    with watched.opened() as session:
        assert [plan.name for plan in drift_of_all(session, [never, synced])] == ["shop"]
        assert "other was never synced" in watched.listener.text()
        with pytest.raises(NeverSynced, match="other was never synced"):
            drift_of_all(session, [never])


def test_a_rollback_that_somebody_stands_in_the_way_of_is_refused_before_it_begins(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, config("a", key="1"))
    watched.sync(workflow)
    push(watched, config("a", key="2"))
    watched.sync(workflow)
    watched.kubectl("patch", "configmap", "a", "--field-manager=alice", "-p", '{"data":{"key":"hand"}}')
    with pytest.raises(ConflictError, match="cannot be rolled back to") as told:
        watched.rollback(workflow)
    assert 'managers = { ["alice"] = "force" }' in (told.value.hint or "")
    assert watched.status(workflow)["status"] == "synced"
    forced = watched.to_cluster(conflicts={"managers": {"alice": "force"}})
    assert watched.rollback(forced).status == "succeeded"
    assert watched.get("configmap/a")["data"] == {"key": "1"}
