"""Rollback: the destination first, Git second."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from sloth_ci.core.errors import (
    ConflictError,
    Interrupted,
    LockedError,
    RenderError,
    RepositoryError,
    SlothError,
    UsageError,
)
from sloth_ci.core.ledger import Backup, Held, Journal, Ledger, PendingRevert, Record
from sloth_ci.core.outcome import Health, ItemOutcome, RollbackOutcome
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine import durable
from sloth_ci.engine.carry import Carried, backup_of, new_id
from sloth_ci.engine.gitback import GitBack
from sloth_ci.engine.place import Place, locked, open_place
from sloth_ci.engine.preview import plan_for
from sloth_ci.engine.recovery import backup_since, make_revert, mend, put_back, refuse_conflicts, roll_to
from sloth_ci.engine.session import Session

PREVIOUS = "previous"
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")


class Target(NamedTuple):
    """Where a rollback goes: a revision to render, or a backup to put back."""

    shown: str
    revision: str | None
    backup: str | None = None
    done: str | None = None
    """Why there is nothing to do."""


def rollback(session: Session, workflow: WorkflowSpec, *, reason: str, to: str = PREVIOUS) -> RollbackOutcome:
    """Put the destination back, then Git.

    `to`: `previous` (the last success that wanted something else), a commit, a timestamp (ISO 8601, or Unix seconds:
    the last success at that time), or the id of a backup. What is left is held: it is not synced again until the tree
    differs. A second call finds nothing to do.

    Raises UsageError for a target that there is not, LockedError, ConflictError, UnreachableError, RepositoryError,
    RenderError.
    """
    place = open_place(session, workflow)
    started = session.clock()
    if session.rehearsal:
        return _rehearse(place, to)
    with locked(place):
        mended = mend(place, durable.load(place))
        ledger = mended.ledger
        target = find_target(session, workflow, ledger, to)
        outcome = _outcome(place, target)
        if target.done:
            return outcome
        try:
            items, health, ledger = _go(place, ledger, target, reason, started, mended.unfinished)
        except (Interrupted, LockedError, ConflictError, RenderError):
            raise  # stopped, or not begun
        except SlothError as error:
            return replace(outcome, status="failed", message=error.message, duration_seconds=session.clock() - started)
        git = GitBack("none", None, "")
        if ledger.pending_revert is not None:
            ledger, git = make_revert(place, ledger, ledger.pending_revert)
        unhealthy = f" It is not healthy there: {(ledger.history[-1].message)}." if health == "degraded" else ""
        return replace(
            outcome,
            status="failed" if unhealthy else "succeeded",
            message=f"{place.destination.label} is back at {target.shown}.{unhealthy} {git.message}".rstrip(),
            items=items,
            duration_seconds=session.clock() - started,
            health=health,
            revert_status=git.status,
            revert_commit=git.commit,
            held=ledger.held[-1].revision if ledger.held else None,
        )


def _outcome(place: Place, target: Target) -> RollbackOutcome:
    """As it is when there is nothing to do."""
    return RollbackOutcome(
        workflow_id=place.workflow.id,
        name=place.workflow.name,
        environment=place.workflow.environment,
        destination=place.destination.label,
        target=target.shown,
        status="nothing",
        message=target.done or "",
    )


def find_target(session: Session, workflow: WorkflowSpec, ledger: Ledger, to: str) -> Target:
    """What `to` means for this workflow. Raises UsageError where it means nothing, with what there is."""
    last, good = ledger.last(), ledger.last_good()
    if to in ledger.backups:
        return Target(f"the backup {to}", None, backup=to)
    if good is None:
        raise UsageError(f"{workflow.name} was never synced, so there is nothing to go back to")
    if to == PREVIOUS:
        if ledger.journal is not None:  # a sync that was interrupted: what there is, is a mix
            return Target(good.revision[:10], good.revision)
        if last is not None and last.rolled_back:
            return Target(good.revision[:10], None, done=f"{last.revision[:10]} is rolled back already")
        if last is not None and last.action == "rollback" and last.status == "succeeded":
            return Target(good.revision[:10], None, done=f"rolled back to {good.revision[:10]} already")
        if last is not None and last.status != "succeeded":
            return Target(good.revision[:10], good.revision)
        before = ledger.before(good.digest.partition(".")[0])
        if before is None:
            raise UsageError(
                f"there is nothing before {good.revision[:10]} to go back to", "name a commit or a backup with --to"
            )
        return Target(before.revision[:10], before.revision)
    moment = _moment(to)
    if moment is not None:
        # Another machine's clock, in the history, may be ahead of this one's.
        if moment > max(session.clock(), ledger.history[-1].finished):
            raise UsageError(f"{to} is in the future", "name a time that has been; without a zone it is in UTC")
        at = [r for r in ledger.history if r.status == "succeeded" and r.finished <= moment]
        if not at:
            raise UsageError(f"there was no successful sync before {to}", "see sloth-ci history")
        return _unless_there(good, at[-1].revision, f"{at[-1].revision[:10]} (as of {to})")
    revision = session.repository(workflow.repository).resolve(to)
    return _unless_there(good, revision, revision[:10])


def _unless_there(good: Record, revision: str, shown: str) -> Target:
    """A named revision that the last success already brought needs nothing more."""
    if good.revision == revision and good.action == "rollback":
        return Target(shown, None, done=f"rolled back to {shown} already")
    return Target(shown, revision)


def _moment(text: str) -> float | None:
    """Unix seconds of an ISO 8601 time (UTC where it names no zone) or of a number that cannot be a commit."""
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    if _SHA.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rehearse(place: Place, to: str) -> RollbackOutcome:
    """What a rollback would do. Takes no lock, and mends nothing."""
    ledger = place.ledger.load()
    target = find_target(place.session, place.workflow, ledger, to)
    if target.done:
        return replace(_outcome(place, target), dry_run=True)
    if target.revision is None:
        raise UsageError("a backup cannot be rehearsed", "rehearse the commit that it was taken at")
    plan = plan_for(place, ledger, target.revision, prune_limit=1.0).plan
    refuse_conflicts(place, plan)
    return replace(
        _outcome(place, target),
        status="succeeded",
        message=f"a rollback would make {plural(len(plan.changes), 'change')}",
        items=tuple(ItemOutcome(change.ref, change.type, "skipped", "rehearsal") for change in plan.changes),
        dry_run=True,
    )


def _go(
    place: Place,
    ledger: Ledger,
    target: Target,
    reason: str,
    started: float,
    unfinished: Backup | None,
) -> tuple[tuple[ItemOutcome, ...], Health, Ledger]:
    if target.revision is None:
        items, ledger = _from_backup(place, ledger, target, reason, started)
        return items, "unknown", ledger
    try:
        planned = plan_for(place, ledger, target.revision, prune_limit=1.0)
    except RepositoryError as error:
        saved = _saved(ledger, target)
        if saved is None or not error.unreachable:
            raise
        place.session.observer.log(
            "warn", f"{error.message}; going back to what was saved before {ledger.history[-1].id}"
        )
        items, ledger = _from_backup(place, ledger, saved, reason, started)
        return items, "unknown", ledger
    refuse_conflicts(place, planned.plan)
    ledger = _intend(place.session, place.workflow, ledger, target.revision, reason, planned.plan.digest)
    carried = Carried(id=new_id("rollback"), ledger=ledger)
    ledger = roll_to(place, planned, carried, started, reason, before=unfinished)
    return tuple(carried.items.values()), carried.health, ledger


def _saved(ledger: Ledger, target: Target) -> Target | None:
    """The backup that holds what a revision had put there: the one taken before the sync that came right after it."""
    after = iter(ledger.history)
    next((record for record in after if record.revision == target.revision and record.status == "succeeded"), None)
    taken = next((record.backup for record in after if record.backup in ledger.backups), None)
    return None if taken is None else Target(f"{target.shown}, from the backup {taken}", None, backup=taken)


def _intend(
    session: Session, workflow: WorkflowSpec, ledger: Ledger, good: str | None, reason: str, digest: str
) -> Ledger:
    """Hold what is left behind, and note the revert that Git is owed; saved with the journal, before the first change."""
    bad = ledger.journal or ledger.deployed()
    wanted = digest.partition(".")[0]
    if bad is None or bad.revision == good or bad.digest.partition(".")[0] == wanted:
        return ledger
    held = Held(revision=bad.revision, intent=bad.digest.partition(".")[0], reason=reason)
    pending = None
    if good is not None:
        pending = PendingRevert(
            branch=session.branch_of(workflow), bad=bad.revision, good=good, reason=reason, digest=digest
        )
    kept = (h for h in ledger.held if h.intent not in {held.intent, wanted})
    return replace(ledger, held=(*kept, held), pending_revert=pending)


def _from_backup(
    place: Place, ledger: Ledger, target: Target, reason: str, started: float
) -> tuple[tuple[ItemOutcome, ...], Ledger]:
    backup = backup_since(place, ledger, target.backup or "")
    revision = backup.revision or ""
    digest = next((r.digest for r in reversed(ledger.history) if r.revision == revision), "")
    ledger = _intend(place.session, place.workflow, ledger, backup.revision, reason, digest)
    journal = Journal(
        id=new_id("rollback"),
        action="rollback",
        revision=revision,
        digest=digest,
        phase="restoring",
        backup=backup.id,
        started=started,
        reason=reason,
    )
    refs = [item.ref for item in backup.items]
    now = backup_of(place.session, journal.id, ledger, refs, place.destination.current(refs))
    ledger = place.ledger.save(
        replace(ledger, journal=journal), f"rolling back to {target.shown}: {reason}", backup=now
    )
    place.session.checkpoint("backed up")
    items, ledger = put_back(place, ledger, journal, backup=backup)
    place.session.checkpoint("recorded")
    return items, ledger
