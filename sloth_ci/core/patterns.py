"""Patterns of paths as Ruby's `File.fnmatch` reads them with FNM_PATHNAME and FNM_DOTMATCH: that is how GitLab matches."""

from __future__ import annotations

import re
from collections.abc import Iterator


class Glob:
    r"""One pattern, for a whole path.

    `*` and `?` stand for characters of one name, also of one that starts with a dot; `**/` for any number of folders;
    `[a-z]` for one character, `[!a-z]` and `[^a-z]` for one of the others; `\` takes the meaning from what follows it.
    `**` that is not a whole folder of the pattern is `*`.

    Raises ValueError where a `[` does not end: Ruby finds nothing with it.
    """

    __slots__ = ("_expression",)

    def __init__(self, pattern: str) -> None:
        self._expression = re.compile("".join(_translated(pattern)))

    def matches(self, path: str) -> bool:
        """Whether it stands for a path."""
        return self._expression.fullmatch(path) is not None


def _translated(pattern: str) -> Iterator[str]:
    position, fresh = 0, True
    while position < len(pattern):
        if fresh and pattern.startswith("**/", position):
            while pattern.startswith("**/", position):
                position += 3
            yield "(?:[^/]*/)*"
            continue
        char = pattern[position]
        fresh = char == "/"
        position += 1
        if char == "*":
            while pattern.startswith("*", position):
                position += 1
            yield "[^/]*"
        elif char == "?":
            yield "[^/]"
        elif char == "[":
            expression, position = _bracket(pattern, position)
            yield expression
        elif char == "\\" and position < len(pattern):
            yield re.escape(pattern[position])
            position += 1
        else:
            yield re.escape(char)


def _bracket(pattern: str, position: int) -> tuple[str, int]:
    """What stands for one character, and where the pattern goes on. `position` is behind the `[`."""
    start = position
    negated = pattern[position : position + 1] in {"!", "^"}
    position += negated
    parts: list[str] = []
    while pattern[position : position + 1] != "]":
        low, position = _literal(pattern, position, start)
        high = low
        if pattern[position : position + 1] == "-" and pattern[position + 1 : position + 2] != "]":
            high, position = _literal(pattern, position + 1, start)
        if low <= high:
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(parts)
    if negated:
        return f"[^/{inside}]", position + 1
    return (f"(?!/)[{inside}]" if inside else "(?!)"), position + 1


def _literal(pattern: str, position: int, start: int) -> tuple[str, int]:
    """A character of a bracket, and where the next one is."""
    position += pattern.startswith("\\", position)
    if position >= len(pattern):
        raise ValueError(f"the bracket in {pattern[:start]}… does not end")
    return pattern[position], position + 1
