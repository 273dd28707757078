"""`metadata.managedFields`: who owns which field, what of an object is whose, and the sets these are made of.

A set is a decoded `fieldsV1`: a tree of dicts whose keys are elements (see `fieldpath`) and `.` for the place itself.
Source: the Kubernetes documentation "Server-Side Apply" and sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from sloth_ci.core.fieldpath import Path, identity, item_key, member
from sloth_ci.core.objects import Body

MANAGER: Final = "sloth-ci"
"""The name under which everything is applied."""

Fields = Mapping[str, Any]
NOTHING: Final[Fields] = {}

_SERVER_SET: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields")
_ALWAYS: Final = ("name", "namespace")


class Owner(NamedTuple):
    """One entry of `managedFields`."""

    manager: str
    operation: str
    """`Apply` or `Update`."""
    api_version: str
    subresource: str
    time: str
    """RFC 3339, or empty."""
    fields: Fields

    def __str__(self) -> str:
        return f"{self.manager} ({self.time})" if self.time else self.manager


def owners(body: Body) -> list[Owner]:
    """All entries of an object; those that are not well formed are left out."""
    entries = body.get("metadata", {}).get("managedFields")
    return [
        Owner(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            entry.get("time", ""),
            entry.get("fieldsV1") or NOTHING,
        )
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]


def is_ours(owner: Owner, manager: str = MANAGER) -> bool:
    """Whether it is the one entry that our server-side applies keep."""
    return owner.manager == manager and owner.operation == "Apply" and not owner.subresource


def our_fields(body: Body, manager: str = MANAGER) -> Fields | None:
    """What we own by server-side apply; None where we have never applied the object."""
    return next((owner.fields for owner in owners(body) if is_ours(owner, manager)), None)


def owners_of(body: Body, path: Path) -> list[Owner]:
    """Who owns the field at a path, the newest last."""
    return sorted((owner for owner in owners(body) if has(owner.fields, path)), key=lambda owner: owner.time)


# --- sets -----------------------------------------------------------------------------------------------------------


def has(fields: Fields, path: Path) -> bool:
    """Whether the place itself is in the set, or something that holds it as a whole."""
    found: Any = fields
    for element in path:
        inner = found.get(element)
        if inner is None:
            return bool(path) and not found and found is not fields
        found = inner
    return not found or "." in found


def union(*sets: Fields) -> Fields:
    """What is in any of them."""
    merged: dict[str, Any] = {}
    for fields in sets:
        _add(merged, fields)
    return merged


def _add(into: dict[str, Any], fields: Fields) -> None:
    for element, inner in fields.items():
        known = into.get(element)
        if known is None:
            into[element] = _copy(inner)
            continue
        # An empty node is the place itself; beside children that is written as a dot.
        if bool(known) != bool(inner):
            known["."] = {}
        _add(known, inner)


def _copy(fields: Fields) -> dict[str, Any]:
    return {element: _copy(inner) for element, inner in fields.items()}


def difference(one: Fields, *others: Fields) -> Fields:
    """What is in the first and in none of the others.

    A place that holds something of the others is not itself in the difference, only what is below it may be.
    """
    return _less(one, others) or NOTHING


def _less(fields: Fields, others: tuple[Fields, ...]) -> dict[str, Any] | None:
    left: dict[str, Any] = {}
    for element, inner in fields.items():
        if element == ".":
            continue
        theirs = tuple(other[element] for other in others if element in other)
        if not theirs:
            left[element] = _copy(inner)
        elif inner:
            below = _less(inner, theirs)
            if below:
                left[element] = below
    return left or None


def leaves(fields: Fields) -> Iterator[Path]:
    """The paths of all places that have nothing below them."""
    for element, inner in fields.items():
        if element == ".":
            continue
        if inner and set(inner) != {"."}:
            for path in leaves(inner):
                yield (element, *path)
        else:
            yield (element,)


# --- bodies ---------------------------------------------------------------------------------------------------------


def project(body: Body, fields: Fields, *, tidy: bool = False) -> Body:
    """Only what is in the set, and who the object is. Nothing of the body is changed or shared where it was cut.

    `tidy`: tables of which nothing is left are left out, too.
    """
    metadata = body["metadata"]
    named = {name: metadata[name] for name in _ALWAYS if name in metadata}
    rest = {key: value for key, value in body.items() if key not in {"apiVersion", "kind"}}
    cut: Body = _cut(rest, fields, tidy) if fields else {}  # below the top, nothing more means the place as a whole
    kept = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": named | cut.pop("metadata", {})}
    return kept | cut


def _cut(value: Any, fields: Fields, tidy: bool) -> Any:
    if not fields or (len(fields) == 1 and "." in fields):
        return value
    if isinstance(value, dict):
        kept = {}
        for key, inner in value.items():
            below = fields.get(f"f:{key}")
            if below is not None:
                cut = _cut(inner, below, tidy)
                if not tidy or cut or not inner or not isinstance(cut, dict | list):
                    kept[key] = cut
        return kept
    if isinstance(value, list):
        return [kept for item in value if (kept := _cut_item(item, fields, tidy)) is not None]
    return value


def _cut_item(item: Any, fields: Fields, tidy: bool) -> Any:
    """An item of a list as far as it is in the set, always with its keys; None where it is not."""
    if not isinstance(item, dict):
        return item if any(member(element) == item for element in fields) else None
    for element, inner in fields.items():
        key = item_key(element)
        if key is not None and identity(item, key.names) == key.values:
            cut = _cut(item, inner, tidy)
            return {name: item[name] for name in item if name in cut or name in key.names} | cut
    return None


def without(body: Any, fields: Fields) -> Any:
    """A copy without everything that is in the set."""
    if isinstance(body, dict):
        kept: dict[str, Any] = {}
        for key, value in body.items():
            inner = fields.get(f"f:{key}")
            if inner is None:
                kept[key] = value
            elif inner and "." not in inner:
                kept[key] = without(value, inner)
        return kept
    if isinstance(body, list):
        return [left for item in body if (left := _item_without(item, fields)) is not None]
    return body


def _item_without(item: Any, fields: Fields) -> Any:
    if not isinstance(item, dict):
        return None if any(member(element) == item for element in fields) else item
    for element, inner in fields.items():
        key = item_key(element)
        if key is not None and identity(item, key.names) == key.values:
            return without(item, inner) if inner and "." not in inner else None
    return item


def intent(body: Body) -> Body:
    """A body without what only a server sets: an exported object says it, and nobody means it."""
    metadata = body["metadata"]
    if not any(key in metadata for key in _SERVER_SET) and "status" not in body:
        return body
    kept = {key: value for key, value in body.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in metadata.items() if key not in _SERVER_SET}
    return kept
