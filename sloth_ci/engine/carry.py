"""Carrying a plan out, as sync and rollback both do it: back up, apply, check health, prune."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import Interrupted, UnhealthyError, UnreachableError
from sloth_ci.core.hooks import HookPhase
from sloth_ci.core.ledger import Backup, BackupItem, Journal, Ledger, Phase
from sloth_ci.core.objects import Body, Ref, Write
from sloth_ci.core.order import rank
from sloth_ci.core.outcome import Health, ItemOutcome
from sloth_ci.core.plan import ChangeType, Plan
from sloth_ci.core.selection import selects
from sloth_ci.core.workflow import HealthCheck
from sloth_ci.engine.checks import run_hooks, wait_healthy
from sloth_ci.engine.place import Place
from sloth_ci.engine.preview import Planned
from sloth_ci.engine.session import Session

_GOES_ON = "the next sync goes on from here"


@dataclass
class Carried:
    """What became of a plan, as far as it came. It is complete, too, when `carry_out` raised."""

    id: str
    ledger: Ledger
    backup: Backup | None = None
    items: dict[Ref, ItemOutcome] = field(default_factory=dict)
    health: Health = "unknown"
    pruned: bool = False


def new_id(kind: str) -> str:
    """A short id that is unique among the runs of a workflow."""
    return f"{kind}-{secrets.token_hex(5)}"


def carry_out(
    place: Place,
    planned: Planned,
    carried: Carried,
    *,
    phase: Phase,
    reason: str = "",
    before: Backup | None = None,
) -> None:
    """Bring the destination to the plan. `carried` is filled in on the way.

    `before` is the backup of an interrupted sync that this one finishes: what it saw first is what a rollback has to
    bring back. Raises ApplyError, UnhealthyError, UnreachableError, Interrupted.
    """
    plan, policy = planned.plan, place.workflow.sync_policy
    carried.backup = backup = _take_backup(place, carried, planned, before)
    union = tuple(sorted({*carried.ledger.inventory, *planned.desired}))
    journal = Journal(
        id=carried.id,
        action="sync" if phase == "applying" else "rollback",
        revision=plan.revision,
        digest=plan.digest,
        phase=phase,
        backup=backup.id,
        started=place.session.clock(),
        reason=reason,
    )
    place.session.observer.phase("back up")
    carried.ledger = place.ledger.save(
        replace(carried.ledger, inventory=union, journal=journal),
        f"{phase} {plan.revision[:10]}",
        backup=backup,
    )
    place.session.checkpoint("backed up")
    about = about_of(place, plan)
    run_hooks(place.session, policy.pre_sync_hooks, "pre_sync_hooks", about)
    run_marked(place, planned, "PreSync")
    place.session.checkpoint("pre hooks")

    writes = [Write(c.ref, planned.desired[c.ref].body, c.source) for c in plan.changes if c.type != "delete"]
    writes.sort(key=lambda write: rank(write.ref))
    deletes = [Write(c.ref, None) for c in plan.changes if c.type == "delete"]
    deletes.sort(key=lambda write: rank(write.ref), reverse=True)
    message = f"{place.workflow.name}: {phase} {plan.revision[:10]}\n\nSloth-Plan: {plan.digest}"
    actions = {change.ref: change.type for change in plan.changes}
    # What is gone from Git stays until the rest is healthy. Where it may be what makes the rest unhealthy, that would be
    # for ever: so not in a rollback, not where there is no rest, and not what only an interrupted sync put there.
    at_once = place.destination.atomic or phase == "rolling back" or not writes
    strays = {item.ref for item in before.items if item.body is None} if before else set()
    pruned_last = [] if at_once else [write for write in deletes if write.ref not in strays]
    first = [*writes, *(write for write in deletes if write not in pruned_last)]
    apply(place, first, message, actions, carried.items)
    run_marked(place, planned, "Sync")
    place.session.checkpoint("applied")

    touched = {write.ref for write in first if write.body is not None} | (
        {item.ref for item in before.items} if before else set()
    )
    healthy = _check_health(place, touched & planned.desired.keys(), about, carried)
    place.session.checkpoint("healthy")
    if pruned_last and healthy:
        apply(place, pruned_last, message, actions, carried.items, step="prune")
    carried.pruned = healthy or not pruned_last
    place.session.checkpoint("pruned")
    run_marked(place, planned, "PostSync")
    run_hooks(place.session, policy.post_sync_hooks, "post_sync_hooks", about)
    place.session.checkpoint("post hooks")


def about_of(place: Place, plan: Plan) -> Mapping[str, str]:
    """What commands and functions of the workflow are told, as environment variables."""
    return {
        "SLOTH_WORKFLOW": place.workflow.name,
        "SLOTH_ENVIRONMENT": place.workflow.environment or "",
        "SLOTH_DESTINATION": place.destination.label.partition(" ")[2],
        "SLOTH_REVISION": plan.revision,
        "SLOTH_DIGEST": plan.digest,
    }


def _take_backup(place: Place, carried: Carried, planned: Planned, before: Backup | None) -> Backup:
    refs = [change.ref for change in planned.plan.changes]
    backup = backup_of(place.session, carried.id, carried.ledger, refs, place.destination.saved(refs))
    if before is None:
        return backup
    items = {item.ref: item for item in (*backup.items, *before.items)}
    return replace(backup, inventory=before.inventory, items=tuple(items[ref] for ref in sorted(items)))


def backup_of(
    session: Session, backup_id: str, ledger: Ledger, refs: Iterable[Ref], live: Mapping[Ref, Body]
) -> Backup:
    """The live state of some objects, with what the workflow owns now."""
    good = ledger.last_good()
    return Backup(
        id=backup_id,
        taken=session.clock(),
        revision=good.revision if good else None,
        inventory=ledger.inventory,
        items=tuple(BackupItem(ref, live.get(ref)) for ref in sorted(refs)),
    )


def carrying(place: Place, message: str, done: Callable[[Ref], None] = lambda ref: None) -> Carrying:
    """What the destination is told with every piece of work."""
    return Carrying(
        message=message,
        observer=place.session.observer,
        done=done,
        stopped=place.session.stop.is_set,
        health_timeout=place.workflow.sync_policy.health_check.timeout,
        lenient=place.workflow.sync_policy.health_check.failure_mode == "ignore",
        awaited=lambda ref: _is_awaited(place.workflow.sync_policy.health_check, ref),
    )


def run_marked(place: Place, planned: Planned, phase: HookPhase) -> None:
    """Run the objects that are marked as hooks of a phase, where the destination runs any."""
    hooks = [hook for when, hook in planned.hooks if when == phase]
    if hooks:
        place.session.observer.phase(f"run {phase} hooks", len(hooks))
        place.destination.run_hooks(phase, hooks, carrying(place, phase, lambda ref: _hook_done(place, ref)))
        place.session.checkpoint(f"{phase} hooks")


def _hook_done(place: Place, ref: Ref) -> None:
    place.session.observer.advance(str(ref))
    place.session.checkpoint(f"ran {ref}")


def wait_for(place: Place, refs: Collection[Ref]) -> bool:
    """Wait for the destination's own word on these objects. False where it has none, or the workflow asks for no check.

    Raises UnhealthyError, Interrupted.
    """
    check = place.workflow.sync_policy.health_check
    refs = [ref for ref in refs if _is_awaited(check, ref)]
    if not refs or not place.destination.running:
        return False
    place.session.observer.phase("wait for health", len(refs))
    return place.destination.wait(refs, carrying(place, "wait", lambda ref: place.session.observer.advance(str(ref))))


def _is_awaited(check: HealthCheck, ref: Ref) -> bool:
    return check.enabled and not selects(check.ignore, ref)


def _check_health(place: Place, refs: Collection[Ref], about: Mapping[str, str], carried: Carried) -> bool:
    """Whether it is safe to prune. Raises UnhealthyError unless the workflow says that health is to be ignored."""
    check = place.workflow.sync_policy.health_check
    try:
        known = wait_for(place, refs)
        known = wait_healthy(place.session, check, about) or known
        carried.health = "healthy" if known else "unknown"
    except UnhealthyError as error:
        carried.health = "degraded"
        if check.failure_mode != "ignore":
            raise
        place.session.observer.log("warn", f"{error.message}; ignored, as failure_mode says, and nothing is pruned")
        return False
    return True


def apply(
    place: Place,
    writes: Sequence[Write],
    message: str,
    actions: Mapping[Ref, ChangeType],
    items: dict[Ref, ItemOutcome],
    *,
    step: str = "apply",
) -> None:
    """Write, and write again what the destination did not take for now. Each finished object is added to `items`."""
    if not writes:
        return
    place.session.observer.phase(step, len(writes))

    def done(ref: Ref) -> None:
        items[ref] = ItemOutcome(ref, actions[ref], "applied")
        place.session.observer.advance(str(ref))
        place.session.checkpoint(f"wrote {ref}")
        if place.session.stop.is_set():
            raise Interrupted("stopped while applying", _GOES_ON)

    delays = place.workflow.sync_policy.retry.delays()
    told = carrying(place, message, done)
    left = list(writes)
    while left:
        try:
            place.destination.write(left, told)
        except UnreachableError as error:
            if not delays:
                raise
            delay = delays.pop(0)
            place.session.observer.log("warn", f"{error.message}; next try in {delay:g} s")
            if place.session.stop.wait(delay):
                raise Interrupted("stopped while applying", _GOES_ON) from None
        left = [write for write in left if write.ref not in items]
