"""Reading many live objects with few requests: one list per kind and namespace, all in parallel.

A list is decoded item by item, so that what is not kept is gone before the next one is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.objects import Ref
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault

_PATIENCE: Final = 120.0
"""Seconds that a list of thousands of objects may be silent."""

Take = Callable[[Ref, Resource, bytes], None]
"""Called for each object that is there, by many threads; the bytes are gone after unless they are copied."""


class Denied(NamedTuple):
    """An object that may not be read."""

    ref: Ref
    fault: ApiFault


class _Group(NamedTuple):
    resource: Resource
    namespace: str
    names: Mapping[str, Ref]


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""


class _Head(msgspec.Struct):
    metadata: _Metadata = _Metadata()


class _List(msgspec.Struct):
    items: list[msgspec.Raw] = []


_decode_list = msgspec.json.Decoder(_List).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def read(cluster: Cluster, places: Mapping[Ref, Resource], take: Take, *, applyset_id: str = "") -> list[Denied]:
    """Hand every object that is there to `take`. Returns those that may not be read.

    With `applyset_id`, its members are asked for first: in a namespace full of other objects that is all there is to
    read. Raises UnreachableError, ApiFault.
    """
    groups = _grouped(places)
    lists = [group for group in groups if len(group.names) > 1]
    single = [group for group in groups if len(group.names) == 1]
    left = lists
    if applyset_id:
        selector = {"labelSelector": f"{PART_OF}={applyset_id}"}
        rests = cluster.client.map(lambda group: _list(cluster, group, take, selector), lists)
        left = [group for group in rests if group.names]
        single += [group for group in left if len(group.names) == 1]
        left = [group for group in left if len(group.names) > 1]
    forbidden = [group for group in cluster.client.map(lambda group: _whole(cluster, group, take), left) if group]
    single += [_Group(g.resource, g.namespace, {name: ref}) for g in forbidden for name, ref in g.names.items()]
    return [denied for denied in cluster.client.map(lambda group: _get(cluster, group, take), single) if denied]


def _grouped(places: Mapping[Ref, Resource]) -> list[_Group]:
    groups: dict[tuple[Resource, str], dict[str, Ref]] = {}
    for ref, resource in places.items():
        groups.setdefault((resource, ref.namespace if resource.namespaced else ""), {})[ref.name] = ref
    return [_Group(resource, namespace, names) for (resource, namespace), names in groups.items()]


def _list(cluster: Cluster, group: _Group, take: Take, query: Mapping[str, str]) -> _Group:
    """One list. Returns what was not in it; where it is forbidden, that is everything."""
    try:
        answer = cluster.client.call("GET", group.resource.path(group.namespace), query=query, timeout=_PATIENCE)
    except ApiFault as fault:
        if fault.code in {403, 404, 405}:
            return group
        raise
    left = dict(group.names)
    for item in _items(answer, cluster):
        ref = left.pop(_decode_head(item).metadata.name, None)
        if ref is not None:
            take(ref, group.resource, bytes(item))
    return group._replace(names=left)


def _whole(cluster: Cluster, group: _Group, take: Take) -> _Group | None:
    """The list of a kind in a namespace; the group itself where listing is forbidden."""
    try:
        answer = cluster.client.call("GET", group.resource.path(group.namespace), timeout=_PATIENCE)
    except ApiFault as fault:
        if fault.code in {403, 405}:
            return group
        if fault.code == 404:
            return None  # the kind went meanwhile
        raise
    for item in _items(answer, cluster):
        ref = group.names.get(_decode_head(item).metadata.name)
        if ref is not None:
            take(ref, group.resource, bytes(item))
    return None


def _items(answer: bytes, cluster: Cluster) -> list[msgspec.Raw]:
    try:
        return _decode_list(answer).items
    except msgspec.DecodeError:
        raise UnreachableError(f"{cluster.client.server} answers a list that is none") from None


def _get(cluster: Cluster, group: _Group, take: Take) -> Denied | None:
    [(name, ref)] = group.names.items()
    try:
        take(ref, group.resource, cluster.client.call("GET", group.resource.path(group.namespace, name)))
    except ApiFault as fault:
        if fault.code == 404:
            return None
        if fault.code == 403:
            return Denied(ref, fault)
        raise
    return None


def whole(raw: bytes, resource: Resource) -> bytes:
    """An object with its kind: items of a list of a built-in kind do not say what they are."""
    if raw.startswith((b'{"kind":', b'{"apiVersion":')):
        return raw
    kind = msgspec.json.encode({"kind": resource.kind, "apiVersion": resource.api_version})
    return kind[:-1] + b"," + raw[1:]


def look_up(cluster: Cluster, refs: Iterable[Ref]) -> dict[Ref, bytes]:
    """These objects as the server has them; those that are not there, or whose kind is gone, are left out.

    Raises UnreachableError, also where a kind cannot be asked for now, and ApiFault where one may not be read.
    """
    places: dict[Ref, Resource] = {}
    for ref in refs:
        resource = cluster.discovery.find(ref.group, ref.kind)
        if resource is not None:
            places[ref] = resource
        elif why := broken_group(cluster, ref.group):
            raise UnreachableError(f"{ref} cannot be read: {why}", "look at the APIService and at what serves it")
    found: dict[Ref, bytes] = {}

    def take(ref: Ref, resource: Resource, raw: bytes) -> None:
        found[ref] = whole(raw, resource)

    for denied in read(cluster, places, take):
        raise denied.fault
    return found


def broken_group(cluster: Cluster, group: str) -> str | None:
    """Why nothing of an API group can be asked now; None where it can."""
    for name, why in cluster.discovery.broken.items():
        if name.rpartition("/")[0] == group:
            return f"the API {name} does not answer: {why}"
    return None
