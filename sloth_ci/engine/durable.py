"""Writing the ledger when its repository may be away.

While a rollback is under way the destination comes first: a ledger that cannot be pushed is kept on this machine, and
the next run here pushes it before anything else.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from sloth_ci.core.errors import RepositoryError
from sloth_ci.core.ledger import Ledger
from sloth_ci.engine.place import Place


def load(place: Place) -> Ledger:
    """The ledger of the remote, or the one that was left here because the remote was away."""
    ledger = place.ledger.load()
    queued = _path(place)
    if not queued.exists():
        return ledger
    ours = msgspec.json.decode(queued.read_bytes(), type=Ledger)
    ours_journal = ours.history[-1].id if ours.history else None
    if ledger.journal is not None and ledger.journal.id in {ours_journal, ours.journal.id if ours.journal else None}:
        place.session.observer.log("info", "writing down what the last run could not, as Git was away")
        ledger = place.ledger.save(ours, "write down what happened while Git was away")
    queued.unlink()
    return ledger


def save(place: Place, ledger: Ledger, message: str) -> Ledger:
    """Save it, or keep it here where Git does not answer."""
    try:
        return place.ledger.save(ledger, message)
    except RepositoryError as error:
        place.session.observer.log("warn", f"the state cannot be written: {error.message}; it is kept for the next run")
        path = _path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(msgspec.json.encode(ledger))
        partial.replace(path)
        return ledger


def _path(place: Place) -> Path:
    return place.session.cache_dir / "queued" / f"{place.destination.id}.{place.workflow.id}.json"
