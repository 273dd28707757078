"""What goes with an object that is deleted, as only the cluster can know: the content of a namespace, the objects of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.prune import why_kept
from sloth_ci.core.words import plural
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault

_METADATA: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_NOT_COUNTED: Final = frozenset({("", "Event"), ("events.k8s.io", "Event"), ("coordination.k8s.io", "Lease")})
_MADE_BY_ITSELF: Final = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_SHOWN: Final = 6
_PAGE: Final = "500"
"""The server says how many more there are: what is made by itself is surely among the first of its kind."""


def dependents(cluster: Cluster, going: Mapping[Ref, Body]) -> dict[Ref, tuple[str, ...]]:
    """For namespaces and CustomResourceDefinitions that would really be deleted; those that stay cost no request."""
    found: dict[Ref, tuple[str, ...]] = {}
    for ref, body in going.items():
        if why_kept(ref, body, running=True) is not None:
            continue
        if (ref.group, ref.kind) == ("", "Namespace"):
            found[ref] = _content(cluster, ref.name)
        elif ref.kind == "CustomResourceDefinition":
            spec = body.get("spec", {})
            resource = cluster.discovery.find(spec.get("group", ""), spec.get("names", {}).get("kind", ""))
            count = _count(cluster, resource, "") if resource else 0
            if resource and count:
                found[ref] = (f"{plural(count, resource.kind)} {'is' if count == 1 else 'are'} deleted with it",)
    return found


def _content(cluster: Cluster, namespace: str) -> tuple[str, ...]:
    resources = [
        resource
        for resource in cluster.discovery.resources()
        if resource.namespaced and "list" in resource.verbs and (resource.group, resource.kind) not in _NOT_COUNTED
    ]
    counts: Counter[str] = Counter()
    for resource, count in zip(
        resources, cluster.client.map(lambda resource: _count(cluster, resource, namespace), resources), strict=True
    ):
        counts[resource.kind] += count
    told = [plural(count, kind) for kind, count in counts.most_common() if count]
    if len(told) > _SHOWN:
        told = [*told[:_SHOWN], f"{plural(len(told) - _SHOWN, 'other kind')}"]
    return (f"{', '.join(told)} {'lives' if counts.total() == 1 else 'live'} in it",) if told else ()


def _count(cluster: Cluster, resource: Resource, namespace: str) -> int:
    """How many there are; none where that may not be asked."""
    try:
        answer = cluster.client.json("GET", resource.path(namespace), query={"limit": _PAGE}, accept=_METADATA)
    except ApiFault as fault:
        if fault.code in {403, 404, 405}:
            return 0
        raise
    items = answer.get("items") or []
    own = sum((resource.kind, item["metadata"]["name"]) in _MADE_BY_ITSELF for item in items)
    more: int = answer["metadata"].get("remainingItemCount") or 0
    return len(items) - own + more
