"""Fields that others own: what the settings say of each, and how a plan tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from msgspec import UNSET

from sloth_ci.core.fieldpath import Path, get, parse, show
from sloth_ci.core.managed import Owner, owners_of
from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.core.plan import Conflict, Drift
from sloth_ci.core.secrets import is_secret
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.faults import ApiFault

SECRET: Final = "(secret)"
Resolution = Literal["fail", "yield", "force"]
Outcome = Literal["overwritten", "left", "blocks"]

_MANAGER: Final = re.compile(r'conflict with ("(?:[^"\\]|\\.)*")')
_OWNED: Final = "FieldManagerConflict"


class Contested(NamedTuple):
    """A field that others own and that would get another value."""

    path: Path
    managers: tuple[str, ...]


class Resolved(NamedTuple):
    """What the settings say about contested fields."""

    blocked: tuple[Contested, ...] = ()
    left: tuple[Contested, ...] = ()
    taken: tuple[Contested, ...] = ()


def contested(fault: ApiFault, desired: Body, live: Body) -> list[Contested]:
    """The fields that a 409 names; none where it is another kind of conflict."""
    found: dict[Path, list[str]] = {}
    for cause in fault.causes:
        if cause.reason != _OWNED:
            continue
        match = _MANAGER.search(cause.message)
        manager = _unquoted(match.group(1)) if match else "somebody"
        path = parse(cause.field, desired, live) or (f"f:{cause.field}",)
        if manager not in found.setdefault(path, []):
            found[path].append(manager)
    return [Contested(path, tuple(managers)) for path, managers in found.items()]


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def rule(policy: ConflictPolicy, manager: str) -> Resolution:
    """What the settings say of a manager."""
    return policy.managers.get(manager, policy.field_ownership)


def resolve(fields: Sequence[Contested], policy: ConflictPolicy, former: frozenset[str] = frozenset()) -> Resolved:
    """Sort contested fields. Several managers on one field: `fail` outweighs `yield`, and that `force`.

    `former` managers hand over all they have: their fields are taken.
    """
    sorted_: dict[Resolution, list[Contested]] = {"fail": [], "yield": [], "force": []}
    for field in fields:
        rules = {rule(policy, manager) for manager in field.managers if manager not in former}
        sorted_["fail" if "fail" in rules else "yield" if "yield" in rules else "force"].append(field)
    return Resolved(tuple(sorted_["fail"]), tuple(sorted_["yield"]), tuple(sorted_["force"]))


def ownership_conflict(field: Contested, manifest: Manifest, live: Body) -> Conflict:
    """One field that the settings do not let a sync take or leave."""
    secret = is_secret(live)
    names = " and ".join(_owner(live, field.path, manager) for manager in field.managers)
    manager = field.managers[0]
    return Conflict(
        "field_ownership",
        str(manifest.ref),
        f"{show(field.path)} is kept by {names}",
        (
            f'leave it to its owner with conflicts = {{ managers = {{ ["{manager}"] = "yield" }} }}',
            f'take it over with conflicts = {{ managers = {{ ["{manager}"] = "force" }} }}',
            "take the field out of the manifest",
        ),
        current_state=shown(get(live, field.path), secret=secret),
        desired_state=shown(get(manifest.body, field.path), secret=secret),
        source=manifest.source,
    )


def _owner(live: Body, path: Path, manager: str) -> str:
    entry = next((owner for owner in reversed(owners_of(live, path)) if owner.manager == manager), None)
    return f"'{manager}'{_when(entry)}"


def _when(owner: Owner | None) -> str:
    if owner is None:
        return ""
    through = f"through {owner.subresource}, " if owner.subresource else ""
    said = f"{through}since {owner.time}" if owner.time else through.rstrip(", ")
    return f" ({said})" if said else ""


def drift_of(
    path: Path,
    ref: Ref,
    desired: Body,
    live: Body,
    outcome: Outcome,
    manager: str = "",
) -> Drift:
    """A field that is not as declared, with who made it so."""
    secret = is_secret(live)
    newest = next((o for o in reversed(owners_of(live, path)) if not manager or o.manager == manager), None)
    return Drift(
        resource=str(ref),
        path=show(path),
        live=_masked(get(live, path), secret=secret),
        git=_masked(get(desired, path), secret=secret),
        manager=str(newest) if newest else manager or "unknown",
        outcome=outcome,
        masked=secret,
    )


def _masked(value: Any, *, secret: bool) -> Any:
    return value if value is UNSET or not secret else SECRET


def shown(value: Any, *, secret: bool) -> Any:
    """A value as a conflict has it."""
    return None if value is UNSET else SECRET if secret else value
