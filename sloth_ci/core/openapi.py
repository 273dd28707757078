"""What an API server says of its kinds, made small: its OpenAPI v3 documents, and CustomResourceDefinitions.

Sources: the documents below `/openapi/v3`, and Kubernetes' "Custom Resources: structural schemas".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from sloth_ci.core.objects import Body
from sloth_ci.core.schema import Definitions, Node, kind_key

KIND_OF: Final = "x-kubernetes-group-version-kind"
_ANY_FIELDS: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Proven(msgspec.Struct, frozen=True):
    """Fields, as `definition.field`, of which the server has been seen to refuse what its document says it does.

    The documents call more required than is: `roleRef.apiGroup` has a default, and `serviceName` may be left away.
    """

    required: frozenset[str] = frozenset()
    enums: frozenset[str] = frozenset()


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
            node = _with_status(node)
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
        node = _with_status(_node(schema, "", None))
        known = {"apiVersion": Node("string"), "kind": Node("string"), "metadata": Node(ref=_META)}
        nodes[key] = msgspec.structs.replace(node, fields={**node.fields, **known})
        kinds[key] = key
    return Definitions(nodes, kinds)


def _with_status(node: Node) -> Node:
    """A manifest has no status, or one that is not looked at."""
    required = tuple(name for name in node.required if name != "status")
    return msgspec.structs.replace(node, fields={**node.fields, "status": Node()}, required=required)


def _kinds(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for item in map(_table, _list(schema.get(KIND_OF))):
        yield item.get("group", ""), item.get("version", ""), item.get("kind", "")


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Whether it is a kind that has a name, rather than a list, options, or a part of an object."""
    metadata = _table(_table(schema.get("properties")).get("metadata"))
    return bool(schema.get(KIND_OF)) and _ref(metadata) == _META


def _ref(schema: Mapping[str, Any]) -> str:
    """The definition that a schema refers to: itself, or in the one entry of `allOf` that goes with a default."""
    refs = [one.get("$ref") for one in (schema, *map(_table, _list(schema.get("allOf"))))]
    return next((ref.rpartition("/")[2] for ref in refs if isinstance(ref, str)), "")


def _node(schema: Mapping[str, Any], builtin: str, proven: Proven | None) -> Node:
    """`builtin`: the name of the built-in definition that this is; empty for a part of one, and for custom kinds.

    `proven` is for the built-in ones alone.
    """
    if ref := _ref(schema):
        return Node(ref=ref)
    if schema.get(_INT_OR_STRING) or schema.get("format") == "int-or-string":
        return Node("intstr")
    if builtin.endswith(".resource.Quantity"):
        return Node("quantity")
    kind = schema.get("type")
    if kind == "array":
        return Node("array", items=_inner(_table(schema.get("items")), proven))
    if kind == "object":
        return _object(schema, builtin, proven)
    if kind not in ("string", "integer", "number", "boolean"):
        return Node()
    values = _list(schema.get("enum"))
    return Node(kind, enum=tuple(values) if kind == "string" and all(isinstance(v, str) for v in values) else ())


def _inner(schema: Mapping[str, Any], proven: Proven | None) -> Node:
    """An item of a list, or a value of a map."""
    node = _node(schema, "", proven)
    return node if proven is None or not node.enum else Node(node.type)


def _object(schema: Mapping[str, Any], builtin: str, proven: Proven | None) -> Node:
    properties = _table(schema.get("properties"))
    fields = {name: _node(_table(inner), "", proven) for name, inner in properties.items()}
    required = [name for name in _list(schema.get("required")) if isinstance(name, str) and name in properties]
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


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
