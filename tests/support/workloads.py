"""Workloads for a real cluster, as small as they can be, and a way to put them there."""

from __future__ import annotations

from typing import Any

from sloth_ci.core.objects import Body, Ref
from sloth_ci.destinations.kubernetes.cluster import Cluster


def put(cluster: Cluster, content: Body, *, status: bool = False) -> Ref:
    """Apply an object (or its status) as somebody else, in the cluster's namespace."""
    group, _, version = content["apiVersion"].rpartition("/")
    resource = cluster.discovery.find(group, content["kind"], version)
    assert resource, f"no {content['kind']} in {content['apiVersion']}"
    metadata = content["metadata"]
    namespace = metadata.get("namespace", cluster.namespace) if resource.namespaced else ""
    cluster.client.call(
        "PATCH",
        resource.path(namespace, metadata["name"], "status" if status else ""),
        query={"fieldManager": "test", "force": "true"},
        body=content,
        content_type="application/apply-patch+yaml",
    )
    return Ref(group, content["kind"], namespace, metadata["name"])


def get(cluster: Cluster, ref: Ref) -> Body:
    """The live object."""
    return dict(cluster.client.json("GET", path_of(cluster, ref)))


def delete(cluster: Cluster, ref: Ref) -> None:
    """Delete it, and what it owns."""
    cluster.client.call("DELETE", path_of(cluster, ref), query={"propagationPolicy": "Background"})


def path_of(cluster: Cluster, ref: Ref) -> str:
    """The URL path of an object."""
    resource = cluster.discovery.find(ref.group, ref.kind)
    assert resource, f"no {ref.kind}"
    return resource.path(ref.namespace, ref.name)


def pods(cluster: Cluster, app: str) -> list[Body]:
    """The pods of a workload."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    return list(cluster.client.json("GET", path, query={"labelSelector": f"app={app}"})["items"])


def template(app: str, image: str, *, annotations: dict[str, str] | None = None, **spec: Any) -> Body:
    """Of a pod with one container, `main`."""
    metadata = {"labels": {"app": app}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "main", "image": image}], **spec}}


def workload(
    kind: str,
    name: str,
    image: str,
    *,
    annotations: dict[str, str] | None = None,
    pod: dict[str, Any] | None = None,
    **spec: Any,
) -> Body:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet. `annotations` and `pod` are those of its pods."""
    selector = {"matchLabels": {"app": name}}
    inner = {"selector": selector, "template": template(name, image, annotations=annotations, **(pod or {})), **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": inner}


def job(name: str, image: str, *, metadata: dict[str, Any] | None = None, **spec: Any) -> Body:
    """A Job that is not tried again."""
    inner = {"backoffLimit": 0, "template": template(name, image, restartPolicy="Never"), **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **(metadata or {})}, "spec": inner}
