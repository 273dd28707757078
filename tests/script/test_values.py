"""Values that cross between Lua and the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.script.context import Context
from sloth_ci.script.run import Script
from sloth_ci.script.runtime import Machine
from support.luahost import MemoryHost


@pytest.fixture(scope="module")
def machine() -> Any:
    machine = Machine({}, context=lambda: Context(Path()))
    yield machine
    machine.close()


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
    | st.binary(max_size=40)
)  # fmt: skip
KEYS = st.text(max_size=40) | st.integers(-5, 200).filter(lambda n: n > 100 or n < 0)
VALUES = st.recursive(
    SCALARS.filter(lambda v: v is not None),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(KEYS, inner, max_size=20),
    max_leaves=60,
)


def same(value: Any) -> Any:
    """The value as it comes back: bytes that are text are text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [same(item) for item in value]
    if isinstance(value, dict):
        return {key: same(item) for key, item in value.items()}
    return value


@given(value=VALUES)
def test_data_comes_back_as_it_went(machine: Machine, value: Any) -> None:
    [identity] = machine.run_file("t", b"return function(...) return ... end", Context(Path()))
    expected = same(value)
    if not contains_bytes(expected):
        assert typed(machine.call(identity, [value], Context(Path()))) == typed([expected])


def typed(value: Any) -> Any:
    """The value with each scalar's type, for 1, 1.0 and true are equal."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {(type(key), key): typed(item) for key, item in value.items()}
    return (type(value), value)


def contains_bytes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(contains_bytes(item) for item in value.values())
    return isinstance(value, bytes) or (isinstance(value, list) and any(contains_bytes(item) for item in value))


def test_several_values_and_nils(machine: Machine) -> None:
    values = machine.run_file("t", b"return nil, 1, nil, 'x', nil", Context(Path()))
    assert values == [None, 1, None, "x", None]
    assert machine.run_file("t", b"", Context(Path())) == []


def test_functions_stay_the_same_function(machine: Machine) -> None:
    [make, same_function] = machine.run_file(
        "t", b"local f = function(a, b) return a + b, 'second' end return function() return f end, function(g) return g == f end",
        Context(Path()),
    )  # fmt: skip
    first, again = make(), make()
    assert first == again
    assert same_function(first) is True
    assert first(2, 3) == (5, "second")
    assert machine.call(first, [2, 3], Context(Path())) == [5, "second"]


def test_large_integers_become_floats(machine: Machine) -> None:
    [kind] = machine.run_file("t", b"return function(n) return math.type(n) .. ' ' .. n end", Context(Path()))
    assert kind(2**63) == "float 9.2233720368548e+18"
    assert kind(2**100) == "float 1.2676506002282e+30"
    assert kind(-(2**63)) == "integer -9223372036854775808"


def test_integers_print_without_a_point(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        local diff = gitops.generate_diff(gitops.workflow({repo = "x"}))
        print("total " .. diff.summary.total_changes, #diff.warnings, #diff.changes, diff.changes[1].desired_state)
        print(7 // 2, 7 / 2, 1e3, 10 // 1)
        """
    )
    assert host.lines[0].startswith("total 1\t0\t1\ttable")
    assert host.lines[1] == "3\t3.5\t1000.0\t10"


def test_empty_lists_stay_lists(run: Callable[..., Script], host: MemoryHost) -> None:
    run("""
        print(json.encode(json.decode('{"a": [], "b": {}, "c": [[]], "d": null}')))
        print(json.encode({}), json.encode(json.array({})), json.encode({list = json.array({})}))
        print(json.encode({1, 2, nil, 4}), json.encode({n = 1, 5}), json.encode("ä\\n"), json.encode(1.0), json.encode(nil))
    """)
    assert host.lines == [
        '{"a": [], "b": {}, "c": [[]]}',
        '{}\t[]\t{"list": []}',
        '{"1": 1, "2": 2, "4": 4}\t{"1": 5, "n": 1}\t"ä\\n"\t1.0\tnull',
    ]


def test_json_pretty(run: Callable[..., Script], host: MemoryHost) -> None:
    run("print(json.encode({b = 1, a = {2}}, {pretty = true}))")
    assert host.lines == ['{\n  "a": [\n    2\n  ],\n  "b": 1\n}']


def test_yaml(run: Callable[..., Script], host: MemoryHost) -> None:
    run("""
        local a, b, c = yaml.decode("kind: A\\nday: 2020-01-01\\n---\\n- 1\\n- yes\\n---\\n")
        print(a.kind, a.day, b[1], b[2], c)
        print(yaml.encode({kind = "A", list = {1, "1"}}))
        print(yaml.decode("# nothing"))
        local back = yaml.decode(yaml.encode({x = "2020-01-01", y = "no", z = {a = json.array({})}}))
        print(back.x, back.y, #back.z.a)
    """)
    assert host.lines[0] == "A\t2020-01-01\t1\ttrue\tnil"
    assert host.lines[2:] == ["nil", "2020-01-01\tno\t0"]


def test_logging_takes_anything(run: Callable[..., Script], host: MemoryHost) -> None:
    run("""
        log.info("a", 1, nil, true, 1.5) log.warn() log.error("\\xff") log.debug({} ~= nil)
        print(nil, "x", setmetatable({}, {__tostring = function() return "mine" end}))
    """)
    assert host.logs == [
        ("info", "a 1 nil true 1.5"), ("warn", ""), ("error", "\ufffd"), ("debug", "true"), ("info", "nil\tx\tmine"),
    ]  # fmt: skip


def test_params_and_values(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        "print(params.name, params.nope, values.replicas + 1, values.list[2], #values.none)",
        params={"name": "x"},
        values={"replicas": 2, "list": ["a", "b"], "none": []},
    )
    assert host.lines == ["x\tnil\t3\tb\t0"]


def test_a_question(run: Callable[..., Script], host: MemoryHost) -> None:
    run("local answer = io.read() print(answer:lower(), io.read('l'), io.read('n'))")
    host.answer = ""
    run("print(io.read() == '')")
    assert host.lines == ["y\ty\ty", "true"]


def test_a_large_document_is_fast_enough(run: Callable[..., Script], host: MemoryHost) -> None:
    host.changes = [
        {
            "type": "update",
            "resource": f"Deployment/ns/app-{i}",
            "impact": "low",
            "state": {"spec": {"list": [1, 2, 3] * 5}},
        }
        for i in range(3000)
    ]
    run("""
        local diff, n = gitops.generate_diff(gitops.workflow({repo = "x"})), 0
        for _, change in ipairs(diff.changes) do n = n + #change.state.spec.list end
        print(n)
    """)
    assert host.lines == ["45000"]
