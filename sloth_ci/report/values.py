"""Values as a reader of manifests expects them: YAML, shortened, on one line or on several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import repeat
from typing import Any

from sloth_ci.report.text import one_line, shorten, visible

_MAX_DEPTH = 40
# What YAML 1.1 would not read back as this string, so that `8080` and `"8080"` look as different as they are.
_AMBIGUOUS = re.compile(
    r"(?:|~|null|true|false|yes|no|on|off|y|n"
    r"|[-+]?(?:0x[0-9a-f]+|0o?[0-7]+|\d[\d_]*(?:\.[\d_]*)?(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|\.inf|\.nan)"
    r"|[-?:](?:\s.*)?|[\s\[\]{}#&*!|>'\"%@`,].*|.*\s|.*:(?:\s.*)?|.*\s#.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@$-]*\Z")


def scalar(value: Any, limit: int = 300) -> str:
    """One value on one line. A string that could be taken for something else is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value[:limit]
        if _AMBIGUOUS.match(shown) or visible(shown) != shown:
            shown = _quoted(shown)
        return shown if len(value) <= limit else f"{shown}… ({len(value) - limit:,} more characters)"
    if isinstance(value, dict | list):
        return one_line(_flow(value, 0), limit)
    return one_line(str(value), limit)


def _quoted(value: str) -> str:
    """A quoted string; what JSON leaves invisible is written as an escape too."""
    if '"' in value and "'" not in value and "\\" not in value and visible(value) == value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{visible(escaped)}"'


def _flow(value: Any, depth: int) -> str:
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)}: {_flow(v, depth + 1)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item, depth + 1) for item in value) + "]"
    return scalar(value)


def _key(key: Any) -> str:
    text = str(key)
    return text if _PLAIN_KEY.match(text) else _quoted(text)


def block(value: Any, indent: int = 0) -> Iterator[str]:
    """A value as lines of YAML, one after the other, so that a reader who wants ten pays for ten."""
    yield from _block(value, "  " * indent, 0)


def _block(value: Any, pad: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield f"{pad}…"
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{pad}{_key(key)}:", inner, pad, depth)
    elif isinstance(value, list) and value:
        for item in value:
            first = True
            for line in _block(item, pad + "  ", depth + 1):
                yield f"{pad}- {line[len(pad) + 2 :]}" if first else line
                first = False
    elif is_text(value):
        yield f"{pad}|"
        yield from (f"{pad}  {line}" for line in text_lines(value))
    else:
        yield pad + scalar(value)


def _entry(head: str, value: Any, pad: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _block(value, pad + "  ", depth + 1)
    elif isinstance(value, list) and value:
        yield head
        yield from _block(value, pad, depth + 1)
    elif is_text(value):
        yield f"{head} |"
        yield from (f"{pad}  {line}" for line in text_lines(value))
    else:
        yield f"{head} {scalar(value)}"


def lines_of(value: Any) -> int:
    """How many lines `block` has for a value, without making them: those that nobody is shown are only counted."""
    return _count(value, 0)


def _count(value: Any, depth: int) -> int:
    if depth > _MAX_DEPTH:
        return 1
    if isinstance(value, dict) and value:
        return sum(map(_count_entry, value.values(), repeat(depth)))
    if isinstance(value, list) and value:
        return sum(_count(item, depth + 1) for item in value)
    return _count_text(value)


def _count_entry(value: Any, depth: int) -> int:
    below = isinstance(value, dict | list) and value
    return 1 + _count(value, depth + 1) if below else _count_text(value)


def _count_text(value: Any) -> int:
    return value.removesuffix("\n").count("\n") + 2 if is_text(value) else 1


def is_text(value: Any) -> bool:
    """Whether a value is a text of several lines."""
    return isinstance(value, str) and "\n" in value.rstrip("\n")


def text_lines(text: str, limit: int = 300) -> Iterator[str]:
    """The lines of a text, each safe and of bounded length. A carriage return stays visible."""
    for line in text.removesuffix("\n").split("\n"):
        yield visible(shorten(line, limit), keep="\t")


def is_plain(value: Any, limit: int = 60) -> bool:
    """Whether a value is short and on one line, so that it can be shown where it is mentioned."""
    if isinstance(value, str):
        return len(value) <= limit and "\n" not in value
    return not (isinstance(value, dict | list) and value)
