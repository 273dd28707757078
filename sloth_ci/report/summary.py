"""The summary of a job: what the comment says, with far more room."""

from __future__ import annotations

from collections.abc import Sequence

from sloth_ci.core.outcome import Outcome
from sloth_ci.report.comment import About, Shown, review_markdown
from sloth_ci.report.diff import MAX_LINES
from sloth_ci.report.outcome_markdown import outcomes_markdown
from sloth_ci.report.parts import blocks, size

ROOM = 1_000_000
"""Bytes: GitHub drops the summary of a step that has more than 1 MiB, and says nothing."""


def job_summary(shown: Sequence[Shown], *, about: About, outcomes: Sequence[Outcome] = (), limit: int = ROOM) -> str:
    """What became of the plans, where something did, and the plans, of at most `limit` bytes of UTF-8."""
    told = outcomes_markdown(outcomes, limit // 3)
    if not shown and not about.failed:
        return blocks(told) if told else ""
    plans = review_markdown(shown, about=about, limit=limit - size(told) - 2, step="summary", lines=MAX_LINES)
    return blocks(told, plans)
