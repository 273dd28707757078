"""Putting a destination back from a backup."""

from __future__ import annotations

from sloth_ci.core.ledger import Backup
from sloth_ci.core.objects import Ref, Write, digest_of
from sloth_ci.core.order import rank
from sloth_ci.core.outcome import ItemOutcome
from sloth_ci.core.plan import ChangeType
from sloth_ci.engine.carry import apply
from sloth_ci.engine.place import Place


def restore(place: Place, backup: Backup) -> tuple[ItemOutcome, ...]:
    """Write every object of the backup that is not as it was, and delete those that were not there.

    Objects that are as they were are not touched, so that a second restore does nothing. Raises as
    `Destination.write` does.
    """
    place.session.observer.phase("put back")
    live = place.destination.live()
    writes: list[Write] = []
    deletes: list[Write] = []
    actions: dict[Ref, ChangeType] = {}
    for item in backup.items:
        current = live.get(item.ref)
        if item.body is None:
            if current is not None:
                deletes.append(Write(item.ref, None))
                actions[item.ref] = "delete"
        elif current is None or current.digest != digest_of(item.body):
            writes.append(Write(item.ref, item.body))
            actions[item.ref] = "create" if current is None else "update"
    writes.sort(key=lambda write: rank(write.ref))
    deletes.sort(key=lambda write: rank(write.ref), reverse=True)
    items: dict[Ref, ItemOutcome] = {}
    message = f"{place.workflow.name}: put back the state before {backup.id}"
    apply(place, place.workflow.sync_policy.retry, [*writes, *deletes], message, actions, items)
    return tuple(items.values())
