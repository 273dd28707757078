"""Freezes: the times in which a workflow is not synced, by the clock of their zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from sloth_ci.core.errors import ConflictError, UsageError
from sloth_ci.core.freeze import checked, frozen_until, lets_through, told
from sloth_ci.core.plan import Plan
from sloth_ci.core.tables import closest
from sloth_ci.core.workflow import FreezeSpec, WorkflowSpec
from sloth_ci.engine.session import Session


def check_freezes(workflow: WorkflowSpec) -> None:
    """Raises UsageError for an entry that cannot be read, or names a zone that there is not."""
    for spec in workflow.freeze:
        checked(spec)
        _zone(spec)


def frozen(session: Session, workflow: WorkflowSpec, plan: Plan) -> list[str]:
    """The freezes that stand against a plan now, in words: those of the Lua file, and that of the forge."""
    found = [own] if session.forge is not None and (own := session.forge.frozen()) else []
    for spec in workflow.freeze:
        now = datetime.fromtimestamp(session.clock(), _zone(spec)).replace(tzinfo=None)
        until = frozen_until(spec, now)
        if until is not None and not lets_through(spec, plan.max_impact):
            found.append(told(spec, until))
    return found


def stands_against(session: Session, workflow: WorkflowSpec, plan: Plan) -> list[str]:
    """As `frozen`; nothing stands against a plan that changes nothing."""
    return frozen(session, workflow, plan) if plan.changes else []


def refuse_frozen(session: Session, workflow: WorkflowSpec, plan: Plan) -> None:
    """Raises ConflictError where a freeze stands against a plan that changes something."""
    found = stands_against(session, workflow, plan)
    if found:
        raise ConflictError(
            f"{workflow.name} is {'; '.join(found)}",
            "wait until then; what cannot wait needs a merged change of `freeze` in the Lua file, or an end of the project's "
            "own freeze period. A rollback may go ahead",
        )


def _zone(spec: FreezeSpec) -> ZoneInfo:
    try:
        return ZoneInfo(spec.timezone)
    except (KeyError, ValueError, OSError):
        near = closest(spec.timezone, sorted(available_timezones()))
        raise UsageError(
            f"freeze: there is no time zone '{spec.timezone}'",
            f"did you mean '{near}'?" if near else 'write it as "Europe/Berlin" or "UTC"',
        ) from None
