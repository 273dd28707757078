"""A destination made of files: what a directory and a branch have in common.

Files have no server that could refuse, default or run anything: writing an object makes it what is declared, nothing in
them is ever healthy or not, and hooks are kept like every other object, for whoever syncs from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.finding import Finding
from sloth_ci.core.hooks import HookPhase
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.objects import Body, Manifest, Ref, Write, digest_of
from sloth_ci.core.observed import Observed
from sloth_ci.core.state import StateHome
from sloth_ci.core.workflow import ConflictPolicy


class FileStore(Protocol):
    """Objects in files."""

    @property
    def id(self) -> str:
        """As `Destination.id`, and so are the next two."""

    @property
    def label(self) -> str: ...
    @property
    def atomic(self) -> bool: ...

    def live(self) -> Mapping[Ref, Manifest]:
        """Every object there. Raises UnreachableError."""

    def strangers(self) -> Mapping[Ref, str]:
        """Objects there that somebody else put in place, with who; as the last `live` found them."""

    def write(self, writes: Sequence[Write], message: str, done: Callable[[Ref], None]) -> None:
        """As `Destination.write`."""


class FileDestination:
    """`destinations.Destination` on a store of files."""

    running = False
    home: StateHome | None = None

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._seen: Mapping[Ref, Manifest] = {}
        self.id = store.id
        self.label = store.label
        self.atomic = store.atomic

    def settle(self, manifests: Sequence[Manifest]) -> Sequence[Manifest]:
        return manifests

    def observe(
        self,
        desired: Sequence[Manifest],  # noqa: ARG002 (files are read as a whole, and refuse nothing)
        inventory: Collection[Ref],  # noqa: ARG002
        policy: ConflictPolicy,  # noqa: ARG002
        *,
        creations_tried: bool = False,  # noqa: ARG002
    ) -> Observed:
        self._seen = self._store.live()
        return Observed(self._seen, self._store.strangers())

    def saved(self, refs: Iterable[Ref]) -> Mapping[Ref, Body]:
        return {ref: self._seen[ref].body for ref in refs if ref in self._seen}

    def current(self, refs: Collection[Ref]) -> Mapping[Ref, Body]:
        self._seen = self._store.live()
        return self.saved(refs)

    def restoring(self, items: Sequence[BackupItem]) -> Sequence[Write]:
        live = self._store.live()
        writes = []
        for item in items:
            there = live.get(item.ref)
            wanted = digest_of(item.body) if item.body is not None else None
            if (there.digest if there else None) != wanted:
                writes.append(Write(item.ref, item.body))
        return writes

    def write(self, writes: Sequence[Write], carrying: Carrying) -> None:
        self._store.write(writes, carrying.message, carrying.done)

    def run_hooks(self, phase: HookPhase, hooks: Sequence[Manifest], carrying: Carrying) -> None:
        """Files run nothing: every object is an ordinary one."""
        raise NotImplementedError(f"{self.label} cannot run {phase} hooks")

    def wait(self, refs: Collection[Ref], carrying: Carrying) -> bool:  # noqa: ARG002 (nothing to wait for)
        return False

    def findings(self) -> Iterable[Finding]:
        return ()

    def learn(self, versions: Collection[str], cache_dir: Path, *, now: float) -> str | None:  # noqa: ARG002 (it takes all)
        return None

    def close(self) -> None:
        """Nothing is kept open."""
