"""Putting a destination back from a backup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sloth_ci.core.errors import Interrupted, SlothError
from sloth_ci.core.ledger import Backup
from sloth_ci.core.objects import Body, Ref, Write
from sloth_ci.core.order import rank
from sloth_ci.core.outcome import ItemOutcome
from sloth_ci.core.plan import ChangeType
from sloth_ci.core.prune import why_kept
from sloth_ci.engine.carry import apply
from sloth_ci.engine.place import Place


def restore(place: Place, backup: Backup) -> tuple[ItemOutcome, ...]:
    """Write every object of the backup that is not as it was, and delete those that were not there.

    Objects that are as they were are not touched, so that a second restore does nothing. Raises as
    `Destination.write` does.
    """
    place.session.observer.phase("put back")
    there = _there(place, [item.ref for item in backup.items])
    writes: list[Write] = []
    deletes: list[Write] = []
    actions: dict[Ref, ChangeType] = {}
    for write in place.destination.restoring(backup.items):
        if write.body is not None:
            writes.append(write)
            actions[write.ref] = "update" if write.ref in there else "create"
            continue
        reason = why_kept(write.ref, there.get(write.ref, {}), running=place.destination.running)
        if reason is None:
            deletes.append(write)
            actions[write.ref] = "delete"
        else:
            place.session.observer.log("warn", f"{write.ref} was not there before and stays: {reason}")
    writes.sort(key=lambda write: rank(write.ref))
    deletes.sort(key=lambda write: rank(write.ref), reverse=True)
    items: dict[Ref, ItemOutcome] = {}
    message = f"{place.workflow.name}: put back the state before {backup.id}"
    apply(place, [*writes, *deletes], message, actions, items)
    return tuple(items.values())


def _there(place: Place, refs: Sequence[Ref]) -> Mapping[Ref, Body]:
    """What is there now. What cannot be looked at is left out: it is no reason not to put the rest back."""
    try:
        return place.destination.current(refs)
    except Interrupted:
        raise
    except SlothError as error:
        place.session.observer.log("debug", f"not everything can be looked at: {error.message}")
    found: dict[Ref, Body] = {}
    for ref in refs:
        try:
            found |= place.destination.current([ref])
        except Interrupted:
            raise
        except SlothError as error:
            place.session.observer.log("warn", f"{ref} cannot be looked at: {error.message}")
    return found
