"""Paths of fields, sets of them, and the proof that an apply changes nothing. The server's word is in tests/kubernetes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from sloth_ci.core.fieldpath import get, parse, remove, show
from sloth_ci.core.managed import difference, has, intent, leaves, our_fields, owners_of, project, union, without
from sloth_ci.core.noop import proves_noop
from sloth_ci.core.quantity import quantity

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web", "app": "x"}},
    "spec": {
        "containers": [
            {"name": "side", "image": "side:1"},
            {"name": "web", "image": "web:1", "args": ["a", "b"], "ports": [{"containerPort": 80, "name": "http"}]},
        ],
    },
}
FINALIZERS = {"metadata": {"finalizers": ["a/b", "c"]}}


@pytest.mark.parametrize(
    ("text", "path", "shown"),
    [
        (".spec.replicas", ("f:spec", "f:replicas"), "spec.replicas"),
        (
            '.spec.containers[name="web"].image',
            ("f:spec", "f:containers", 'k:{"name":"web"}', "f:image"),
            "spec.containers[name=web].image",
        ),
        (
            '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].name',
            (
                "f:spec",
                "f:containers",
                'k:{"name":"web"}',
                "f:ports",
                'k:{"containerPort":80,"protocol":"TCP"}',
                "f:name",
            ),
            "spec.containers[name=web].ports[containerPort=80].name",
        ),
        (
            ".metadata.labels.app.kubernetes.io/name",
            ("f:metadata", "f:labels", "f:app.kubernetes.io/name"),
            'metadata.labels["app.kubernetes.io/name"]',
        ),
        (".metadata.labels.app", ("f:metadata", "f:labels", "f:app"), "metadata.labels.app"),
        ('.metadata.finalizers[="a/b"]', ("f:metadata", "f:finalizers", 'v:"a/b"'), "metadata.finalizers[a/b]"),
        (
            ".spec.containers[1].args[0]",
            ("f:spec", "f:containers", "i:1", "f:args", "i:0"),
            "spec.containers[1].args[0]",
        ),
    ],
)
def test_paths_are_read_as_the_server_writes_them(text: str, path: tuple[str, ...], shown: str) -> None:
    assert parse(text, POD, FINALIZERS) == path
    assert show(path) == shown


def test_a_path_that_cannot_be_read_is_none() -> None:
    assert parse('.spec.containers[name="web', POD) is None


def test_get_and_remove() -> None:
    before = copy.deepcopy(POD)
    assert get(POD, ("f:spec", "f:containers", 'k:{"name":"web"}', "f:image")) == "web:1"
    assert get(
        POD, ("f:spec", "f:containers", 'k:{"name":"web"}', "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}')
    )
    assert get(POD, ("f:spec", "f:containers", 'k:{"name":"no"}')) is UNSET
    assert get(FINALIZERS, ("f:metadata", "f:finalizers", 'v:"c"')) == "c"
    left = remove(POD, ("f:spec", "f:containers", 'k:{"name":"side"}'))
    assert [item["name"] for item in left["spec"]["containers"]] == ["web"]
    assert remove(POD, ("f:spec", "f:nothing")) is POD
    assert before == POD


def test_remove_leaves_no_empty_table_behind() -> None:
    """An empty table would be owned, and would say something."""
    assert remove({"spec": {"a": {"b": 1}}, "kind": "X"}, ("f:spec", "f:a", "f:b")) == {"kind": "X"}


# --- sets -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"z"'])
PATHS = st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), max_size=12)


def set_of(paths: set[tuple[str, ...]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path in sorted(paths, key=len):
        one: dict[str, Any] = {}
        for element in reversed(path):
            one = {element: one}
        made = dict(union(made, one))
    return made


@given(PATHS, PATHS)
def test_a_union_holds_what_either_holds(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> None:
    both = union(set_of(one), set_of(other))
    assert both == union(set_of(other), set_of(one)) == set_of(one | other)
    assert all(has(both, path) for path in one | other)
    assert union(both, set_of(one)) == both


@given(PATHS, PATHS)
def test_a_difference_and_the_other_set_share_nothing(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> None:
    left = difference(set_of(one), set_of(other))
    assert not set(leaves(left)) & set(leaves(set_of(other)))
    assert set(leaves(left)) <= set(leaves(set_of(one)))
    assert difference(set_of(one), set_of(one)) == {}
    assert (
        difference(set_of(one)) == set_of(one)
        or any("." in path for path in map(str, one))
        or one != set(leaves(set_of(one)))
    )


def test_an_item_that_somebody_else_has_something_in_stays() -> None:
    former: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:args": {}}}}}
    ours: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}}}}}
    left = difference(former, ours)
    assert left == {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:args": {}}}}}
    assert "args" not in without(POD, left)["spec"]["containers"][1]
    assert without(POD, former)["spec"]["containers"] == [{"name": "side", "image": "side:1"}]


def test_a_projection_keeps_identity_and_keys_and_nothing_else() -> None:
    fields: dict[str, Any] = {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"web"}': {
                    "f:args": {},
                    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {"f:name": {}}},
                }
            }
        },
        "f:status": {},
    }
    assert project(POD, fields) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "web", "args": ["a", "b"], "ports": [{"containerPort": 80, "name": "http"}]}]},
    }


def test_a_projection_onto_nothing_is_who_it_is() -> None:
    assert project(POD, {}) == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}


def test_a_tidy_projection_has_no_empty_tables() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x", "labels": {"a": "1"}},
        "data": {},
        "spec": {"b": {"c": 1}},
    }
    fields: dict[str, Any] = {
        "f:metadata": {"f:labels": {"f:gone": {}}},
        "f:data": {},
        "f:spec": {"f:b": {"f:gone": {}}},
    }
    assert project(body, fields, tidy=True) == {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "data": {}}
    assert project(body, fields)["spec"] == {"b": {}}


def test_members_of_a_set_are_projected_and_removed_by_value() -> None:
    fields: dict[str, Any] = {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}}
    body = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "finalizers": ["a/b", "c"]}}
    assert project(body, fields)["metadata"] == {"name": "x", "finalizers": ["a/b"]}
    assert without(body, fields)["metadata"] == {"name": "x", "finalizers": ["c"]}


def test_what_only_a_server_sets_is_no_intent() -> None:
    exported = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x", "uid": "1", "resourceVersion": "2", "managedFields": [], "generation": 1},
        "status": {"ready": True},
    }
    assert intent(exported) == {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}


# --- the proof ------------------------------------------------------------------------------------------------------


def owned(fields: dict[str, Any], *, manager: str = "sloth-ci", **more: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": fields,
        **more,
    }


def live_of(desired: dict[str, Any], *entries: dict[str, Any], **changed: Any) -> dict[str, Any]:
    body = copy.deepcopy(desired) | changed
    body["metadata"] = {**body["metadata"], "managedFields": list(entries), "resourceVersion": "1"}
    return body


CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c"},
    "data": {"a": "1", "b": "2"},
}
EXACT: dict[str, Any] = {"f:data": {"f:a": {}, "f:b": {}}}


def test_the_plain_case_is_proved() -> None:
    assert proves_noop(CONFIG, live_of(CONFIG, owned(EXACT)))


@pytest.mark.parametrize(
    ("entry", "changed"),
    [
        (owned({"f:data": {"f:a": {}}}), {}),  # b would become ours
        (owned({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}), {}),  # c would be removed
        (owned(EXACT, manager="kubectl"), {}),
        (owned(EXACT, operation="Update"), {}),
        (owned(EXACT, subresource="status"), {}),
        (owned(EXACT, apiVersion="v2"), {}),
        (owned(EXACT), {"data": {"a": "1", "b": "3"}}),
        (owned(EXACT), {"data": {"a": "1"}}),
        (owned(EXACT), {"data": {"a": "1", "b": 2}}),
        (owned({"f:data": {}}), {}),  # it was an empty table
    ],
)
def test_what_is_not_exact_is_not_proved(entry: dict[str, Any], changed: dict[str, Any]) -> None:
    assert not proves_noop(CONFIG, live_of(CONFIG, entry, **changed))


def test_what_others_own_beside_it_does_not_matter() -> None:
    live = live_of(CONFIG, owned(EXACT), owned({"f:data": {"f:c": {}}}, manager="other"))
    live["data"]["c"] = "3"
    assert proves_noop(CONFIG, live)


SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s"},
    "spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "protocol": "UDP"}]},
}
TCP, UDP = 'k:{"port":80,"protocol":"TCP"}', 'k:{"port":81,"protocol":"UDP"}'
PORTS: dict[str, Any] = {
    "f:spec": {
        "f:ports": {
            TCP: {".": {}, "f:name": {}, "f:port": {}},
            UDP: {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
        }
    }
}


def test_a_port_may_leave_its_protocol_out() -> None:
    live = live_of(SERVICE, owned(PORTS))
    live["spec"]["ports"][0]["protocol"] = "TCP"
    assert proves_noop(SERVICE, live)
    live["spec"]["ports"][0]["protocol"] = "SCTP"
    assert not proves_noop(SERVICE, live)


def test_the_order_of_items_counts_only_among_ours() -> None:
    live = live_of(SERVICE, owned(PORTS))
    live["spec"]["ports"].insert(1, {"port": 99, "name": "z", "protocol": "TCP"})
    assert proves_noop(SERVICE, live)
    live["spec"]["ports"].reverse()
    assert not proves_noop(SERVICE, live)


def test_two_items_with_one_key_are_not_sure() -> None:
    twice = copy.deepcopy(SERVICE)
    twice["spec"]["ports"][1] = dict(twice["spec"]["ports"][0])
    assert not proves_noop(twice, live_of(twice, owned(PORTS)))


@pytest.mark.parametrize("key", ["cpu", {"a": 1}, [1], None])
def test_a_key_of_another_type_is_not_sure(key: Any) -> None:
    odd = copy.deepcopy(SERVICE)
    odd["spec"]["ports"][0]["port"] = key
    assert not proves_noop(odd, live_of(SERVICE, owned(PORTS)))


QUOTA: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "q"},
    "spec": {"hard": {"limits.cpu": "1000m", "pods": "10"}},
}
HARD: dict[str, Any] = {"f:spec": {"f:hard": {"f:limits.cpu": {}, "f:pods": {}}}}


def test_a_quantity_may_be_spelled_in_another_way() -> None:
    live = live_of(QUOTA, owned(HARD), spec={"hard": {"limits.cpu": "1", "pods": "10"}})
    assert proves_noop(QUOTA, live)


def test_but_not_where_somebody_else_owns_it_too() -> None:
    """The server compares the spelling then, and finds a conflict."""
    live = live_of(QUOTA, owned(HARD), owned(HARD, manager="other"), spec={"hard": {"limits.cpu": "1", "pods": "10"}})
    assert not proves_noop(QUOTA, live)


def test_a_text_that_looks_like_a_quantity_is_a_text() -> None:
    config = {**CONFIG, "data": {"limits": "1000m", "sizeLimit": "1000m"}}
    live = live_of(
        config, owned({"f:data": {"f:limits": {}, "f:sizeLimit": {}}}), data={"limits": "1", "sizeLimit": "1"}
    )
    assert not proves_noop(config, live)


def test_a_whole_value_is_compared_as_a_whole() -> None:
    policy = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": {"app": "web"}, "externalIPs": ["1.1.1.1", "2.2.2.2"]},
    }
    fields: dict[str, Any] = {"f:spec": {"f:selector": {}, "f:externalIPs": {}}}
    assert proves_noop(policy, live_of(policy, owned(fields)))
    more = live_of(policy, owned(fields))
    more["spec"]["selector"]["tier"] = "x"
    assert not proves_noop(policy, more)
    # Somebody has a field inside: it is no whole, and our `selector: {}` of once is not what is declared now.
    inside = live_of(policy, owned(fields), owned({"f:spec": {"f:selector": {"f:app": {}}}}, manager="other"))
    assert not proves_noop(policy, inside)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1000m", "1"), ("0.5", "500m"), ("1Gi", "1024Mi"), (1, "1"), ("1e3", "1k"), ("1E", "1000P"), (0.25, "250m")],
)
def test_quantities(one: Any, other: Any) -> None:
    assert quantity(one) == quantity(other) is not None


@pytest.mark.parametrize("text", ["", "one", "1 Gi", "1gi", "0.0000000001", "9" * 30, True, None, "1e", "--1"])
def test_what_is_no_quantity(text: Any) -> None:
    assert quantity(text) is None


def test_who_owns_a_field() -> None:
    body = live_of(CONFIG, owned(EXACT), owned({"f:data": {"f:b": {}}}, manager="human", time="2026-02-01T00:00:00Z"))
    assert [owner.manager for owner in owners_of(body, ("f:data", "f:b"))] == ["sloth-ci", "human"]
    assert [owner.manager for owner in owners_of(body, ("f:data", "f:a"))] == ["sloth-ci"]
    assert our_fields(body) == EXACT
    assert our_fields({"metadata": {}}) is None
