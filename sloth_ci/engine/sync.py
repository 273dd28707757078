"""Sync: bring a destination to a revision, and back if that fails.

lock → mend what an interrupted run left → plan → compare with what was approved → gate → back up, with the union of old
and new inventory and a journal, in one write → apply → check health → prune → record → unlock.

Whenever the process ends, what is in the ledger says what the next run has to do.
"""

from __future__ import annotations

from msgspec.structs import replace

from sloth_ci.core.errors import (
    ApprovalError,
    ConflictError,
    Interrupted,
    LockedError,
    RolledBackError,
    SlothError,
    UnhealthyError,
)
from sloth_ci.core.ledger import Held, Journal, Ledger, PendingRevert, Record
from sloth_ci.core.objects import Ref
from sloth_ci.core.outcome import ItemOutcome, OutcomeStatus, SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.stale import explain, which_half
from sloth_ci.core.words import add, plural
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine import durable
from sloth_ci.engine.carry import Carried, carry_out, new_id, run_marked
from sloth_ci.engine.checkout import tell_what_stays
from sloth_ci.engine.freeze import refuse_frozen
from sloth_ci.engine.gitback import GitBack
from sloth_ci.engine.place import Place, locked, open_place
from sloth_ci.engine.preview import Planned, head_of, plan_for, preview
from sloth_ci.engine.recovery import Mended, make_revert, mend, put_back, record_of
from sloth_ci.engine.session import Session
from sloth_ci.engine.suspend import refuse_suspended


def sync(
    session: Session,
    workflow: WorkflowSpec,
    *,
    head: str | None = None,
    approved: Plan | str | None = None,
    release_hold: bool = False,
) -> SyncOutcome:
    """Sync a workflow to the tip of its branch, or to `head`.

    `approved` is the plan, or the digest of the plan, that somebody agreed to: nothing else is applied.
    `release_hold` lets a revision be tried again that failed before. In a rehearsal nothing is written.

    A sync that started and failed is an outcome. What stands against starting it is raised: ConflictError,
    ApprovalError, LockedError, RolledBackError for a held revision, RenderError, RepositoryError, UnreachableError;
    Interrupted where a person stopped it.
    """
    if workflow.id in session.inactive:
        raise ConflictError(
            f"{workflow.name} is not deployed: {session.inactive[workflow.id]}", "run it on another branch"
        )
    if session.rehearsal:
        return _rehearse(session, workflow, head, approved, release_hold=release_hold)
    if approved is None and session.gate.guards(workflow):
        approved = let_through(session, workflow, head)
    place = open_place(session, workflow)
    started = session.clock()
    with locked(place):
        mended = mend(place, durable.load(place))
        refuse_suspended(session, workflow, mended.ledger)
        if mended.reverted is not None:
            session.repository(workflow.repository).fetch()
        # Whoever approved a plan saw what the destination says to each creation; the digest says that it is the same plan.
        tried = approved is not None
        revision = head_of(session, workflow, head)
        tell_what_stays(session, workflow, revision, head=head)
        planned = plan_for(place, mended.ledger, revision, creations_tried=tried)
        _refuse(planned.plan, mended.ledger, approved, release_hold=release_hold)
        refuse_frozen(session, workflow, planned.plan)
        if not planned.plan.changes and mended.unfinished is None:
            return _nothing(place, planned, mended, started)
        return _carry(place, planned, mended, started)


def _rehearse(
    session: Session, workflow: WorkflowSpec, head: str | None, approved: Plan | str | None, *, release_hold: bool
) -> SyncOutcome:
    """What a sync would do now. What would keep it from being done is in the outcome, so that the changes are shown all the same."""
    place = open_place(session, workflow)
    ledger = place.ledger.load()
    revision = head_of(session, workflow, head)
    tell_what_stays(session, workflow, revision, head=head)
    plan = plan_for(place, ledger, revision).plan
    if plan.conflicts:
        raise _conflict(plan)
    status: OutcomeStatus = "succeeded" if plan.changes else "nothing"
    message = f"a sync would make {plural(len(plan.changes), 'change')}"
    try:
        refuse_suspended(session, workflow, ledger)
        _refuse(plan, ledger, approved, release_hold=release_hold)
        refuse_frozen(session, workflow, plan)
    except (ApprovalError, ConflictError, LockedError, RolledBackError) as error:
        status, message = "cancelled", f"would be refused: {error.message}"
    return replace(
        _outcome(workflow, plan, new_id("rehearsal"), status),
        message=message,
        items=tuple(ItemOutcome(change.ref, change.type, "skipped", "rehearsal") for change in plan.changes),
        dry_run=True,
    )


