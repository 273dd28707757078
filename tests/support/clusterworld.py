"""The small world of the engine's tests, with a namespace of a real cluster as the destination."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sloth_ci.core.workflow import WorkflowSpec
from support.cluster import ControlPlane
from support.gitrepo import GitRepo
from support.world import World

UNMANAGED = frozenset({"ConfigMap/kube-root-ca.crt"})
"""What the controllers put into every namespace."""


class ClusterWorld(World):
    """`World`, whose workflows go to one namespace of a control plane."""

    def __init__(self, folder: Path, git_repo: Callable[..., GitRepo], plane: ControlPlane, namespace: str) -> None:
        super().__init__(folder, git_repo)
        self.plane = plane
        self.namespace = namespace
        self.kubeconfig = plane.admin

    def to_cluster(self, **table: Any) -> WorkflowSpec:
        """A workflow into the namespace, as `World.workflow` makes it."""
        destination = {
            "kubeconfig": str(self.kubeconfig),
            "namespace": self.namespace,
            **table.pop("destination", {}),
        }
        policy = {"health_check": {"timeout": "300s"}, **table.pop("sync_policy", {})}
        return self.workflow(destination=destination, sync_policy=policy, **table)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """kubectl as the administrator, in the namespace."""
        return self.plane.kubectl("-n", self.namespace, *args, stdin=stdin)

    def get(self, what: str) -> dict[str, Any]:
        """One object, `kind/name`."""
        found: dict[str, Any] = json.loads(self.kubectl("get", what, "-o", "json", "--show-managed-fields"))
        return found

    def objects(self, kinds: str = "configmaps,secrets,services,deployments,jobs") -> set[str]:
        """`Kind/name` of what is in the namespace, without what the cluster and sloth-ci's state put there."""
        items = json.loads(self.kubectl("get", kinds, "-o", "json"))["items"]
        names = {f"{item['kind']}/{item['metadata']['name']}" for item in items if not _is_state(item)}
        return names - UNMANAGED

    def spec_of_all(self) -> dict[str, Any]:
        """What is in the namespace, down to what somebody declared: no status, no metadata that a server sets."""
        items = json.loads(self.kubectl("get", "configmaps,secrets,services,deployments,jobs", "-o", "json"))["items"]
        found = {}
        for item in items:
            name = f"{item['kind']}/{item['metadata']['name']}"
            if _is_state(item) or name in UNMANAGED:
                continue
            item.pop("status", None)
            metadata = item["metadata"]
            item["metadata"] = {key: metadata.get(key) for key in ("labels", "annotations")}
            (item["metadata"]["annotations"] or {}).pop("deployment.kubernetes.io/revision", None)
            for key in ("clusterIP", "clusterIPs"):
                item.get("spec", {}).pop(key, None)
            found[name] = item
        return found


def _is_state(item: dict[str, Any]) -> bool:
    return str(item.get("type", "")).startswith("sloth-ci/")
