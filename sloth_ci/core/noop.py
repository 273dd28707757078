"""The proof that applying an object would change nothing, from the object as it is, without asking the server.

A server-side apply changes nothing where our entry in `managedFields` holds exactly the fields that would be applied and
each has the value that it would get. Whatever is not sure counts as not proved: then the server is asked. So every rule
here may be too strict, and none may be too lax; a property test holds them against a real server's dry-run.

In one case the server writes although nothing changes: it gives our entry a new time where somebody else has applied
after us, or where it drops an empty table that is declared. That is nothing that anybody has to be told or to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sloth_ci.core.fieldpath import KEY_DEFAULTS, item_key
from sloth_ci.core.managed import MANAGER, Fields
from sloth_ci.core.objects import Body, canonical
from sloth_ci.core.quantity import quantity

BUILT_IN: Final = frozenset(
    {
        "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "autoscaling", "batch",
        "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io",
        "storage.k8s.io",
    }
)  # fmt: skip
"""Groups whose objects the server keeps as Go structs: zero values may vanish, numbers and quantities are respelled."""

_EMPTY_IS_NONE: Final = frozenset({"", "apps", "batch"})
"""Groups where an empty list is the same as none; elsewhere some kinds take it for a change, and count it as one."""

_NOT_APPLIED: Final = frozenset({"apiVersion", "kind", "metadata"})
_IDENTITY: Final = frozenset({"name", "namespace"})

# Of built-in kinds only. Lists with keys: an empty one owns nothing and changes nothing.
_KEYED_LISTS: Final = frozenset(
    {
        "env", "ports", "volumes", "volumeMounts", "volumeDevices", "initContainers", "imagePullSecrets", "hostAliases",
        "topologySpreadConstraints", "ownerReferences", "finalizers", "secrets",
    }
)  # fmt: skip
# Tables that an apply merges into, field by field, and that the server or others fill: `{}` in them changes nothing, and a set that
# holds them as a whole comes from such a `{}`.
_MERGED: Final = frozenset(
    {
        "strategy", "updateStrategy", "rollingUpdate", "securityContext", "resources", "metadata", "labels", "annotations",
        "data", "binaryData", "limits", "requests", "hard",
    }
)  # fmt: skip
_QUANTITIES: Final = frozenset({"limits", "requests", "hard", "capacity", "allocatable", "overhead", "podFixed"})
"""Maps of quantities."""
_QUANTITY: Final = frozenset({"sizeLimit", "divisor", "averageValue"})
"""Fields that are one."""
# What the server adds inside values that are applied as a whole, by the name of the field that holds them.
_ATOMIC_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "fieldRef": {"apiVersion": "v1"},
    "resourceFieldRef": {"divisor": "0"},
    "ports": {"protocol": "TCP"},
    "rules": {"scope": "*"},
    "volumeClaimTemplates": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}},
    "spec": {"volumeMode": "Filesystem"},
    "serviceAccountToken": {"expirationSeconds": 3600},
}
_SUBJECTS: Final = {
    "User": "rbac.authorization.k8s.io",
    "Group": "rbac.authorization.k8s.io",
}
_FREE: Final = frozenset({"data", "binaryData", "labels", "annotations", "matchLabels", "nodeSelector", "parameters"})
"""Maps with keys of the user's own: their names mean nothing."""
_MAPS: Final = _FREE | {"limits", "requests", "hard"}
"""An empty one is none."""
_ABSENT: Final = object()
_Others = tuple[Fields, ...]


def proves_noop(desired: Body, live: Body, manager: str = MANAGER) -> bool:
    """Whether a server-side apply of `desired`, exactly as it would be sent, surely leaves `live` as it is.

    False says nothing: it may still change nothing.
    """
    ours: Mapping[str, Any] | None = None
    others: list[Fields] = []
    metadata = live["metadata"]
    for entry in metadata.get("managedFields") or ():
        if entry.get("subresource"):
            if entry["subresource"] != "status":
                others.append(entry.get("fieldsV1") or {})
        elif entry.get("manager") == manager and entry.get("operation") == "Apply":
            ours = entry
        else:
            others.append(entry.get("fieldsV1") or {})
    version = desired["apiVersion"]
    if ours is None or ours.get("apiVersion") != version or live.get("apiVersion", version) != version:
        return False
    group = version.rpartition("/")[0]
    proof = _CUSTOM if group not in BUILT_IN else _BUILT_IN if group in _EMPTY_IS_NONE else _PICKY
    return proof.object(desired, ours.get("fieldsV1") or {}, live, tuple(others))