def _outcome(workflow: WorkflowSpec, plan: Plan, sync_id: str, status: OutcomeStatus) -> SyncOutcome:
    return SyncOutcome(
        workflow_id=workflow.id,
        name=workflow.name,
        environment=workflow.environment,
        destination=plan.destination,
        sync_id=sync_id,
        status=status,
        revision=plan.revision,
        digest=plan.digest,
        message="",
    )


def let_through(session: Session, workflow: WorkflowSpec, head: str | None) -> Plan:
    """Have the plan pass the gate, before the lock is taken: a person may think for as long as it takes.

    What is returned can be `approved` of `sync`. Raises ConflictError for conflicts and in a freeze, ApprovalError.
    """
    plan = preview(session, workflow, head=head)
    if plan.conflicts:
        raise _conflict(plan)
    if plan.brings:
        refuse_frozen(session, workflow, plan)
        session.gate.check(workflow, plan)
    return plan


def _conflict(plan: Plan) -> ConflictError:
    told = "\n".join(f"  {c.type} {c.resource}: {c.description}" for c in plan.conflicts)
    ways = "; or ".join(dict.fromkeys(way for c in plan.conflicts for way in c.suggestions))
    return ConflictError(
        f"{plan.name} has {plural(len(plan.conflicts), 'conflict')}, nothing is applied:\n{told}", ways
    )


def _refuse(plan: Plan, ledger: Ledger, approved: Plan | str | None, *, release_hold: bool) -> None:
    if plan.conflicts:
        raise _conflict(plan)
    if not plan.changes:
        return
    held = ledger.holds(plan.digest.partition(".")[0])
    if held is not None and not release_hold:
        same = held.revision == plan.revision
        renders = "was" if same else f"renders what {held.revision[:10]} did, which was"
        raise RolledBackError(
            f"{plan.revision[:10]} {renders} rolled back: {held.reason}",
            "change the manifests; or try the same again on purpose: `sloth-ci sync --release-hold`, or in CI the command "
            "`sync` with the input `release-hold`",
        )
    if isinstance(approved, Plan) and approved.digest != plan.digest:
        raise ApprovalError(
            f"the approval is for another plan: {explain(approved, plan)}", "look at the new plan and approve it"
        )
    if isinstance(approved, str) and approved != plan.digest:
        raise ApprovalError(
            f"the approval is for another plan: {which_half(approved, plan.digest)}",
            f"look at the new plan and approve {plan.digest}",
        )


def _nothing(place: Place, planned: Planned, mended: Mended, started: float) -> SyncOutcome:
    """The destination is as it should be; it is only written down that it is so at this revision."""
    plan, ledger = planned.plan, mended.ledger
    last = ledger.last()
    wanted = tuple(sorted(planned.desired))
    message = f"nothing to change at {plan.revision[:10]}"
    carried = Carried(id=new_id("sync"), ledger=ledger)
    if last is None or last.status != "succeeded" or last.revision != plan.revision or ledger.inventory != wanted:
        record = record_of(place.session, carried, plan, "sync", started, message)
        ledger = replace(ledger.with_record(record), inventory=_kept(planned, ledger))
        place.ledger.save(ledger, message)
    return replace(
        _outcome(place.workflow, plan, carried.id, "nothing"),
        message=message,
        duration_seconds=place.session.clock() - started,
        recovered=mended.note,
        revert=mended.reverted.commit if mended.reverted else None,
    )


def _kept(planned: Planned, ledger: Ledger) -> tuple[Ref, ...]:
    """The inventory after a complete sync: what is wanted, and what is gone from Git but was left in place."""
    deleted = {change.ref for change in planned.plan.changes if change.type == "delete"}
    stays = {ref for ref in ledger.inventory if ref in planned.live and ref not in deleted}
    return tuple(sorted(stays | set(planned.desired)))


def _carry(place: Place, planned: Planned, mended: Mended, started: float) -> SyncOutcome:
    plan = planned.plan
    ledger = mended.ledger
    if ledger.journal is not None:
        ledger = ledger.with_record(_cancelled(place.session, ledger.journal))
    carried = Carried(id=new_id("sync"), ledger=ledger)
    try:
        carry_out(place, planned, carried, phase="applying", before=mended.unfinished)
    except (Interrupted, LockedError):
        raise  # the journal tells the next run; where the lock is lost, the destination is somebody else's now
    except SlothError as error:
        if carried.ledger.journal is None:
            raise  # not even the backup could be kept, so nothing was begun
        return _fail(place, planned, carried, mended, error, started)
    inventory = _kept(planned, ledger) if carried.pruned else carried.ledger.inventory
    intent = plan.digest.partition(".")[0]
    done = replace(
        carried.ledger.with_record(record_of(place.session, carried, plan, "sync", started)),
        inventory=inventory,
        held=tuple(held for held in carried.ledger.held if held.intent != intent),
    )
    place.ledger.save(done, f"synced to {plan.revision[:10]}")
    place.session.checkpoint("recorded")
    return replace(
        _outcome(place.workflow, plan, carried.id, "succeeded"),
        message=f"synced to {plan.revision[:10]}",
        items=tuple(carried.items.values()),
        duration_seconds=place.session.clock() - started,
        health=carried.health,
        recovered=mended.note,
        revert=mended.reverted.commit if mended.reverted else None,
        backup=carried.id,
    )


