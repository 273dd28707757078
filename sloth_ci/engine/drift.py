"""Drift: what differs at a destination from what was synced there last, whatever has come to Git since."""

from __future__ import annotations

from collections.abc import Sequence

from sloth_ci.core.errors import UsageError
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.place import open_place
from sloth_ci.engine.preview import plan_for
from sloth_ci.engine.session import Session


class NeverSynced(UsageError):
    """There is nothing that could have drifted."""


def drift(session: Session, workflow: WorkflowSpec) -> Plan:
    """The plan of the revision that was synced last: its changes and its drift are what others did since.

    Takes no lock and writes nothing. Raises NeverSynced.
    """
    place = open_place(session, workflow)
    ledger = place.ledger.load()
    good = ledger.last_good()
    if good is None:
        raise NeverSynced(f"{workflow.name} was never synced, so nothing can have drifted", "sync it: sloth-ci sync")
    return plan_for(place, ledger, good.revision).plan


def drift_of_all(session: Session, workflows: Sequence[WorkflowSpec]) -> list[Plan]:
    """Of each that was synced before. Raises NeverSynced where none was."""
    plans: list[Plan] = []
    for position, workflow in enumerate(workflows, start=1):
        try:
            plans.append(drift(session, workflow))
        except NeverSynced as error:
            if position == len(workflows) and not plans:
                raise
            session.observer.log("info", error.message)
    return plans
