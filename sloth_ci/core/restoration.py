"""What it takes to make an object again what it was: the values that a sync changed, and who owned them.

Fields that nobody but others changed in between stay as they are. Source for what server-side apply does with the fields
that it is not given any more: the Kubernetes documentation, "Server-Side Apply".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sloth_ci.core.fieldpath import identity, item_key
from sloth_ci.core.managed import MANAGER, NOTHING, Fields, Owner, difference, intent, is_ours, owners, project, union
from sloth_ci.core.managed import without as strip
from sloth_ci.core.objects import Body, Ref, canonical

_JOB_LABELS: Final = ("controller-uid", "batch.kubernetes.io/controller-uid")
_CLAIM_MARKS: Final = ("pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller")
_ADDRESSES: Final = ("clusterIP", "clusterIPs", "healthCheckNodePort")
"""Fields of a Service that are worth keeping, and that somebody else may have got meanwhile."""


class Restoration(NamedTuple):
    """How an object that is there is put back."""

    body: Body
    """To be applied under our name, by force: what is not in it and was ours alone goes."""
    taken: Fields
    """What of it was not ours, and is given back after."""
    exact: bool
    """Who owns what is right after the apply: nothing has to be given back."""


def restoration(before: Body, live: Body) -> Restoration | None:
    """Compare an object with its backup; None where it is as it was, in everything that we own now or owned then.

    Both in the same API version.
    """
    then, now = _ours(before), _ours(live)
    others_now = union(*(owner.fields for owner in _others(live)))
    still = {_who(owner) for owner in _others(live)}
    lost = difference(union(*(owner.fields for owner in _others(before) if _who(owner) not in still)), others_now)
    stray = _strays(live) - _strays(before)
    ours_then = then.fields if then else NOTHING
    touched = union(now.fields if now else NOTHING, lost)
    if then is not None and then.api_version != before["apiVersion"]:
        # The paths of our entry are those of another version: ours is then what no one else owned.
        others = union(*(owner.fields for owner in _others(before)))
        body = strip(intent(before), others)
        same = now is not None and now.api_version == then.api_version and now.fields == then.fields
        if same and not stray and body == strip(intent(live), others):
            return None
        return Restoration(body, touched, exact=False)
    every = union(ours_then, touched)
    body = project(before, every)
    owned_alike = (now.fields if now else None) == (then.fields if then else None)
    if owned_alike and not lost and not stray and _settled(body, every) == _settled(project(live, every), every):
        return None
    exact = then is not None and not stray and body == project(before, ours_then)
    return Restoration(body, touched, exact)


def given_back(before: Body, after: Body, taken: Fields) -> list[dict[str, Any]]:
    """The `managedFields` of an object with our entry as it was then, and what was taken from others theirs again.

    `after`: the object once `Restoration.body` was applied.
    """
    entries = after["metadata"].get("managedFields") or []
    formerly = before["metadata"].get("managedFields") or []
    stray = _strays(after) - _strays(before)
    kept = [e for e in entries if not _is_ours(e) and not (_is_update_of_ours(e) and _key(e) in stray)]
    kept += [entry for entry in formerly if _is_ours(entry)]
    current: dict[tuple[str, ...], Fields] = {}
    for entry in kept:
        current[_key(entry)] = union(current.get(_key(entry), NOTHING), entry.get("fieldsV1") or NOTHING)
    for entry in formerly:
        if _is_ours(entry) or entry.get("subresource") == "status":
            continue
        missing = difference(entry.get("fieldsV1") or NOTHING, current.get(_key(entry), NOTHING))
        back = _both(missing, taken)
        if back:
            kept = _with(kept, entry, back)
    return kept


def made_anew(before: Body) -> tuple[Body, list[dict[str, Any]]]:
    """An object as it is sent to be created, and the `managedFields` that it gets after."""
    body = intent(before)
    metadata = _without(body["metadata"], "deletionTimestamp", "deletionGracePeriodSeconds")
    spec = body.get("spec")
    kind = (body["apiVersion"].rpartition("/")[0], body["kind"])
    body = {**body, "metadata": metadata}
    annotations = metadata.get("annotations") or {}
    if isinstance(spec, dict):
        if kind == ("", "Pod"):
            spec = _without(spec, "nodeName")
        if kind == ("batch", "Job") and spec.get("manualSelector") is not True:
            spec = _without_uids(_without(spec, "selector"))
        if kind == ("", "PersistentVolumeClaim") and _CLAIM_MARKS[-1] in annotations:
            # The volume was found by a controller, and remembers the claim that is gone.
            spec = _without(spec, "volumeName")
            metadata["annotations"] = _without(annotations, *_CLAIM_MARKS)
        body["spec"] = spec
    entries = before["metadata"].get("managedFields") or []
    return body, [entry for entry in entries if entry.get("subresource") != "status"]


def without_addresses(ref: Ref, body: Body) -> Body | None:
    """A Service without the addresses that may be taken; None for anything else, and where it has none."""
    spec = body.get("spec")
    if (ref.group, ref.kind) != ("", "Service") or not isinstance(spec, dict) or spec.get("clusterIP") == "None":
        return None
    kept = _without(spec, *_ADDRESSES)
    if isinstance(spec.get("ports"), list):
        kept["ports"] = [_without(port, "nodePort") for port in spec["ports"]]
    return {**body, "spec": kept} if kept != spec else None


def _without_uids(spec: dict[str, Any]) -> dict[str, Any]:
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if not isinstance(labels, dict):
        return spec
    kept = _without(labels, *_JOB_LABELS)
    return {**spec, "template": {**template, "metadata": {**template["metadata"], "labels": kept}}}


def _without(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


def _ours(body: Body) -> Owner | None:
    return next((owner for owner in owners(body) if is_ours(owner)), None)


def _others(body: Body) -> list[Owner]:
    """Everybody else who owns something that is not a status."""
    return [
        owner
        for owner in owners(body)
        if not is_ours(owner) and owner.subresource != "status" and not _is_update(owner.manager, owner.operation)
    ]


def _is_update(manager: object, operation: object) -> bool:
    """An entry that making an object anew leaves behind, until it is replaced."""
    return manager == MANAGER and operation == "Update"


def _strays(body: Body) -> set[tuple[str, ...]]:
    entries = body["metadata"].get("managedFields") or []
    return {_key(entry) for entry in entries if _is_update_of_ours(entry)}


def _is_update_of_ours(entry: Mapping[str, Any]) -> bool:
    return _is_update(entry.get("manager"), entry.get("operation")) and not entry.get("subresource")


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _who(owner: Owner) -> tuple[str, ...]:
    return owner.manager, owner.operation, owner.api_version, owner.subresource


def _key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(name) or "") for name in ("manager", "operation", "apiVersion", "subresource"))


def _with(entries: Iterable[dict[str, Any]], owner: dict[str, Any], back: Fields) -> list[dict[str, Any]]:
    """The entries with these fields added to their owner's, or in an entry of their own."""
    result = list(entries)
    for place, entry in enumerate(result):
        if _key(entry) == _key(owner):
            result[place] = {**entry, "fieldsV1": union(entry.get("fieldsV1") or NOTHING, back)}
            return result
    return [*result, {**owner, "fieldsV1": dict(back)}]


def _both(one: Fields, other: Fields) -> dict[str, Any]:
    """What is in both sets; an empty node holds all that is below it."""
    both: dict[str, Any] = {}
    for element, inner in one.items():
        if element in other:
            theirs = other[element]
            below = _both(inner, theirs) if inner and theirs else dict(inner or theirs)
            if below or not (inner and theirs):
                both[element] = below
    return both


def _settled(value: Any, fields: Fields) -> Any:
    """A value with those lists in one order whose items have an identity: their order is nobody's."""
    if not fields:
        return value
    if isinstance(value, dict):
        return {key: _settled(inner, fields.get(f"f:{key}") or NOTHING) for key, inner in value.items()}
    if isinstance(value, list):
        items = [_settled(item, _of_item(item, fields)) for item in value]
        return sorted(items, key=canonical) if any(element[:2] in {"k:", "v:"} for element in fields) else items
    return value


def _of_item(item: Any, fields: Fields) -> Fields:
    for element, inner in fields.items():
        key = item_key(element)
        if key is not None and identity(item, key.names) == key.values:
            found: Fields = inner
            return found
    return NOTHING
