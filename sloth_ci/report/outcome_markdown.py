"""What became of plans, as Markdown: what happened, why, and each object that was not applied."""

from __future__ import annotations

from collections.abc import Sequence

from sloth_ci.core.outcome import Outcome, RollbackOutcome, SyncOutcome
from sloth_ci.core.words import first_line, plural
from sloth_ci.report.outcome_view import counts, facts, headline, ordered_items, seconds
from sloth_ci.report.parts import LIMIT, further_lines, size
from sloth_ci.report.plan_view import short_digest
from sloth_ci.report.text import code, markdown
from sloth_ci.report.view import SYMBOLS

_DETAIL = ((80, 50, 1000), (16, 50, 1000), (0, 50, 300), (0, 8, 300), (0, 0, 300))
"""Further lines of a reason, objects that are named, characters of the first line; the next where there is less room."""


def outcomes_markdown(outcomes: Sequence[Outcome], limit: int = LIMIT) -> str:
    """What became of the plans, of at most `limit` bytes of UTF-8."""
    text = ""
    for outcome in outcomes:
        # With as much of the reasons as there is room for.
        sections = (_outcome(outcome, *detail) for detail in _DETAIL)
        section = next((one for one in sections if size(text) + size(one) <= limit - 100), None)
        if section is None:
            return text + "\nThere are more outcomes than have room here.\n"
        text += section
    return text


def _outcome(outcome: Outcome, reason_lines: int, named: int, width: int) -> str:
    mark = {"succeeded": "✅", "failed": "❌", "cancelled": "⏹️", "nothing": "⚪"}[outcome.status]
    parts = [f"{mark} {markdown(outcome.environment or outcome.name, 80)}: **{headline(outcome)}**"]
    if outcome.items:
        parts.append(counts(outcome))
    # A branch or a directory has no health.
    if isinstance(outcome, SyncOutcome) and outcome.health != "unknown" and not outcome.dry_run:
        parts.append(outcome.health)
    parts.append(seconds(outcome.duration_seconds))
    lines = ["### " + " · ".join(parts), ""]
    if outcome.message:
        lines += [markdown(first_line(outcome.message), 2 * width) + further_lines(outcome.message, reason_lines), ""]
    lines += [f"- {word}: {markdown(text, 400)}" for word, text, _ in facts(outcome)]
    told = [item for item in ordered_items(outcome.items) if item.status != "applied"]
    lines += [
        f"- **{item.status}** {code(str(item.ref), 253)}"
        + (f": {markdown(first_line(item.message), width)}" if item.message else "")
        + further_lines(item.message, reason_lines, "  ")
        for item in told[:named]
    ]
    if len(told) > named:
        lines.append(f"- … {len(told) - named:,} more")
    applied = [item for item in outcome.items if item.status == "applied"]
    if applied:
        lines += ["", f"<details><summary>{plural(len(applied), 'object')} applied</summary>", ""]
        lines += [f"- **{SYMBOLS[item.action]}** {code(str(item.ref), 253)}" for item in applied[:named]]
        lines += [f"- … {len(applied) - named:,} more"] if len(applied) > named else []
        lines += ["", "</details>"]
    lines += ["", f"<sub>{_subject(outcome)}</sub>", ""]
    return "\n".join(lines) + "\n"


def _subject(outcome: Outcome) -> str:
    if isinstance(outcome, RollbackOutcome):
        return f"{markdown(outcome.destination, 120)} · back to {code(outcome.target, 80)}"
    plan = f"plan {code(short_digest(outcome.digest))} at {code(outcome.revision[:12])}"
    return f"{markdown(outcome.destination, 120)} · {plan} · {code(outcome.sync_id, 80)}"
