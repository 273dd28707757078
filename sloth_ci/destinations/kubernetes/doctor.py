"""What `doctor` says of a cluster: its version, the API groups that do not answer, and the rights that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sloth_ci.core.finding import Finding
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault

RIGHTS = "bind the roles of deploy/rbac.yaml to this account"


class _Right(NamedTuple):
    group: str
    resource: str
    verb: str
    why: str
    in_state: bool = False
    """In the namespace of the state, not in that of the objects."""


_NEEDED = (
    _Right("", "secrets", "get", "reads the inventory", in_state=True),
    _Right("", "secrets", "list", "finds backups", in_state=True),
    _Right("", "secrets", "create", "writes the inventory and backups", in_state=True),
    _Right("", "secrets", "update", "writes the inventory", in_state=True),
    _Right("", "secrets", "delete", "forgets old backups", in_state=True),
    _Right("coordination.k8s.io", "leases", "get", "locks the destination", in_state=True),
    _Right("coordination.k8s.io", "leases", "create", "locks the destination", in_state=True),
    _Right("coordination.k8s.io", "leases", "update", "locks the destination", in_state=True),
    _Right("apps", "deployments", "list", "compares"),
    _Right("apps", "deployments", "patch", "applies, and rehearses"),
    _Right("apps", "deployments", "delete", "prunes"),
    _Right("", "pods", "list", "says why something is not healthy"),
)


def findings(cluster: Cluster, state_namespace: str) -> Iterator[Finding]:
    """Asks the server a dozen small questions. Raises UnreachableError."""
    yield Finding("server", True, f"{cluster.client.server} runs Kubernetes {cluster.discovery.server_version}")
    broken = cluster.discovery.broken
    for group, reason in broken.items():
        yield Finding(f"API group {group}", False, reason, f"kubectl get apiservices | grep {group}", needed=False)
    yield from _namespaces(cluster, state_namespace)
    missing = [right for right in _NEEDED if not _allowed(cluster, right, state_namespace)]
    for right in missing:
        namespace = state_namespace if right.in_state else cluster.namespace
        name = f"{right.resource}.{right.group}" if right.group else right.resource
        yield Finding("rights", False, f"may not {right.verb} {name} in {namespace}: {right.why}", RIGHTS)
    if not missing:
        yield Finding(
            "rights", True, f"may list, apply and delete in {cluster.namespace}, and keep state in {state_namespace}"
        )


def _namespaces(cluster: Cluster, state_namespace: str) -> Iterator[Finding]:
    for name in dict.fromkeys((cluster.namespace, state_namespace)):
        try:
            cluster.client.call("GET", f"/api/v1/namespaces/{name}")
        except ApiFault as fault:
            if fault.code != 404:  # not to be looked at by everybody: the rights say the rest
                continue
            way_out = f"kubectl create namespace {name}, or declare it in the manifests"
            if name == state_namespace:
                way_out = "the first sync makes it, as its state is kept there"
            yield Finding("namespace", False, f"{name} does not exist", way_out, needed=False)


def _allowed(cluster: Cluster, right: _Right, state_namespace: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "group": right.group,
                "resource": right.resource,
                "verb": right.verb,
                "namespace": state_namespace if right.in_state else cluster.namespace,
            }
        },
    }
    answer = cluster.client.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(answer["status"].get("allowed"))
