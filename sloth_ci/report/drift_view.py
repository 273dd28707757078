"""The headline of drift: how many objects are not as they were synced, and which way a change is to be read."""

from __future__ import annotations

from sloth_ci.core.plan import Plan
from sloth_ci.core.words import plural
from sloth_ci.report.layout import Row
from sloth_ci.report.text import one_line


def drift_headline(plan: Plan) -> list[Row]:
    """`drift: 1 object at branch rendered/prod is not as synced · what it is now → what Git has`.

    The changes of such a plan are what a sync would do, so they read from the destination to Git.
    """
    where = one_line(plan.destination, 120)
    drifted = {str(change.ref) for change in plan.changes} | {drift.resource for drift in plan.drift}
    if not drifted:
        known = f": {plural(plan.unchanged, 'object')} as synced" if plan.unchanged else ""
        return [[("no drift", "good strong"), (f" at {where}{known}", "text")]]
    verb, now = ("is", "what it is") if len(drifted) == 1 else ("are", "what they are")
    count: Row = [
        (f"drift: {plural(len(drifted), 'object')}", "warn strong"),
        (f" at {where} {verb} not as synced", "text"),
    ]
    direction: Row = [(f"{now} now → what Git has", "text")]
    parts = [count, direction]
    if plan.conflicts:
        parts.insert(0, [(plural(len(plan.conflicts), "conflict"), "bad strong")])
    return parts
