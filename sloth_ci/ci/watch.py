"""A schedule: what others changed at the destinations, and auto-sync."""

from __future__ import annotations

from sloth_ci.ci.deploy import deploy_revision, finish, take_turns
from sloth_ci.ci.job import Job
from sloth_ci.core.errors import SlothError
from sloth_ci.core.events import Level
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.controller import Act, auto_synced
from sloth_ci.engine.drift import NeverSynced, drift
from sloth_ci.engine.preview import head_of
from sloth_ci.engine.session import Session
from sloth_ci.report.comment import Shown


def look_for_drift(job: Job) -> int:
    """Report drift of every workflow; what has `auto_sync` is put back, under its gate. Returns the exit code."""
    with job.started(only_declared=True) as run:
        for workflow in job.chosen(run):
            _look(job, run.session, workflow)
        _tell(job)
        chosen = job.chosen(run)
        # What waits for people is looked at again by the next schedule.
        take_turns(job, run, [w for w in auto_synced(run.session) if w in chosen], _in_turn(job), patient=True)
    return finish(job)


def only_drift(job: Job) -> int:
    """Report drift, and change nothing."""
    with job.started(rehearse=True, only_declared=True) as run:
        for workflow in job.chosen(run):
            _look(job, run.session, workflow)
        _tell(job)
    return finish(job)


def _look(job: Job, session: Session, workflow: WorkflowSpec) -> None:
    try:
        job.keep(Shown(plan=drift(session, workflow)))
    except NeverSynced as error:
        job.observer.log("info", error.message)
    except SlothError as error:
        job.attempt(workflow.environment or workflow.name, error)


def _tell(job: Job) -> None:
    drifted = [plan.name for plan in job.plans if plan.changes or plan.drift]
    level: Level = "warn" if drifted else "info"
    job.observer.log(level, f"drift in {', '.join(drifted)}" if drifted else "no drift")


def _in_turn(job: Job) -> Act:
    def act(session: Session, workflow: WorkflowSpec) -> SyncOutcome:
        return deploy_revision(job, session, workflow, head_of(session, workflow))

    return act
