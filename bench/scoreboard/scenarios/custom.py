"""CustomResourceDefinitions and their objects."""

from __future__ import annotations

from typing import Any, Final

from scoreboard.place import Body, Event, Place, applied, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import configmap, crd, widget

ONE: Final = frozenset({"Widget/one"})
_SIZE: Final = {"size": {"type": "integer"}}
_WIDGET: Final = "widgets.$NS.example.com/one"


def _served(properties: Body) -> Event:
    """The platform has brought the CustomResourceDefinition."""

    def bring(place: Place) -> None:
        applied(crd(properties), by="platform")(place)
        place.kubectl("wait", "--for=condition=Established", "crd/widgets.$NS.example.com", "--timeout=30s")

    return bring


def _items(*names: str) -> list[Body]:
    return [{"name": name, "value": name} for name in names]


_KEYED: Final[Body] = {
    "items": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
        },
    }
}
_ATOMIC: Final[Body] = {"names": {"type": "array", "items": {"type": "string"}}}


def _edited(spec: Any, by: str = "operator") -> Event:
    return lambda place: patched(place.fill(_WIDGET), {"spec": spec}, by=by)(place)


SCENARIOS: Final = (
    Scenario(
        name="crd",
        description="A CustomResourceDefinition, which the server fills and whose names it accepts.",
        before=[crd(_SIZE)],
    ),
    Scenario(
        name="crd-changed",
        description="A CustomResourceDefinition gets another field, and an object of it uses that at once.",
        before=[crd(_SIZE), widget({"size": 1})],
        after=[crd({**_SIZE, "colour": {"type": "string"}}), widget({"size": 1, "colour": "red"})],
        changes=frozenset({"CustomResourceDefinition/widgets.$NS.example.com", "Widget/one"}),
    ),
    Scenario(
        name="crd-and-object",
        description="A CustomResourceDefinition and an object of it are new, in this order.",
        before=[configmap()],
        after=[configmap(), crd(_SIZE), widget({"size": 1})],
        changes=frozenset({"CustomResourceDefinition/widgets.$NS.example.com", "Widget/one"}),
    ),
    Scenario(
        name="object-before-crd",
        description="The same, and the object stands first.",
        before=[configmap()],
        after=[widget({"size": 1}), crd(_SIZE), configmap()],
        changes=frozenset({"CustomResourceDefinition/widgets.$NS.example.com", "Widget/one"}),
    ),
    Scenario(
        name="kind-unknown",
        description="An object of a kind that nobody defines, beside an object that changes.",
        before=[configmap()],
        after=[configmap(data={"level": "debug"}), widget({"size": 1})],
        changes=frozenset({"ConfigMap/settings"}),
        conflicts=ONE,
    ),
    Scenario(
        name="custom-default",
        description="A custom object whose schema has defaults.",
        setting=[_served({**_SIZE, "colour": {"type": "string", "default": "blue"}})],
        before=[widget({"size": 1})],
    ),
    Scenario(
        name="custom-default-removed",
        description="A field with a default in the schema is no longer declared, and had another value.",
        setting=[_served({**_SIZE, "colour": {"type": "string", "default": "blue"}})],
        before=[widget({"size": 1, "colour": "red"})],
        after=[widget({"size": 1})],
        changes=ONE,
    ),
    Scenario(
        name="custom-unknown-field",
        description="A custom object gets a field that its schema does not know.",
        setting=[_served(_SIZE)],
        before=[widget({"size": 1})],
        after=[widget({"size": 1, "colour": "red"})],
        conflicts=ONE,
    ),
    Scenario(
        name="custom-invalid",
        description="A custom object gets a value of the wrong type.",
        setting=[_served(_SIZE)],
        before=[widget({"size": 1})],
        after=[widget({"size": "large"})],
        conflicts=ONE,
    ),
    Scenario(
        name="custom-free-form",
        description="A custom object with a part that has no schema, in which an operator keeps something, too.",
        setting=[_served({"values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}})],
        before=[widget({"values": {"a": {"b": [1, 2.5, True, None, "x"]}, "c": {}}})],
        events=[_edited({"values": {"seen": True}})],
    ),
    Scenario(
        name="custom-quantity",
        description="A custom object keeps 1000m as it is written, so 1 is another value.",
        setting=[_served({"cpu": {"type": "string"}})],
        before=[widget({"cpu": "1000m"})],
        after=[widget({"cpu": "1"})],
        changes=ONE,
    ),
    Scenario(
        name="custom-int-or-string",
        description="A custom object's field that takes both gets the number instead of the string.",
        setting=[_served({"port": {"x-kubernetes-int-or-string": True}})],
        before=[widget({"port": "80"})],
        after=[widget({"port": 80})],
        changes=ONE,
    ),
    Scenario(
        name="custom-number",
        description="A custom object's number is written as 1.0 instead of 1.",
        setting=[_served({"ratio": {"type": "number"}})],
        before=["apiVersion: $NS.example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {ratio: 1}\n"],
        after=["apiVersion: $NS.example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {ratio: 1.0}\n"],
    ),
    Scenario(
        name="custom-keyed-list",
        description="An operator has added an item to a custom object's list with keys, and we change one of ours.",
        setting=[_served(_KEYED)],
        before=[widget({"items": _items("a", "b")})],
        events=[applied(widget({"items": _items("theirs")}), by="operator")],
        after=[widget({"items": [{"name": "a", "value": "other"}, *_items("b")]})],
        changes=ONE,
    ),
    Scenario(
        name="custom-atomic-list",
        description="An operator has added an item to a custom object's list without keys.",
        setting=[_served(_ATOMIC)],
        before=[widget({"names": ["a"]})],
        events=[_edited({"names": ["a", "theirs"]})],
        conflicts=ONE,
    ),
    Scenario(
        name="custom-empty",
        description="A custom object with empty maps and lists, which are kept.",
        setting=[_served({**_ATOMIC, "values": {"type": "object", "additionalProperties": {"type": "string"}}})],
        before=[widget({"names": [], "values": {}})],
    ),
    Scenario(
        name="custom-emptied",
        description="A custom object's list loses its only item, and stays as an empty one.",
        setting=[_served(_ATOMIC)],
        before=[widget({"names": ["a"]})],
        after=[widget({"names": []})],
        changes=ONE,
    ),
    Scenario(
        name="custom-null",
        description="A nullable field of a custom object is null.",
        setting=[_served({**_SIZE, "colour": {"type": "string", "nullable": True}})],
        before=[widget({"size": 1, "colour": None})],
    ),
)
