"""The structural diff: what it says, and that it says everything."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from sloth_ci.core.diff import diff
from sloth_ci.core.objects import canonical


def paths(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [change.path for change in diff(before, after)]


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": list(containers)}}


def test_an_inserted_container_is_one_change() -> None:
    web, side = {"name": "web", "image": "a"}, {"name": "side", "image": "b"}
    (change,) = diff(pod(web), pod(side, web))
    assert (change.path, change.before, change.after) == ("spec.containers[name=side]", UNSET, side)


def test_a_field_of_a_keyed_item_is_named_by_the_key() -> None:
    before = pod({"name": "web", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})
    after = pod({"name": "web", "env": [{"name": "B", "value": "3"}, {"name": "A", "value": "1"}]})
    assert paths(before, after) == [
        "spec.containers[name=web].env[name=B].value",
        "spec.containers[name=web].env (order)",
    ]


def test_ports_are_told_apart_by_protocol_and_tcp_is_the_default() -> None:
    before = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "targetPort": 1}]}}
    after = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "targetPort": 2}]}}
    assert paths(before, after) == ["spec.ports[port=53].targetPort"]


def test_items_without_a_key_are_aligned() -> None:
    rules = [{"resources": [name]} for name in ("a", "b", "c")]
    changed = [rules[0], {"resources": ["new"]}, *rules[1:]]
    assert paths({"rules": rules}, {"rules": changed}) == ["rules[1]"]
    assert paths({"args": ["-a", "-b", "-c"]}, {"args": ["-a", "-c"]}) == ["args[1]"]


def test_keys_that_are_not_unique_fall_back_to_positions() -> None:
    rules = [{"alert": "x", "expr": "1"}, {"alert": "x", "expr": "2"}]
    assert paths({"rules": rules}, {"rules": [rules[0], {"alert": "x", "expr": "3"}]}) == ["rules[1].expr"]


def test_json_in_a_configmap_is_compared_inside() -> None:
    def configmap(value: Any) -> dict[str, Any]:
        return {"kind": "ConfigMap", "data": {"app.json": json.dumps(value, indent=2)}}

    (change,) = diff(configmap({"log": {"level": "info"}, "x": 1}), configmap({"x": 1, "log": {"level": "debug"}}))
    assert (change.path, change.before, change.after) == ('data["app.json"] → log.level', "info", "debug")


def test_yaml_in_a_configmap_is_compared_inside() -> None:
    before = {"kind": "ConfigMap", "data": {"a.yaml": "jobs:\n- name: x\n  every: 1m\n"}}
    after = {"kind": "ConfigMap", "data": {"a.yaml": "# slower\njobs:\n- {name: x, every: 2m}\n"}}
    assert paths(before, after) == ['data["a.yaml"] → jobs[name=x].every']


def test_an_embedded_document_that_only_looks_different_says_so() -> None:
    before = {"kind": "ConfigMap", "data": {"a.json": '{"a":1}'}}
    after = {"kind": "ConfigMap", "data": {"a.json": '{ "a": 1 }'}}
    assert paths(before, after) == ['data["a.json"] (formatting only)']


def test_text_that_is_no_document_stays_text() -> None:
    before = {"kind": "ConfigMap", "data": {"a.json": "{ not json", "b.yaml": "a: [\nb"}}
    after = {"kind": "ConfigMap", "data": {"a.json": "{ nor this", "b.yaml": "a: [\nc"}}
    assert paths(before, after) == ['data["a.json"]', 'data["b.yaml"]']


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.5), ("1", 1), (None, ""), ([], {})])
def test_types_count(before: Any, after: Any) -> None:
    assert paths({"a": before}, {"a": after}) == ["a"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "x/y"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "a", "b.c", "ports", "port"]), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(["spec", "data", "rules", "containers"]), JSON, max_size=3)


@given(BODIES, BODIES)
def test_no_change_if_and_only_if_the_canonical_bytes_are_equal(before: dict[str, Any], after: dict[str, Any]) -> None:
    untouched = copy.deepcopy((before, after))
    changes = diff(before, after)
    assert (canonical(before) == canonical(after)) == (not changes)
    assert (before, after) == untouched


@given(BODIES, BODIES)
def test_the_way_back_has_the_same_paths_with_the_sides_swapped(before: dict[str, Any], after: dict[str, Any]) -> None:
    def whole(changes: list[Any]) -> set[tuple[str, bool, bool]]:
        return {(c.path, c.before is UNSET, c.after is UNSET) for c in changes if "[" not in c.path}

    swapped = {(path, new, old) for path, old, new in whole(diff(after, before))}
    assert whole(diff(before, after)) == swapped
