"""Objects held against what an API server says of their kinds (`core.openapi`).

What is called wrong here, a server that validates strictly calls wrong, too (`tests/kubernetes/test_schemas.py` holds the
two together). Where that is not certain nothing is said: null, numbers without a fraction, formats, patterns, limits.

Source: Kubernetes' "Server Side Field Validation".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from sloth_ci.core.objects import Body
from sloth_ci.core.secrets import is_secret
from sloth_ci.core.tables import closest

_QUANTITY: Final = re.compile(r"[+-]?[0-9.]+([eEinumkKMGTP]*[-+]?[0-9]*)\Z", re.ASCII)
"""As Kubernetes' own error puts it; what matches may still be no quantity."""
_PLAIN: Final = re.compile(r"[A-Za-z_$][\w$-]*\Z", re.ASCII)
_LISTED: Final = 8


class Node(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    gc=False,
    rename={"type": "t", "ref": "r", "fields": "f", "required": "q", "items": "i", "values": "v", "enum": "e", "open": "o"},
):  # fmt: skip
    """What one place of an object may hold. Null is always taken."""

    type: str = ""
    """`object`, `array`, `string`, `integer`, `number`, `boolean`, `intstr`, `quantity`; empty is anything."""
    ref: str = ""
    """The name of a definition, which then says all the rest."""
    fields: dict[str, Node] = {}
    required: tuple[str, ...] = ()
    items: Node | None = None
    """Of a list."""
    values: Node | None = None
    """Of a map, by whatever key."""
    enum: tuple[str, ...] = ()
    open: bool = False
    """It takes fields that are not named."""


class Definitions(msgspec.Struct, frozen=True):
    """What is known of some kinds."""

    nodes: dict[str, Node] = {}
    kinds: dict[str, str] = {}
    """`apps/v1/Deployment` to the name of its definition; `v1/Pod` in the core group."""


def kind_key(api_version: str, kind: str) -> str:
    """How `Definitions.kinds` calls a kind."""
    return f"{api_version}/{kind}"


class Fault(NamedTuple):
    """One thing that is wrong. The reason quotes no value of a Secret."""

    path: tuple[str | int, ...]
    """Names of fields, keys of maps and positions in lists."""
    reason: str
    missing: bool = False
    """There is no such field, and there has to be."""

    @property
    def shown(self) -> str:
        """`spec.containers[0].image`, `metadata.labels[example.com/app]`; empty for the object itself."""
        parts = (f".{part}" if _PLAIN.match(str(part)) else f"[{part}]" for part in self.path)
        return "".join(parts).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.shown}: {self.reason}" if self.path else self.reason


