"""Plans as Markdown: the verdict, a table, what is dangerous, and the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import Change, Conflict, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.brief import in_brief
from sloth_ci.report.diff import change_diff, inline
from sloth_ci.report.pane_markdown import commit_parts, drift_parts, findings_part, hook_parts
from sloth_ci.report.panes import FINDING, NOT_IN_COMMIT, commit_of, totals
from sloth_ci.report.parts import LIMIT, Parts, size
from sloth_ci.report.plan_view import UNDO, conflict_fields, short_digest
from sloth_ci.report.text import code, code_cell, fenced, link, markdown, without_commands
from sloth_ci.report.view import SYMBOLS

DIFF_LINES = 120
"""Lines of one diff. What is beyond is counted."""

_DOTS = {Impact.CRITICAL: "🟣", Impact.HIGH: "🔴", Impact.MEDIUM: "🟡", Impact.LOW: "⚪"}
_ROWS = 50
_OPEN_LINES = 40
"""A diff of more lines is folded, so that a reader who scrolls meets the next change."""
_DEPENDENTS = 8
_ALIKE = 10
"""Objects of one line."""
_LEAST_HEAD, _LEAST_FOOT = 4_000, 600
"""Bytes of the table and of the digests that are there however small the limit is."""
_FINDINGS_SHARE = 4
"""The part of what room there is."""
_CRD = "CustomResourceDefinition"


class Cell(NamedTuple):
    """What a table of plans has in a row besides what is in the plan."""

    url: str = ""
    gate: str = ""
    """Markdown."""


class Sections(NamedTuple):
    """The parts of several plans."""

    text: str
    whole: bool
    """Whether nothing was left out."""


def plans_markdown(plans: Sequence[Plan], limit: int = LIMIT) -> str:
    """One text for all plans of a run, of at most `limit` bytes of UTF-8.

    When it is too long, whole parts are left out, the least dangerous first: diffs, then lines of single changes, then
    all but the verdict and the table. What is left out is said.
    """
    head = f"### {' · '.join(verdict_parts(plans))}\n\n{table(plans, limit // 3)}\n"
    foot = f"\n<sub>{digests(plans, limit // 6)}</sub>\n"
    return head + sections(plans, limit - size(head) - size(foot), titled=len(plans) > 1).text + foot


def verdict_parts(plans: Sequence[Plan]) -> list[str]:
    """The line that says it all, in parts."""
    total = totals(plans)
    where = ", ".join(markdown(name, 60) for name in total.named)
    parts = [f"⛔ {plural(total.conflicts, 'conflict')}"] if total.conflicts else []
    parts += [f"⚠️ {plural(total.findings, FINDING)}"] if total.findings else []
    if total.impact is None:
        return [*parts, f"No changes to {where}"]
    parts += [
        f"{plural(total.changes, 'change')} to {where}",
        f"highest impact {_DOTS[total.impact]} **{total.impact}**",
    ]
    if total.irreversible:
        parts.append(f"{total.irreversible:,} irreversible")
    if total.overwritten:
        parts.append(f"overwrites {plural(total.overwritten, 'field')} of others")
    return parts


def table(plans: Sequence[Plan], room: int, cells: Sequence[Cell] = ()) -> str:
    """A row a plan, in about `room` bytes. With `cells`, the names are links and there is a column for the gate."""
    heads = ["environment", "destination", "created", "updated", "deleted", "impact", "reversible"]
    if cells:
        heads.append("approval")
    text = f"| {' | '.join(heads)} |\n|---|---|--:|--:|--:|---|---|{'---|' * bool(cells)}\n"
    room = max(room, _LEAST_HEAD) - size(text)
    for index, plan in enumerate(plans):
        row = _row(plan, cells[index] if cells else None)
        room -= size(row)
        if index == _ROWS or (room < 0 and index):
            return f"{text}| … {len(plans) - index:,} more |{' |' * (len(heads) - 1)}\n"
        text += row
    return text


def _row(plan: Plan, cell: Cell | None) -> str:
    summary = plan.summary
    impact = plan.max_impact
    name = markdown(plan.environment or plan.name, 80)
    row = [
        link(name, cell.url) if cell else name,
        code_cell(plan.destination, 120),
        _count(summary.created_resources),
        _count(summary.updated_resources),
        _count(summary.deleted_resources),
        f"{_DOTS[impact]} {impact}" if impact is not None else "no change",
        _reversible(plan.changes),
        *([cell.gate] if cell else []),
    ]
    return "| " + " | ".join(row) + " |\n"


def _count(number: int) -> str:
    return f"**{number:,}**" if number else "0"


def _reversible(changes: Sequence[Change]) -> str:
    kinds = [change.reversible for change in changes]
    if not kinds:
        return ""
    parts = [f"{kinds.count(kind):,} {word}" for kind, word in (("no", "not"), ("partial", "partly")) if kind in kinds]
    return ", ".join(parts) or "all"


def digests(plans: Sequence[Plan], room: int) -> str:
    """The digest of each plan, short, in about `room` bytes."""
    shown: list[str] = []
    room = max(room, _LEAST_FOOT)
    for plan in plans[:_ROWS]:
        one = f"{code(short_digest(plan.digest))} at {code(plan.revision[:12])}"
        room -= size(one) + 2
        if shown and room < 0:
            break
        shown.append(one)
    return f"plan {', '.join(shown)}" if shown else "no plan"


# --- one plan ---


def sections(
    plans: Sequence[Plan],
    room: int,
    *,
    titled: bool,
    notes: Sequence[Sequence[str]] = (),
    lines: int = DIFF_LINES,
) -> Sections:
    """The part of each plan, all in at most `room` bytes, each with its `notes` and diffs of so many `lines`."""
    texts = [""] * len(plans)
    whole = True
    # The small ones first: what they do not need of their share goes to the large ones.
    for done, index in enumerate(sorted(range(len(plans)), key=lambda i: len(plans[i].changes))):
        parts = _plan(plans[index], room // (len(plans) - done), titled, notes[index] if notes else (), lines)
        texts[index] = parts.text()
        whole = whole and parts.whole
        room -= size(texts[index])
    return Sections("".join(texts), whole)


def _plan(plan: Plan, room: int, titled: bool, notes: Sequence[str], lines: int) -> Parts:
    """The part of one plan; empty where not even its first line has room."""
    title = f"\n#### {markdown(plan.environment or plan.name, 80)} · {code(plan.destination, 120)}\n" if titled else ""
    parts = Parts(room, title)
    commit = commit_of(plan)
    parts.add_all([note_line(note) for note in notes], "note")
    parts.add_all([_conflict(conflict) for conflict in plan.conflicts], "conflict")
    _add_findings(parts, plan.findings)
    danger = sorted((c for c in plan.changes if c.impact >= Impact.HIGH), key=lambda change: -change.impact)
    parts.add_all(list(_dangers(danger)), "line about what is dangerous", "lines about what is dangerous")
    parts.add_all([f"\n> ⚠️ {markdown(warning, 400)}\n" for warning in plan.warnings], "warning")
    if commit:
        parts.add_all(commit_parts(commit), "line about the commit", "lines about the commit")
    parts.add_all(drift_parts(plan), "line about drift", "lines about drift")
    parts.add_all(hook_parts(plan), "line about hooks", "lines about hooks")
    apart = commit is not None and commit.in_short is None
    _add_details(parts, plan.changes, commit.others if commit and apart else frozenset(), lines)
    return parts


def _add_findings(parts: Parts, findings: Sequence[Conflict]) -> None:
    """What the policy warns of, in a part of the room: what is dangerous comes after it."""
    if not findings:
        return
    told = findings_part(findings, parts.room // _FINDINGS_SHARE)
    left = told.left_out if parts.add(told.text) else len(findings)
    if left:
        parts.missing(left, FINDING)


def note_line(note: str) -> str:
    """What a reader should know, set apart."""
    return f"\n> ℹ️ {markdown(note, 600)}\n"


def _add_details(parts: Parts, changes: Sequence[Change], not_in_commit: frozenset[Ref], lines: int) -> None:
    """The changes by impact, folded: first a line for each, then as many diffs as there is room for."""
    # The schema of an API can be longer than everything else together.
    ordered = sorted(changes, key=lambda change: (-change.impact, change.ref.kind == _CRD))
    groups = [(impact, list(group)) for impact, group in groupby(ordered, key=lambda change: change.impact)]
    frames = {impact: _frame(impact, group) for impact, group in groups}
    shown: dict[int, str] = {}
    room = parts.room
    for impact, group in groups:
        room -= sum(map(size, frames[impact]))
        for change in group:
            line = _line(change, in_commit=change.ref not in not_in_commit)
            room -= size(line)
            if room < 0:
                break
            shown[id(change)] = line
    if len(shown) < len(ordered):
        parts.missing(len(ordered) - len(shown), "change")
        room = 0
    diffs = 0
    for change in sorted(ordered, key=lambda change: change.ref.kind == _CRD) if room > 0 else ():
        block = _diff(change, lines)
        if size(block) <= room:
            shown[id(change)] += block
            room -= size(block)
        else:
            diffs += 1
    if diffs:
        parts.missing(diffs, "diff")
    for impact, group in groups:
        told = [shown[id(change)] for change in group if id(change) in shown]
        if told:
            first, last = frames[impact]
            parts.add(first + "".join(told) + last)


def _frame(impact: Impact, group: Sequence[Change]) -> tuple[str, str]:
    summary = f"{_DOTS[impact]} <b>{impact}</b> · {plural(len(group), 'change')}"
    return f"\n<details><summary>{summary}</summary>\n\n", "\n</details>\n"


def _conflict(conflict: Conflict) -> str:
    where = f" at {code(str(conflict.source), 200)}" if conflict.source else ""
    lines = [
        f"\n> ⛔ **{conflict.type}** {code(conflict.resource, 253)}{where}  ",
        f"> {markdown(conflict.description, 1000)}",
    ]
    for index, field in enumerate(conflict_fields(conflict)):
        sides = [code(side) for side in inline(field, 100) if side is not None]
        path = f"{code(field.path)}: " if field.path else ""
        lines += [*([">"] if index == 0 else []), f"> - {path}{' → '.join(sides)}"]
    if conflict.suggestions:
        lines += [">", "> Ways out:", ">", *(f"> - {markdown(suggestion, 600)}" for suggestion in conflict.suggestions)]
    return "\n".join(lines) + "\n"


def _dangers(changes: Sequence[Change]) -> Iterator[str]:
    """A line for each, or for all that are dangerous in the same way."""
    alike: dict[object, list[Change]] = {}
    for change in changes:
        alike.setdefault((change.type, change.impact, change.reversible, change.reasons, change.dependents), []).append(
            change
        )
    for same in alike.values():
        for start in range(0, len(same), _ALIKE):
            yield _danger(same[start : start + _ALIKE])


def _danger(changes: Sequence[Change]) -> str:
    change = changes[0]
    reasons = "; ".join(markdown(reason, 300) for reason in change.reasons)
    undo = f" · **{UNDO[change.reversible]}**" if change.reversible != "yes" else ""
    needed = "".join(f"\n  - ⚠️ {markdown(text, 300)}" for text in _dependents(change))
    verb = {"create": "create", "update": "update", "recreate": "make anew", "delete": "delete"}[change.type]
    names = ", ".join(code(str(one.ref), 253) for one in changes)
    return f"\n- {_DOTS[change.impact]} **{verb}** {names}{undo}: {reasons}{needed}"


def _dependents(change: Change) -> list[str]:
    rest = len(change.dependents) - _DEPENDENTS
    return [*change.dependents[:_DEPENDENTS], *([f"… {rest:,} more"] if rest > 0 else [])]


def _line(change: Change, *, in_commit: bool) -> str:
    """The line of one change: what it is, what it does, where it is written, what else there is to know."""
    said = in_brief(change)
    where = f" · {code(str(change.source), 200)}" if change.source else ""
    undo = f" · **{UNDO[change.reversible]}**" if change.reversible != "yes" else ""
    about = f" {markdown(said)}" if said else ""
    notes = [f"**{NOT_IN_COMMIT}**"] if not in_commit else []
    notes += [markdown(note, 300) for note in change.notes]
    if change.impact < Impact.HIGH:
        notes += [f"⚠️ {markdown(text, 300)}" for text in _dependents(change)]
    more = "".join(f" · {note}" for note in notes)
    return f"\n**{SYMBOLS[change.type]}** {code(str(change.ref), 253)}{about}{undo}{where}{more}\n"


def _diff(change: Change, limit: int) -> str:
    text = change_diff(change, limit)
    if not text:
        return ""
    block = f"\n{fenced(without_commands(text), 'diff')}\n"
    lines = text.count("\n") + 1
    if lines <= _OPEN_LINES and change.ref.kind != _CRD:
        return block
    return f"\n<details><summary>{plural(lines, 'line')} of diff</summary>\n{block}\n</details>\n"
