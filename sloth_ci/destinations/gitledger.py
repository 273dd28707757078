"""Ledger and lock in Git refs: state that survives a runner without a database.

`refs/sloth/state/<destination>/<workflow>` holds a ledger, `refs/sloth/state/<destination>/lock` the lock. Each change is one
commit, pushed only where the remote still has what was read, so that of two writers one wins and the other is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

from sloth_ci.core.errors import LockedError, StateMoved, UnreachableError, UsageError
from sloth_ci.core.ledger import LEDGER_FORMAT, Backup, Ledger, LockInfo
from sloth_ci.destinations.holder import is_gone, this_process

_LEDGER = "ledger.json"
_LOCK = "lock.json"


class Files(Protocol):
    """The files of a ref: paths are listed at once, contents read when they are asked for."""

    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, path: str) -> bytes: ...
    def __contains__(self, path: object) -> bool: ...
    def read_all(self, paths: set[str] | None = None) -> dict[str, bytes]:
        """Many contents in one go."""


class Snapshot(Protocol):
    """A ref at one commit."""

    @property
    def files(self) -> Files:
        """The files there."""


S = TypeVar("S", bound=Snapshot)
T = TypeVar("T")


class RefStore(Protocol[S]):
    """Files behind a ref of a remote, changed by compare-and-swap."""

    @property
    def ref(self) -> str:
        """Its full name, for a person."""

    def read(self) -> S | None:
        """What the remote has now."""

    def write(
        self, changes: Mapping[str, bytes | None], *, message: str, expected: S | None, forget: bool = False
    ) -> S:
        """Add, replace, delete (None) files; `forget` leaves nothing of what was before. Raises StateMoved."""

    def delete(self, expected: S) -> None:
        """Raises StateMoved."""


class GitLedger(Generic[S]):
    """The engine's `LedgerStore` on a ref."""

    def __init__(self, store: RefStore[S]) -> None:
        self._store = store
        self._seen: S | None = None

    def load(self) -> Ledger:
        """The newest ledger of the remote."""
        self._seen = self._store.read()
        if self._seen is None:
            return Ledger()
        ledger = _decode(self._seen, _LEDGER, Ledger, self._store.ref)
        if ledger.format > LEDGER_FORMAT:
            raise UnreachableError(
                f"the state {self._store.ref} was written by a newer sloth-ci (format {ledger.format})",
                "run the version that wrote it, or a newer one",
            )
        return ledger

    def save(self, ledger: Ledger, message: str, *, backup: Backup | None = None) -> Ledger:
        """Write the ledger, and the backup beside it; the oldest backups over the limit go."""
        changes: dict[str, bytes | None] = {}
        if backup is not None:
            changes[_backup_path(backup.id)] = msgspec.json.encode(backup)
            before, ledger = ledger.backups, ledger.with_backup(backup.id)
            changes |= {_backup_path(old): None for old in before if old not in ledger.backups}
        changes[_LEDGER] = msgspec.json.format(msgspec.json.encode(ledger), indent=1)
        try:
            # A backup that is dropped must not live on in the history of the ref: it may hold a Secret.
            forget = None in changes.values()
            self._seen = self._store.write(changes, message=message, expected=self._seen, forget=forget)
        except StateMoved:
            raise LockedError(
                "somebody else changed the state of this workflow meanwhile", "run it again on what is there now"
            ) from None
        return ledger

    def backup(self, backup_id: str) -> Backup:
        """Read one backup."""
        path = _backup_path(backup_id)
        if self._seen is not None and path in self._seen.files:
            return _decode(self._seen, path, Backup, self._store.ref)
        known = [name for name in self._seen.files if name.startswith("backups/")] if self._seen else []
        names = ", ".join(sorted(name.split("/")[1].removesuffix(".json") for name in known))
        raise UsageError(f"there is no backup '{backup_id}'", f"backups: {names or 'none'}")


def _backup_path(backup_id: str) -> str:
    return f"backups/{backup_id}.json"


class GitLock(Generic[S]):
    """The engine's `Lock` on a ref.

    A holder on this machine whose process is gone is dead at once; one on another machine when it has expired.
    """

    def __init__(self, store: RefStore[S], *, holder: str, ttl: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._holder = holder
        self._ttl = ttl
        self._clock = clock
        self._mine: S | None = None
        self._token = secrets.token_hex(8)

    def acquire(self) -> LockInfo | None:
        """Take the lock, from a dead holder too."""
        there = self._store.read()
        info = self._read(there)
        if info is not None and not self._dead(info):
            raise self._refusal(info)
        try:
            self._mine = self._store.write({_LOCK: self._entry()}, message=f"lock: {self._holder}", expected=there)
        except StateMoved:
            winner = self._read(self._store.read())
            if winner is None:
                raise LockedError("another sync took the lock at the same moment", "run it again") from None
            raise self._refusal(winner) from None
        return info

    def renew(self) -> None:
        """Push the expiry out by another time to live."""
        try:
            self._mine = self._store.write(
                {_LOCK: self._entry()}, message=f"renew: {self._holder}", expected=self._mine
            )
        except StateMoved:
            winner = self._read(self._store.read())
            raise LockedError(
                f"the lock was lost to {winner.holder if winner else 'somebody who has released it'}",
                "this sync took longer than the lock allows; look at what the other one did",
            ) from None

    def release(self) -> None:
        """Delete the ref, if it is still ours."""
        if self._mine is None:
            return
        mine, self._mine = self._mine, None
        try:
            self._store.delete(mine)
        except StateMoved:
            return  # it had expired and belongs to somebody else now: not ours to take away

    def holder(self) -> LockInfo | None:
        """Who holds it now; a dead holder holds nothing."""
        info = self._read(self._store.read())
        return None if info is None or self._dead(info) else info

    def _entry(self) -> bytes:
        now = self._clock()
        entry = this_process(token=self._token, holder=self._holder, acquired=now, expires=now + self._ttl)
        return msgspec.json.encode(entry)

    def _dead(self, info: LockInfo) -> bool:
        return info.expires <= self._clock() or is_gone(info)

    def _read(self, snapshot: S | None) -> LockInfo | None:
        return _decode(snapshot, _LOCK, LockInfo, self._store.ref) if snapshot else None

    def _refusal(self, info: LockInfo) -> LockedError:
        left = max(0, round(info.expires - self._clock()))
        return LockedError(
            f"locked by {info.holder}", f"wait for it to end; if it is dead, the lock expires in {left} s"
        )


def _decode(snapshot: Snapshot, path: str, kind: type[T], ref: str) -> T:
    """One file of a state. Raises UnreachableError where a hand or a newer version left something else there."""
    try:
        return msgspec.json.decode(snapshot.files[path], type=kind)
    except (KeyError, msgspec.DecodeError) as error:
        reason = "it is not there" if isinstance(error, KeyError) else str(error)
        raise UnreachableError(
            f"the state {ref} cannot be read: {path}: {reason}",
            f"look at it with git log -p; git push <remote> :{ref} forgets it, and the destination stays as it is",
        ) from None
