"""A plan as rows for a terminal: what stands against it, then every change by impact, the most dangerous first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from msgspec import UNSET

from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import Change, Conflict, FieldChange, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.brief import Piece, brief
from sloth_ci.report.diff import diff_lines
from sloth_ci.report.layout import UNICODE, Glyphs, Row, Span, trim
from sloth_ci.report.pane_view import commit_rows, drift_rows, finding_rows, hook_rows, way_rows
from sloth_ci.report.panes import FINDING, NOT_IN_COMMIT, alike, commit_of, overwritten
from sloth_ci.report.text import cut, one_line, width_of
from sloth_ci.report.view import Detail, View, column, source_of

VERBS = {"create": "created", "update": "updated", "recreate": "made anew", "delete": "deleted"}
UNDO = {"no": "irreversible", "partial": "partly reversible"}

_FIELD_BUDGET = 48
"""Lines of fields in a whole plan: a plan of 40 changes stays one that is read."""
_FIELDS_EACH = 6
_FEW = 8
_DEPENDENTS = 4


def verdict(plan: Plan) -> list[Row]:
    """The line that says it all, in parts that may be on lines of their own.

    `3 changes to directory live/prod: 1 created, 2 updated · highest impact high · irreversible: 1`
    """
    label = one_line(plan.destination, 120)
    where = f"since {label}" if label.startswith("revision ") else f"to {label}"
    parts = against(plan)
    if not plan.changes:
        known = f": {plural(plan.unchanged, 'object')} as declared" if plan.unchanged else ""
        return [*parts, [("no changes", "good strong"), (f" {where}{known}", "text")]]
    parts.append([(plural(len(plan.changes), "change"), "strong"), (f" {where}", "text")])
    return [*parts, *counts(plan)]


def against(plan: Plan) -> list[Row]:
    """How many conflicts, and how many findings of the policy."""
    conflicts: Row = [(plural(len(plan.conflicts), "conflict"), "bad strong")]
    findings: Row = [(plural(len(plan.findings), FINDING), "warn")]
    return [*([conflicts] if plan.conflicts else []), *([findings] if plan.findings else [])]


def counts(plan: Plan) -> list[Row]:
    """What kinds of changes, how dangerous, and what cannot be undone. Of a plan that has changes."""
    parts: list[Row] = []
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
    undone = overwritten(plan)
    if undone:
        parts.append([(f"overwrites {plural(undone, 'field')} of others", "warn")])
    return parts


def plan_rows(
    plan: Plan,
    columns: int,
    detail: Detail = "auto",
    glyphs: Glyphs = UNICODE,
    *,
    headline: Sequence[Row] | None = None,
) -> Iterator[Row]:
    """All rows of a plan, none wider than `columns`. `headline` stands where else the verdict does."""
    commit = commit_of(plan)
    apart = commit is not None and commit.in_short is None
    view = PlanView(columns, detail, glyphs, commit.others if commit and apart else ())
    yield from view.joined(headline or verdict(plan))
    if commit and commit.in_short:
        yield from view.joined([_subject(plan), [(commit.in_short, "dim")]])
    else:
        yield trim(_subject(plan), columns)
    for group in alike(plan.conflicts):
        yield []
        for conflict in group:
            yield from view.conflict(conflict)
        yield from way_rows(view, group[0].suggestions)
    yield from finding_rows(view, plan)
    if commit and apart:
        yield from commit_rows(view, commit, plan)
    if plan.changes:
        yield from view.changes(plan.changes)
    yield from hook_rows(view, plan)
    yield from drift_rows(view, plan)
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


class PlanView(View):
    """The rows of conflicts and changes."""

    def __init__(self, columns: int, detail: Detail, glyphs: Glyphs, not_in_commit: Collection[Ref]) -> None:
        super().__init__(columns, detail, glyphs)
        self.not_in_commit = not_in_commit
        self.name_columns = self.source_columns = 0
        self.few = False
        """Whether there is room for the fields of every change, and not only of the dangerous ones."""

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
            yield self.field("    ", field, self.columns)

    # --- changes ---

    def changes(self, changes: Sequence[Change]) -> Iterator[Row]:
        ordered = sorted(changes, key=lambda change: -change.impact)
        self.measure(ordered)
        budget = _FIELD_BUDGET
        for impact, group in groupby(ordered, key=lambda change: change.impact):
            members = list(group)
            yield []
            yield self.heading(impact, len(members))
            bar = self.bar(impact)
            for change in members:
                for row in self.change(change, budget):
                    budget -= row[0] == _FIELD_MARK
                    yield [bar, *row]

    def measure(self, changes: Sequence[Change]) -> None:
        """Lay out columns for these changes."""
        self.name_columns = column([width_of(_resource(change)) for change in changes], self.columns * 36 // 100)
        self.source_columns = column([width_of(source_of(change)) for change in changes], self.columns * 25 // 100)
        self.few = len(changes) <= _FEW

    def heading(self, impact: Impact, count: int) -> Row:
        """Over the changes of one impact."""
        style = str(impact)
        return [(style, f"{style} strong"), (f" {self.glyphs.dot} {plural(count, 'change')}", "dim")]

    def bar(self, impact: Impact) -> Span:
        """Before each line of a change."""
        return (f"{self.glyphs.bar} ", str(impact))

    def change(self, change: Change, budget: int) -> Iterator[Row]:
        """One line for the change; below it, what the line has no room for and is worth it."""
        columns = self.columns - 2
        pieces = brief(change)
        if change.reversible != "yes":
            pieces = [Piece(((UNDO[change.reversible], "bad" if change.reversible == "no" else "warn"),)), *pieces]
        if change.ref in self.not_in_commit:
            pieces = [Piece(((NOT_IN_COMMIT, "warn"),)), *pieces]
        rows, told = self.object(change, pieces, columns, self.name_columns, self.source_columns)
        yield from rows
        if change.impact >= Impact.HIGH and change.reasons:
            reasons = "; ".join(one_line(reason, 300) for reason in change.reasons)
            yield trim([("    ", "text"), (reasons, "dim")], columns, self.glyphs.ellipsis)
        yield from self._remarks(change, columns)
        if self.detail == "full":
            yield from self._all_lines(change, columns)
        elif (told.left_out or told.summed) and budget > 0 and (change.impact >= Impact.HIGH or self.few):
            yield from self._some_fields([*told.summed, *told.left_out], min(budget, _FIELDS_EACH), columns)

    def _remarks(self, change: Change, columns: int) -> Iterator[Row]:
        """What needs the object, then what else a reader should know."""
        shown = change.dependents if self.detail == "full" else change.dependents[:_DEPENDENTS]
        for dependent in shown:
            yield from self.hanging((f"{self.glyphs.warning} ", "warn"), one_line(dependent), "text", 4, columns)
        if len(shown) < len(change.dependents):
            rest = len(change.dependents) - len(shown)
            yield [("    ", "text"), (f"{self.glyphs.ellipsis} {rest:,} more", "dim")]
        for note in change.notes:
            yield from self.hanging(("", "text"), one_line(note), "path", 4, columns)

    def _some_fields(self, fields: Sequence[FieldChange], count: int, columns: int) -> Iterator[Row]:
        shown = fields[:count] if len(fields) <= count else fields[: count - 1]
        for field in shown:
            yield self.field(_FIELD_MARK[0], field, columns)
        rest = len(fields) - len(shown)
        if rest:
            yield [_FIELD_MARK, (f"{self.glyphs.ellipsis} {plural(rest, 'more field')}", "dim")]

    def _all_lines(self, change: Change, columns: int) -> Iterator[Row]:
        styles = {"@": "path", "-": "old", "+": "new", " ": "dim"}
        for line in diff_lines(change):
            text = line.text if line.mark == "@" else f"  {line.mark} {line.text}"
            yield [("    ", "text"), (cut(text.expandtabs(4), columns - 4, self.glyphs.ellipsis), styles[line.mark])]


_FIELD_MARK = ("      ", "text")


def _resource(change: Change) -> str:
    return one_line(str(change.ref), 400)


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
