"""Where a destination's state is kept: the Protocols that Git refs and a cluster satisfy."""

from __future__ import annotations

from typing import Protocol

from sloth_ci.core.ledger import Backup, Ledger, LockInfo


class LedgerStore(Protocol):
    """Keeps a ledger where it survives the runner."""

    def load(self) -> Ledger:
        """The newest ledger; an empty one at the start. Remembers what it read, for `save`."""

    def save(self, ledger: Ledger, message: str, *, backup: Backup | None = None) -> Ledger:
        """Replace what `load` or the last `save` saw, with a new backup where one is given. Returns what was written.

        Raises LockedError where somebody else wrote meanwhile.
        """

    def backup(self, backup_id: str) -> Backup:
        """Raises UsageError for an unknown id, naming those there are."""


class Lock(Protocol):
    """One holder at a time, with an expiry, for one destination."""

    def acquire(self) -> LockInfo | None:
        """Take it. Returns the dead or expired holder it was taken from, if any. Raises LockedError naming the holder."""

    def renew(self) -> None:
        """Push the expiry out. Raises LockedError where it was lost."""

    def release(self) -> None:
        """Give it back; one that is gone already is no error."""

    def holder(self) -> LockInfo | None:
        """Who holds it now."""


class StateHome(Protocol):
    """The ledgers and the lock of one destination."""

    def ledger(self, workflow_id: str) -> LedgerStore:
        """The ledger of a workflow."""

    def lock(self, holder: str, ttl: float) -> Lock:
        """The lock of the destination. `ttl`: seconds after which a holder that gave no sign of life is dead."""

    def neighbours(self, workflow_id: str) -> list[tuple[str, LedgerStore]]:
        """Other workflows with a ledger here: id and ledger."""
