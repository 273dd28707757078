"""Putting objects back from a backup: as they were in everything that was ours, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sloth_ci.core.errors import ApplyError, UnreachableError
from sloth_ci.core.immutable import STATEFUL
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.managed import MANAGER, our_fields
from sloth_ci.core.objects import Body, Ref, Write
from sloth_ci.core.restoration import given_back, made_anew, restoration, without_addresses
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.reading import broken_group
from sloth_ci.destinations.kubernetes.single import (
    JSON_PATCH,
    UnknownKind,
    apply,
    delete,
    get,
    resource_of,
    version_of,
    wait_until_gone,
)
from sloth_ci.destinations.kubernetes.work import Budget

_TRIES: Final = 8
"""How often an object may change under our hands."""
_UNSEEN: Final[Body] = {}
"""Instead of an object that may not be looked at, or whose API does not answer."""


def restoring(cluster: Cluster, items: Sequence[BackupItem]) -> list[Write]:
    """The writes that put a backup back: only of what is not as it was. Their bodies are those of the backup.

    What cannot be looked at is among them: writing it says why. Raises UnreachableError and ApiFault.
    """
    live = cluster.client.map(lambda item: _look(cluster, item), items)
    writes = []
    for item, body in zip(items, live, strict=True):
        if item.body is None:
            if body is _UNSEEN or (body is not None and our_fields(body) is not None):
                writes.append(Write(item.ref, None))
        elif body is None or body is _UNSEEN or _is_going(body) or restoration(item.body, body) is not None:
            metadata = {"managedFields": [], **item.body["metadata"]}
            writes.append(Write(item.ref, {**item.body, "metadata": metadata}))
    return writes


def is_restore(body: Body) -> bool:
    """Whether a body is one of a backup: no manifest says who owns its fields."""
    return "managedFields" in body["metadata"]


def put_back(cluster: Cluster, ref: Ref, before: Body, budget: Budget, stopped: Callable[[], bool]) -> str:
    """Make one object what it was. Returns its uid.

    Raises ApiFault, UnreachableError, UnhealthyError where it is still being deleted, Interrupted.
    """
    version = version_of(before)
    for _ in range(_TRIES):
        live = get(cluster, ref, version)
        if live is not None and _is_going(live):
            wait_until_gone(cluster, ref, live["metadata"]["uid"], timeout=budget.left(), stopped=stopped)
            live = None
        try:
            return _create(cluster, ref, before) if live is None else _mend(cluster, ref, before, live)
        except ApiFault as fault:
            if fault.code == 409:
                continue
            if live is None or fault.code != 422 or not _was_made_anew(ref, before, live):
                raise
        delete(cluster, ref, live["metadata"], exact=False, policy="Foreground")
        wait_until_gone(cluster, ref, live["metadata"]["uid"], timeout=budget.left(), stopped=stopped)
    raise ApplyError("somebody keeps changing it while it is put back", "find out who, and try again")


def _mend(cluster: Cluster, ref: Ref, before: Body, live: Body) -> str:
    uid: str = live["metadata"]["uid"]
    needed = restoration(before, live)
    if needed is not None:
        after = apply(cluster, ref, needed.body, force=True)
        if not needed.exact:
            _give_back(cluster, ref, before, after, given_back(before, after, needed.taken))
    return uid


def _create(cluster: Cluster, ref: Ref, before: Body) -> str:
    body, entries = made_anew(before)
    path = resource_of(cluster, ref, version_of(before)).path(ref.namespace)
    query = {"fieldManager": MANAGER}
    try:
        made: Body = cluster.client.json("POST", path, query=query, body=body)
    except ApiFault as fault:
        simpler = without_addresses(ref, body)
        if fault.code != 422 or simpler is None:
            raise
        made = cluster.client.json("POST", path, query=query, body=simpler)
    _give_back(cluster, ref, before, made, entries)
    uid: str = made["metadata"]["uid"]
    return uid


def _give_back(cluster: Cluster, ref: Ref, before: Body, after: Body, entries: list[dict[str, object]]) -> None:
    """Say who owns what, if the object is still what was looked at."""
    path = resource_of(cluster, ref, version_of(before)).path(ref.namespace, ref.name)
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries or [{}]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": after["metadata"]["resourceVersion"]},
    ]
    cluster.client.call("PATCH", path, query={"fieldManager": MANAGER}, body=patch, content_type=JSON_PATCH)


def _look(cluster: Cluster, item: BackupItem) -> Body | None:
    try:
        return get(cluster, item.ref, version_of(item.body) if item.body else None)
    except UnknownKind:
        return None  # its CRD is gone, or not there yet
    except ApiFault as fault:
        if fault.code != 403 and not fault.transient:
            raise
        return _UNSEEN
    except UnreachableError:
        if broken_group(cluster, item.ref.group) is None:
            raise
        return _UNSEEN


def _is_going(body: Body) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _was_made_anew(ref: Ref, before: Body, live: Body) -> bool:
    """What cannot be changed in place was changed by making the object anew: so it is once more."""
    another = live["metadata"]["uid"] != before["metadata"].get("uid")
    return another and our_fields(live) is not None and ref.kind not in STATEFUL
