"""Objects held against what an API server says of their kinds: its OpenAPI documents, made small.

What is called wrong here, a server that validates strictly calls wrong, too (`tests/kubernetes/test_schemas.py` holds the
two together). Where that is not certain nothing is said: null, numbers without a fraction, formats, patterns, limits.

Sources: Kubernetes' "Server Side Field Validation" and "Custom Resources: structural schemas", and the OpenAPI v3 documents
below `/openapi/v3`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from sloth_ci.core.objects import Body
from sloth_ci.core.secrets import is_secret
from sloth_ci.core.tables import closest

KIND_OF: Final = "x-kubernetes-group-version-kind"
_ANY_FIELDS: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
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


class Proven(msgspec.Struct, frozen=True):
    """Fields, as `definition.field`, of which the server has been seen to refuse what its document says it does.

    The documents call more required than is: `roleRef.apiGroup` has a default, and `serviceName` may be left away.
    """

    required: frozenset[str] = frozenset()
    enums: frozenset[str] = frozenset()


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


# --- documents become definitions ----------------------------------------------------------------------------------


def definitions_of(document: Mapping[str, Any], proven: Proven | None = None) -> Definitions:
    """Make an OpenAPI v3 document of an API server small.

    Built-in types keep of `required` and `enum` what is in `proven`; without it, all. Raises ValueError for what is no such
    document.
    """
    schemas = document.get("components", {}).get("schemas", {})
    if not isinstance(schemas, Mapping):
        raise ValueError("no schemas")
    nodes: dict[str, Node] = {}
    kinds: dict[str, str] = {}
    for name, schema in schemas.items():
        node = _node(schema, name, proven) if name.startswith("io.k8s.") else _node(schema, "", None)
        if _is_object(schema):
            node = msgspec.structs.replace(node, fields={**node.fields, "status": Node()})
            for group, version, kind in _kinds(schema):
                kinds[kind_key(f"{group}/{version}".lstrip("/"), kind)] = name
        nodes[name] = node
    return Definitions(_reached(nodes, kinds.values()), kinds)


def definitions_of_crd(crd: Body) -> Definitions:
    """The kind that a CustomResourceDefinition (v1) defines, in each version that is served."""
    nodes: dict[str, Node] = {}
    kinds: dict[str, str] = {}
    spec = _table(crd.get("spec"))
    group, kind = spec.get("group"), _table(spec.get("names")).get("kind")
    versions = spec.get("versions")
    if crd.get("apiVersion") != "apiextensions.k8s.io/v1" or not isinstance(versions, list):
        return Definitions()
    for version in map(_table, versions):
        schema = _table(version.get("schema")).get("openAPIV3Schema")
        if not version.get("served") or not isinstance(schema, Mapping) or spec.get("preserveUnknownFields") is True:
            continue
        key = kind_key(f"{group}/{version.get('name')}", str(kind))
        node = _node(schema, "", None)
        fields = {**node.fields, "apiVersion": Node("string"), "kind": Node("string"), "status": Node()}
        required = tuple(name for name in node.required if name != "status")
        nodes[key] = msgspec.structs.replace(
            node, fields={**fields, "metadata": Node(ref=_META)}, required=required, open=node.open or not node.fields
        )
        kinds[key] = key
    return Definitions(nodes, kinds)


def kind_key(api_version: str, kind: str) -> str:
    """How `Definitions.kinds` calls a kind."""
    return f"{api_version}/{kind}"


def _kinds(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for item in schema.get(KIND_OF) or ():
        yield item.get("group", ""), item.get("version", ""), item.get("kind", "")


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Whether it is a kind that has a name, rather than a list, options, or a part of an object."""
    metadata = _table(_table(schema.get("properties")).get("metadata"))
    refs = [metadata, *metadata.get("allOf", ())]
    return bool(schema.get(KIND_OF)) and any(one.get("$ref", "").endswith(f"/{_META}") for one in refs)


def _node(schema: Mapping[str, Any], builtin: str, proven: Proven | None) -> Node:
    """`builtin`: the name of the built-in definition that this is; empty for a part of one, and for custom kinds.

    `proven` is for the built-in ones alone.
    """
    ref = schema.get("$ref") or next((one["$ref"] for one in schema.get("allOf") or () if "$ref" in one), "")
    if ref:
        return Node(ref=ref.rpartition("/")[2])
    if schema.get(_INT_OR_STRING) or schema.get("format") == "int-or-string":
        return Node("intstr")
    if builtin.endswith(".resource.Quantity"):
        return Node("quantity")
    kind = schema.get("type")
    if kind == "array":
        return Node("array", items=_inner(_table(schema.get("items")), proven))
    if kind == "object":
        return _object(schema, builtin, proven)
    if kind not in {"string", "integer", "number", "boolean"}:
        return Node()
    values = schema.get("enum") or ()
    return Node(kind, enum=tuple(values) if kind == "string" and all(isinstance(v, str) for v in values) else ())


def _inner(schema: Mapping[str, Any], proven: Proven | None) -> Node:
    """An item of a list, or a value of a map."""
    node = _node(schema, "", proven)
    return node if proven is None or not node.enum else Node(node.type)


def _object(schema: Mapping[str, Any], builtin: str, proven: Proven | None) -> Node:
    properties = _table(schema.get("properties"))
    fields = {name: _node(_table(inner), "", proven) for name, inner in properties.items()}
    required = [name for name in schema.get("required") or () if name in properties]
    if builtin and proven is not None:
        required = [name for name in required if f"{builtin}.{name}" in proven.required]
        for name, node in fields.items():
            if node.enum and f"{builtin}.{name}" not in proven.enums:
                fields[name] = Node(node.type)
    if not builtin:
        required = [name for name in required if "default" not in _table(properties[name])]
    if schema.get(_EMBEDDED):
        fields |= {"apiVersion": Node("string"), "kind": Node("string"), "metadata": Node(ref=_META)}
    more = schema.get("additionalProperties")
    values = _inner(more, proven) if isinstance(more, Mapping) else None
    # An object that names no field: the built-in ones hold anything, and of custom ones a server may drop what is in it.
    open_ = bool(schema.get(_ANY_FIELDS)) or more is True or (not fields and values is None)
    return Node("object", "", fields, tuple(sorted(required)), None, values, (), open_)


def _reached(nodes: Mapping[str, Node], starts: Iterable[str]) -> dict[str, Node]:
    """What the kinds refer to. Lists and options are in no manifest."""
    found: dict[str, Node] = {}
    todo = sorted({*starts, _META} & set(nodes))
    while todo:
        name = todo.pop()
        if name in found or name not in nodes:
            continue
        found[name] = nodes[name]
        todo += _refs(nodes[name])
    return dict(sorted(found.items()))


def _refs(node: Node) -> Iterator[str]:
    if node.ref:
        yield node.ref
    for inner in (node.items, node.values, *node.fields.values()):
        if inner is not None:
            yield from _refs(inner)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


# --- objects against definitions -----------------------------------------------------------------------------------


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
