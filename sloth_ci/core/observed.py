"""What a destination answers when it is asked about desired objects: what is there, and what a write would make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sloth_ci.core.objects import Manifest, Ref
from sloth_ci.core.plan import Conflict, Drift


class Foreseen(NamedTuple):
    """One desired object, tried out without being written.

    `before` and `after` show only what is declared or was declared before: no defaults, no fields of others.
    """

    after: Manifest | None = None
    """What it would be. None: it could not be tried, and is taken as it is declared."""
    recreate: bool = False
    """It has to be deleted first, and allows that."""
    conflicts: tuple[Conflict, ...] = ()
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know: `taken over from kubectl apply`, `unverified until its Namespace exists`."""


class Observed(NamedTuple):
    """A destination, as far as a plan needs it."""

    objects: Mapping[Ref, Manifest]
    """Those of the desired objects and of the inventory that exist."""
    owners: Mapping[Ref, str] = {}
    """Objects there that somebody else put in place, with who."""
    same: frozenset[Ref] = frozenset()
    """Desired objects that are proved to be as they should be."""
    foreseen: Mapping[Ref, Foreseen] = {}
    """What a write would do to the others. Without an entry, a write makes the object what is declared."""
    dependents: Mapping[Ref, tuple[str, ...]] = {}
    """What lives in or by an object that is no longer desired, as only the destination can know: `41 objects live in it`."""
    unseen: frozenset[Ref] = frozenset()
    """Members of the inventory that cannot be asked for now: they may be there, and stay in the inventory."""
    conflicts: Sequence[Conflict] = ()
    """Those that belong to no single desired object."""
    warnings: Sequence[str] = ()
