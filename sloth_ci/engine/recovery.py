"""What an interrupted run left behind, and how the next one mends it, under the lock and before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from sloth_ci.core.errors import ConflictError, UnhealthyError
from sloth_ci.core.ledger import Backup, Journal, Ledger, PendingRevert, Record
from sloth_ci.core.objects import Ref
from sloth_ci.core.outcome import ItemOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.words import add
from sloth_ci.engine import durable
from sloth_ci.engine.carry import Carried, carry_out, wait_for
from sloth_ci.engine.gitback import GitBack, revert_in_git
from sloth_ci.engine.place import Place
from sloth_ci.engine.preview import Planned, plan_for
from sloth_ci.engine.restore import restore
from sloth_ci.engine.session import Session

_OF_OTHERS: Final = frozenset({"foreign_owner"})
_OF_A_SERVER: Final = _OF_OTHERS | {"field_ownership", "immutable_field", "permission", "validation"}


class Mended(NamedTuple):
    """The state after mending."""

    ledger: Ledger
    note: str | None = None
    """What was found and done, for a person."""
    unfinished: Backup | None = None
    """The backup of a sync that was interrupted while applying: the sync that follows finishes it."""
    reverted: GitBack | None = None


def mend(place: Place, ledger: Ledger) -> Mended:
    """Bring an interrupted restore or rollback to its end, and make up for a revert that Git did not get.

    An interrupted sync is not undone: the destination holds a mix of two revisions, and the fastest way to a known
    state is the sync that is about to run.
    """
    journal = ledger.journal
    note = None
    unfinished = None
    if journal is not None:
        what = f"{journal.id} of {journal.revision[:10]} was interrupted while {journal.phase}"
        place.session.observer.log("warn", what)
        if journal.phase == "applying":
            unfinished = place.ledger.backup(journal.backup)
            note = f"{what}; this sync finished it"
        elif journal.phase == "restoring":
            _, ledger = put_back(place, ledger, journal)
            note = f"{what}; the state before it is restored"
        else:
            ledger = _finish_rollback(place, ledger, journal)
            note = f"{what}; the rollback is finished"
    reverted = None
    if ledger.pending_revert is not None:
        bad = ledger.pending_revert.bad[:10]
        ledger, reverted = make_revert(place, ledger, ledger.pending_revert)
        told = f"the revert of {bad} that Git was owed: {reverted.message}"
        note = f"{note}; {told}" if note else told
    return Mended(ledger, note, unfinished, reverted)


def put_back(
    place: Place, ledger: Ledger, journal: Journal, *, backup: Backup | None = None
) -> tuple[tuple[ItemOutcome, ...], Ledger]:
    """Put the backup back and write down why: a sync that failed, or a rollback to that backup."""
    backup = backup or backup_since(place, ledger, journal.backup)
    items = restore(place, backup)
    reason = journal.reason
    try:
        wait_for(place, [item.ref for item in items if item.action != "delete"])
    except UnhealthyError as error:  # it is as it was, and nothing better is known to go to
        place.session.observer.log("error", error.message)
        reason = add(reason, f"put back, but {error.message}")
    record = Record(
        id=journal.id,
        action=journal.action,
        status="failed" if journal.action == "sync" else "succeeded",
        revision=journal.revision,
        digest=journal.digest,
        started=journal.started,
        finished=place.session.clock(),
        message=reason,
        rolled_back=journal.action == "sync",
        applied=len(items),
        backup=backup.id,
        holder=place.session.holder,
    )
    ledger = replace(ledger.with_record(record), inventory=_owned(place, backup, items))
    return items, durable.save(place, ledger, f"put back {backup.id}: {journal.reason}")


def _owned(place: Place, backup: Backup, items: Sequence[ItemOutcome]) -> tuple[Ref, ...]:
    """The inventory after a restore: as it was, and what the failed sync made and nobody may delete unasked."""
    made = {item.ref for item in backup.items if item.body is None}
    gone = {item.ref for item in items if item.action == "delete"}
    stayed = place.destination.current(made - gone) if place.destination.running else ()
    return tuple(sorted({*backup.inventory, *stayed}))


def backup_since(place: Place, ledger: Ledger, backup_id: str) -> Backup:
    """A backup, and beside it what later syncs touched and it does not hold: together, the state at its time.

    Raises UsageError for an unknown id.
    """
    backup = place.ledger.backup(backup_id)
    items = {item.ref: item for item in backup.items}
    for later in ledger.backups[ledger.backups.index(backup_id) + 1 :]:
        for item in place.ledger.backup(later).items:
            items.setdefault(item.ref, item)
    return replace(backup, items=tuple(items[ref] for ref in sorted(items)))


def refuse_conflicts(place: Place, plan: Plan) -> None:
    """A rollback goes where the destination has been before, but not over what belongs to somebody else.

    Where the destination has a server that refuses things, what it would refuse stops the rollback before its first
    change, too. Raises ConflictError.
    """
    refusing = _OF_A_SERVER if place.destination.running else _OF_OTHERS
    found = [conflict for conflict in plan.conflicts if conflict.type in refusing and "/" in conflict.resource]
    if found:
        told = "\n".join(f"  {one.type} {one.resource}: {one.description}" for one in found)
        ways = "; or ".join(dict.fromkeys(way for one in found for way in one.suggestions))
        raise ConflictError(f"{plan.name} cannot be rolled back to {plan.revision[:10]}:\n{told}", ways)


def _finish_rollback(place: Place, ledger: Ledger, journal: Journal) -> Ledger:
    planned = plan_for(place, ledger, journal.revision, prune_limit=1.0)
    refuse_conflicts(place, planned.plan)
    carried = Carried(id=journal.id, ledger=ledger)
    before = place.ledger.backup(journal.backup)
    return roll_to(place, planned, carried, journal.started, journal.reason, before=before)


def roll_to(
    place: Place, planned: Planned, carried: Carried, started: float, reason: str, *, before: Backup | None
) -> Ledger:
    """Bring the destination to an earlier revision and write that down.

    One that is there and not healthy is a rollback all the same, as nothing better is known to go to: the record and
    `carried.health` say so. Raises what else `carry_out` does.
    """
    try:
        carry_out(place, planned, carried, phase="rolling back", reason=reason, before=before)
    except UnhealthyError as error:
        place.session.observer.log("error", error.message)
        reason = add(reason, error.message)
    record = record_of(place.session, carried, planned.plan, "rollback", started, reason)
    stays = planned.desired if carried.pruned else {*planned.desired, *carried.ledger.inventory}
    ledger = replace(carried.ledger.with_record(record), inventory=tuple(sorted(stays)))
    ledger = durable.save(place, ledger, f"rolled back to {planned.plan.revision[:10]}: {reason}")
    place.session.checkpoint("recorded")
    return ledger


def make_revert(place: Place, ledger: Ledger, pending: PendingRevert) -> tuple[Ledger, GitBack]:
    """Put Git back; what it cannot take now stays in the ledger for the next run."""
    result = revert_in_git(place.session, place.workflow, pending)
    place.session.checkpoint("reverted")
    if result.status != "queued":
        ledger = replace(ledger, pending_revert=None)
        ledger = durable.save(place, ledger, f"reverted {pending.bad[:10]} in Git: {result.status}")
    return ledger, result


def record_of(
    session: Session,
    carried: Carried,
    plan: Plan,
    action: Literal["sync", "rollback"],
    started: float,
    message: str = "",
) -> Record:
    """A success, written down."""
    return Record(
        id=carried.id,
        action=action,
        status="succeeded",
        revision=plan.revision,
        digest=plan.digest,
        started=started,
        finished=session.clock(),
        message=message,
        applied=sum(item.status == "applied" for item in carried.items.values()),
        backup=carried.backup.id if carried.backup else None,
        holder=session.holder,
    )
