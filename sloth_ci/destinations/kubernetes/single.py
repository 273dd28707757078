"""Requests about a single object: look at it, apply it, delete it, and follow what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from sloth_ci.core.errors import ApplyError, Interrupted, UnhealthyError, UnreachableError
from sloth_ci.core.managed import MANAGER
from sloth_ci.core.objects import Body, Ref
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault

JSON_PATCH: Final = "application/json-patch+json"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_APPLY: Final = "application/apply-patch+yaml"
_SLICE: Final = 2.0
"""Seconds of one watch: how long it may take until a wish to stop is noticed."""

_KIND_HINT: Final = "install what defines the kind, or correct apiVersion and kind"


class UnknownKind(ApplyError):
    """The server does not serve the kind, or not in that version."""


def resource_of(cluster: Cluster, ref: Ref, version: str | None = None) -> Resource:
    """Where a kind is served. Raises UnknownKind where it is not, and UnreachableError where that cannot be known."""
    resource = cluster.discovery.find(ref.group, ref.kind, version)
    if resource is not None:
        return resource
    for broken, why in cluster.discovery.broken.items():
        if broken.partition("/")[0] == ref.group:
            raise UnreachableError(
                f"the API group {broken} does not answer: {why}", "kubectl get apiservices tells more"
            )
    served = cluster.discovery.find(ref.group, ref.kind)
    of = f" of {ref.group}" if ref.group else ""
    if served is not None:
        raise UnknownKind(f"the server has {ref.kind}{of} in {served.version}, and not in {version}", _KIND_HINT)
    raise UnknownKind(f"the server has no kind {ref.kind}{of}", _KIND_HINT)


def get(cluster: Cluster, ref: Ref, version: str | None = None) -> Body | None:
    """The live object; None where it is not there. Raises as `resource_of` and `Client.call` do."""
    path = resource_of(cluster, ref, version).path(ref.namespace, ref.name)
    try:
        body: Body = cluster.client.json("GET", path)
    except ApiFault as fault:
        if fault.code == 404:
            return None
        raise
    return body


def version_of(body: Body) -> str:
    """The version of an `apiVersion`, without its group."""
    return str(body["apiVersion"]).rpartition("/")[2]


def apply(cluster: Cluster, ref: Ref, body: Body, *, force: bool, accept: str = METADATA_ONLY) -> Body:
    """One server-side apply. Returns the object, or only its metadata. Raises as `resource_of` and `Client.call` do."""
    path = resource_of(cluster, ref, version_of(body)).path(ref.namespace, ref.name)
    query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
    answer: Body = cluster.client.json("PATCH", path, query=query, body=body, content_type=_APPLY, accept=accept)
    return answer


def delete(
    cluster: Cluster, ref: Ref, metadata: Mapping[str, Any], *, exact: bool = True, policy: str = "Background"
) -> None:
    """Delete one object, if it is still the one with this uid; where `exact`, in this very version.

    One that is not there is a success. Raises ApiFault 409 where another object has taken its place.
    """
    preconditions = {"uid": metadata["uid"]}
    if exact:
        preconditions["resourceVersion"] = metadata["resourceVersion"]
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": policy,
        "preconditions": preconditions,
    }
    path = resource_of(cluster, ref).path(ref.namespace, ref.name)
    try:
        cluster.client.call("DELETE", path, body=options)
    except ApiFault as fault:
        if fault.code != 404:
            raise


def follow(cluster: Cluster, ref: Ref, *, timeout: float, stopped: Callable[[], bool]) -> Iterator[Body | None]:
    """The object as it is, then every state that follows; None when it is not there. Ends after `timeout` seconds.

    Raises Interrupted, and as `Client.call` does.
    """
    resource = resource_of(cluster, ref)
    end = time.monotonic() + timeout
    while True:
        body = get(cluster, ref)
        yield body
        left = end - time.monotonic()
        if left <= 0:
            return
        if stopped():
            raise Interrupted(f"stopped while waiting for {ref}", "the next sync goes on from here")
        if body is not None:
            yield from _watched(cluster, resource, ref, body, min(_SLICE, left))


def _watched(cluster: Cluster, resource: Resource, ref: Ref, body: Body, seconds: float) -> Iterator[Body | None]:
    query = {
        "fieldSelector": f"metadata.name={ref.name}",
        "resourceVersion": body["metadata"]["resourceVersion"],
    }
    try:
        for line in cluster.client.watch(resource.path(ref.namespace), query, timeout=seconds):
            event: dict[str, Any] = msgspec.json.decode(line)
            if event["type"] == "ERROR":
                return  # most often too old a version: read anew
            if event["type"] != "BOOKMARK":
                yield None if event["type"] == "DELETED" else event["object"]
    except ApiFault as fault:
        if fault.code != 410 and not fault.transient:
            raise


def wait_until_gone(cluster: Cluster, ref: Ref, uid: str, *, timeout: float, stopped: Callable[[], bool]) -> None:
    """Until the object with this uid is not there any more.

    Raises UnhealthyError that says what holds it, and as `follow` does.
    """
    finalizers: list[str] = []
    for body in follow(cluster, ref, timeout=timeout, stopped=stopped):
        if body is None or body["metadata"]["uid"] != uid:
            return
        finalizers = body["metadata"].get("finalizers") or []
    held = f": held by {', '.join(finalizers)}" if finalizers else ""
    raise UnhealthyError(f"{ref} is still being deleted{held}", "whatever set the finalizer has to remove it")
