"""The impact table, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from sloth_ci.core.impact import assess, privileges
from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import ChangeType, FieldChange, Impact

HIGH, MEDIUM, LOW, CRITICAL = Impact.HIGH, Impact.MEDIUM, Impact.LOW, Impact.CRITICAL


@pytest.mark.parametrize(
    ("kind", "path", "before", "after", "impact", "reason"),
    [
        ("ClusterRole", "rules[0].verbs[1]", UNSET, "delete", HIGH, "grants more rights"),
        ("ClusterRole", "rules[0].verbs[1]", "delete", UNSET, MEDIUM, "grants fewer rights"),
        ("RoleBinding", "subjects[kind=User,name=eve]", UNSET, {}, HIGH, "grants more rights"),
        ("Service", "spec.selector.app", "a", "b", HIGH, "traffic goes to other pods"),
        ("Deployment", "spec.replicas", 3, 0, HIGH, "scaled to zero"),
        ("Deployment", "spec.replicas", 3, 5, MEDIUM, "another number of pods"),
        ("Deployment", "spec.template.spec.containers[name=a].image", "a:1", "a:2", MEDIUM, "another image"),
        ("Deployment", "metadata.labels.x", "1", "2", LOW, "labels or annotations"),
        ("CronJob", "spec.suspend", False, True, HIGH, "suspended"),
        ("ValidatingWebhookConfiguration", "webhooks[name=x].failurePolicy", "Ignore", "Fail", HIGH, "every matching"),
        ("CustomResourceDefinition", "spec.versions[name=v1beta1]", {}, UNSET, HIGH, "a served version"),
        ("CustomResourceDefinition", "spec.versions[name=v1].schema.x", 1, 2, MEDIUM, "the schema of an API"),
        ("DaemonSet", "spec.template.spec.hostNetwork", UNSET, True, HIGH, "runs with more privileges"),
        ("ConfigMap", "data.x", "1", "2", LOW, "configuration"),
    ],
)
def test_updates(kind: str, path: str, before: Any, after: Any, impact: Impact, reason: str) -> None:
    found, reasons, _ = assess("update", Ref("", kind, "ns", "n"), [FieldChange(path, before, after)])
    assert found is impact
    assert reasons[0].startswith(reason)


@pytest.mark.parametrize(
    ("change", "kind", "impact", "reversible"),
    [
        ("delete", "PersistentVolumeClaim", CRITICAL, "no"),
        ("delete", "Namespace", CRITICAL, "no"),
        ("delete", "CustomResourceDefinition", CRITICAL, "no"),
        ("delete", "StatefulSet", CRITICAL, "partial"),
        ("delete", "Secret", CRITICAL, "yes"),
        ("delete", "Deployment", HIGH, "yes"),
        ("delete", "ConfigMap", MEDIUM, "yes"),
        ("recreate", "Job", HIGH, "partial"),
        ("create", "ConfigMap", LOW, "yes"),
        ("create", "ClusterRoleBinding", HIGH, "yes"),
    ],
)
def test_the_rest(change: ChangeType, kind: str, impact: Impact, reversible: str) -> None:
    found, reasons, undo = assess(change, Ref("", kind, "", "n"), [])
    assert (found, undo) == (impact, reversible)
    assert reasons


def test_a_label_beside_an_image_is_not_a_reason() -> None:
    fields = [
        FieldChange("metadata.labels.v", "1", "2"),
        FieldChange("spec.template.spec.containers[name=a].image", "1", "2"),
    ]
    assert assess("update", Ref("apps", "Deployment", "ns", "n"), fields)[1] == ("another image",)


def test_a_crd_that_describes_a_host_path_mounts_none() -> None:
    spec = {"schema": {"properties": {"hostPath": {"type": "object"}}}}
    assert not privileges({"kind": "CustomResourceDefinition", "spec": spec})
    volumes = [{"name": "v", "hostPath": {"path": "/"}}]
    assert privileges({"kind": "Pod", "spec": {"volumes": volumes}}) == ["mounts a path of the node"]