class _Proof:
    """The walk over what would be applied, what we own, what is there, and what others own, all four in step."""

    def __init__(self, *, built_in: bool, empty_is_none: bool) -> None:
        self._built_in, self._empty_is_none = built_in, empty_is_none

    def object(self, desired: Body, fields: Fields, live: Body, others: _Others) -> bool:
        """The top level: the identity of an object is in no set."""
        rest = {key: value for key, value in desired.items() if key not in _NOT_APPLIED}
        metadata = {key: value for key, value in desired["metadata"].items() if key not in _IDENTITY}
        if metadata:
            rest["metadata"] = metadata
        return self._table(rest, fields, live, others, "")

    def _table(
        self, desired: Mapping[str, Any], fields: Fields, live: Mapping[str, Any], others: _Others, name: str
    ) -> bool:
        matched = 0
        for key, value in desired.items():
            element = "f:" + key
            inner = fields.get(element)
            if inner is None:
                if value == [] and type(value) is list and self._empty_is_none and key in _KEYED_LISTS:
                    continue
                return False
            matched += 1
            found = live.get(key, _ABSENT)
            theirs = _below(others, element) if others else ()
            if not inner:
                if type(value) is type(found) and value == found and type(value) in _SCALARS:
                    continue
                if not self._whole(value, found, key, name, theirs):
                    return False
            elif type(value) is dict and type(found) is dict:
                if not self._table(value, inner, found, theirs, key):
                    return False
            elif type(value) is list and type(found) is list:
                if not self._list(value, inner, found, theirs):
                    return False
            else:
                return False
        return matched == len(fields) - ("." in fields)

    def _list(self, desired: list[Any], fields: Fields, live: list[Any], others: _Others) -> bool:
        if len(desired) != len(fields) - ("." in fields) or not desired:
            return False
        first = next(element for element in fields if element != ".")
        key = item_key(first)
        if key is None:
            return first.startswith("v:") and _members(desired, fields, live)
        return self._items(desired, fields, live, others, key.names)

    def _items(
        self, desired: list[Any], fields: Fields, live: list[Any], others: _Others, names: tuple[str, ...]
    ) -> bool:
        owned: dict[Any, tuple[str, Fields]] = {}
        for element, inner in fields.items():
            if element == ".":
                continue
            key = item_key(element)
            if key is None or key.names != names:
                return False
            owned[key.values] = element, inner
        try:
            there = {_values(item, names): position for position, item in enumerate(live)}
            wanted = [
                (owned.pop(values := _values(item, names), None), there.get(values, -1), item) for item in desired
            ]
        except TypeError:  # a key that is a table: nothing that a server would take
            return False
        if owned or len(there) != len(live):
            return False
        before = -1
        for own, position, item in wanted:
            # An apply puts its items into its own order.
            if own is None or position <= before or type(item) is not dict:
                return False
            before = position
            element, inner = own
            theirs = _below(others, element) if others else ()
            # An item that is owned as a whole is atomic: `imagePullSecrets`.
            same = self._table if inner else self._whole_item
            if not same(item, inner, live[position], theirs, ""):
                return False
        return True

    def _whole_item(self, desired: Any, fields: Fields, live: Any, others: _Others, name: str) -> bool:  # noqa: ARG002 (as `_table`)
        return self._whole_table(desired, live, name, others)

    def _whole(self, desired: Any, live: Any, key: str, parent: str, others: _Others) -> bool:
        """A value that is owned as a whole: a scalar, something atomic, or something empty.

        Where another manager owns it too, the server compares the spelling, not the value.
        """
        lenient = self._built_in and not others
        if type(desired) is dict:
            return self._whole_table(desired, live, key, others)
        if type(desired) is list and type(live) is list:
            return _equal(desired, live, key, parent, lenient=lenient)
        if not lenient or parent in _FREE:
            return False
        if live is _ABSENT:
            # Zero values are left out where they mean nothing. Had somebody removed it, we would not own it any more.
            return not desired and (self._empty_is_none or type(desired) is not list)
        if type(desired) in _NUMBERS and type(live) in _NUMBERS:
            return bool(desired == live)
        return _is_quantity(key, parent) and _same_quantity(desired, live)

    def _whole_table(self, desired: dict[str, Any], live: Any, key: str, others: _Others) -> bool:
        merged = self._built_in and key in _MERGED
        if not desired:
            if live is _ABSENT:
                return not others and (key in _MAPS if self._empty_is_none else merged and key in _FREE)
            return type(live) is dict and (merged or not live)
        # Not empty, and owned without anything below: it is atomic, unless it was empty when it was applied. Then what is
        # below it now is somebody else's, or defaults.
        if merged or type(live) is not dict or any(len(inner) > ("." in inner) for inner in others):
            return False
        return _equal(desired, live, key, "", lenient=self._built_in and not others)


