from __future__ import annotations

from typing import Any

import pytest

from sloth_ci.core.scope import Scope, defined_by, is_namespaced


@pytest.mark.parametrize(
    ("group", "kind", "namespaced"),
    [
        ("", "Pod", True),
        ("", "Namespace", False),
        ("", "Node", False),
        ("apps", "Namespace", True),
        ("rbac.authorization.k8s.io", "ClusterRole", False),
        ("rbac.authorization.k8s.io", "Role", True),
        ("networking.k8s.io", "Ingress", True),
        ("networking.k8s.io", "IngressClass", False),
        ("constraints.gatekeeper.sh", "K8sRequiredLabels", False),
        ("unknown.io", "Cluster", True),
    ],
)
def test_scope_of_built_in_kinds(group: str, kind: str, namespaced: bool) -> None:
    assert is_namespaced(group, kind, {}) is namespaced


def test_a_definition_outweighs_the_table() -> None:
    assert is_namespaced("cert-manager.io", "ClusterIssuer", {("cert-manager.io", "ClusterIssuer"): True})
    assert not is_namespaced("x.io", "Y", {("x.io", "Y"): False})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"group": "x.io", "scope": "Cluster", "names": {"kind": "Y"}}, Scope("x.io", "Y", namespaced=False)),
        ({"group": "x.io", "scope": "Namespaced", "names": {"kind": "Y"}}, Scope("x.io", "Y", namespaced=True)),
        ({"group": "x.io", "scope": "Both", "names": {"kind": "Y"}}, None),
        ({"group": "x.io", "names": {"kind": "Y"}}, None),
        ({"group": "x.io", "scope": "Cluster", "names": []}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_a_definition_says(spec: Any, expected: Scope | None) -> None:
    assert defined_by({"kind": "CustomResourceDefinition", "spec": spec}) == expected
    assert defined_by({"kind": "Other", "spec": spec}) is None
