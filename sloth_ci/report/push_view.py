"""What a push would change, as rows of at most one screen: what stands against it, then a tree by impact.

Several workflows share the screen: none gets more than it needs, and what one leaves goes to the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sloth_ci.core.plan import Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.layout import Glyphs, Row
from sloth_ci.report.pane_view import finding_rows
from sloth_ci.report.plan_view import PlanView, against, counts
from sloth_ci.report.text import one_line

_FIELDS = 24
"""Lines of fields in one workflow, where there is room for all of it."""
_CONFLICT_LINES = 3
_FINDINGS = 5
_IMPACT = len("critical ")
_LEAST = 2
"""Lines of a workflow whose rest has no room: its headline, and how much there is."""


class Section(NamedTuple):
    """One workflow that a push reaches, and whose outcome is worth lines of its own."""

    name: str
    plan: Plan | None
    problems: tuple[str, ...] = ()
    """Why there is no plan, a line each."""

    @property
    def weight(self) -> tuple[bool, bool, int]:
        """What is shown first: no plan at all, conflicts, then the highest impact."""
        plan = self.plan
        impact = plan.max_impact if plan else None
        return plan is None, bool(plan and plan.conflicts), -1 if impact is None else int(impact)


class Drawn(NamedTuple):
    """What there was room for."""

    rows: list[Row]
    cut: bool
    """Whether a change, or one of the workflows, had none."""


def section_rows(sections: Sequence[Section], columns: int, lines: int, glyphs: Glyphs) -> Drawn:
    """All sections in at most so many lines, the most dangerous first; what has no room is counted."""
    ordered = sorted(sections, key=lambda section: section.weight, reverse=True)
    fitting = max(1, lines // _LEAST)
    shown, left = ordered[:fitting], ordered[fitting:]
    if left and len(shown) > 1:
        shown, left = ordered[: fitting - 1], ordered[fitting - 1 :]
    room = lines - bool(left)
    drawn = [_Section(section, columns, glyphs) for section in shown]
    rows: list[Row] = []
    cut = bool(left)
    for one, share in zip(drawn, _shares([one.needs for one in drawn], room), strict=True):
        some = one.fitted(share)
        rows += some.rows
        cut = cut or some.cut
    if left:
        rows.append([(f"{glyphs.ellipsis} and {plural(len(left), 'more workflow')}", "dim")])
    return Drawn(rows, cut)


def _shares(needs: Sequence[int], room: int) -> list[int]:
    """Lines for each: what it needs where that is no more than its even share, and so on with what is left."""
    shares = [0] * len(needs)
    open_ones = sorted(range(len(needs)), key=lambda i: needs[i])
    while open_ones:
        first = open_ones.pop(0)
        shares[first] = min(needs[first], max(_LEAST, room // (len(open_ones) + 1)))
        room -= shares[first]
    return shares


class _Section:
    """The rows of one workflow, in three lengths."""

    def __init__(self, section: Section, columns: int, glyphs: Glyphs) -> None:
        self._section = section
        self._view = PlanView(columns - 2, "auto", glyphs, ())
        self._head = list(self._headline())
        self._against = list(self._conflicts())
        self._long = [*self._head, *self._against, *self._changes(full=True), *self._notes()]

    @property
    def needs(self) -> int:
        return len(self._long)

    def fitted(self, lines: int) -> Drawn:
        """As much as goes into so many lines."""
        if len(self._long) <= lines:
            return Drawn(self._long, cut=False)
        rows = [*self._head, *self._against, *self._changes(full=False), *self._notes()]
        if len(rows) <= lines:
            return Drawn(rows, cut=False)
        return Drawn(self._cut(lines), cut=True)

    def _cut(self, lines: int) -> list[Row]:
        """The beginning, one line a change, and a last line that counts what is left out."""
        plan = self._section.plan
        most = max(1, lines - 1) if plan is None or not plan.changes else max(1, lines // 2)
        rows = [*self._head, *self._against][:most]
        left = Counter[Impact](change.impact for change in plan.changes) if plan else Counter[Impact]()
        for impact, row in self._lines():
            if len(rows) >= lines - 1:
                break
            rows.append(row)
            left[impact] -= 1
        dropped = ", ".join(f"{count:,} {impact}" for impact, count in sorted((+left).items(), reverse=True))
        more = f"{plural(sum(left.values()), 'more change')}: {dropped}" if +left else "more of it"
        return [*rows, [("  ", "text"), (f"{self._view.glyphs.ellipsis} {more}", "dim")]]

    def _headline(self) -> Iterator[Row]:
        name: Row = [(one_line(self._section.name, 80), "strong")]
        plan = self._section.plan
        if plan is None:
            yield from self._view.joined([name, [("no plan can be made", "bad strong")]])
            return
        yield from self._view.joined(
            [name, *against(plan), *(counts(plan) if plan.changes else [[("no changes", "good")]])]
        )

    def _conflicts(self) -> Iterator[Row]:
        cross = (f"{self._view.glyphs.cross} ", "bad strong")
        for problem in self._section.problems:
            yield from self._view.hanging(cross, one_line(problem, 400), "text", 2)
        plan = self._section.plan
        for conflict in plan.conflicts if plan else ():
            head: Row = [cross, (f"{conflict.type}  ", "bad"), (one_line(conflict.resource, 253), "strong")]
            for row in self._view.with_source(head, one_line(str(conflict.source or ""))):
                yield [("  ", "text"), *row]
            way = f"; {conflict.suggestions[0]}" if conflict.suggestions else ""
            told = self._view.hanging(("", "text"), one_line(f"{conflict.description}{way}", 400), "text", 4)
            yield from list(told)[:_CONFLICT_LINES]

    def _changes(self, *, full: bool) -> Iterator[Row]:
        plan = self._section.plan
        if plan is None or not plan.changes:
            return
        ordered = sorted(plan.changes, key=lambda change: -change.impact)
        self._view.measure(ordered)
        budget = _FIELDS
        for impact, members in groupby(ordered, key=lambda change: change.impact):
            alike = list(members)
            yield [("  ", "text"), *self._view.heading(impact, len(alike))]
            for change in alike:
                rows = list(self._view.change(change, budget if full else 0))
                budget -= max(0, len(rows) - 2)
                for row in rows if full else rows[:1]:
                    yield [("  ", "text"), self._view.bar(impact), *row]

    def _lines(self) -> Iterator[tuple[Impact, Row]]:
        """One line a change, with its impact in words: there is no room for headings."""
        plan = self._section.plan
        ordered = sorted(plan.changes, key=lambda change: -change.impact) if plan else []
        view = PlanView(self._view.columns - _IMPACT, "auto", self._view.glyphs, ())
        view.measure(ordered)
        for change in ordered:
            word = str(change.impact)
            row: Row = [("  ", "text"), view.bar(change.impact), (word.ljust(_IMPACT), word)]
            yield change.impact, [*row, *next(iter(view.change(change, 0)))]

    def _notes(self) -> Iterator[Row]:
        plan = self._section.plan
        if plan is None:
            return
        for row in finding_rows(self._view, plan, _FINDINGS):
            if row:
                yield [("  ", "text"), *row]
        mark = (f"{self._view.glyphs.warning} ", "warn")
        for note in plan.warnings:
            yield from self._view.hanging(mark, one_line(note, 300), "text", 2)