_SCALARS: Final = frozenset({str, int, bool, float})
_NUMBERS: Final = frozenset({int, float})
_BUILT_IN = _Proof(built_in=True, empty_is_none=True)
_PICKY = _Proof(built_in=True, empty_is_none=False)
_CUSTOM = _Proof(built_in=False, empty_is_none=False)


def _below(others: _Others, element: str) -> _Others:
    return tuple(inner for other in others if (inner := other.get(element)) is not None)


def _values(item: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    if type(item) is not dict:
        return ()
    return tuple([item.get(name, KEY_DEFAULTS.get(name)) for name in names])


def _members(desired: list[Any], fields: Fields, live: list[Any]) -> bool:
    """A list that is a set: all of ours are there, in our order."""
    if len(set(map(repr, desired))) != len(desired):
        return False
    before = -1
    for item in desired:
        if "v:" + canonical(item).decode() not in fields or item not in live:
            return False
        position = live.index(item)
        if position <= before:
            return False
        before = position
    return True


def _equal(desired: Any, live: Any, key: str, parent: str, *, lenient: bool) -> bool:
    """Deep equality of an atomic value; where `lenient`, with the defaults that the server puts into it."""
    if type(desired) is dict and type(live) is dict:
        for name, value in desired.items():
            found = live.get(name, _ABSENT)
            if found is _ABSENT or not _equal(value, found, name, key, lenient=lenient):
                return False
        return len(live) == len(desired) or (lenient and _only_defaults(desired, live, key))
    if type(desired) is list and type(live) is list:
        return len(desired) == len(live) and all(
            _equal(one, other, key, parent, lenient=lenient) for one, other in zip(desired, live, strict=True)
        )
    if type(desired) is type(live) and desired == live:
        return True
    if not lenient or parent in _FREE:
        return False
    if type(desired) in _NUMBERS and type(live) in _NUMBERS:
        return bool(desired == live)
    return _is_quantity(key, parent) and _same_quantity(desired, live)


def _is_quantity(key: str, parent: str) -> bool:
    return parent in _QUANTITIES or key in _QUANTITY


def _same_quantity(desired: Any, live: Any) -> bool:
    number = quantity(desired)
    return number is not None and number == quantity(live)


def _only_defaults(desired: Mapping[str, Any], live: Mapping[str, Any], key: str) -> bool:
    """Whether what only the live value has is what the server puts there."""
    defaults = _ATOMIC_DEFAULTS.get(key, {})
    for name, value in live.items():
        if name in desired or (name == "creationTimestamp" and value is None):
            continue
        if key == "subjects" and name == "apiGroup":
            if value != _SUBJECTS.get(desired.get("kind", "")):
                return False
        elif name not in defaults or value != defaults[name]:
            return False
    return True
