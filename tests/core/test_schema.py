"""Objects against schemas. Whether a server says the same is in tests/kubernetes/test_schemas.py."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.openapi import Proven, definitions_of, definitions_of_crd
from sloth_ci.core.schema import Definitions, Node, Schemas

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
LAMP = "io.k8s.api.home.v1.Lamp"
SPEC = "io.k8s.api.home.v1.LampSpec"
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def ref(name: str) -> dict[str, Any]:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "default": {}}


DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            LAMP: {
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": ref(META),
                    "spec": ref(SPEC),
                    "status": {"type": "object", "properties": {"on": {"type": "boolean"}}},
                },
                "x-kubernetes-group-version-kind": [{"group": "home", "version": "v1", "kind": "Lamp"}],
            },
            "io.k8s.api.home.v1.LampList": {
                "type": "object",
                "properties": {"metadata": ref("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")},
                "x-kubernetes-group-version-kind": [{"group": "home", "version": "v1", "kind": "LampList"}],
            },
            META: {"type": "object", "properties": {"name": {"type": "string"}, "labels": TEXTS}},
            QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
            SPEC: {
                "type": "object",
                "properties": {
                    "watts": {"type": "integer", "format": "int32"},
                    "port": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
                    "power": ref(QUANTITY),
                    "level": {"type": "number"},
                    "bright": {"type": "boolean"},
                    "colour": {"type": "string", "enum": ["Red", "Green"]},
                    "rooms": {"type": "array", "items": {"type": "string"}},
                    "labels": TEXTS,
                    "anything": {"type": "object"},
                    "raw": {},
                },
                "required": ["rooms", "watts"],
            },
        }
    }
}
GOOD: dict[str, Any] = {"watts": 3, "rooms": ["hall"]}


def lamp(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "home/v1", "kind": "Lamp", "metadata": {"name": "a"}, "spec": {**GOOD, **spec}}


def said(body: dict[str, Any], schemas: Schemas | None = None) -> list[str]:
    return [str(fault) for fault in (schemas or Schemas([definitions_of(DOCUMENT)])).faults(body)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"watts": "3"}, ["spec.watts: expected a whole number, found a string"]),
        ({"watts": 3.0}, []),
        ({"watts": 3.5}, ["spec.watts: expected a whole number, found a number with a fraction"]),
        ({"watts": True}, ["spec.watts: expected a whole number, found true or false"]),
        ({"watts": None}, []),
        ({"level": 2}, []),
        ({"level": "2"}, ["spec.level: expected a number, found a string"]),
        ({"port": 80}, []),
        ({"port": "http"}, []),
        ({"port": ["http"]}, ["spec.port: expected a whole number or a string, found a list"]),
        ({"power": "100m"}, []),
        ({"power": "1.5Gi"}, []),
        ({"power": 2}, []),
        ({"power": "1e3"}, []),
        ({"power": "lots"}, ["spec.power: is no quantity such as 500m or 1Gi"]),
        ({"bright": "yes"}, ["spec.bright: expected true or false, found a string"]),
        ({"colour": "Red"}, []),
        ({"colour": ""}, []),
        ({"colour": "red"}, ["spec.colour: 'red' is none of Green, Red; did you mean Red?"]),
        ({"colour": "Mauve"}, ["spec.colour: 'Mauve' is none of Green, Red"]),
        ({"colour": 7}, ["spec.colour: expected a string, found a number: put it in quotes"]),
        ({"rooms": "hall"}, ["spec.rooms: expected a list, found a string"]),
        ({"rooms": ["hall", 5]}, ["spec.rooms[1]: expected a string, found a number: put it in quotes"]),
        ({"labels": {"a": "b", "c": False}}, ["spec.labels.c: expected a string, found true or false: put it in quotes"]),
        (
            {"labels": {"home.example.com/room": 1}},
            ["spec.labels[home.example.com/room]: expected a string, found a number: put it in quotes"],
        ),
        ({"anything": {"x": [1]}}, []),
        ({"anything": [1]}, ["spec.anything: expected a map, found a list"]),
        ({"raw": [1]}, []),
        ({"wats": 1}, ["spec.wats: unknown field; known: anything, bright, colour, labels, level, port, power, raw"]),
        ({"Colour": "Red"}, ["spec.Colour: unknown field, did you mean 'colour'?"]),
        ({"colours": "Red"}, ["spec.colours: unknown field, did you mean 'colour'?"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_field(spec: dict[str, Any], expected: list[str]) -> None:
    assert said(lamp(**spec)) == expected


def test_what_is_missing_is_named_with_the_place_it_belongs_to() -> None:
    body = lamp()
    del body["spec"]["watts"]
    [fault] = Schemas([definitions_of(DOCUMENT)]).faults(body)
    assert (fault.path, fault.missing, str(fault)) == (("spec", "watts"), True, "spec.watts: is missing")


def test_metadata_is_held_to_its_schema_and_the_status_to_none() -> None:
    body = lamp() | {"metadata": {"name": "a", "label": {"a": "b"}}, "status": {"on": "perhaps"}}
    assert said(body) == ["metadata.label: unknown field, did you mean 'labels'?"]


def test_of_built_in_kinds_only_what_was_proven_is_required() -> None:
    proven = Proven(frozenset({f"{SPEC}.watts"}), frozenset())
    schemas = Schemas([definitions_of(DOCUMENT, proven)])
    assert said({**lamp(), "spec": {"colour": "Mauve"}}, schemas) == ["spec.watts: is missing"]
    proven = Proven(frozenset(), frozenset({f"{SPEC}.colour"}))
    schemas = Schemas([definitions_of(DOCUMENT, proven)])
    assert said({**lamp(), "spec": {"colour": "Mauve"}}, schemas) == ["spec.colour: 'Mauve' is none of Green, Red"]


def test_lists_and_what_no_kind_refers_to_are_left_out() -> None:
    found = definitions_of(DOCUMENT)
    assert found.kinds == {"home/v1/Lamp": LAMP}
    assert list(found.nodes) == [LAMP, SPEC, QUANTITY, META]


def test_definitions_survive_being_written_down() -> None:
    found = definitions_of(DOCUMENT)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Definitions) == found
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Definitions) == found


def test_an_unknown_kind_is_taken_as_it_is_unless_it_is_nearly_a_known_one() -> None:
    layers = [definitions_of(DOCUMENT)]
    body = {**lamp(), "kind": "Lmap"}
    assert said(body, Schemas(layers)) == []
    assert said(body, Schemas(layers, closed=frozenset({"home/v1"}))) == [
        "kind: home/v1 has no Lmap, did you mean Lamp?"
    ]
    assert said({**body, "kind": "Heater"}, Schemas(layers, closed=frozenset({"home/v1"}))) == []
    assert said({**body, "apiVersion": "home/v2"}, Schemas(layers, closed=frozenset({"home/v1"}))) == []


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [
        ("home/v1beta1", ["apiVersion: the cluster no longer serves home/v1beta1, write home/v1"]),
        ("home/v2", []),  # it may have come since the cluster was asked
        ("shed/v1beta1", []),
        ("home/v1", []),
    ],
)
def test_a_version_that_the_cluster_left_behind(api_version: str, expected: list[str]) -> None:
    layers = [definitions_of(DOCUMENT)]
    schemas = Schemas(layers, served=frozenset({"home/v1"}), native=frozenset({"home"}))
    assert said({**lamp(), "apiVersion": api_version}, schemas) == expected


def test_no_value_of_a_secret_is_quoted() -> None:
    nodes = {"s": Node("object", fields={"type": Node("string", enum=("Opaque",)), "data": Node("integer")}, open=True)}
    schemas = Schemas([Definitions(nodes, {"v1/Secret": "s"})])
    body = {"apiVersion": "v1", "kind": "Secret", "type": "hunter2", "data": "hunter2"}
    assert said(body, schemas) == ["type: is none of Opaque", "data: expected a whole number, found a string"]


# --- CustomResourceDefinitions -------------------------------------------------------------------------------------


def crd(schema: dict[str, Any], **spec: Any) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Lamp", "plural": "lamps"}
    body = {"group": "home", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": body}


def of_crd(spec: dict[str, Any], value: Any, **around: Any) -> list[str]:
    schema = {"type": "object", "properties": {"spec": spec}, **around}
    schemas = Schemas([definitions_of_crd(crd(schema)), definitions_of(DOCUMENT)])
    return said({"apiVersion": "home/v1", "kind": "Lamp", "metadata": {"name": "a"}, "spec": value}, schemas)


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {"b": 1}, ["spec.b: unknown field; known: a"]),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-preserve-unknown-fields": True},
            {"b": 1, "a": 2},
            ["spec.a: expected a string, found a number: put it in quotes"],
        ),
        ({"x-kubernetes-preserve-unknown-fields": True}, [1], []),
        ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, "50%", []),
        ({"x-kubernetes-int-or-string": True}, {}, ["spec: expected a whole number or a string, found a map"]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, []),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"a": "1"},
            ["spec.a: expected a whole number, found a string"],
        ),
        ({"type": "object", "additionalProperties": True, "properties": {"a": {"type": "string"}}}, {"b": 1}, []),
        ({"type": "string", "nullable": True}, None, []),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {},
            ["spec.a: is missing"],
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"]},
            {},
            [],
        ),
        ({"type": "string", "enum": ["a", "b"]}, "c", ["spec: 'c' is none of a, b"]),
        ({"type": "integer", "enum": [1, 2]}, 3, []),
        (
            {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "properties": {"spec": {"type": "string"}},
            },
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "label": "b"}, "spec": "x"},
            ["spec.metadata.label: unknown field, did you mean 'labels'?"],
        ),
        ({"type": "object"}, {"a": 1}, []),
    ],
)
def test_what_the_schema_of_a_custom_kind_says(spec: dict[str, Any], value: Any, expected: list[str]) -> None:
    assert of_crd(spec, value) == expected


def test_a_custom_kind_requires_no_status_and_knows_its_metadata() -> None:
    required = {"type": "object", "properties": {"spec": {"type": "string"}}, "required": ["spec", "status"]}
    schemas = Schemas([definitions_of_crd(crd(required)), definitions_of(DOCUMENT)])
    body = {"apiVersion": "home/v1", "kind": "Lamp", "metadata": {"name": "a", "lables": {}}}
    assert said(body, schemas) == ["metadata.lables: unknown field, did you mean 'labels'?", "spec: is missing"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"spec": None},
        {"apiVersion": "apiextensions.k8s.io/v1", "spec": {"versions": [None, {"served": True}]}},
        {"apiVersion": "apiextensions.k8s.io/v1beta1", "spec": {"versions": [{"name": "v1", "served": True}]}},
        crd({"type": "object"}, preserveUnknownFields=True),
        crd({"type": "object"}, versions=[{"name": "v1", "served": False, "schema": {"openAPIV3Schema": {}}}]),
    ],
)
def test_a_definition_that_says_nothing_defines_nothing(broken: dict[str, Any]) -> None:
    assert definitions_of_crd(broken).kinds == {}


# --- properties ----------------------------------------------------------------------------------------------------

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["watts", "rooms", "colour", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


KEYWORDS = ("type", "properties", "items", "required", "enum", "allOf", "$ref", "additionalProperties", "default", "a")
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["object", "array", "string", "a", 5, None, True, [], {}, "#/components/schemas/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)


@given(SCHEMAS, VALUES)
def test_whatever_somebody_writes_into_a_definition_it_is_read(schema: Any, value: Any) -> None:
    found = definitions_of_crd(crd(schema))
    assert set(found.kinds) <= {"home/v1/Lamp"}
    body = {"apiVersion": "home/v1", "kind": "Lamp", "metadata": {"name": "a"}, "spec": value}
    assert all(fault.reason for fault in Schemas([found]).faults(body))
    document = {
        "components": {"schemas": {"a": schema if isinstance(schema, dict) else {}, LAMP: {"properties": schema}}}
    }
    assert isinstance(definitions_of(document), Definitions)


@given(VALUES)
def test_whatever_an_object_holds_the_answer_is_a_place_in_it_and_a_reason(value: Any) -> None:
    body = lamp() | {"spec": value}
    before = copy.deepcopy(body)
    for fault in Schemas([definitions_of(DOCUMENT)]).faults(body):
        place: Any = body
        for step in fault.path[:-1] if fault.missing else fault.path:
            place = place[step]
        assert fault.reason
        assert not fault.missing or fault.path[-1] not in place
    assert body == before


@given(
    st.fixed_dictionaries(
        {"watts": st.integers(), "rooms": st.lists(st.text())},
        optional={
            "port": st.integers() | st.text(),
            "level": st.integers() | st.floats(allow_nan=False),
            "bright": st.booleans(),
            "colour": st.sampled_from(["Red", "Green"]),
            "labels": st.dictionaries(st.text(), st.text()),
            "anything": st.dictionaries(st.text(), VALUES),
            "raw": VALUES,
        },
    )
)
def test_what_fits_is_never_called_wrong(spec: dict[str, Any]) -> None:
    assert said({**lamp(), "spec": spec}) == []
