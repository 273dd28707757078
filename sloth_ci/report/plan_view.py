"""A plan as rows for a terminal: what stands against it, then every change by impact, the most dangerous first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from msgspec import UNSET

from sloth_ci.core.plan import Change, Conflict, FieldChange, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.brief import Piece, brief, fit
from sloth_ci.report.diff import diff_lines, inline
from sloth_ci.report.layout import UNICODE, Glyphs, Row, pad, trim, width, wrap
from sloth_ci.report.text import cut, cut_start, one_line, width_of

Detail = Literal["auto", "full"]
SYMBOLS = {"create": "+", "update": "~", "recreate": "!", "delete": "-"}
VERBS = {"create": "created", "update": "updated", "recreate": "made anew", "delete": "deleted"}
UNDO = {"no": "irreversible", "partial": "partly reversible"}

_FIELD_BUDGET = 48
"""Lines of fields in a whole plan: a plan of 40 changes stays one that is read."""
_FIELDS_EACH = 6
_FEW = 8
_SOURCE_AT_LEAST = 16


def verdict(plan: Plan) -> list[Row]:
    """The line that says it all, in parts that may be on lines of their own.

    `3 changes to directory live/prod: 1 created, 2 updated · highest impact high · irreversible: 1`
    """
    label = one_line(plan.destination, 120)
    where = f"since {label}" if label.startswith("revision ") else f"to {label}"
    parts: list[Row] = []
    if plan.conflicts:
        parts.append([(plural(len(plan.conflicts), "conflict"), "bad strong")])
    if not plan.changes:
        known = f": {plural(plan.unchanged, 'object')} as declared" if plan.unchanged else ""
        return [*parts, [("no changes", "good strong"), (f" {where}{known}", "text")]]
    parts.append([(plural(len(plan.changes), "change"), "strong"), (f" {where}", "text")])
    kinds: Row = []
    for kind, verb in VERBS.items():
        count = sum(change.type == kind for change in plan.changes)
        if count:
            kinds += [*([(", ", "text")] if kinds else []), (f"{count:,} {verb}", kind)]
    parts.append(kinds)
    impact = str(plan.max_impact)
    parts.append([("highest impact ", "text"), (impact, impact)])
    stuck = sum(change.reversible == "no" for change in plan.changes)
    if stuck:
        parts.append([(f"irreversible: {stuck:,}", "bad")])
    return parts


def plan_rows(plan: Plan, columns: int, detail: Detail = "auto", glyphs: Glyphs = UNICODE) -> Iterator[Row]:
    """All rows of a plan, none wider than `columns`."""
    view = _View(columns, detail, glyphs)
    yield from view.joined(verdict(plan))
    yield trim(_subject(plan), columns)
    if plan.conflicts:
        for ways, alike in groupby(plan.conflicts, key=lambda conflict: conflict.suggestions):
            yield []
            for conflict in alike:
                yield from view.conflict(conflict)
            for way in ways:
                yield from view.hanging((f"{glyphs.hint} ", "good"), one_line(way, 600), "text", 4)
    if plan.changes:
        yield from view.changes(plan.changes)
    if plan.warnings:
        yield []
        for warning in plan.warnings:
            yield from view.hanging((f"{glyphs.warning} ", "warn"), one_line(warning, 600), "text")
    yield []
    yield from view.joined(_footer(plan))


def _subject(plan: Plan) -> Row:
    row: Row = [(one_line(plan.name, 60), "strong")]
    if plan.environment:
        row += [(" · ", "dim"), (one_line(plan.environment, 40), "text")]
    row += [(" · ", "dim"), (f"revision {one_line(plan.revision, 40)[:12]}", "text")]
    if plan.base:
        row += [(f" against {one_line(plan.base, 40)[:12]}", "text")]
    return row


def _footer(plan: Plan) -> list[Row]:
    """The digest is given in full: it is what an approval is given to."""
    parts: list[Row] = [[(f"digest {one_line(plan.digest, 100)}", "dim")]]
    if plan.changes and plan.unchanged:
        parts.append([(f"{plan.unchanged:,} unchanged", "dim")])
    if plan.skipped_files:
        parts.append([(f"{plural(plan.skipped_files, 'file')} without manifests skipped", "dim")])
    return parts


def short_digest(digest: str) -> str:
    """Both halves of a digest, eight digits of each: enough to tell two plans apart by eye."""
    return ".".join(half[:8] for half in one_line(digest, 100).split("."))


class _View:
    """How wide, how much, and in which characters."""

    def __init__(self, columns: int, detail: Detail, glyphs: Glyphs) -> None:
        self.columns = max(columns, 40)
        self.detail = detail
        self.glyphs = glyphs
        self.name_columns = self.source_columns = 0
        self.few = False
        """Whether there is room for the fields of every change, and not only of the dangerous ones."""

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

    def hanging(self, mark: tuple[str, str], text: str, style: str, indent: int = 0) -> Iterator[Row]:
        """A paragraph with a mark before its first line."""
        margin = indent + width_of(mark[0])
        for index, line in enumerate(wrap(text, self.columns - margin)):
            lead: Row = [(" " * indent, "text"), mark] if index == 0 else [(" " * margin, "text")]
            yield [*lead, (line, style)]

    # --- conflicts ---

    def conflict(self, conflict: Conflict) -> Iterator[Row]:
        head: Row = [
            (f"{self.glyphs.cross} ", "bad strong"),
            (f"{conflict.type}  ", "bad"),
            (one_line(conflict.resource, 253), "strong"),
        ]
        source = str(conflict.source) if conflict.source else ""
        yield from self.with_source(head, one_line(source))
        yield from self.hanging(("", "text"), one_line(conflict.description, 1000), "text", 2)
        for field in conflict_fields(conflict):
            yield self._field("    ", field, self.columns)

    def _field(self, indent: str, field: FieldChange, columns: int) -> Row:
        """A field on one line: its path, what it was and what it will be, the part that differs in view."""
        path = cut_start(one_line(field.path), columns // 2, self.glyphs.ellipsis)
        row: Row = [(indent, "text"), (f"{path}  " if path else "", "dim")]
        before, after = inline(field, max(12, (columns - width(row) - 3) // 2))
        return trim([*row, *_arrow(before, after, self.glyphs)], columns, self.glyphs.ellipsis)

    def with_source(self, row: Row, source: str) -> Iterator[Row]:
        """The row with where it is written at its right, or below it."""
        room = self.columns - width(row) - 2
        if not source or width_of(source) <= room:
            yield [*row, (" " * (room + 2 - width_of(source)), "text"), (source, "dim")] if source else row
            return
        yield trim(row, self.columns, self.glyphs.ellipsis)
        yield [("  ", "text"), (cut_start(source, self.columns - 2, self.glyphs.ellipsis), "dim")]

    # --- changes ---

    def changes(self, changes: Sequence[Change]) -> Iterator[Row]:
        ordered = sorted(changes, key=lambda change: -change.impact)
        self.name_columns = _column([width_of(_resource(change)) for change in ordered], self.columns * 36 // 100)
        self.source_columns = _column([width_of(_source(change)) for change in ordered], self.columns * 25 // 100)
        self.few = len(ordered) <= _FEW
        budget = _FIELD_BUDGET
        for impact, group in groupby(ordered, key=lambda change: change.impact):
            members = list(group)
            style = str(impact)
            yield []
            yield [(style, f"{style} strong"), (f" {self.glyphs.dot} {plural(len(members), 'change')}", "dim")]
            bar = (f"{self.glyphs.bar} ", style)
            for change in members:
                for row in self.change(change, budget):
                    budget -= row[0] == _FIELD_MARK
                    yield [bar, *row]

    def change(self, change: Change, budget: int) -> Iterator[Row]:
        """One line for the change; below it, what the line has no room for and is worth it."""
        columns = self.columns - 2
        head: Row = [(f"{SYMBOLS[change.type]} ", f"{change.type} strong"), *_name(change)]
        where = _source(change)
        source = short_path(where, self.source_columns, self.glyphs.ellipsis)
        pieces = brief(change)
        if change.reversible != "yes":
            pieces = [Piece(((UNDO[change.reversible], "bad" if change.reversible == "no" else "warn"),)), *pieces]
        start = max(2 + self.name_columns, width(head)) + 2
        needed = sum(width_of(piece.text) + 2 for piece in pieces) - 2
        if source and start + needed + 2 + width_of(source) > columns >= start + needed + 2 + _SOURCE_AT_LEAST:
            source = short_path(where, columns - start - needed - 2, self.glyphs.ellipsis)
        told = fit(pieces, columns - start - (width_of(source) + 2 if source else 0), self.glyphs.ellipsis)
        if told.left_out or width(told.spans) < needed:
            # Not all of it fits beside the name: it gets the next line for itself.
            told = fit(pieces, columns - 4, self.glyphs.ellipsis)
            yield from self._right(trim(head, columns, self.glyphs.ellipsis), source, columns)
            yield trim([("    ", "text"), *told.spans], columns, self.glyphs.ellipsis)
        else:
            yield from self._right([*pad(head, start), *told.spans], source, columns)
        if change.impact >= Impact.HIGH and change.reasons:
            reasons = "; ".join(one_line(reason, 300) for reason in change.reasons)
            yield trim([("    ", "text"), (reasons, "dim")], columns, self.glyphs.ellipsis)
        if self.detail == "full":
            yield from self._all_lines(change, columns)
        elif (told.left_out or told.summed) and budget > 0 and (change.impact >= Impact.HIGH or self.few):
            yield from self._some_fields([*told.summed, *told.left_out], min(budget, _FIELDS_EACH), columns)

    def _right(self, row: Row, source: str, columns: int) -> Iterator[Row]:
        gap = columns - width(row) - width_of(source)
        if not source:
            yield row
        elif gap >= 2:
            yield [*row, (" " * gap, "text"), (source, "dim")]
        else:
            yield row
            yield [(" " * (columns - width_of(source)), "text"), (source, "dim")]

    def _some_fields(self, fields: Sequence[FieldChange], count: int, columns: int) -> Iterator[Row]:
        shown = fields[:count] if len(fields) <= count else fields[: count - 1]
        for field in shown:
            yield self._field(_FIELD_MARK[0], field, columns)
        rest = len(fields) - len(shown)
        if rest:
            yield [_FIELD_MARK, (f"{self.glyphs.ellipsis} {plural(rest, 'more field')}", "dim")]

    def _all_lines(self, change: Change, columns: int) -> Iterator[Row]:
        styles = {"@": "path", "-": "old", "+": "new", " ": "dim"}
        for line in diff_lines(change):
            text = line.text if line.mark == "@" else f"  {line.mark} {line.text}"
            yield [("    ", "text"), (cut(text.expandtabs(4), columns - 4, self.glyphs.ellipsis), styles[line.mark])]


def _column(widths: Sequence[int], limit: int) -> int:
    """As wide as nearly all of them need: a few long ones must not push everything else aside."""
    usual = sorted(width for width in widths if width)
    return min(usual[-(-len(usual) * 9 // 10) - 1], limit) if usual else 0


_FIELD_MARK = ("      ", "text")


def _resource(change: Change) -> str:
    return one_line(str(change.ref), 400)


def _name(change: Change) -> Row:
    """`Kind/namespace/` quietly, the name itself in full strength."""
    ref = change.ref
    where = f"{ref.kind}/{ref.namespace}/" if ref.namespace else f"{ref.kind}/"
    return [(one_line(where, 300), "text"), (one_line(ref.name, 300), "strong")]


def _source(change: Change) -> str:
    return one_line(str(change.source)) if change.source else ""


def _arrow(before: str | None, after: str | None, glyphs: Glyphs) -> Row:
    if before is None:
        return [(f"+ {after}", "new")]
    if after is None:
        return [(f"- {before}", "old")]
    return [(before, "old"), (f" {glyphs.arrow} ", "dim"), (after, "new")]


def short_path(path: str, columns: int, ellipsis: str = "…") -> str:
    """A path cut at its start, where it can be at a `/`."""
    short = cut_start(path, columns, ellipsis)
    slash = short.find("/")
    return ellipsis + short[slash:] if short != path and 0 < slash < len(short) - 8 else short


def conflict_fields(conflict: Conflict) -> Iterator[FieldChange]:
    """What is and what should be: by field where both sides have fields, else as one without a path."""
    now, wanted = conflict.current_state, conflict.desired_state
    if now is None and wanted is None:
        return
    if isinstance(now, dict) and isinstance(wanted, dict):
        for key in [*now, *(key for key in wanted if key not in now)][:10]:
            yield FieldChange(str(key), now.get(key, UNSET), wanted.get(key, UNSET))
    else:
        yield FieldChange("", UNSET if now is None else now, UNSET if wanted is None else wanted)
