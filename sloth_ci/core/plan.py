"""A plan: every change that a sync would make, and why it may not make them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal

import msgspec

from sloth_ci.core.objects import Body, Ref, Source


class Impact(IntEnum):
    """How much a change can break."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()


ChangeType = Literal["create", "update", "recreate", "delete"]
Reversible = Literal["yes", "partial", "no"]
ConflictType = Literal[
    "field_ownership",
    "git_merge",
    "duplicate_resource",
    "immutable_field",
    "foreign_owner",
    "validation",
    "permission",
    "policy",
]


class FieldChange(msgspec.Struct, frozen=True):
    """One field. `before` or `after` is UNSET where the field was not there.

    `path` reads `spec.template.spec.containers[name=web].image`; inside an embedded document it goes on behind an
    arrow: `data["app.json"] → log.level`. Where `masked`, both values are fingerprints.
    """

    path: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET
    masked: bool = False


class Drift(msgspec.Struct, frozen=True):
    """A field that somebody else changed at the destination, and that a sync meets."""

    resource: str
    path: str
    live: Any
    """What it is now; UNSET where it was removed. Masked in a Secret, as `git` is."""
    git: Any
    """What is declared."""
    manager: str
    """Who changed it: the field manager's name, and its time where there is one."""
    outcome: Literal["overwritten", "left", "blocks"]
    """What a sync does about it: puts it back, leaves it to its owner, or refuses to go on."""
    masked: bool = False


class Change(msgspec.Struct, frozen=True):
    """What happens to one object. The states are masked: no secret value is in them."""

    type: ChangeType
    ref: Ref
    version: str
    impact: Impact
    reasons: tuple[str, ...]
    reversible: Reversible
    fields: tuple[FieldChange, ...]
    current_state: Body | None
    desired_state: Body | None
    source: Source | None
    notes: tuple[str, ...] = ()
    """What a reader should know beside the fields: `taken over from kubectl apply`, `unverified until ...`."""
    dependents: tuple[str, ...] = ()
    """What needs an object that is deleted or made anew: resources, or counts of them."""


class Conflict(msgspec.Struct, frozen=True):
    """Why a plan must not be applied as it is, and the ways out."""

    type: ConflictType
    resource: str
    description: str
    suggestions: tuple[str, ...]
    current_state: Any = None
    desired_state: Any = None
    source: Source | None = None


class Hook(msgspec.Struct, frozen=True):
    """An object that is made at a point of every sync, waited for, and not part of the inventory."""

    phase: Literal["PreSync", "Sync", "PostSync", "SyncFail"]
    ref: Ref
    source: Source | None
    digest: str = ""
    """Of what is run; empty for a Secret, whose digest could be guessed from."""
    changed: bool = False
    """It is not what the revision that was synced last ran, or nobody knows."""


class Summary(msgspec.Struct, frozen=True):
    """Counts, named as the Lua table names them."""

    total_changes: int
    created_resources: int
    updated_resources: int
    deleted_resources: int
    conflict_count: int
    warning_count: int


class Plan(msgspec.Struct, frozen=True):
    """All changes of one workflow at one revision against one destination (or one base revision)."""

    workflow_id: str
    name: str
    environment: str | None
    destination: str
    """For a person: `directory live/production`, `branch rendered/prod`, or `revision <sha>` for a plan of Git to Git."""
    revision: str
    base: str | None
    digest: str
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    warnings: tuple[str, ...]
    unchanged: int
    skipped_files: int
    drift: tuple[Drift, ...] = ()
    """What others changed at the destination since the last sync."""
    intent: tuple[Change, ...] | None = None
    """What the commit changes against the revision that was synced last, Git to Git; None where there is no such revision."""
    hooks: tuple[Hook, ...] = ()
    """Objects that a sync runs rather than keeps."""
    findings: tuple[Conflict, ...] = ()
    """What breaks a rule of the policy that only warns, or broke one already before this plan: nothing stands against a sync."""

    @property
    def summary(self) -> Summary:
        """An object that is made anew (`recreate`) counts as updated."""
        kinds = [change.type for change in self.changes]
        return Summary(
            total_changes=len(kinds),
            created_resources=kinds.count("create"),
            updated_resources=kinds.count("update") + kinds.count("recreate"),
            deleted_resources=kinds.count("delete"),
            conflict_count=len(self.conflicts),
            warning_count=len(self.warnings),
        )

    @property
    def brings(self) -> bool:
        """Whether there is something to be approved: an object that changes, or another thing that is run."""
        return bool(self.changes) or any(hook.changed for hook in self.hooks)

    @property
    def max_impact(self) -> Impact | None:
        """The highest impact of any change; None where nothing changes."""
        return max((change.impact for change in self.changes), default=None)
