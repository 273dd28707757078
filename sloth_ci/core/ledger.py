"""What a destination remembers of a workflow: inventory, history, backups, and the sync that is under way."""

from __future__ import annotations

from typing import Literal

import msgspec

from sloth_ci.core.objects import Body, Ref

HISTORY_LIMIT = 100
BACKUP_LIMIT = 10
LEDGER_FORMAT = 1
"""Goes up when an older version would misread the ledger, or lose what it does not know when it writes it."""

Phase = Literal["applying", "restoring", "rolling back"]
"""What the next run does when this one is killed: finish the sync; put the backup back; go on with the rollback."""

RecordStatus = Literal["succeeded", "failed", "cancelled"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One sync or rollback that ended."""

    id: str
    action: Literal["sync", "rollback"]
    status: RecordStatus
    revision: str
    digest: str
    started: float
    finished: float
    """Unix seconds."""
    message: str = ""
    rolled_back: bool = False
    """The destination was put back to what it was before."""
    applied: int = 0
    skipped: int = 0
    failed: int = 0
    backup: str | None = None
    holder: str = ""


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """The sync that is under way: what the next run finds when this one is killed."""

    id: str
    action: Literal["sync", "rollback"]
    revision: str
    """Where the destination is being brought to, or for a restore after a failed sync, the revision that failed."""
    digest: str
    phase: Phase
    backup: str
    started: float
    reason: str = ""
    """Why the destination is being put back."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that failed: what it renders is not synced again."""

    revision: str
    intent: str
    """The first half of the plan digest: what was wanted."""
    reason: str


class PendingRevert(msgspec.Struct, frozen=True, kw_only=True):
    """A revert that Git does not have yet."""

    branch: str
    bad: str
    good: str
    reason: str
    digest: str


class Suspension(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that nothing is to be synced until somebody takes it back. A rollback always may be."""

    by: str
    at: float
    """Unix seconds."""
    reason: str = ""
    pull_request: int | None = None
    """What comes from this pull request is let through."""
    sigil: str = "#"
    """What its forge writes before the number."""

    def told(self) -> str:
        """In words: `locked by alice for #7: Black Friday`."""
        source = f" for {self.sigil}{self.pull_request}" if self.pull_request is not None else ""
        return f"locked by {self.by}{source}" + (f": {self.reason}" if self.reason else "")


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one workflow at one destination. It only ever changes by compare-and-swap."""

    format: int = LEDGER_FORMAT
    inventory: tuple[Ref, ...] = ()
    history: tuple[Record, ...] = ()
    """Oldest first, at most `HISTORY_LIMIT`."""
    journal: Journal | None = None
    held: tuple[Held, ...] = ()
    pending_revert: PendingRevert | None = None
    suspended: Suspension | None = None
    backups: tuple[str, ...] = ()
    """Ids, oldest first, at most `BACKUP_LIMIT`."""
    repository: str = ""
    """Whose state this is: the path of the repository on its server, such as `acme/shop`; empty where nobody can tell."""

    def last(self) -> Record | None:
        """The newest record."""
        return self.history[-1] if self.history else None

    def last_good(self) -> Record | None:
        """The newest sync or rollback that succeeded: what the destination holds."""
        return next((record for record in reversed(self.history) if record.status == "succeeded"), None)

    def deployed(self) -> Record | None:
        """The newest record that left its revision, or a part of it, at the destination."""
        return next((r for r in reversed(self.history) if r.status != "cancelled" and not r.rolled_back), None)

    def before(self, intent: str) -> Record | None:
        """The newest success that wanted something else than `intent`: what `previous` means.

        What is held was left behind by a rollback: to go "back" to it would be to deploy it again.
        """
        passed = {intent, *(held.intent for held in self.held)}
        good = (r for r in reversed(self.history) if r.status == "succeeded")
        return next((record for record in good if record.digest.partition(".")[0] not in passed), None)

    def holds(self, intent: str) -> Held | None:
        """The failed revision that wanted exactly the same, or None."""
        return next((held for held in self.held if held.intent == intent), None)

    def with_record(self, record: Record) -> Ledger:
        """The ledger after a sync ended."""
        return msgspec.structs.replace(self, history=(*self.history, record)[-HISTORY_LIMIT:], journal=None)

    def with_backup(self, backup_id: str) -> Ledger:
        """The ledger with a new backup. The oldest over the limit go, but not what the next run may have to put back."""
        ids = (*(i for i in self.backups if i != backup_id), backup_id)
        needed = self.journal.backup if self.journal else None
        kept = tuple(i for n, i in enumerate(ids) if n >= len(ids) - BACKUP_LIMIT or i == needed)
        return msgspec.structs.replace(self, backups=kept)


class BackupItem(msgspec.Struct, frozen=True):
    """One object as it was; no body means that it was not there."""

    ref: Ref
    body: Body | None


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """The live state of everything that a sync was about to touch."""

    id: str
    taken: float
    """Unix seconds."""
    revision: str | None
    """What the destination had been synced to, where that is known."""
    inventory: tuple[Ref, ...]
    """What the workflow owned then."""
    items: tuple[BackupItem, ...]


class LockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a destination, and until when."""

    token: str
    holder: str
    """For a person: user, host and pid, or the URL of a CI job."""
    host: str
    boot: str
    pid: int
    acquired: float
    expires: float
    """Unix seconds."""


# What threads may be the first to read. Two at once crash msgspec 0.22, unless it has looked at a struct before.
for _kind in (Ledger, Backup, LockInfo):
    msgspec.json.Decoder(_kind)
