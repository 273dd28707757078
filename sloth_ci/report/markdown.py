"""Plans as a pull-request comment: the verdict, a table, what is dangerous, and the rest folded away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sloth_ci.core.objects import Ref
from sloth_ci.core.outcome import Outcome, RollbackOutcome, SyncOutcome
from sloth_ci.core.plan import Change, Conflict, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.brief import in_brief
from sloth_ci.report.diff import change_diff, inline
from sloth_ci.report.outcome_view import counts, facts, headline, ordered_items, seconds
from sloth_ci.report.pane_markdown import commit_parts, drift_parts, hook_parts
from sloth_ci.report.panes import NOT_IN_COMMIT, commit_of, overwritten
from sloth_ci.report.plan_view import UNDO, conflict_fields, short_digest
from sloth_ci.report.text import code, code_cell, fenced, html_text, markdown, shorten, visible, without_commands
from sloth_ci.report.view import SYMBOLS

LIMIT = 60_000
"""Bytes: GitHub refuses a comment of more than 65,536 characters."""

_DOTS = {Impact.CRITICAL: "🟣", Impact.HIGH: "🔴", Impact.MEDIUM: "🟡", Impact.LOW: "⚪"}
_DIFF_LINES = 120
_ITEMS = 50
_REASON_LINES = (80, 16, 0)
"""Further lines of a reason, then the same where there is less room."""
_DEPENDENTS = 8


def plans_markdown(plans: Sequence[Plan], limit: int = LIMIT) -> str:
    """One comment for all plans of a run, of at most `limit` bytes of UTF-8.

    When it is too long, whole parts are left out, the least dangerous first: diffs, then lines of single changes, then
    all but the verdict and the table. What is left out is said.
    """
    head = _verdict(plans) + "\n\n" + _table(plans) + "\n"
    foot = "\n" + _digests(plans)
    room = limit - _size(head) - _size(foot)
    sections = [""] * len(plans)
    # The small ones first: what they do not need of their share goes to the large ones.
    for done, index in enumerate(sorted(range(len(plans)), key=lambda i: len(plans[i].changes))):
        sections[index] = _plan(plans[index], room // (len(plans) - done), titled=len(plans) > 1)
        room -= _size(sections[index])
    return head + "".join(sections) + foot


def _size(text: str) -> int:
    return len(text.encode())


def _verdict(plans: Sequence[Plan]) -> str:
    changes = [change for plan in plans for change in plan.changes]
    conflicts = sum(len(plan.conflicts) for plan in plans)
    parts = []
    if conflicts:
        parts.append(f"⛔ {plural(conflicts, 'conflict')}")
    where = _where(plans)
    if not changes:
        parts.append(f"No changes to {where}")
        return "### " + " · ".join(parts)
    impact = max(change.impact for change in changes)
    parts.append(f"{plural(len(changes), 'change')} to {where}")
    parts.append(f"highest impact {_DOTS[impact]} **{impact}**")
    stuck = sum(change.reversible == "no" for change in changes)
    if stuck:
        parts.append(f"{stuck:,} irreversible")
    undone = sum(map(overwritten, plans))
    if undone:
        parts.append(f"overwrites {plural(undone, 'field')} of others")
    return "### " + " · ".join(parts)


def _where(plans: Sequence[Plan]) -> str:
    names = list(dict.fromkeys(plan.environment or plan.name for plan in plans))
    if len(names) <= 3:
        return ", ".join(markdown(name, 60) for name in names) or "anything"
    return plural(len(names), "environment")


def _table(plans: Sequence[Plan]) -> str:
    lines = [
        "| environment | destination | created | updated | deleted | impact | reversible |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for plan in plans[:_ITEMS]:
        summary = plan.summary
        impact = plan.max_impact
        cells = (
            markdown(plan.environment or plan.name, 80),
            code_cell(plan.destination, 120),
            _count(summary.created_resources),
            _count(summary.updated_resources),
            _count(summary.deleted_resources),
            f"{_DOTS[impact]} {impact}" if impact is not None else "no change",
            _reversible(plan.changes),
        )
        lines.append("| " + " | ".join(cells) + " |")
    if len(plans) > _ITEMS:
        lines.append(f"| … {len(plans) - _ITEMS:,} more | | | | | | |")
    return "\n".join(lines) + "\n"


def _count(number: int) -> str:
    return f"**{number:,}**" if number else "0"


def _reversible(changes: Sequence[Change]) -> str:
    kinds = [change.reversible for change in changes]
    if not kinds:
        return ""
    parts = [f"{kinds.count(kind):,} {word}" for kind, word in (("no", "not"), ("partial", "partly")) if kind in kinds]
    return ", ".join(parts) or "all"


def _digests(plans: Sequence[Plan]) -> str:
    shown = [f"{code(short_digest(plan.digest))} at {code(plan.revision[:12])}" for plan in plans[:_ITEMS]]
    return f"<sub>plan {', '.join(shown)}</sub>\n"


# --- one plan ---


def _plan(plan: Plan, room: int, *, titled: bool) -> str:
    """The part of one plan, in at most `room` bytes; empty where not even its first line has room."""
    title = f"\n#### {markdown(plan.environment or plan.name, 80)} · {code(plan.destination, 120)}\n" if titled else ""
    parts = _Parts(room, title)
    commit = commit_of(plan)
    parts.add_all([_conflict(conflict) for conflict in plan.conflicts], "conflict")
    danger = sorted((c for c in plan.changes if c.impact >= Impact.HIGH), key=lambda change: -change.impact)
    parts.add_all([_danger(change) for change in danger], "dangerous change")
    parts.add_all([f"\n> ⚠️ {markdown(warning, 400)}\n" for warning in plan.warnings], "warning")
    if commit:
        parts.add_all(commit_parts(commit), "line about the commit", "lines about the commit")
    parts.add_all(drift_parts(plan), "line about drift", "lines about drift")
    parts.add_all(hook_parts(plan), "line about hooks", "lines about hooks")
    apart = commit is not None and commit.in_short is None
    parts.add_details(plan.changes, commit.others if commit and apart else frozenset())
    return parts.text()


class _Parts:
    """Parts that are in as a whole or not at all, as long as there is room."""

    _SPARE = 120
    """Bytes that are kept for the line that says what was left out."""

    def __init__(self, room: int, title: str) -> None:
        self._room = room - self._SPARE
        self._parts: list[str] = []
        self._missing: list[str] = []
        self._add(title)

    def text(self) -> str:
        """All that is in."""
        note = f"\nNot shown for lack of room: {', '.join(self._missing)}.\n" if self._missing else ""
        return "".join(self._parts) + (note if self._room + self._SPARE >= _size(note) else "")

    def _add(self, part: str) -> bool:
        fits = _size(part) <= self._room
        if fits:
            self._parts.append(part)
            self._room -= _size(part)
        return fits

    def add_all(self, items: Sequence[str], noun: str, nouns: str | None = None) -> None:
        """Items in order, until one has no room."""
        for index, item in enumerate(items):
            if not self._add(item):
                self._missing.append(plural(len(items) - index, noun, nouns))
                return

    def add_details(self, changes: Sequence[Change], not_in_commit: frozenset[Ref]) -> None:
        """The changes by impact, folded: first a line for each, then as many diffs as there is room for."""
        ordered = sorted(changes, key=lambda change: -change.impact)
        groups = [(impact, list(group)) for impact, group in groupby(ordered, key=lambda change: change.impact)]
        frames = {impact: _frame(impact, group) for impact, group in groups}
        shown: dict[int, str] = {}
        room = self._room
        for impact, group in groups:
            room -= sum(map(_size, frames[impact]))
            for change in group:
                line = _line(change, in_commit=change.ref not in not_in_commit)
                room -= _size(line)
                if room < 0:
                    break
                shown[id(change)] = line
        if len(shown) < len(ordered):
            self._missing.append(plural(len(ordered) - len(shown), "change"))
            room = 0
        diffs = 0
        for change in ordered if room > 0 else ():
            block = _diff(change)
            if _size(block) <= room:
                shown[id(change)] += block
                room -= _size(block)
            else:
                diffs += 1
        if diffs:
            self._missing.append(plural(diffs, "diff"))
        for impact, group in groups:
            lines = [shown[id(change)] for change in group if id(change) in shown]
            if lines:
                first, last = frames[impact]
                self._add(first + "".join(lines) + last)


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


def _danger(change: Change) -> str:
    reasons = "; ".join(markdown(reason, 300) for reason in change.reasons)
    undo = f" · **{UNDO[change.reversible]}**" if change.reversible != "yes" else ""
    needed = "".join(f"\n  - ⚠️ {markdown(text, 300)}" for text in _dependents(change))
    verb = {"create": "create", "update": "update", "recreate": "make anew", "delete": "delete"}[change.type]
    return f"\n- {_DOTS[change.impact]} **{verb}** {code(str(change.ref), 253)}{undo}: {reasons}{needed}"


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


def _diff(change: Change) -> str:
    text = change_diff(change, _DIFF_LINES)
    return f"\n{fenced(without_commands(text), 'diff')}\n" if text else ""


# --- outcomes ---


def outcomes_markdown(outcomes: Sequence[Outcome], limit: int = LIMIT) -> str:
    """What became of the plans, of at most `limit` bytes of UTF-8."""
    text = ""
    for outcome in outcomes:
        # With as much of the reasons as there is room for.
        sections = (_outcome(outcome, lines) for lines in _REASON_LINES)
        section = next((one for one in sections if _size(text) + _size(one) <= limit - 100), None)
        if section is None:
            return text + "\nThere are more outcomes than have room here.\n"
        text += section
    return text


def _further(message: str, limit: int, indent: str = "") -> str:
    """The lines of a reason after its first, as they are; empty where there are none."""
    further = message.rstrip("\n").split("\n")[1:]
    if not further:
        return ""
    lines = [without_commands(visible(shorten(line, 300), keep="\t")) for line in further[:limit]]
    if len(further) > limit:
        lines.append(f"… {plural(len(further) - limit, 'more line')}")
    block = fenced("\n".join(lines), "text")
    return "\n\n" + "\n".join(indent + line for line in block.split("\n"))


def _first(message: str) -> str:
    return message.partition("\n")[0]


def _outcome(outcome: Outcome, reason_lines: int) -> str:
    mark = {"succeeded": "✅", "failed": "❌", "cancelled": "⏹️", "nothing": "⚪"}[outcome.status]
    parts = [f"{mark} {markdown(outcome.environment or outcome.name, 80)}: **{headline(outcome)}**"]
    if outcome.items:
        parts.append(counts(outcome))
    if isinstance(outcome, SyncOutcome) and outcome.status != "nothing" and not outcome.dry_run:
        parts.append(outcome.health)
    parts.append(seconds(outcome.duration_seconds))
    lines = ["### " + " · ".join(parts), ""]
    if outcome.message:
        lines += [markdown(_first(outcome.message), 2000) + _further(outcome.message, reason_lines), ""]
    lines += [f"- {word}: {markdown(text, 400)}" for word, text, _ in facts(outcome)]
    told = [item for item in ordered_items(outcome.items) if item.status != "applied"]
    lines += [
        f"- **{item.status}** {code(str(item.ref), 253)}"
        + (f": {markdown(_first(item.message), 1000)}" if item.message else "")
        + _further(item.message, reason_lines, "  ")
        for item in told[:_ITEMS]
    ]
    if len(told) > _ITEMS:
        lines.append(f"- … {len(told) - _ITEMS:,} more")
    applied = [item for item in outcome.items if item.status == "applied"]
    if applied:
        lines += ["", f"<details><summary>{plural(len(applied), 'object')} applied</summary>", ""]
        lines += [f"- **{SYMBOLS[item.action]}** {code(str(item.ref), 253)}" for item in applied[:_ITEMS]]
        lines += [f"- … {len(applied) - _ITEMS:,} more"] if len(applied) > _ITEMS else []
        lines += ["", "</details>"]
    lines += ["", f"<sub>{_subject(outcome)}</sub>", ""]
    return "\n".join(lines) + "\n"


def _subject(outcome: Outcome) -> str:
    if isinstance(outcome, RollbackOutcome):
        return f"{html_text(outcome.destination, 120)} · back to {code(outcome.target, 80)}"
    plan = f"plan {code(short_digest(outcome.digest))} at {code(outcome.revision[:12])}"
    return f"{html_text(outcome.destination, 120)} · {plan} · {code(outcome.sync_id, 80)}"
