"""What a real server has: aggregated and group by group, with new kinds and with groups that nobody serves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes import discovery as module
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.discovery import Discovery, Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault
from support.cluster import ControlPlane
from support.proxy import FaultProxy
from support.waiting import until

PLAIN = "application/json"


def test_scope_path_and_verbs_of_what_every_server_has(cluster: Cluster) -> None:
    find = cluster.discovery.find
    deployment = find("apps", "Deployment")
    assert deployment
    assert (deployment.version, deployment.plural, deployment.namespaced) == ("v1", "deployments", True)
    assert {"get", "list", "watch", "patch", "create", "delete"} <= deployment.verbs
    assert deployment.path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert deployment.path("shop", "web", "scale") == "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    assert deployment.path() == "/apis/apps/v1/deployments"
    role = find("rbac.authorization.k8s.io", "ClusterRole")
    assert role
    assert not role.namespaced
    named = role.path("", "system:controller:job-controller")
    assert cluster.client.json("GET", named)["metadata"]["name"] == "system:controller:job-controller"
    namespaces = find("", "Namespace")
    assert namespaces
    assert namespaces[:5] == ("", "v1", "Namespace", "namespaces", False)
    assert find("apps", "Deployment", "v1beta1") is None
    assert find("example.com", "Nothing") is None
    assert cluster.discovery.server_version.startswith("v1.")
    assert not cluster.discovery.broken


def test_every_listed_kind_can_be_listed_at_its_path(cluster: Cluster) -> None:
    listed = [resource for resource in cluster.discovery.resources() if "list" in resource.verbs]
    assert len(listed) > 50
    kinds = cluster.client.map(lambda resource: cluster.client.json("GET", resource.path())["kind"], listed)
    assert [kind.removesuffix("List") for kind in kinds] == [resource.kind for resource in listed]


def test_a_server_without_aggregation_gives_the_same(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregated = cluster.discovery.resources()
    monkeypatch.setattr(module, "_ACCEPT", PLAIN)
    plain = Discovery(cluster.client)
    assert set(plain.resources()) == set(aggregated)
    assert {r.kind: r.version for r in plain.resources()} == {r.kind: r.version for r in aggregated}
    assert not plain.broken


def test_aggregated_discovery_takes_two_requests(control_plane: ControlPlane) -> None:
    with FaultProxy(control_plane) as proxy, _cluster(control_plane.kubeconfig(server=proxy.url)) as cluster:
        assert cluster.discovery.find("apps", "Deployment")
        assert cluster.discovery.find("batch", "Job")
        assert not cluster.discovery.broken
        assert proxy.counts() == {("GET", "/api"): 1, ("GET", "/apis"): 1}


def test_a_new_kind_is_there_after_refresh(cluster: Cluster, namespace: str) -> None:
    group = f"{namespace}.example.com"
    assert cluster.discovery.find(group, "Lamp") is None
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"lamps.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Lamp", "plural": "lamps"},
            "versions": [
                {"name": name, "served": name != "v1beta1", "storage": name == "v2", "schema": {"openAPIV3Schema": schema}}
                for name in ("v1beta1", "v1", "v2")
            ],
        },
    }  # fmt: skip
    definition = cluster.discovery.find("apiextensions.k8s.io", "CustomResourceDefinition")
    assert definition
    cluster.client.call("POST", definition.path(), body=body)
    try:
        path = definition.path("", f"lamps.{group}")

        def established() -> bool:
            conditions = cluster.client.json("GET", path).get("status", {}).get("conditions") or []
            return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

        until(established)

        def found() -> Resource | None:
            cluster.discovery.refresh()
            return cluster.discovery.find(group, "Lamp")

        lamp = until(found)
        assert lamp
        assert (lamp.version, lamp.namespaced) == ("v2", True), "the preferred one, not the first that was written"
        assert cluster.discovery.find(group, "Lamp", "v1")
        assert cluster.discovery.find(group, "Lamp", "v1beta1") is None, "it is not served"
    finally:
        cluster.client.call("DELETE", definition.path("", f"lamps.{group}"))


@pytest.mark.parametrize("accept", [None, PLAIN], ids=["aggregated", "plain"])
def test_a_broken_group_breaks_only_itself(
    own_control_plane: ControlPlane, accept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if accept:
        monkeypatch.setattr(module, "_ACCEPT", accept)
    with own_control_plane.broken_api_group("broken.example.com"), _cluster(own_control_plane.admin) as cluster:

        def broken() -> dict[str, str]:
            cluster.discovery.refresh()
            return dict(cluster.discovery.broken)

        assert until(broken) == {"broken.example.com/v1": "its API server does not answer"}
        assert cluster.discovery.find("apps", "Deployment")
        assert cluster.discovery.find("broken.example.com", "Anything") is None
        with pytest.raises(ApiFault) as refused:
            cluster.client.call("GET", "/apis/broken.example.com/v1/things", patient=False)
        assert (refused.value.code, refused.value.transient) == (503, True)


def test_flaky_answers_are_not_taken_for_broken_groups(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ACCEPT", PLAIN)
    with FaultProxy(control_plane) as proxy, _cluster(control_plane.kubeconfig(server=proxy.url)) as cluster:
        proxy.choose = lambda call: "500" if call.nth == 1 else None
        assert cluster.discovery.find("apps", "Deployment")
        assert not cluster.discovery.broken


@contextmanager
def _cluster(kubeconfig: Path) -> Iterator[Cluster]:
    cluster = connect(DestinationSpec(kubeconfig=str(kubeconfig)), Path(), os.environ)
    try:
        yield cluster
    finally:
        cluster.client.close()
