"""Auto-sync: every workflow with `auto_sync = true`, once in a CI job, again and again on a laptop."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sloth_ci.core.errors import ConflictError, Interrupted, RepositoryError, SlothError
from sloth_ci.core.events import Level
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.ordering import in_order
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync


def auto_synced(session: Session) -> list[WorkflowSpec]:
    """The workflows that are synced without being asked, on the branch of this run."""
    return [w for w in session.workflows.values() if w.auto_sync and w.id not in session.inactive]


class Turn(NamedTuple):
    """What one workflow's turn came to: an outcome, or the error that kept it from starting."""

    workflow: WorkflowSpec
    outcome: SyncOutcome | None
    error: SlothError | None = None


Act = Callable[[Session, WorkflowSpec], SyncOutcome]
"""What is done with a workflow in its turn: a sync, or one with something around it."""


def one_pass(session: Session, workflows: list[WorkflowSpec] | None = None, act: Act = sync) -> Iterator[Turn]:
    """Sync each of some workflows once, as the turns are taken; without a list, those with `auto_sync`.

    One that fails does not stop those that do not depend on it. Raises Interrupted.
    """
    broken: set[str] = set()
    chosen = auto_synced(session) if workflows is None else workflows
    for workflow in in_order(session, chosen):
        yield _turn(session, workflow, broken, act)


def _turn(session: Session, workflow: WorkflowSpec, broken: set[str], act: Act = sync) -> Turn:
    """Sync one workflow, unless one it depends on is `broken`; whether it is broken itself is noted there."""
    names = {workflow.name, workflow.id}
    waits_for = next((name for name in workflow.depends_on if name in broken), None)
    try:
        if waits_for:
            raise ConflictError(f"{workflow.name} is not synced, as {waits_for} failed")
        turn = Turn(workflow, act(replace(session, stop=session.stop.child()), workflow))
    except SlothError as error:
        if isinstance(error, Interrupted) and session.stop.is_set():
            raise
        turn = Turn(workflow, None, error)
    failed = turn.error or (turn.outcome and turn.outcome.status == "failed")
    broken.update(names) if failed else broken.difference_update(names)
    return turn


def loop(session: Session) -> None:
    """Sync each auto-sync workflow at its own interval, until `session.stop` is set.

    An error ends the turn of that workflow and not the loop: the remote may be back at the next turn.
    """
    workflows = in_order(session, auto_synced(session))
    due = [(session.clock(), index, workflow) for index, workflow in enumerate(workflows)]
    heapq.heapify(due)
    broken: set[str] = set()
    session.observer.log("info", f"auto-sync of {plural(len(due), 'workflow')}; stop with Ctrl-C or SIGTERM")
    while due and not session.stop.is_set():
        when, index, workflow = due[0]
        if session.stop.wait(max(0.0, when - session.clock())):
            return
        try:
            session.repository(workflow.repository).fetch()
            turn = _turn(session, workflow, broken)
        except Interrupted:
            return
        except RepositoryError as error:
            turn = Turn(workflow, None, error)
        if turn.error:
            session.observer.log("error", f"{workflow.name}: {turn.error.message}")
        elif turn.outcome and turn.outcome.status != "nothing":
            level: Level = "error" if turn.outcome.status == "failed" else "info"
            session.observer.log(level, f"{workflow.name}: {turn.outcome.message}")
        session.release()
        session.observer.phase("")  # the turn is over; what comes now is waiting
        heapq.heapreplace(due, (session.clock() + workflow.sync_interval, index, workflow))
