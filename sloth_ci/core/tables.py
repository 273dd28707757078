"""Tables of Lua, held against the structs that they are to become: what is wrong, where, and what is right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from sloth_ci.core.errors import UsageError

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(float):
    """Seconds, written as a number of seconds or as `"90s"`, `"5m"`, `"1h30m"`."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Read a duration. Raises ValueError for anything else, and for less than nothing."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError('expected a duration such as "5m" or a number of seconds')
        if isinstance(value, int | float):
            seconds = float(value)
        else:
            parts = _DURATION.findall(value)
            if not parts or "".join(n + u for n, u in parts) != value.strip():
                raise ValueError(f'expected a duration such as "5m" or "1h30m", got "{value}"')
            seconds = sum(float(n) * _UNIT_SECONDS[u] for n, u in parts)
        if not 0 <= seconds < float("inf"):
            raise ValueError("a duration cannot be negative or endless")
        return cls(seconds)


def read_table(table: object, kind: type[T], what: str) -> T:
    """Turn a table into a checked struct.

    `what` names the table in errors, as the user knows it: `gitops.workflow`. Raises UsageError that names the key,
    what was expected, and for a wrong key or word the one that was probably meant.
    """
    try:
        return msgspec.convert(_checked(table, kind, _Place(what)), kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise UsageError(f"{what}: {_readable(str(error))}") from None


def closest(word: str, known: Sequence[str]) -> str | None:
    """The nearest known word, if one is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint: the nearest known word, or all of them."""
    close = closest(word, known)
    return f"did you mean '{close}'?" if close is not None else "known: " + ", ".join(sorted(known))


class _Place(NamedTuple):
    """Where in a table something is."""

    what: str
    key: str = ""

    def below(self, key: object) -> _Place:
        return _Place(self.what, f"{self.key}.{key}".lstrip("."))

    def item(self, number: int) -> _Place:
        """Lua counts from 1."""
        return _Place(self.what, f"{self.key}[{number}]")

    def error(self, text: str, hint: str | None = None) -> UsageError:
        """About a value."""
        return UsageError(f"{self.what}: '{self.key}': {text}" if self.key else f"{self.what}: {text}", hint)

    def error_in(self, text: str, hint: str | None = None) -> UsageError:
        """About a table itself, and what it has or lacks."""
        table = f"{self.what}.{self.key}" if self.key else self.what
        return UsageError(f"{table}: {text}", hint)


def _decode(kind: type, value: object) -> object:
    if kind is Duration:
        return Duration.parse(value)
    raise NotImplementedError(kind)


def _checked(value: object, kind: Any, place: _Place) -> object:
    """Find the first thing that is wrong, however deep: msgspec finds it too, but cannot say what would be right.

    Lua has one empty table: where the field is a list it becomes one.
    """
    options = _options(kind)
    items = next((option for option in options if get_origin(option) is list), None)
    if items is not None and value == {}:
        return []
    if isinstance(value, Mapping):
        struct = next((o for o in options if isinstance(o, type) and issubclass(o, msgspec.Struct)), None)
        if struct is not None:
            return _struct(value, struct, place)
        pairs = next((option for option in options if get_origin(option) is dict), None)
        if pairs is not None:
            words, inner = get_args(pairs)
            return {_checked(key, words, place): _checked(one, inner, place.below(key)) for key, one in value.items()}
    if isinstance(value, list | tuple) and items is not None:
        (inner,) = get_args(items)
        return [_checked(one, inner, place.item(number)) for number, one in enumerate(value, start=1)]
    _value(value, kind, options, place)
    return value


def _struct(table: Mapping[Any, object], struct: type[msgspec.Struct], place: _Place) -> dict[Any, object]:
    fields = _fields(struct)
    for key in table:
        if key not in fields:
            raise place.error_in(f"unknown key '{key}'", did_you_mean(str(key), list(fields)))
    for name, field in fields.items():
        if field.required and name not in table:
            raise place.error_in(f"'{name}' is missing")
    return {key: _checked(value, fields[key].type, place.below(key)) for key, value in table.items()}


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    """By the name that the table uses. To find the types anew each time takes longer than all the rest."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def _value(value: object, kind: Any, options: Sequence[Any], place: _Place) -> None:
    """Hold what is no table of its own against its type."""
    if kind is Any:
        return
    words = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
    if words and isinstance(value, str) and str not in options:
        if value not in words:
            near = closest(value, words)
            listed = ", ".join(f'"{word}"' for word in words)
            raise place.error(f'expected one of {listed}, got "{value}"', f"did you mean '{near}'?" if near else None)
        return
    try:
        msgspec.convert(value, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise place.error(_readable(str(error)), _as_list(value, options, place)) from None


def _as_list(value: object, options: Sequence[Any], place: _Place) -> str | None:
    """How to write what is to be a list and is not: the braces around it are what people forget."""
    items = next((option for option in options if get_origin(option) is list), None)
    if items is None:
        return None
    (inner,) = get_args(items)
    name = place.key.rpartition(".")[2]
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        needed = ", ".join(f"{f.encode_name} = …" for f in msgspec.structs.fields(inner) if f.required)
        return f"write {name} = {{ {{ {needed} }} }}"
    return f'write {name} = {{ "{value}" }}' if isinstance(value, str) else f'write {name} = {{ "…" }}'


def _options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    return get_args(kind) if get_origin(kind) in {UnionType, Union} else (kind,)


_WORDS = {
    "object": "a table",
    "array": "a list",
    "str": "a string",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "null": "nil",
}


def _readable(message: str) -> str:
    """msgspec's message in the words of Lua."""

    def in_words(match: re.Match[str]) -> str:
        return " or ".join(_WORDS.get(name, name) for name in match[1].split(" | ") if name != "null")

    text = re.sub(r"`([a-z |]+)`", in_words, message.partition(" - at ")[0])
    text = re.sub(r" >= (\d+)$", r" of at least \1", text)
    return text[:1].lower() + text[1:]
