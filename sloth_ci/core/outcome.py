"""What became of a plan: the outcome of a sync, and of a rollback."""

from __future__ import annotations

from typing import Literal

import msgspec

from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import ChangeType

ItemStatus = Literal["applied", "skipped", "failed"]
OutcomeStatus = Literal["succeeded", "failed", "cancelled", "nothing"]
"""`nothing`: there was nothing to do. Not a success: nothing was proven."""
Health = Literal["healthy", "progressing", "degraded", "suspended", "unknown"]
RevertStatus = Literal["none", "committed", "already", "pull_request", "queued", "failed"]
"""What became of the revert in Git. `already`: an earlier call made it; `pull_request`: the branch is protected, a pull
request asks for it; `queued`: Git could not be reached, a later run makes it."""


class ItemOutcome(msgspec.Struct, frozen=True):
    """What happened to one object. `message` says why it was skipped or failed, else it is empty."""

    ref: Ref
    action: ChangeType
    status: ItemStatus
    message: str = ""


class SyncOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one sync."""

    workflow_id: str
    name: str
    environment: str | None
    destination: str
    """For a person, as in `Plan.destination`."""
    sync_id: str
    status: OutcomeStatus
    revision: str
    digest: str
    message: str
    items: tuple[ItemOutcome, ...] = ()
    duration_seconds: float = 0.0
    dry_run: bool = False
    health: Health = "unknown"
    rolled_back: bool = False
    """The destination is back where it was before this sync."""
    revert: str | None = None
    """The commit that reverts the bad revision in Git."""
    recovered: str | None = None
    """What an interrupted earlier run had left behind and this one mended first, in words."""
    backup: str | None = None
    """The id of the state that was saved before the first change."""

    def count(self, status: ItemStatus) -> int:
        """How many items ended so."""
        return sum(item.status == status for item in self.items)


class RollbackOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one rollback: the destination first, Git second."""

    workflow_id: str
    name: str
    environment: str | None
    destination: str
    status: OutcomeStatus
    target: str
    """What it went back to: a commit, a timestamp or a backup."""
    message: str
    items: tuple[ItemOutcome, ...] = ()
    duration_seconds: float = 0.0
    dry_run: bool = False
    health: Health = "unknown"
    revert_status: RevertStatus = "none"
    revert_commit: str | None = None
    held: str | None = None
    """The commit that is not synced again until the tree at `target_path` differs from it."""

    def count(self, status: ItemStatus) -> int:
        """How many items ended so."""
        return sum(item.status == status for item in self.items)


Outcome = SyncOutcome | RollbackOutcome
