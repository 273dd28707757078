"""One change as text: the same lines on a terminal, in Markdown and in the JSON."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from msgspec import UNSET

from sloth_ci.core.plan import Change, FieldChange
from sloth_ci.core.words import plural
from sloth_ci.report.lines import Line, Mark, compare, hunks
from sloth_ci.report.text import cut, one_line
from sloth_ci.report.values import block, is_text, lines_of, scalar, text_lines

MAX_LINES = 300
"""Lines of one change. What is beyond is counted; the whole states are in the JSON report."""

_LONG = 160
_AROUND = 40


def change_diff(change: Change, max_lines: int = MAX_LINES) -> str:
    """What changes, as text in the form of a diff.

    Each field is headed by `@@ path @@`; a created or deleted object is all `+` or all `-`. Safe to show: nothing in it
    moves a cursor, and no line is without bounds.
    """
    return "\n".join(map(diff_text, diff_lines(change, max_lines)))


def diff_text(line: Line) -> str:
    """A line with its mark: `- before`, `+ after`, `@@ path @@`."""
    return f"@@ {line.text} @@" if line.mark == "@" else f"{line.mark} {line.text}".rstrip(" ")


def diff_lines(change: Change, max_lines: int = MAX_LINES) -> Iterator[Line]:
    """The lines of `change_diff`, with what is beyond `max_lines` counted in a last one."""
    whole = _whole(change)
    if whole is not None:
        mark, state = whole
        yield from (Line(mark, text) for text in islice(block(state), max_lines))
        rest = lines_of(state) - max_lines
    else:
        lines = chain.from_iterable(map(field_lines, change.fields))
        yield from islice(lines, max_lines)
        rest = sum(1 for _ in lines)
    if rest > 0:
        yield Line(" ", f"… {plural(rest, 'more line')}")


def _whole(change: Change) -> tuple[Mark, Any] | None:
    """The state that is all there is to see of a change, with its mark."""
    if change.type == "create" and change.desired_state is not None:
        return "+", change.desired_state
    if change.type == "delete" and change.current_state is not None:
        return "-", change.current_state
    return None


def field_lines(field: FieldChange) -> Iterator[Line]:
    """A heading with the path, then what was and what will be."""
    yield Line("@", one_line(field.path))
    before, after = field.before, field.after
    if isinstance(before, str) and isinstance(after, str):
        if is_text(before) or is_text(after):
            yield from _text(before, after)
            return
        if len(before) > _LONG or len(after) > _LONG:
            before, after = _window(before, after, _AROUND)
    if before is not UNSET:
        yield from (Line("-", text) for text in block(before))
    if after is not UNSET:
        yield from (Line("+", text) for text in block(after))


def _text(before: str, after: str) -> Iterator[Line]:
    old, new = before.removesuffix("\n").split("\n"), after.removesuffix("\n").split("\n")
    for line in hunks(list(compare(old, new))):
        yield from (Line(line.mark, text) for text in text_lines(line.text))
    if before.endswith("\n") != after.endswith("\n"):
        yield Line("-", _ending(before))
        yield Line("+", _ending(after))


def _ending(text: str) -> str:
    return "(a newline at the end)" if text.endswith("\n") else "(no newline at the end)"


def _window(before: str, after: str, around: int) -> tuple[str, str]:
    """Two long strings, cut to the part in which they differ and `around` characters on each side of it."""
    start = 0
    for x, y in zip(before, after, strict=False):
        if x != y:
            break
        start += 1
    end = 0
    for x, y in zip(reversed(before[start:]), reversed(after[start:]), strict=False):
        if x != y:
            break
        end += 1
    return _cut(before, start, end, around), _cut(after, start, end, around)


def _cut(text: str, start: int, end: int, around: int) -> str:
    first, last = max(0, start - around), min(len(text), len(text) - end + around)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def inline(field: FieldChange, limit: int = 60) -> tuple[str | None, str | None]:
    """Before and after on one line of at most `limit` columns each; None where the field was not there."""
    before, after = field.before, field.after
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > limit:
        before, after = _window(before, after, 10)
    return _inline(before, limit), _inline(after, limit)


def _inline(value: Any, limit: int) -> str | None:
    return None if value is UNSET else cut(scalar(value, limit + 1).partition("… (")[0], limit)
