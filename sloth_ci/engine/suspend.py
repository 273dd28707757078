"""Suspending a workflow: a person says that nothing is to be synced for now, and somebody takes it back."""

from __future__ import annotations

from msgspec.structs import replace

from sloth_ci.core.errors import LockedError
from sloth_ci.core.ledger import Ledger, Suspension
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.place import locked, open_place
from sloth_ci.engine.session import Session


def suspension_of(session: Session, workflow: WorkflowSpec) -> Suspension | None:
    """The suspension of a workflow, if any."""
    return open_place(session, workflow).ledger.load().suspended


def suspend(session: Session, workflow: WorkflowSpec, suspension: Suspension) -> Suspension | None:
    """Suspend a workflow. Returns whose suspension was there before, which then stays as it is.

    Raises LockedError while a sync is under way.
    """
    place = open_place(session, workflow)
    with locked(place):
        ledger = place.ledger.load()
        if ledger.suspended is None:
            place.ledger.save(replace(ledger, suspended=suspension), f"suspended by {suspension.by}")
        return ledger.suspended


def resume(session: Session, workflow: WorkflowSpec, *, by: str) -> Suspension | None:
    """Take a suspension back, whosever it is: one that nobody else could take back would be for ever.

    Returns it; None where there was none. Raises LockedError while a sync is under way.
    """
    place = open_place(session, workflow)
    with locked(place):
        ledger = place.ledger.load()
        if ledger.suspended is not None:
            place.ledger.save(replace(ledger, suspended=None), f"resumed by {by}")
        return ledger.suspended


def refuse_suspended(session: Session, workflow: WorkflowSpec, ledger: Ledger) -> None:
    """Raises LockedError where a workflow is suspended, unless for the pull request that this run brings."""
    found = ledger.suspended
    if found is None or (found.pull_request is not None and found.pull_request == session.pull_request):
        return
    raise LockedError(
        f"{workflow.name} is {found.told()}",
        f"take it back with sloth-ci unlock, or with the comment /sloth unlock {workflow.environment or workflow.name}",
    )