class Schemas:
    """All that is known for one destination. Safe for many threads, as nothing in it changes."""

    def __init__(
        self,
        layers: Sequence[Definitions],
        *,
        closed: frozenset[str] = frozenset(),
        served: frozenset[str] | None = None,
        native: frozenset[str] = frozenset(),
    ) -> None:
        """`layers`: of two that know a kind, the first counts.

        `closed`: `apps/v1` and such, whose kinds are all known. `served`: all versions that the server has, where that is
        known. `native`: groups that are its own, and nobody can add to.
        """
        self._layers = layers
        self._closed = closed
        self._served = served
        self._native = native

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether there is a schema of it."""
        return self._find(api_version, kind) is not None

    def faults(self, body: Body) -> list[Fault]:
        """What a strict server would not take; empty, too, for a kind that is not known."""
        api_version, kind = body["apiVersion"], body["kind"]
        gone = self._gone(api_version, kind)
        if gone:
            return [gone]
        found = self._find(api_version, kind)
        if found is None:
            return self._misspelt(api_version, kind)
        definitions, node = found
        faults: list[Fault] = []
        named = _Lookup([definitions, *self._layers])
        _Check(named, faults, secret=is_secret(body)).check(body, node, ())
        return faults

    def _find(self, api_version: str, kind: str) -> tuple[Definitions, Node] | None:
        key = kind_key(api_version, kind)
        for definitions in self._layers:
            name = definitions.kinds.get(key)
            if name is not None:
                return definitions, definitions.nodes[name]
        return None

    def _gone(self, api_version: str, kind: str) -> Fault | None:
        """An alpha or beta version that the server has left behind. One that is newer may have come since it was asked."""
        group, _, version = api_version.rpartition("/")
        if self._served is None or api_version in self._served or group not in self._native:
            return None
        stable = f"{group}/v1".lstrip("/")
        if ("alpha" in version or "beta" in version) and stable in self._served and self._find(stable, kind):
            return Fault(("apiVersion",), f"the cluster no longer serves {api_version}, write {stable}")
        return None

    def _misspelt(self, api_version: str, kind: str) -> list[Fault]:
        """A kind of a closed version that is nearly the name of one. Any other may be newer than what is known."""
        if api_version not in self._closed:
            return []
        start = f"{api_version}/"
        kinds = [key[len(start) :] for layer in self._layers for key in layer.kinds if key.startswith(start)]
        near = closest(kind, kinds)
        return [Fault(("kind",), f"{api_version} has no {kind}, did you mean {near}?")] if near else []


class _Lookup(NamedTuple):
    layers: list[Definitions]

    def __call__(self, name: str) -> Node:
        for definitions in self.layers:
            if name in definitions.nodes:
                return definitions.nodes[name]
        return Node()


_NAMES: Final = {
    "object": "a map",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "intstr": "a whole number or a string",
    "quantity": "a quantity such as 500m or 1Gi",
}


class _Check(NamedTuple):
    """Walks an object and its schema side by side."""

    named: _Lookup
    faults: list[Fault]
    secret: bool

    def check(self, value: object, node: Node, path: tuple[str | int, ...]) -> None:
        if node.ref:
            node = self.named(node.ref)
        if value is None or not node.type:
            return
        if not _fits(value, node.type):
            self._wrong_type(value, node, path)
        elif isinstance(value, dict):
            self._map(value, node, path)
        elif isinstance(value, list) and node.items is not None:
            for position, item in enumerate(value):
                self.check(item, node.items, (*path, position))
        elif node.enum and value not in node.enum and value != "":  # an empty one may stand for the default
            self._wrong_word(str(value), node, path)

    def _map(self, table: Mapping[str, Any], node: Node, path: tuple[str | int, ...]) -> None:
        for key, value in table.items():
            inner = node.fields.get(key, node.values)
            if inner is not None:
                self.check(value, inner, (*path, key))
            elif not node.open:
                self.faults.append(Fault((*path, key), _unknown(key, table, node)))
        missing = [name for name in node.required if name not in table]
        self.faults.extend(Fault((*path, name), "is missing", missing=True) for name in missing)

    def _wrong_type(self, value: object, node: Node, path: tuple[str | int, ...]) -> None:
        reason = f"expected {_NAMES[node.type]}, found {_kind_of(value)}"
        if node.type == "quantity" and isinstance(value, str):
            reason = f"is no {_NAMES['quantity'].removeprefix('a ')}"
        elif node.type == "string" and isinstance(value, bool | int | float):
            reason += ": put it in quotes"
        self.faults.append(Fault(path, reason))

    def _wrong_word(self, value: str, node: Node, path: tuple[str | int, ...]) -> None:
        words = sorted(node.enum)
        near = closest(value, words)
        reason = f"is none of {', '.join(words)}"
        if not self.secret and value.isprintable() and len(value) <= 40:
            reason = f"'{value}' {reason}"
        self.faults.append(Fault(path, f"{reason}; did you mean {near}?" if near else reason))


def _fits(value: object, kind: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return number
        case "integer":
            return number and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
        case "quantity":
            return number or (isinstance(value, str) and bool(_QUANTITY.match(value.strip())))
        case _:
            return number or isinstance(value, str)


def _unknown(key: str, table: Mapping[str, Any], node: Node) -> str:
    free = sorted(name for name in node.fields if name not in table)
    near = next((name for name in free if name.lower() == key.lower()), None) or closest(key, free)
    if near:
        return f"unknown field, did you mean '{near}'?"
    if 0 < len(free) <= _LISTED:
        return f"unknown field; known: {', '.join(free)}"
    return "unknown field"


def _kind_of(value: object) -> str:
    names = {dict: "a map", list: "a list", str: "a string", bool: "true or false", float: "a number with a fraction"}
    return names.get(type(value), "a number")
