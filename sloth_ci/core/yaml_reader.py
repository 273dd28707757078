"""One YAML document: libyaml's events to JSON data, with kubectl's rules for keys, merges and aliases.

libyaml does the scanning, because Go's YAML library is a port of it. PyYAML's own constructor is not used: it knows other
types, keeps the last of two equal keys, and takes three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from sloth_ci.core.errors import RenderError
from sloth_ci.core.yaml_faults import UNKNOWN_ESCAPE, Fault, fault_of, show_key
from sloth_ci.core.yaml_scalars import MAYBE_SPECIAL, MERGE_TAG, key_of, tagged_key, tagged_value, value_of

try:
    from yaml import (
        AliasEvent,
        CSafeLoader,
        MappingEndEvent,
        MappingNode,
        MappingStartEvent,
        MarkedYAMLError,
        ScalarEvent,
        SequenceEndEvent,
        SequenceNode,
        SequenceStartEvent,
        StreamEndEvent,
        YAMLError,
        compose_all,
    )
    from yaml._yaml import CParser
except ImportError as error:  # a PyYAML that was built where libyaml's headers were missing
    raise RenderError(
        "PyYAML has no C parser on this machine",
        "reinstall it from a wheel: pip install --force-reinstall --only-binary :all: PyYAML",
    ) from error

Event = Any
"""PyYAML's events; they are told apart by their class, which no type checker follows."""

NextEvent = Callable[[], Event]

MAX_DEPTH: Final = 128
"""Maps and lists inside one another. kubectl stops at 10,000; a CustomResourceDefinition needs about 40."""

TOO_DEEP: Final = f"maps and lists are nested deeper than {MAX_DEPTH} levels"
_MARK: Final = b"\xef\xbb\xbf"
_STRAY_MARK: Final = re.compile(b"(?:[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])\xef\xbb\xbf")
_ESCAPED_SLASH: Final = re.compile(r"(?<!\\)(?:\\\\)*+\\/")
_REST_OF_STRING: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_REPAIR_BYTES: Final = 64 * 1024 * 1024
"""How much may be read again, in bytes, because of strings that libyaml cannot read and Go can."""
_MORE: Final = "more after the end of the document, which kubectl ignores: indent it alike, or put --- between"


class Parsed(NamedTuple):
    """A document as it was read; `item_lines` are those of the items of a `List`. Lines are counted from 0."""

    line: int
    value: Any
    item_lines: tuple[int, ...]


def read_document(chunk: bytes, faults: list[Fault]) -> Parsed | None:
    """Read the first document of UTF-8 text, or None where there is only white space and comments.

    Every fault is appended to `faults`, the last of them where the reader had to stop; what is returned is of use only
    where there is none.
    """
    chunk = chunk.removeprefix(_MARK)
    stray = _STRAY_MARK.search(chunk) if _MARK in chunk else None
    if stray:
        faults.append(Fault(chunk.count(b"\n", 0, stray.end()), "a byte order mark in the middle of the file"))
        return None
    budget = _REPAIR_BYTES
    while True:
        found: list[Fault] = []
        parsed = None
        repaired = None
        try:
            parsed = _Reader(chunk, found).read()
        except Fault as fault:
            found.append(fault)
        except YAMLError as error:
            found.append(fault_of(error, chunk))
            repaired = _without_escaped_quotes(error, chunk)
        budget -= len(chunk)
        if repaired is None or budget < 0:
            faults.extend(found)
            return parsed
        chunk = repaired


def line_of(data: bytes, start: int, path: Sequence[str | int]) -> int | None:
    """The line of a field of the object that starts on line `start`, counted from 1: for a message about it.

    None where it cannot be found: it came through an alias or a merge, or the text is no YAML before it is rendered.
    """
    try:
        roots: list[Any] = [*compose_all(data, CSafeLoader)]
    except (YAMLError, UnicodeDecodeError, RecursionError):
        return None
    items = [item for root in roots for key, value in _pairs(root) if key.value == "items" for item in _items(value)]
    node = next((node for node in (*items, *roots) if node and node.start_mark.line + 1 == start), None)
    mark = node
    for part in path:
        if node is None:
            return None
        if isinstance(part, int):
            inner = _items(node)
            node = mark = inner[part] if part < len(inner) else None
        else:
            mark, node = next((pair for pair in _pairs(node) if pair[0].value == part), (None, None))
    return None if mark is None else mark.start_mark.line + 1


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return node.value if isinstance(node, MappingNode) else []


def _items(node: Any) -> list[Any]:
    return node.value if isinstance(node, SequenceNode) else []


