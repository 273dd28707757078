"""A workflow's objects are an ApplySet that kubectl knows: kubectl is the judge of the format."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.ledger import Ledger
from sloth_ci.core.objects import Ref
from sloth_ci.destinations.kubernetes.applyset import (
    GROUP_KINDS,
    ID,
    NAMESPACES,
    PART_OF,
    TOOLING,
    applyset_id,
    hints,
    parent_name,
    tool_of,
    workflow_of,
)
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.state import KubernetesHome
from support.cluster import ControlPlane
from support.waiting import until

HINTS = (GROUP_KINDS, NAMESPACES)


class Kubectl:
    """kubectl with its ApplySets switched on."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str) -> None:
        self._command = (str(program), f"--kubeconfig={kubeconfig}")
        self._namespace = f"--namespace={namespace}"

    def __call__(self, *arguments: str, objects: object = None, fails: bool = False) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            input=None if objects is None else json.dumps(objects),
            env={**os.environ, "KUBECTL_APPLYSET": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def apply(self, parent: str, *objects: dict[str, Any], fails: bool = False) -> str:
        """`parent`: `secret/NAME` in the namespace, or `KIND.GROUP/NAME` of a kind without one."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        where = [self._namespace] if parent.startswith("secret/") else []
        return self("apply", *where, "--prune", f"--applyset={parent}", "-f", "-", objects=listed, fails=fails)


@pytest.fixture
def kubectl_in(kubectl: Path, control_plane: ControlPlane, namespace: str) -> Kubectl:
    return Kubectl(kubectl, control_plane.kubeconfig(), namespace)


def configmap(name: str, namespace: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def role(kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": []}


def ref_of(body: dict[str, Any]) -> Ref:
    metadata = body["metadata"]
    return Ref(body["apiVersion"].rpartition("/")[0], body["kind"], metadata.get("namespace", ""), metadata["name"])


def parent_of(cluster: Cluster, name: str) -> dict[str, Any]:
    parent: dict[str, Any] = cluster.client.json("GET", f"/api/v1/namespaces/{cluster.namespace}/secrets/{name}")
    metadata: dict[str, Any] = parent["metadata"]
    return metadata


@pytest.fixture
def parent_kind(cluster: Cluster) -> Iterator[str]:
    """The group of a kind `Shelf` without namespaces that may be a parent: only its sets span namespaces in kubectl."""
    group = f"{cluster.namespace}.example.com"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object"}}
    crd = {
        "metadata": {"name": f"shelves.{group}", "labels": {"applyset.kubernetes.io/is-parent-type": "true"}},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": "shelves", "kind": "Shelf"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    cluster.client.json("POST", crds, body=crd)
    until(lambda: is_served(cluster, f"/apis/{group}/v1/shelves"), what=f"shelves.{group}")
    yield group
    cluster.client.call("DELETE", f"{crds}/shelves.{group}")


def is_served(cluster: Cluster, path: str) -> bool:
    try:
        cluster.client.call("GET", path)
    except ApiFault as fault:
        return fault.code != 404
    return True


def test_id_and_hints_over_namespaces_are_those_that_kubectl_writes(
    kubectl_in: Kubectl, cluster: Cluster, parent_kind: str
) -> None:
    here, other = cluster.namespace, f"{cluster.namespace}-other"
    members = [configmap("b", here), configmap("a", other), role("Role", "r", here), role("ClusterRole", here, "")]
    metadata = {
        "name": "theirs",
        "labels": {ID: applyset_id("theirs", "", "Shelf", parent_kind)},  # kubectl refuses a wrong one
        "annotations": {TOOLING: "kubectl/v1", GROUP_KINDS: ""},
    }
    parent = {"apiVersion": f"{parent_kind}/v1", "kind": "Shelf", "metadata": metadata}
    cluster.client.json("POST", f"/apis/{parent_kind}/v1/shelves", body=parent)
    kubectl_in("create", "namespace", other)
    try:
        kubectl_in.apply(f"shelves.{parent_kind}/theirs", *members)
    finally:
        kubectl_in("delete", "clusterrole", here, "--ignore-not-found")
        kubectl_in("delete", "namespace", other, "--wait=false")
    theirs = cluster.client.json("GET", f"/apis/{parent_kind}/v1/shelves/theirs")["metadata"]
    ours = hints([ref_of(member) for member in members], "")
    assert {key: theirs["annotations"][key] for key in HINTS} == {key: ours[key] for key in HINTS}
    assert ours[NAMESPACES] == f"{here},{other}"
    assert ours[GROUP_KINDS] == "ClusterRole.rbac.authorization.k8s.io,ConfigMap,Role.rbac.authorization.k8s.io"


def test_id_and_hints_of_one_namespace_are_those_that_kubectl_writes(kubectl_in: Kubectl, cluster: Cluster) -> None:
    members = [configmap("a", cluster.namespace), role("ClusterRole", cluster.namespace, "")]
    try:
        kubectl_in.apply("secret/theirs", *members)
    finally:
        kubectl_in("delete", "clusterrole", cluster.namespace, "--ignore-not-found")
    theirs = parent_of(cluster, "theirs")
    ours = hints([ref_of(member) for member in members], cluster.namespace)
    assert theirs["labels"][ID] == applyset_id("theirs", cluster.namespace)
    assert {key: theirs["annotations"][key] for key in HINTS} == {key: ours[key] for key in HINTS}


def test_kubectl_leaves_our_set_alone_and_says_whose_it_is(kubectl_in: Kubectl, cluster: Cluster) -> None:
    ledger = KubernetesHome(cluster, cluster.namespace).ledger("shop-1")
    ledger.save(Ledger(inventory=(Ref("", "ConfigMap", cluster.namespace, "a"),)), "sync")
    refused = kubectl_in.apply(f"secret/{parent_name('shop-1')}", configmap("a", cluster.namespace), fails=True)
    assert 'managed by tooling "sloth-ci" instead of "kubectl"' in refused


def test_kubectl_can_take_over_a_set_that_it_is_given(kubectl_in: Kubectl, cluster: Cluster) -> None:
    """It reads the id and the hints, finds the members by them and prunes those that are not wanted any more."""
    here = cluster.namespace
    ledger = KubernetesHome(cluster, here).ledger("shop-1")
    name = parent_name("shop-1")
    inventory = (Ref("", "ConfigMap", here, "stays"), Ref("", "ConfigMap", here, "goes"))
    ledger.save(Ledger(inventory=inventory), "sync")
    for ref in inventory:
        member = configmap(ref.name, here, **{PART_OF: ledger.applyset})
        cluster.client.json("POST", f"/api/v1/namespaces/{here}/configmaps", body=member)
    listed = kubectl_in("get", "configmap", "-n", here, "-l", f"{PART_OF}={ledger.applyset}", "-o", "name").split()
    assert sorted(listed) == ["configmap/goes", "configmap/stays"]

    before = parent_of(cluster, name)["annotations"]
    kubectl_in("annotate", "secret", "-n", here, name, f"{TOOLING}=kubectl/v1.37", "--overwrite")
    told = kubectl_in.apply(f"secret/{name}", configmap("stays", here))
    assert "configmap/goes pruned" in told
    after = parent_of(cluster, name)["annotations"]
    assert {key: after[key] for key in HINTS} == {key: before[key] for key in HINTS}


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES)
def test_an_id_is_a_label_value_of_its_parent_alone(name: str, namespace: str) -> None:
    made = applyset_id(name, namespace)
    assert re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,61}[A-Za-z0-9]", made)
    assert made != applyset_id(name, f"{namespace}x")
    assert made != applyset_id(f"{name}x", namespace)
    assert made != applyset_id(name, namespace, "ConfigMap")


def test_names_lead_back_to_their_workflow() -> None:
    assert workflow_of(parent_name("shop-0a1b")) == "shop-0a1b"
    assert workflow_of("somebody-elses") is None


@pytest.mark.parametrize(
    ("tooling", "tool"),
    [
        ("sloth-ci/v1", "sloth-ci"),
        ("sloth-ci/v2.1", "sloth-ci"),
        ("kubectl/v1.30", "kubectl"),
        ("helm", "helm"),
        ("", ""),
    ],
)
def test_a_tool_is_known_without_its_version(tooling: str, tool: str) -> None:
    assert tool_of({TOOLING: tooling}) == tool
