"""How rows are laid out: as wide as there is room, as much as was asked for, in the characters that can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from sloth_ci.core.plan import Change, FieldChange
from sloth_ci.report.brief import Fitted, Piece, fit
from sloth_ci.report.diff import inline
from sloth_ci.report.layout import Glyphs, Row, pad, trim, width, wrap
from sloth_ci.report.text import cut_start, one_line, width_of

Detail = Literal["auto", "full"]
_SOURCE_AT_LEAST = 16
SYMBOLS = {"create": "+", "update": "~", "recreate": "!", "delete": "-"}


class View:
    """How wide, how much, and in which characters."""

    def __init__(self, columns: int, detail: Detail, glyphs: Glyphs) -> None:
        self.columns = max(columns, 40)
        self.detail = detail
        self.glyphs = glyphs

    def joined(self, parts: Sequence[Row]) -> Iterator[Row]:
        """Parts with a dot between them, on as many lines as they need."""
        line: Row = []
        for part in parts:
            if line and width(line) + 3 + width(part) > self.columns:
                yield trim(line, self.columns, self.glyphs.ellipsis)
                line = [("  ", "text"), *part]
            else:
                line = [*line, (f" {self.glyphs.dot} ", "dim"), *part] if line else part
        yield trim(line, self.columns, self.glyphs.ellipsis)

    def hanging(
        self, mark: tuple[str, str], text: str, style: str, indent: int = 0, columns: int | None = None
    ) -> Iterator[Row]:
        """A paragraph with a mark before its first line."""
        margin = indent + width_of(mark[0])
        for index, line in enumerate(wrap(text, (columns or self.columns) - margin)):
            lead: Row = [(" " * indent, "text"), mark] if index == 0 else [(" " * margin, "text")]
            yield [*lead, (line, style)]

    def with_source(self, row: Row, source: str) -> Iterator[Row]:
        """The row with where it is written at its right, or below it."""
        room = self.columns - width(row) - 2
        if not source or width_of(source) <= room:
            yield [*row, (" " * (room + 2 - width_of(source)), "text"), (source, "dim")] if source else row
            return
        yield trim(row, self.columns, self.glyphs.ellipsis)
        yield [("  ", "text"), (cut_start(source, self.columns - 2, self.glyphs.ellipsis), "dim")]

    def right(self, row: Row, source: str, columns: int) -> Iterator[Row]:
        """The row with where it is written at the right, on a line of its own where there is no room."""
        gap = columns - width(row) - width_of(source)
        if not source:
            yield row
        elif gap >= 2:
            yield [*row, (" " * gap, "text"), (source, "dim")]
        else:
            yield row
            yield [(" " * (columns - width_of(source)), "text"), (source, "dim")]

    def object(
        self, change: Change, pieces: Sequence[Piece], columns: int, name_columns: int, source_columns: int
    ) -> tuple[list[Row], Fitted]:
        """The line of one object: who it is, the phrases about it, where it is written; and what had room of the phrases."""
        ellipsis = self.glyphs.ellipsis
        head, where = head_of(change), source_of(change)
        source = short_path(where, source_columns, ellipsis)
        start = max(2 + name_columns, width(head)) + 2
        needed = sum(width_of(piece.text) + 2 for piece in pieces) - 2
        if source and start + needed + 2 + width_of(source) > columns >= start + needed + 2 + _SOURCE_AT_LEAST:
            source = short_path(where, columns - start - needed - 2, ellipsis)
        told = fit(pieces, columns - start - (width_of(source) + 2 if source else 0), ellipsis)
        if not told.left_out and width(told.spans) >= needed:
            return list(self.right([*pad(head, start), *told.spans], source, columns)), told
        # Not all of it fits beside the name: it gets the next line for itself.
        told = fit(pieces, columns - 4, ellipsis)
        below = trim([("    ", "text"), *told.spans], columns, ellipsis)
        return [*self.right(trim(head, columns, ellipsis), source, columns), below], told

    def field(self, indent: str, field: FieldChange, columns: int) -> Row:
        """A field on one line: its path, what it was and what it will be, the part that differs in view."""
        path = cut_start(one_line(field.path), columns // 2, self.glyphs.ellipsis)
        row: Row = [(indent, "text"), (f"{path}  " if path else "", "dim")]
        before, after = inline(field, max(12, (columns - width(row) - 3) // 2))
        return trim([*row, *_arrow(before, after, self.glyphs)], columns, self.glyphs.ellipsis)


def _arrow(before: str | None, after: str | None, glyphs: Glyphs) -> Row:
    if before is None:
        return [(f"+ {after}", "new")]
    if after is None:
        return [(f"- {before}", "old")]
    return [(before, "old"), (f" {glyphs.arrow} ", "dim"), (after, "new")]


def head_of(change: Change) -> Row:
    """`~ Kind/namespace/` quietly, the name itself in full strength."""
    ref = change.ref
    where = f"{ref.kind}/{ref.namespace}/" if ref.namespace else f"{ref.kind}/"
    symbol = (f"{SYMBOLS[change.type]} ", f"{change.type} strong")
    return [symbol, (one_line(where, 300), "text"), (one_line(ref.name, 300), "strong")]


def source_of(change: Change) -> str:
    """Where a change is written, for a person; empty where that is not known."""
    return one_line(str(change.source)) if change.source else ""


def column(widths: Sequence[int], limit: int) -> int:
    """As wide as nearly all of them need: a few long ones must not push everything else aside."""
    usual = sorted(width for width in widths if width)
    return min(usual[-(-len(usual) * 9 // 10) - 1], limit) if usual else 0


def short_path(path: str, columns: int, ellipsis: str = "…") -> str:
    """A path cut at its start, where it can be at a `/`."""
    short = cut_start(path, columns, ellipsis)
    slash = short.find("/")
    return ellipsis + short[slash:] if short != path and 0 < slash < len(short) - 8 else short
