"""What a plan has beside its changes: the commit, the drift and the hooks, and what the policy warns of.

Shared by everything that shows a plan, so that the terminal, a comment and the JSON say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from msgspec import UNSET

from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import Change, Conflict, Drift, FieldChange, Hook, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.diff import inline

Outcome = Literal["overwritten", "left", "blocks"]
_OUTCOMES: tuple[Outcome, ...] = ("blocks", "overwritten", "left")
_PHASES = ("PreSync", "Sync", "PostSync", "SyncFail")
_NAMED = 3
NOT_IN_COMMIT = "not in the commit"


class Intended(NamedTuple):
    """One object that the commit changes."""

    change: Change
    seen: bool
    """The destination would see a change of this object: none where it is so already, is kept, or is left to an owner."""
    same: bool
    """And it would be just this one."""


class Commit(NamedTuple):
    """What the commit intends, held against what the destination would see."""

    intended: tuple[Intended, ...]
    others: frozenset[Ref]
    """What the destination would see, and the commit does not change."""
    place: str
    """What kind of place the destination is."""

    @property
    def differing(self) -> list[Intended]:
        """Those of which the destination would see something else."""
        return [one for one in self.intended if not one.same]

    @property
    def in_short(self) -> str | None:
        """Half a line where no more has to be said; None where the two differ object by object."""
        if not self.intended:
            return "none of it comes from the commit" if self.others else ""
        if self.differing or self.others:
            return None
        return f"the commit changes the same {plural(len(self.intended), 'object')}"

    @property
    def heading(self) -> tuple[str, str]:
        """`changes 5 objects`, and how that differs from what the destination would see."""
        differing = len(self.differing)
        how = f"the {self.place} would see {differing:,} of them differently"
        if differing and not any(one.seen for one in self.intended) and not self.others:
            how = f"the {self.place} would see no change"
        elif not differing:
            how = f"the {self.place} would see {len(self.others):,} more"
        return f"changes {plural(len(self.intended), 'object')}", how

    def remark(self, one: Intended) -> str:
        """Said where the destination would see nothing of it."""
        return "" if one.seen else f"no change in the {self.place}"


def commit_of(plan: Plan) -> Commit | None:
    """None where there is no revision that the commit could be held against."""
    if plan.intent is None:
        return None
    seen = {change.ref: change for change in plan.changes}
    intended = []
    for change in plan.intent:
        other = seen.get(change.ref)
        intended.append(Intended(change, other is not None, other is not None and _same(change, other)))
    return Commit(tuple(intended), frozenset(seen.keys() - {change.ref for change in plan.intent}), place_of(plan))


def _same(one: Change, other: Change) -> bool:
    """What a field was is not compared: where it differs, that is drift, and told as such."""
    after = [{field.path: field.after for field in change.fields} for change in (one, other)]
    return one.type == other.type and after[0] == after[1]


def place_of(plan: Plan) -> str:
    """What kind of place the destination is: `cluster`, `directory`, `branch`."""
    kind = plan.destination.partition(" ")[0]
    return kind if kind in {"cluster", "directory", "branch"} else "destination"


# --- drift ---


class Drifted(NamedTuple):
    """What one manager changed in one object."""

    resource: str
    manager: str
    fields: list[Drift]


def drift_by_outcome(plan: Plan) -> Iterator[tuple[Outcome, list[Drifted]]]:
    """What stands in the way first, then what a sync puts back, then what it leaves alone."""
    for outcome in _OUTCOMES:
        found = sorted((d for d in plan.drift if d.outcome == outcome), key=lambda d: (d.resource, d.manager))
        groups = groupby(found, key=lambda d: (d.resource, d.manager))
        if found:
            yield outcome, [Drifted(resource, manager, list(fields)) for (resource, manager), fields in groups]


def drift_heading(outcome: Outcome, count: int) -> str:
    """What a sync does about so many fields."""
    if outcome == "blocks":
        return f"a sync refuses because of {plural(count, 'field')} that others changed"
    if outcome == "overwritten":
        return f"a sync puts back {plural(count, 'field')} that others changed"
    return f"a sync leaves {plural(count, 'field')} to {'its owner' if count == 1 else 'their owners'}"


def is_hidden(drift: Drift) -> bool:
    """Whether both values are secret to a degree that they look alike."""
    return drift.masked and drift.live is not UNSET and drift.live == drift.git


def author(drift: Drift | Drifted) -> str:
    """Who changed it; empty where nobody can say."""
    return "" if drift.manager == "unknown" else drift.manager


def drift_words(drift: Drift, columns: int) -> str:
    """`5 now, 3 in Git`, in about so many columns."""
    if is_hidden(drift):
        return "another value than in Git"
    values = 1 if drift.live is UNSET or drift.git is UNSET else 2
    limit = max(12, (columns - len(" now, not in Git")) // values)
    live, git = inline(FieldChange(drift.path, drift.live, drift.git, drift.masked), limit)
    now = "removed" if live is None else f"{live} now"
    return f"{now}, not in Git" if git is None else f"{now}, {git} in Git"


def overwritten(plan: Plan) -> int:
    """How many fields of others a sync puts back."""
    return sum(drift.outcome == "overwritten" for drift in plan.drift)


# --- what stands against it, and what the policy warns of ---

FINDING = "policy finding"
"""What reports call one of them."""


def alike(conflicts: Sequence[Conflict]) -> list[list[Conflict]]:
    """Those with the same ways out together, so that these are said once; in the order of the first of each."""
    groups: dict[tuple[str, ...], list[Conflict]] = {}
    for conflict in conflicts:
        groups.setdefault(conflict.suggestions, []).append(conflict)
    return list(groups.values())


# --- all of it ---


class Totals(NamedTuple):
    """What the plans of a run come to."""

    changes: int
    conflicts: int
    findings: int
    """Of the policy, which stand against nothing."""
    impact: Impact | None
    """The highest; None where nothing changes."""
    irreversible: int
    overwritten: int
    """Fields of others that a sync puts back."""
    where: tuple[str, ...]
    """The environments that something changes in; all of them where nothing does."""

    @property
    def named(self) -> tuple[str, ...]:
        """Their names, or their number where they are many."""
        many = len(self.where) > _NAMED
        return (plural(len(self.where), "environment"),) if many else self.where or ("anything",)


def totals(plans: Sequence[Plan]) -> Totals:
    """Sums over all plans of a run."""
    changes = [change for plan in plans for change in plan.changes]
    meant = [plan for plan in plans if plan.changes] or plans
    return Totals(
        len(changes),
        sum(len(plan.conflicts) for plan in plans),
        sum(len(plan.findings) for plan in plans),
        max((change.impact for change in changes), default=None),
        sum(change.reversible == "no" for change in changes),
        sum(map(overwritten, plans)),
        tuple(dict.fromkeys(plan.environment or plan.name for plan in meant)),
    )


# --- hooks ---


def hooks_in_order(plan: Plan) -> list[Hook]:
    """By the point of the sync at which they run. None where nothing is new: then nothing is synced."""
    return sorted(plan.hooks, key=lambda hook: _PHASES.index(hook.phase)) if plan.brings else []
