"""The panes around the changes of a plan, as rows for a terminal: the policy, the commit, the hooks, the drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sloth_ci.core.plan import Hook, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.brief import Piece, brief
from sloth_ci.report.layout import Row, pad, trim, width
from sloth_ci.report.panes import (
    FINDING,
    Commit,
    Drifted,
    Outcome,
    alike,
    author,
    drift_by_outcome,
    drift_heading,
    drift_words,
    hooks_in_order,
)
from sloth_ci.report.text import cut_start, one_line, width_of
from sloth_ci.report.view import View, column, head_of

_LINES = 12
"""Objects or fields of one pane, unless all are asked for."""
_STYLES: dict[Outcome, str] = {"blocks": "bad", "overwritten": "warn", "left": "dim"}


def finding_rows(view: View, plan: Plan, limit: int = _LINES) -> Iterator[Row]:
    """What the policy warns of: at most `limit` findings, unless all are asked for."""
    if not plan.findings:
        return
    yield []
    yield [(f"{FINDING}s", "warn strong"), (f" {view.glyphs.dot} {len(plan.findings):,}", "dim")]
    room = len(plan.findings) if view.detail == "full" else limit
    for group in alike(plan.findings):
        for finding in group[: max(room, 0)]:
            head: Row = [(f"{view.glyphs.warning} ", "warn"), (one_line(finding.resource, 253), "strong")]
            yield from view.with_source(head, one_line(str(finding.source)) if finding.source else "")
            yield from view.hanging(("", "text"), one_line(finding.description, 600), "text", 2)
        if room > 0:
            yield from way_rows(view, group[0].suggestions)
        room -= len(group)
    yield from _more(view, -room, "finding")


def way_rows(view: View, ways: Sequence[str]) -> Iterator[Row]:
    """The ways out of what is told above."""
    for way in ways:
        yield from view.hanging((f"{view.glyphs.hint} ", "good"), one_line(way, 600), "text", 4)


def commit_rows(view: View, commit: Commit, plan: Plan) -> Iterator[Row]:
    """The objects that the commit changes and of which the destination would see something else."""
    differing = commit.differing
    what, how = commit.heading
    yield []
    yield from view.joined([[("the commit", "strong"), (f" {what}", "text")], [(how, "dim")]])
    shown = differing if view.detail == "full" else differing[:_LINES]
    columns = view.columns - 2
    name = column([width(head_of(one.change)) - 2 for one in shown], columns * 40 // 100)
    for one in shown:
        remark = commit.remark(one)
        pieces = [Piece(((remark, "dim"),))] if remark else []
        if one.change.type == "update" or not remark:
            pieces += brief(one.change)
        for row in view.object(one.change, pieces, columns, name, columns // 4)[0]:
            yield [("  ", "text"), *row]
    yield from _more(view, len(differing) - len(shown), "object")
    if plan.changes:
        yield []
        yield [(f"the {commit.place} would see", "strong"), (f" {plural(len(plan.changes), 'change')}", "text")]


def hook_rows(view: View, plan: Plan) -> Iterator[Row]:
    """What a sync makes, waits for, and does not keep."""
    hooks: list[Hook] = hooks_in_order(plan)
    if not hooks:
        return
    yield []
    yield [("a sync also runs", "strong"), (f" {plural(len(hooks), 'hook')}", "text")]
    shown = hooks if view.detail == "full" else hooks[:_LINES]
    phase_columns = max(len(hook.phase) for hook in shown)
    for hook in shown:
        row: Row = [(f"  {hook.phase:<{phase_columns}}  ", "path"), (one_line(str(hook.ref), 400), "text")]
        row += [("  changed", "warn")] if hook.changed else []
        yield from view.with_source(row, one_line(str(hook.source)) if hook.source else "")
    yield from _more(view, len(hooks) - len(shown), "hook")


def drift_rows(view: View, plan: Plan) -> Iterator[Row]:
    """What others changed, by what a sync does about it."""
    for outcome, found in drift_by_outcome(plan):
        count = sum(len(one.fields) for one in found)
        yield []
        said = drift_heading(outcome, count)
        yield from view.hanging(("drift: ", f"{_STYLES[outcome]} strong"), said, "text")
        room = count if view.detail == "full" else _LINES
        for one in found:
            if room > 0:
                yield from _drifted(view, one, room)
            room -= len(one.fields)
        yield from _more(view, -room, "field")


def _drifted(view: View, one: Drifted, limit: int) -> Iterator[Row]:
    columns, ellipsis = view.columns, view.glyphs.ellipsis
    who = author(one)
    head: Row = [("  ", "text"), (one_line(one.resource, 253), "strong")]
    head += [(f"  by {one_line(who, 120)}", "dim")] if who else []
    yield trim(head, columns, ellipsis)
    shown = one.fields[:limit]
    paths = [cut_start(one_line(drift.path), columns // 2, ellipsis) for drift in shown]
    path_columns = column([width_of(path) for path in paths], columns // 2)
    for drift, path in zip(shown, paths, strict=True):
        row = pad([("    ", "text"), (path, "path")], 4 + path_columns)
        words = drift_words(drift, columns - width(row) - 2)
        yield trim([*row, (f"  {words}", "text")], columns, ellipsis)


def _more(view: View, count: int, noun: str) -> Iterator[Row]:
    if count > 0:
        yield [(f"  {view.glyphs.ellipsis} {plural(count, f'more {noun}')}", "dim")]
