"""Paths of fields as an API server writes them, in `managedFields` and in its conflicts.

A path is a tuple of elements, each spelled as in `fieldsV1` (sigs.k8s.io/structured-merge-diff, `fieldpath`):
`f:name` a field or the key of a map, `k:{"name":"web"}` the item of a list by its keys, `v:"x"` a member of a set,
`i:0` an index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from sloth_ci.core.diff import child
from sloth_ci.core.objects import Body, canonical

Path = tuple[str, ...]

KEY_DEFAULTS: Final = {"protocol": "TCP"}
"""Defaults of list keys: an item may leave them out (ports of containers and Services)."""

_DECODE = msgspec.json.Decoder().decode
_BRACKET = re.compile(r'\[((?:[^\]"]|"(?:[^"\\]|\\.)*")*)\]')
_PAIR = re.compile(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]*)')


class ItemKey(NamedTuple):
    """The keys of a list item: their names, and its values in the same order."""

    names: tuple[str, ...]
    values: tuple[Any, ...]


@lru_cache(maxsize=4096)
def item_key(element: str) -> ItemKey | None:
    """Read `k:{...}`; None for what is no such element. Few different ones occur in a cluster."""
    if not element.startswith("k:"):
        return None
    try:
        keys = _DECODE(element[2:].encode())
    except msgspec.DecodeError:
        return None
    if not isinstance(keys, dict) or not keys or any(isinstance(value, dict | list) for value in keys.values()):
        return None
    return ItemKey(tuple(keys), tuple(keys.values()))


@lru_cache(maxsize=4096)
def member(element: str) -> Any:
    """Read the scalar of `v:...`; UNSET for what is no such element."""
    if not element.startswith("v:"):
        return UNSET
    try:
        return _DECODE(element[2:].encode())
    except msgspec.DecodeError:
        return UNSET


def identity(item: object, names: Sequence[str]) -> tuple[Any, ...] | None:
    """The values of an item's keys; None where it has not all of them."""
    if not isinstance(item, dict):
        return None
    values = tuple(item.get(name, KEY_DEFAULTS.get(name)) for name in names)
    return None if any(value is None or isinstance(value, dict | list) for value in values) else values


def get(body: Any, path: Sequence[str]) -> Any:
    """The value at a path; UNSET where there is none."""
    value = body
    for element in path:
        at = _position(value, element)
        if at is None:
            return UNSET
        value = value[at]
    return value


def remove(body: Body, path: Sequence[str]) -> Body:
    """A copy without what is at a path, and without tables that are empty for it. Nothing is changed in place."""
    return _removed(body, path) if path and get(body, path) is not UNSET else body


def _removed(value: Any, path: Sequence[str]) -> Any:
    at = _position(value, path[0])
    copy = value.copy()
    left = _removed(value[at], path[1:]) if len(path) > 1 else None
    if left:
        copy[at] = left
    else:
        del copy[at]
    return copy


def _position(value: Any, element: str) -> Any:
    """The dict key or list index that an element names in a value; None where it is not there."""
    kind, name = element[:2], element[2:]
    if kind == "f:":
        return name if isinstance(value, dict) and name in value else None
    if not isinstance(value, list):
        return None
    if kind == "k:":
        key = item_key(element)
        return next((n for n, item in enumerate(value) if key and identity(item, key.names) == key.values), None)
    if kind == "v:":
        wanted = member(element)
        return next((n for n, item in enumerate(value) if type(item) is type(wanted) and item == wanted), None)
    return int(name) if name.isdigit() and int(name) < len(value) else None


def parse(text: str, *guides: Any) -> Path | None:
    """Read `.spec.containers[name="web"].image` as conflicts name fields; None where it cannot be read.

    Names are not escaped there (`.metadata.labels.app.kubernetes.io/name`), so bodies that have the field say where a
    name ends; where none does, it ends at the next dot.
    """
    path: list[str] = []
    values = list(guides)
    rest = text
    while rest:
        if rest[0] == ".":
            name = _name(rest[1:], values)
            element, rest = f"f:{name}", rest[1 + len(name) :]
        else:
            match = _BRACKET.match(rest)
            inside = _bracket(match.group(1)) if match else None
            if match is None or inside is None:
                return None
            element, rest = inside, rest[match.end() :]
        path.append(element)
        values = [found for value in values if (found := get(value, (element,))) is not UNSET]
    return tuple(path)


def _name(text: str, values: Sequence[Any]) -> str:
    known = [
        key
        for value in values
        if isinstance(value, dict)
        for key in value
        if text.startswith(key) and text[len(key) : len(key) + 1] in {"", ".", "["}
    ]
    return max(known, key=len) if known else re.split(r"[.\[]", text, maxsplit=1)[0]


def _bracket(inside: str) -> str | None:
    if inside.startswith("="):
        return f"v:{inside[1:]}"
    if inside.isdigit():
        return f"i:{inside}"
    try:
        keys = {name: _DECODE(value.encode()) for name, value in _PAIR.findall(inside)}
    except msgspec.DecodeError:
        return None
    return f"k:{canonical(keys).decode()}" if keys else None


def show(path: Sequence[str]) -> str:
    """For a person, as `FieldChange.path` is written: `spec.containers[name=web].image`."""
    shown = ""
    for element in path:
        kind, name = element[:2], element[2:]
        if kind == "f:":
            shown = child(shown, name)
        elif kind == "k:" and (key := item_key(element)):
            pairs = zip(key.names, key.values, strict=True)
            shown += f"[{','.join(f'{n}={v}' for n, v in pairs if KEY_DEFAULTS.get(n) != v)}]"
        else:
            shown += f"[{name.strip(chr(34))}]"
    return shown