class _Anchor:
    """A node that aliases repeat: known from its start, complete at its end. `steps` counts the nodes in it."""

    __slots__ = ("event", "steps", "value")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.value: Any = None
        self.steps = 0

    def complete(self, value: Any, steps: int) -> None:
        self.value = value
        self.steps = steps


class _Reader(CParser):
    def __init__(self, chunk: bytes, faults: list[Fault]) -> None:
        super().__init__(chunk)
        self._chunk = chunk
        self._faults = faults
        self._anchors: dict[str, _Anchor] = {}
        self._item_lines: list[int] = []
        # Go's guard against documents that alias themselves into gigabytes: nodes in all, and those due to aliases.
        self._steps = 1
        self._alias_steps = 0
        # Above zero while scalars need `_check_dialect`: inside brackets, or where the text has a `\/` somewhere.
        self._slashes = int(b"\\/" in chunk)
        self._wary = self._slashes

    def read(self) -> Parsed | None:
        self.get_event()
        start: Event = self.get_event()
        if start.__class__ is StreamEndEvent:
            return None
        if start.version not in (None, (1, 1)):
            raise Fault(start.start_mark.line, "kubectl reads YAML 1.1 alone")
        root: Event = self.get_event()
        value = self._node(root, 0)
        self._check_aliases(root)
        self._expect_end()
        return Parsed(root.start_mark.line, value, tuple(self._item_lines))

    def _expect_end(self) -> None:
        """kubectl reads no further than the root, and would deploy half of a file whose first line is indented."""
        end: Event = self.get_event()
        line = end.end_mark.line
        try:
            event: Event = self.get_event()
        except MarkedYAMLError as error:
            raise Fault(error.problem_mark.line if error.problem_mark else line, _MORE) from None
        if event.__class__ is not StreamEndEvent:
            raise Fault(event.start_mark.line, _MORE)

    def _node(self, event: Event, depth: int) -> Any:
        """The value of the node that starts with the event."""
        kind = event.__class__
        if kind is AliasEvent:
            return self._alias(event).value
        self._steps += 1
        if kind is ScalarEvent and event.anchor is None:
            if event.tag is None and not self._wary and (not event.implicit[0] or event.value[:1] not in MAYBE_SPECIAL):
                return event.value
            return self._scalar(event)
        before = self._steps
        anchor = self._new_anchor(event)
        value = self._scalar(event) if kind is ScalarEvent else self._collection(event, depth, None)
        if anchor is not None:
            anchor.complete(value, self._steps - before + 1)
        return value

    def _scalar(self, event: Event) -> Any:
        if self._wary:
            self._check_dialect(event)
        try:
            if event.tag is not None:
                return tagged_value(event.tag, event.value)
            return value_of(event.value) if event.implicit[0] else event.value
        except ValueError as error:
            self._faults.append(Fault(event.start_mark.line, str(error)))
            return None

    def _check_dialect(self, event: Event) -> None:
        r"""Refuse what libyaml reads and Go's older port of it does not: `\/` in double quotes, a bare `?` in brackets."""
        if event.style == '"':
            source = self._text[event.start_mark.index : event.end_mark.index]
            if _ESCAPED_SLASH.search(source):
                self._faults.append(Fault(event.start_mark.line, UNKNOWN_ESCAPE))
        elif "?" in event.value and not event.style and self._wary > self._slashes:
            self._faults.append(Fault(event.start_mark.line, "a '?' in a value inside brackets or braces needs quotes"))

    @cached_property
    def _text(self) -> str:
        return self._chunk.decode()

    def _collection(self, event: Event, depth: int, lines: list[int] | None) -> Any:
        """A map or a list; the line of each item of a list is added to `lines`."""
        if depth >= MAX_DEPTH:
            raise Fault(event.start_mark.line, TOO_DEEP)
        self._wary += bool(event.flow_style)
        value: Any = self._mapping(depth) if event.__class__ is MappingStartEvent else self._sequence(depth, lines)
        self._wary -= bool(event.flow_style)
        return value

    def _sequence(self, depth: int, lines: list[int] | None) -> list[Any]:
        get_event: NextEvent = self.get_event
        node = self._node
        items = []
        while (event := get_event()).__class__ is not SequenceEndEvent:
            if lines is not None:
                lines.append(event.start_mark.line)
            items.append(node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        get_event: NextEvent = self.get_event
        node = self._node
        mapping: dict[str, Any] = {}
        written: set[str] | None = None  # the keys that were not merged in, kept from the first merge on
        while (event := get_event()).__class__ is not MappingEndEvent:
            if event.__class__ is ScalarEvent and event.value == "<<" and (event.implicit[0] or event.tag == MERGE_TAG):
                written = set(mapping) if written is None else written
                self._merge(mapping, get_event(), depth)
                continue
            key = self._key(event, depth)
            following = get_event()
            if key == "items" and depth == 0 and following.__class__ is SequenceStartEvent and not following.anchor:
                self._steps += 1
                value = self._collection(following, 1, self._item_lines)
            else:
                value = node(following, depth + 1)
            if key is None:
                continue
            if key in mapping and (written is None or key in written):
                self._faults.append(Fault(event.start_mark.line, f"the key {show_key(key)} is there twice"))
            if written is not None:
                written.add(key)
            mapping[key] = value
        return mapping

    def _key(self, event: Event, depth: int) -> str | None:
        """The key, or None where it is none, which is then among the faults."""
        line = event.start_mark.line
        if event.__class__ is AliasEvent:
            event = self._alias(event).event
        elif event.anchor is not None and event.__class__ is ScalarEvent:
            self._node(event, depth)
        else:
            self._steps += 1
        if event.__class__ is not ScalarEvent:
            raise Fault(line, "a map or a list cannot be a key")
        if self._wary:
            self._check_dialect(event)
        key: str = event.value
        try:
            if event.tag is not None:
                return tagged_key(event.tag, key)
            return key_of(key) if event.implicit[0] and key[:1] in MAYBE_SPECIAL else key
        except ValueError as error:
            self._faults.append(Fault(line, str(error)))
            return None

    def _merge(self, mapping: dict[str, Any], event: Event, depth: int) -> None:
        """`<<`: what comes later wins, be it merged or written, and in a list of maps the first one does."""
        if event.__class__ is not SequenceStartEvent:
            mapping.update(self._merged(event, depth))
            return
        anchor = self._new_anchor(event)
        parts = []
        get_event: NextEvent = self.get_event
        self._wary += bool(event.flow_style)
        while (item := get_event()).__class__ is not SequenceEndEvent:
            parts.append(self._merged(item, depth + 1))
        self._wary -= bool(event.flow_style)
        if anchor is not None:
            anchor.complete(parts, len(parts) + 1)
        for part in reversed(parts):
            mapping.update(part)

    def _merged(self, event: Event, depth: int) -> dict[str, Any]:
        value = self._node(event, depth + 1)
        start = self._anchors[str(event.anchor)].event if event.__class__ is AliasEvent else event
        if start.__class__ is MappingStartEvent and isinstance(value, dict):
            return value
        self._faults.append(Fault(event.start_mark.line, "only a map, or a list of maps, can be merged with <<"))
        return {}

    def _new_anchor(self, event: Event) -> _Anchor | None:
        if event.anchor is None:
            return None
        anchor = self._anchors[event.anchor] = _Anchor(event)
        return anchor

    def _alias(self, event: Event) -> _Anchor:
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            raise Fault(event.start_mark.line, "an alias (*) names an anchor (&) that is not there")
        if not anchor.steps:
            raise Fault(event.start_mark.line, "an alias (*) stands inside the value that it repeats")
        self._check_aliases(event)
        self._steps += 1 + anchor.steps
        self._alias_steps += anchor.steps
        self._check_aliases(event)
        return anchor

    def _check_aliases(self, event: Event) -> None:
        """Refuse what Go's YAML library refuses as excessive: 99 % of a small document, 10 % of a huge one."""
        steps, repeated = self._steps, self._alias_steps
        if repeated > 100 and steps > 1000:
            share = min(max((steps - 400_000) / 3_600_000, 0.0), 1.0)
            if repeated / steps > 0.99 - 0.89 * share:
                raise Fault(event.start_mark.line, "aliases (*) repeat too much of this document")


def _without_escaped_quotes(error: YAMLError, chunk: bytes) -> bytes | None:
    r"""The text with one string's `\'` written as libyaml can read it: Go knows that escape. None for other errors."""
    mark = getattr(error, "problem_mark", None)
    if mark is None or getattr(error, "problem", None) != "found unknown escape character":
        return None
    text = chunk.decode()
    if not text.startswith("\\'", mark.index):
        return None
    rest = _REST_OF_STRING.match(text, mark.index)
    end = rest.end() if rest else len(text)
    string = re.sub(r"\\(.)", lambda m: r"\x27" if m[1] == "'" else m[0], text[mark.index : end], flags=re.DOTALL)
    return f"{text[: mark.index]}{string}{text[end:]}".encode()