def _cancelled(session: Session, journal: Journal) -> Record:
    return Record(
        id=journal.id,
        action="sync",
        status="cancelled",
        revision=journal.revision,
        digest=journal.digest,
        started=journal.started,
        finished=session.clock(),
        message=f"interrupted while {journal.phase}",
        backup=journal.backup,
        holder=session.holder,
    )


def _fail(
    place: Place,
    planned: Planned,
    carried: Carried,
    mended: Mended,
    error: SlothError,
    started: float,
) -> SyncOutcome:
    plan = planned.plan
    place.session.observer.log("error", error.message)
    if error.hint:
        place.session.observer.log("info", error.hint)
    git: GitBack | None = None
    back = False
    message = error.message
    touched = bool(carried.items) or mended.unfinished is not None
    _sync_fail_hooks(place, planned)
    if carried.backup is not None and touched and _wants_rollback(place.workflow, error):
        try:
            git = _roll_back(place, planned, carried, error)
            back = True
            message = add(error.message, f"the destination is back where it was. {git.message}".rstrip())
        except Interrupted:
            raise
        except SlothError as second:
            message = add(error.message, f"and it could not be put back: {second.message}. The next sync tries again")
    else:
        failed = replace(record_of(place.session, carried, plan, "sync", started, message), status="failed")
        durable.save(place, carried.ledger.with_record(failed), f"failed at {plan.revision[:10]}")
    rest = (c for c in plan.changes if c.ref not in carried.items)
    missing = tuple(ItemOutcome(c.ref, c.type, "skipped", "not reached") for c in rest)
    return replace(
        _outcome(place.workflow, plan, carried.id, "failed"),
        message=message,
        items=(*carried.items.values(), *missing),
        duration_seconds=place.session.clock() - started,
        health="degraded" if isinstance(error, UnhealthyError) else carried.health,
        rolled_back=back,
        revert=git.commit if git else None,
        recovered=mended.note,
        backup=carried.id,
    )


def _sync_fail_hooks(place: Place, planned: Planned) -> None:
    """They tell somebody or clean up; one that fails changes nothing about what has to be done now."""
    try:
        run_marked(place, planned, "SyncFail")
    except Interrupted:
        raise
    except SlothError as error:
        place.session.observer.log("error", error.message)


def _wants_rollback(workflow: WorkflowSpec, error: SlothError) -> bool:
    mode = workflow.sync_policy.health_check.failure_mode
    if isinstance(error, UnhealthyError) and mode is not None:
        return mode == "rollback"
    return workflow.rollback_on_failure


def _roll_back(place: Place, planned: Planned, carried: Carried, error: SlothError) -> GitBack:
    """The destination first, then Git. The journal says so before the first step, for the run that may have to finish it."""
    plan, ledger, backup = planned.plan, carried.ledger, carried.backup
    if backup is None or ledger.journal is None:
        raise ValueError("a sync that wrote nothing has nothing to roll back")
    good = ledger.last_good()
    journal = replace(ledger.journal, phase="restoring", reason=error.message)
    pending = None
    if good is not None and good.revision != plan.revision:
        pending = PendingRevert(
            branch=place.session.branch_of(place.workflow),
            bad=plan.revision,
            good=good.revision,
            reason=error.message,
            digest=plan.digest,
        )
    held = Held(revision=plan.revision, intent=plan.digest.partition(".")[0], reason=error.message)
    ledger = replace(
        ledger,
        journal=journal,
        pending_revert=pending,
        held=(*(h for h in ledger.held if h.intent != held.intent), held),
    )
    ledger = durable.save(place, ledger, f"{plan.revision[:10]} failed, restoring")
    place.session.checkpoint("restoring")
    _, ledger = put_back(place, ledger, journal, backup=backup)
    place.session.checkpoint("restored")
    if pending is None:
        return GitBack("none", None, "It was the first sync, so there is no good commit to go back to in Git.")
    _, git = make_revert(place, ledger, pending)
    return git
