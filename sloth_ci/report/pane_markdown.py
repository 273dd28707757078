"""The panes around the changes of a plan, as Markdown: the policy, the commit, the drift, the hooks.

Most functions give parts in order, of which a comment that is too long leaves out the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sloth_ci.core.plan import Conflict, Drift, FieldChange, Hook, Plan
from sloth_ci.report.brief import in_brief
from sloth_ci.report.diff import inline
from sloth_ci.report.panes import Commit, alike, author, drift_by_outcome, drift_heading, hooks_in_order, is_hidden
from sloth_ci.report.parts import size
from sloth_ci.report.text import code, code_cell, markdown
from sloth_ci.report.view import SYMBOLS

_LINES = 12
_ROWS = 50
_OPEN = 8
"""More findings of the policy than this are folded away."""
_MARKS = {"blocks": "⛔", "overwritten": "⚠️", "left": "ℹ️"}
_HEAD = "| object | field | now | in Git | by |\n|---|---|---|---|---|\n"


class Findings(NamedTuple):
    """What the policy warns of, as far as there was room."""

    text: str
    """Empty where there was none for a single one."""
    left_out: int


def findings_part(findings: Sequence[Conflict], room: int) -> Findings:
    """A line for each finding, and the ways out once for those that have the same, in at most `room` bytes."""
    title = f"⚠️ <b>Policy findings</b>: {len(findings):,}"
    first, last = f"\n{title}\n", ""
    if len(findings) > _OPEN:
        first, last = f"\n<details><summary>{title}</summary>\n", "\n</details>\n"
    room -= size(first + last + _and_more(len(findings)))
    text, left = "", len(findings)
    for group in alike(findings):
        ways = "; ".join(markdown(way, 600) for way in group[0].suggestions if way)
        end = f"\nWays out: {ways}\n" if ways else ""
        block, shown = "\n", 0
        for line in map(_finding, group):
            if size(block + line + end) > room:
                break
            block += line
            shown += 1
        if shown:
            text += block + end
            room -= size(block + end)
            left -= shown
        if shown < len(group):
            break
    return Findings(f"{first}{text}{_and_more(left) if left else ''}{last}" if text else "", left)


def _and_more(count: int) -> str:
    return f"\n… and {count:,} more\n"


def _finding(finding: Conflict) -> str:
    """An item of a list with stars, so that a list with dashes below is another one."""
    where = f" at {code(str(finding.source), 200)}" if finding.source else ""
    return f"* {code(finding.resource, 253)}{where}: {markdown(finding.description, 600)}\n"


def commit_parts(commit: Commit) -> list[str]:
    """What the commit intends: half a line, or the objects of which the destination would see something else."""
    if commit.in_short is not None:
        return [f"\n\n{commit.in_short[0].upper()}{commit.in_short[1:]}.\n"] if commit.in_short else []
    what, how = commit.heading
    parts = [f"\n\n**The commit** {what}: {how}.\n"]
    for one in commit.differing[:_LINES]:
        said = commit.remark(one) or in_brief(one.change)
        about = f" {markdown(said)}" if said else ""
        parts.append(f"\n- **{SYMBOLS[one.change.type]}** {code(str(one.change.ref), 253)}{about}")
    rest = len(commit.differing) - _LINES
    return [*parts, f"\n- … {rest:,} more\n"] if rest > 0 else [*parts, "\n"]


def drift_parts(plan: Plan) -> list[str]:
    """Tables of what others changed. What is left to its owner is folded away."""
    parts: list[str] = []
    for outcome, found in drift_by_outcome(plan):
        fields = [field for one in found for field in one.fields]
        title = f"{_MARKS[outcome]} <b>drift</b>: {drift_heading(outcome, len(fields))}"
        rows = [_row(field) for field in fields[:_ROWS]]
        rows += [f"| … {len(fields) - _ROWS:,} more | | | | |\n"] if len(fields) > _ROWS else []
        if outcome == "left":
            parts.append(f"\n\n<details><summary>{title}</summary>\n\n{_HEAD}{''.join(rows)}\n</details>\n")
        else:
            parts += [f"\n\n{title}\n\n{_HEAD}", *rows]
    return parts


def _row(drift: Drift) -> str:
    sides = inline(FieldChange(drift.path, drift.live, drift.git, drift.masked), 80)
    live, git = (code_cell(side) if side is not None else "nothing" for side in sides)
    if is_hidden(drift):
        live = "another value"
    cells = (code_cell(drift.resource, 253), code_cell(drift.path), live, git, markdown(author(drift), 120))
    return "| " + " | ".join(cells) + " |\n"


def _new(hook: Hook) -> str:
    """A hook that is not what ran before, with where to read it: a plan does not show what it is made of."""
    if not hook.changed:
        return ""
    return " ⚠️ **changed**" + (f" ({code(str(hook.source), 200)})" if hook.source else "")


def hook_parts(plan: Plan) -> list[str]:
    """One sentence with all of them."""
    hooks = hooks_in_order(plan)
    told = [f"{hook.phase} {code(str(hook.ref), 253)}{_new(hook)}" for hook in hooks[:_LINES]]
    told += [f"{len(hooks) - _LINES:,} more"] if len(hooks) > _LINES else []
    return [f"\n\nA sync also runs {', '.join(told)}.\n"] if told else []
