"""How manifests are written; that they mean the same is tested with kubectl."""

from __future__ import annotations

import math
from textwrap import dedent
from typing import Any

import pytest

from sloth_ci.core.yaml import dump, parse


def test_keys_come_in_the_order_of_kubernetes() -> None:
    body = {
        "spec": {"name": "x", "kind": "y", "a": 1},
        "metadata": {"labels": {"b": "2", "a": "1"}, "uid": "u", "namespace": "web", "name": "x"},
        "data": {},
        "kind": "Foo",
        "apiVersion": "v1",
    }
    assert dump(body) == dedent("""\
        apiVersion: v1
        kind: Foo
        metadata:
          name: x
          namespace: web
          labels:
            a: "1"
            b: "2"
          uid: u
        data: {}
        spec:
          a: 1
          kind: "y"
          name: x
        """)


def test_lists_stand_below_their_key() -> None:
    assert dump({"a": [{"b": 1, "c": [2, [3, []]]}, "d", {}]}) == dedent("""\
        a:
        - b: 1
          c:
          - 2
          - - 3
            - []
        - d
        - {}
        """)


def test_lines_are_a_literal_block() -> None:
    body = {"a": "x\n  y\n", "b": "x\ny", "c": "x\n\n", "d": "  x\ny\n", "e": "\nx\n", "f": ["x\ny\n"], "g": "\n"}
    assert dump(body) == dedent("""\
        a: |
          x
            y
        b: |-
          x
          y
        c: |+
          x

        d: |2
            x
          y
        e: |2

          x
        f:
        - |
          x
          y
        g: "\\n"
        """)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("nginx:1.27", "nginx:1.27"),
        ("/bin/sh -c 'x'", "/bin/sh -c 'x'"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("$(POD_NAME)", "$(POD_NAME)"),
        ("a#b", "a#b"),
        ("", '""'),
        ("a #b", '"a #b"'),
        ("a: b", '"a: b"'),
        ("a:", '"a:"'),
        (" a", '" a"'),
        ("a ", '"a "'),
        ("- a", '"- a"'),
        ("*", '"*"'),
        ('{"a": "b"}', """'{"a": "b"}'"""),
        (r"\d+", r"'\d+'"),
        (r"it's \d", r"it's \d"),
        (r"'\d", r'''"'\\d"'''),
        ("é", '"é"'),
        ("a\tb", '"a\\tb"'),
        ("a\r\nb", '"a\\r\\nb"'),
        ("a\u2028b\x85\ufeff\x00", '"a\\u2028b\\u0085\\ufeff\\u0000"'),
        *((text, f'"{text}"') for text in ("y", "No", "on", "true", "null", "~", "=", "<<", "1", "0o7", "0x1", "1e3")),
        *((text, f'"{text}"') for text in ("1_000", ".5", "-1", "+1", "1.", "12:30:45", "2020-01-01", ".inf", "1e400")),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
        (1e-7, "1.0e-07"),
        (1e21, "1.0e+21"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_scalars_are_quoted_where_a_reader_could_mistake_them(value: Any, written: str) -> None:
    assert dump({"a": value}) == f"a: {written}\n"
    if value is not None:
        assert parse(f"- {written}\n".encode())[0].value == [value]


@pytest.mark.parametrize("key", ["y", "1", "a b", "a: b", "", "'", "k" * 3000, "a\nb", "é" * 800])
def test_keys_of_any_kind(key: str) -> None:
    value = {key: {key: [{key: "a\nb"}, {key: {key: []}}]}}
    assert parse(dump(value).encode())[0].value == value


def test_no_line_is_ever_taken_for_a_separator() -> None:
    for text in ("---", "---\n", "a\n---\nb", "\n---", "...", "...\n---\n"):
        for value in (text, [text], {text: text}):
            assert [document.value for document in parse(dump(value).encode())] == [value]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON has no"):
        dump({"a": value})


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes is not JSON"):
        dump({"a": b"x"})


@pytest.mark.parametrize(
    "text",
    ["1" * 300_000 + "x", "1_" * 100_000 + "x", "a " * 100_000 + "#", " " * 300_000 + "#", "a" + " " * 300_000 + "#"],
)
def test_long_strings_do_not_stall_the_writer(text: str) -> None:
    assert parse(dump({"a": text}).encode())[0].value == {"a": text}
