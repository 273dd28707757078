"""The line of a field, for a message about it."""

from __future__ import annotations

import pytest

from sloth_ci.core.yaml_reader import line_of

TEXT = b"""\
# a word
a:
  b: [1, {c: 2},
      {d: 3}]
  e:
  - f: 1
    g: &anchor
      h: 2
---
kind: List
items:
- a: 1
  b:
    c: 2
- a: 2
  b:
    c: {d: *nowhere_here}
"""
GOOD = TEXT.replace(b"*nowhere_here", b"4")


@pytest.mark.parametrize(
    ("start", "path", "line"),
    [
        (2, (), 2),
        (2, ("a",), 2),
        (2, ("a", "b"), 3),
        (2, ("a", "b", 1, "c"), 3),
        (2, ("a", "b", 2, "d"), 4),
        (2, ("a", "e", 0, "g", "h"), 8),
        (10, ("items",), 11),
        (12, ("b", "c"), 14),
        (15, ("b", "c", "d"), 17),
        (12, ("b", "x"), None),
        (2, ("a", "b", 7), None),
        (2, ("a", "b", "c"), None),
        (2, ("a", "x", "y"), None),
        (3, ("b",), None),
    ],
)
def test_the_line_of_a_field(start: int, path: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(GOOD, start, path) == line


@pytest.mark.parametrize("text", [b"", b"{{ .Values.a }}\n", TEXT, b"\xff\xfe\xff", b"a: [" * 3000])
def test_what_is_no_yaml_has_no_lines(text: bytes) -> None:
    assert line_of(text, 1, ("a",)) is None


def test_json_has_lines_too() -> None:
    assert line_of(b'{\n  "a": {\n    "b": 1\n  }\n}\n', 1, ("a", "b")) == 3
