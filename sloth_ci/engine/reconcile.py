"""What follows when the Lua file has run to its end: auto-sync under its gates, and a preview of everything else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from sloth_ci.core.errors import ConflictError, SlothError
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.engine.controller import one_pass
from sloth_ci.engine.preview import preview
from sloth_ci.engine.session import Session


class Reconciled(NamedTuple):
    """What became of it, and what went wrong first."""

    outcomes: list[SyncOutcome]
    problem: SlothError | None


def reconcile(session: Session, touched: Collection[str], show: Callable[[Plan], None]) -> Reconciled:
    """Preview what is not synced by itself, unless the file did something with it (`touched`, ids), and sync the rest.

    One workflow that fails does not keep the others from their turn.
    """
    problem: SlothError | None = None
    for workflow in session.workflows.values():
        if not workflow.auto_sync and workflow.diff_preview and workflow.id not in {*touched, *session.inactive}:
            plan = preview(session, workflow)
            show(plan)
            if plan.conflicts:
                problem = problem or ConflictError(f"{plan.name} cannot be synced", "see the conflicts in its preview")
    outcomes: list[SyncOutcome] = []
    for turn in one_pass(session):
        if turn.outcome is not None:
            outcomes.append(turn.outcome)
        elif turn.error is not None:
            session.observer.log("error", f"{turn.workflow.name}: {turn.error.message}")
            problem = problem or turn.error
    return Reconciled(outcomes, problem)
