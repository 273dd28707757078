"""How a workflow is doing, and what was done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sloth_ci.core.ledger import Ledger, Record
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.place import open_place
from sloth_ci.engine.session import Session


def status(session: Session, workflow: WorkflowSpec) -> dict[str, Any]:
    """The table of `gitops.get_workflow_status`. Absent values are left out."""
    place = open_place(session, workflow)
    ledger = place.ledger.load()
    holder = place.lock.holder()
    last = ledger.last()
    table: dict[str, Any] = {
        "id": workflow.id,
        "name": workflow.name,
        "status": _word(ledger, busy=holder is not None and ledger.journal is not None),
        "auto_sync": workflow.auto_sync,
        "repository": session.repository(workflow.repository).display,
        "branch": session.branch_of(workflow),
        "destination": place.destination.label,
        "resources": len(ledger.inventory),
        "dry_run": session.rehearsal,
    }
    if workflow.environment:
        table["environment"] = workflow.environment
    if holder is not None:
        table["locked_by"] = holder.holder
    if ledger.suspended is not None:
        found = ledger.suspended
        table["suspended"] = {"by": found.by, "reason": found.reason, "pull_request": found.pull_request}
    if ledger.held:
        table["held"] = ledger.held[-1].revision
    if ledger.journal is not None and holder is None:
        table["interrupted"] = f"{ledger.journal.phase} {ledger.journal.revision[:10]}"
    if last is not None:
        table["last_sync_result"] = _result(last)
    return table


def _word(ledger: Ledger, *, busy: bool) -> str:
    """`suspended`: a person said that nothing is to be synced. `degraded`: the last sync failed and was put back, or was interrupted; `failed`: it failed and was not put back."""
    if busy:
        return "syncing"
    last = ledger.last()
    if ledger.journal is not None:
        return "degraded"
    if ledger.suspended is not None:
        return "suspended"
    if last is None:
        return "active"
    if last.status == "succeeded":
        return "synced"
    return "degraded" if last.rolled_back or last.status == "cancelled" else "failed"


def _result(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "action": record.action,
        "status": record.status,
        "start_time": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="seconds"),
        "commit_hash": record.revision,
        "message": record.message,
        "rolled_back": record.rolled_back,
        "metrics": {
            "duration": round(record.finished - record.started, 3),
            "resources_processed": record.applied + record.skipped + record.failed,
            "resources_applied": record.applied,
            "resources_skipped": record.skipped,
            "resources_failed": record.failed,
        },
    }


def history(session: Session, workflow: WorkflowSpec) -> list[dict[str, Any]]:
    """What was done, newest first."""
    ledger = open_place(session, workflow).ledger.load()
    return [
        {**_result(record), "holder": record.holder, **({"backup": record.backup} if record.backup else {})}
        for record in reversed(ledger.history)
    ]
