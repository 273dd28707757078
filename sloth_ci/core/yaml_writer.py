"""JSON data to block-style YAML, so that kubectl and every other YAML reader gets the same data back."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from sloth_ci.core.yaml_scalars import SHORT, json_value, value_of

_ROOT_ORDER: Final = ("apiVersion", "kind", "metadata")
_METADATA_ORDER: Final = ("name", "generateName", "namespace", "labels", "annotations")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.$(](?:[!-9;-~]|:(?! |\Z)| +(?![ #]|\Z))*")
# What some YAML reader takes for a number, a date, a boolean or an operator. Strings like these are quoted.
_AMBIGUOUS: Final = re.compile(
    r"[-+]?(?:0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9_]++)(?:e[-+]?[0-9]*)?|\.inf|\.nan)"
    r"|\.{3}.*|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[yn~=]|<<|yes|no|on|off|true|false|null|nan|inf",
    re.IGNORECASE,
)
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LONGEST_SIMPLE_KEY: Final = 512


def dump(value: Any) -> str:
    """Write JSON data as one YAML document that ends with a newline.

    Keys are sorted, but for apiVersion, kind and metadata and the name and namespace in it. Raises ValueError for a
    number that JSON does not have, and TypeError for what is not JSON.
    """
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _mapping(value, "", _ROOT_ORDER, lines)
    elif isinstance(value, list) and value:
        _sequence(value, "", lines)
    else:
        lines.append(_scalar(value, ""))
    lines.append("")
    return "\n".join(lines)


def _mapping(mapping: dict[str, Any], indent: str, order: tuple[str, ...], lines: list[str]) -> None:
    first = [key for key in order if key in mapping]
    for key in (*first, *sorted(mapping.keys() - set(first))):
        value = mapping[key]
        name = _text(key)
        # YAML reads a longer key only behind a question mark.
        head = f"{indent}{name}:" if len(name) <= _LONGEST_SIMPLE_KEY else f"{indent}? {name}\n{indent}:"
        if isinstance(value, dict) and value:
            lines.append(head)
            _mapping(value, indent + "  ", _METADATA_ORDER if key == "metadata" and not indent else (), lines)
        elif isinstance(value, list) and value:
            lines.append(head)
            _sequence(value, indent, lines)
        else:
            lines.append(f"{head} {_scalar(value, indent)}")


def _sequence(items: list[Any], indent: str, lines: list[str]) -> None:
    inner = indent + "  "
    for item in items:
        start = len(lines)
        if isinstance(item, dict) and item:
            _mapping(item, inner, (), lines)
        elif isinstance(item, list) and item:
            _sequence(item, inner, lines)
        else:
            lines.append(f"{inner}{_scalar(item, indent)}")
        lines[start] = f"{indent}- {lines[start][len(inner) :]}"


def _scalar(value: object, indent: str) -> str:
    if isinstance(value, str):
        if "\n" in value and not _UNPRINTABLE.search(value) and value.strip("\n"):
            return _literal(value, indent)
        return _text(value)
    if isinstance(value, dict | list):
        return "[]" if isinstance(value, list) else "{}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        # YAML 1.1 wants a point in a float: 1e+21 is a string to some readers.
        return re.sub(r"^(-?[0-9]+)e", r"\1.0e", repr(json_value(value)))
    raise TypeError(f"{type(value).__name__} is not JSON")


def _literal(text: str, indent: str) -> str:
    """A block scalar. It says its indentation where the first line would be mistaken for more of it."""
    body = text.rstrip("\n")
    newlines = len(text) - len(body)
    hint = "2" if body[0] in " \t\n" else ""
    chomp = ("-", "", "+")[min(newlines, 2)]
    inner = indent + "  "
    rows = [f"{inner}{row}" if row else "" for row in body.split("\n")]
    return "\n".join((f"|{hint}{chomp}", *rows, *[""] * (newlines - 1)))


def _text(text: str) -> str:
    """A string on one line: bare where nothing can mistake it, else in quotes."""
    return _short_text(text) if len(text) <= SHORT else _one_line(text)


@lru_cache(maxsize=8192)
def _short_text(text: str) -> str:
    return _one_line(text)


def _one_line(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _AMBIGUOUS.fullmatch(text) and value_of(text) == text:
        return text
    if "'" not in text and ('"' in text or "\\" in text) and text.isascii() and text.isprintable():
        return f"'{text}'"
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
