"""What an API server refuses, and why: its faults become conflicts that name the field, the owner and the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from msgspec import UNSET

from sloth_ci.core.fieldpath import Path, get, parse, show
from sloth_ci.core.immutable import ON_IMMUTABLE, STATEFUL
from sloth_ci.core.managed import Owner, owners_of
from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.core.plan import Conflict, ConflictType, Drift
from sloth_ci.core.secrets import is_secret
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.faults import ApiFault, Cause

SECRET: Final = "(secret)"
Resolution = Literal["fail", "yield", "force"]
Outcome = Literal["overwritten", "left", "blocks"]

_MANAGER: Final = re.compile(r'conflict with ("(?:[^"\\]|\\.)*")')
_OWNED: Final = "FieldManagerConflict"

_IMMUTABLE: Final = re.compile(
    r"immutabl|may not (be )?(change|update|modif)|can ?not (be )?(change|update|modif)"
    r"|updates to .* (are forbidden|for fields other than)|may not change fields other than",
    re.IGNORECASE,
)
_RBAC: Final = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<what>[^"]+)"(?P<where>.*)')
_ESCALATION: Final = re.compile(r"is attempting to grant RBAC permissions not currently held:?\s*(.*)", re.DOTALL)
_QUOTA: Final = re.compile(r"(exceeded|failed) quota: (?P<name>[^,:]+)[,:]\s*(?P<rest>.*)", re.DOTALL)
_WEBHOOK: Final = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request(: (?P<rest>.*)|$)', re.DOTALL)
_SILENT: Final = re.compile(r'failed calling webhook "(?P<name>[^"]+)": (?P<rest>.*)', re.DOTALL)
_NO_DRY_RUN: Final = re.compile(r'admission webhook "(?P<name>[^"]+)" does not support dry run')
_POLICY: Final = re.compile(r"ValidatingAdmissionPolicy '(?P<name>[^']+)'.*?denied request: (?P<rest>.*)", re.DOTALL)
_CONVERSION: Final = re.compile(r"conversion webhook for (?P<rest>.*)", re.DOTALL)
_TYPED: Final = re.compile(
    r"failed to (create typed patch object|convert new object)[^:]*?\([^)]*\)[^:]*: (?P<rest>.*)", re.DOTALL
)
_UNDECLARED: Final = re.compile(r"(\.[^\s:]+): field not declared in schema")
_UNKNOWN: Final = re.compile(r'unknown field "([^"]+)"')
_GOT_VALUE: Final = re.compile(r", got &value\..*", re.DOTALL)
_LONGEST: Final = 600

CHANGE_MANIFEST: Final = ("correct the manifest",)


# --- fields of others -----------------------------------------------------------------------------------------------


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
        path = parse(cause.field, desired, live)
        if path is not None and manager not in found.setdefault(path, []):
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
    shown, secret = show(field.path), is_secret(live)
    names = " and ".join(_owner(live, field.path, manager) for manager in field.managers)
    manager = field.managers[0]
    return Conflict(
        "field_ownership",
        str(manifest.ref),
        f"{shown} is kept by {names}",
        (
            f'leave it to its owner with conflicts = {{ managers = {{ ["{manager}"] = "yield" }} }}',
            f'take it over with conflicts = {{ managers = {{ ["{manager}"] = "force" }} }}',
            "take the field out of the manifest",
        ),
        current_state=_shown(get(live, field.path), secret=secret),
        desired_state=_shown(get(manifest.body, field.path), secret=secret),
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


def _shown(value: Any, *, secret: bool) -> Any:
    return None if value is UNSET else SECRET if secret else value


# --- refusals -------------------------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    """Why an object is not taken."""

    conflicts: tuple[Conflict, ...]
    immutable: bool = False
    """Nothing but immutable fields stands against it: made anew, it would be taken."""
    unknown: tuple[Path, ...] = ()
    """Fields that the schema does not know: without them there may be more to find."""
    unverified: str = ""
    """It may be fine: it cannot be tried without being written, for this reason."""


def is_final(fault: ApiFault) -> bool:
    """Whether asking again is in vain although the code is one of a passing fault: wrong fields are answered with 500."""
    return fault.code == 500 and _TYPED.search(fault.message) is not None


def refusal(
    fault: ApiFault, manifest: Manifest, live: Body | None, namespaces: frozenset[str] = frozenset()
) -> Refusal:
    """Read a fault of a dry-run. `namespaces` are those that the same revision makes.

    Raises UnreachableError where the fault says nothing about the object.
    """
    match fault.code:
        case 404:
            return _not_found(fault, manifest, namespaces)
        case 422 if fault.causes and not _POLICY.search(fault.message) and not _WEBHOOK.search(fault.message):
            return _invalid(fault, manifest, live)
        case 429 | 502 | 503 | 504 if not _SILENT.search(fault.message):
            raise fault.unreachable()
    no_dry_run = _NO_DRY_RUN.search(fault.message)
    if no_dry_run:
        return Refusal((), unverified=f"webhook {no_dry_run['name']} cannot be asked without being written")
    return _said(fault, manifest)


def _conflict(
    type: ConflictType,
    manifest: Manifest,
    description: str,
    suggestions: tuple[str, ...] = CHANGE_MANIFEST,
    **states: Any,
) -> Conflict:
    short = description if len(description) <= _LONGEST else description[: _LONGEST - 1] + "…"
    return Conflict(type, str(manifest.ref), short, suggestions, source=manifest.source, **states)


def _said(fault: ApiFault, manifest: Manifest) -> Refusal:
    """Faults that say in their text alone who refuses."""
    message = fault.message
    if match := _WEBHOOK.search(message):
        why = match["rest"] or "without a reason"
        return _refused(manifest, f"admission webhook {match['name']} denies it: {why}")
    if match := _SILENT.search(message):
        return _refused(
            manifest,
            f"admission webhook {match['name']} does not answer: {match['rest']}",
            (f"look at the service behind webhook {match['name']}", "or set its failurePolicy to Ignore"),
        )
    if match := _CONVERSION.search(message):
        return _refused(manifest, f"the conversion webhook fails: {match['rest']}", ("look at the service behind it",))
    if match := _POLICY.search(message):
        return _refused(manifest, f"ValidatingAdmissionPolicy {match['name']} denies it: {match['rest']}")
    if match := _QUOTA.search(message):
        return _refused(
            manifest,
            f"quota {match['name'].strip()} is exceeded: {match['rest']}",
            (f"raise ResourceQuota {match['name'].strip()}", "or ask for less"),
        )
    if any(cause.reason == "NamespaceTerminating" for cause in fault.causes):
        return _refused(
            manifest,
            f"namespace '{manifest.ref.namespace}' is being deleted: nothing can be made in it",
            ("wait until it is gone", "if it hangs, look at its status.conditions and at the finalizers in it"),
        )
    if fault.code == 403:
        return _forbidden(fault, manifest)
    if match := _TYPED.search(message):
        return _typed(match["rest"], manifest)
    if fields := _UNKNOWN.findall(message):
        paths = [path for field in fields if (path := parse(f".{field}", manifest.body)) is not None]
        return Refusal(tuple(_undeclared(manifest, field) for field in dict.fromkeys(fields)), unknown=tuple(paths))
    return _refused(manifest, f"the API server refuses it: {_told(message, manifest)}")


def _refused(manifest: Manifest, description: str, suggestions: tuple[str, ...] = CHANGE_MANIFEST) -> Refusal:
    return Refusal((_conflict("validation", manifest, description, suggestions),))


def _told(message: str, manifest: Manifest) -> str:
    """The server's words; of a Secret they may quote a value in part, in quotes and escapes of their own."""
    if is_secret(manifest.body):
        return f"{message.partition(': ')[0]} (what it says more may quote a value)"
    return message


def _typed(rest: str, manifest: Manifest) -> Refusal:
    """Fields that are not in the schema of the kind, or have another type there."""
    found = _UNDECLARED.findall(rest)
    if found:
        paths = [path for text in found if (path := parse(text, manifest.body)) is not None]
        return Refusal(tuple(_undeclared(manifest, show(path)) for path in paths), unknown=tuple(paths))
    reason = _GOT_VALUE.sub("", rest).lstrip(".") if is_secret(manifest.body) else rest.lstrip(".")
    return _refused(manifest, f"it does not fit the schema of {manifest.ref.kind}: {reason}")


def _undeclared(manifest: Manifest, field: str) -> Conflict:
    return _conflict(
        "validation",
        manifest,
        f"{field} is no field of {manifest.api_version} {manifest.ref.kind}",
        ("correct the name of the field, or where it is nested", "or take it out: the cluster would not keep it"),
    )


def _not_found(fault: ApiFault, manifest: Manifest, namespaces: frozenset[str]) -> Refusal:
    namespace = manifest.ref.namespace
    if fault.details.get("kind") == "namespaces" and fault.details.get("name") == namespace:
        if namespace in namespaces:
            return Refusal((), unverified="until its Namespace exists")
        return _refused(
            manifest,
            f"namespace '{namespace}' does not exist",
            (f"declare Namespace {namespace} beside it", "or correct metadata.namespace"),
        )
    return _refused(manifest, f"the API server does not find it: {_told(fault.message, manifest)}")


def _forbidden(fault: ApiFault, manifest: Manifest) -> Refusal:
    match = _RBAC.search(fault.message)
    if match:
        group = f".{manifest.ref.group}" if manifest.ref.group else ""
        where = f"in namespace {manifest.ref.namespace}" if manifest.ref.namespace else "in the cluster"
        return Refusal(
            (
                _conflict(
                    "permission",
                    manifest,
                    f"'{match['user']}' may not {match['verb']} {match['what']}{group} {where}",
                    (
                        f"grant the verb {match['verb']} on {match['what']}{group} {where}; deploy/rbac.yaml shows a role",
                    ),
                ),
            )
        )
    if match := _ESCALATION.search(fault.message):
        return Refusal(
            (
                _conflict(
                    "permission",
                    manifest,
                    f"it grants what sloth-ci may not do itself: {match.group(1)}",
                    ("grant that to sloth-ci too", f"or the verb escalate (bind) on {manifest.ref.kind}"),
                ),
            )
        )
    return _refused(manifest, f"admission refuses it: {_told(fault.message, manifest)}")


def _invalid(fault: ApiFault, manifest: Manifest, live: Body | None) -> Refusal:
    fixed = [cause for cause in fault.causes if live is not None and _IMMUTABLE.search(cause.message)]
    wrong = [cause for cause in fault.causes if cause not in fixed]
    conflicts = [_conflict("validation", manifest, _cause(cause, manifest)) for cause in wrong]
    if fixed and live is not None:
        conflicts.append(_immutable(fixed, manifest, live))
    return Refusal(tuple(conflicts), immutable=bool(fixed) and not wrong)


def _cause(cause: Cause, manifest: Manifest) -> str:
    field = cause.field if cause.field != "<nil>" else ""
    if is_secret(manifest.body):
        return f"{field}: {cause.reason}" if field else cause.reason
    return f"{field}: {cause.message}" if field else cause.message


def _immutable(causes: Sequence[Cause], manifest: Manifest, live: Body) -> Conflict:
    ref, secret = manifest.ref, is_secret(live)
    fields = list(dict.fromkeys(cause.field for cause in causes))
    current: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for field in fields:
        path = parse(f".{field}", live, manifest.body)
        current[field] = _shown(get(live, path) if path else UNSET, secret=secret)
        wanted[field] = _shown(get(manifest.body, path) if path else UNSET, secret=secret)
    ways = (
        (f"a {ref.kind} is never made anew by a sync: migrate it under another name",)
        if ref.kind in STATEFUL
        else (f'let it be made anew with the annotation {ON_IMMUTABLE}: "recreate"', "give the object another name")
    )
    return _conflict(
        "immutable_field",
        manifest,
        f"cannot be changed in place: {', '.join(fields)}",
        ("leave the field as it is", *ways),
        current_state=current,
        desired_state=wanted,
    )


def unknown_kind(manifest: Manifest, served: Mapping[str, Sequence[str]], broken: str | None, guess: str) -> Conflict:
    """A kind that no server and no CRD of the revision knows.

    `served` are the versions of the kind by group that there are; `guess` a "did you mean".
    """
    ref = manifest.ref
    if broken is not None:
        return _conflict(
            "validation",
            manifest,
            f"the API {manifest.api_version} cannot be asked: {broken}",
            ("look at the APIService and at what serves it",),
        )
    versions = [f"{group}/{version}" if group else version for group, all_ in served.items() for version in all_]
    if versions:
        return _conflict(
            "validation",
            manifest,
            f"the cluster does not serve {ref.kind} as {manifest.api_version}",
            (f"it serves it as {', '.join(versions)}",),
        )
    return _conflict(
        "validation",
        manifest,
        f"the cluster does not know the kind {ref.kind} of {manifest.api_version}",
        (*([guess] if guess else []), f"install the CustomResourceDefinition of {ref.kind}, here or before"),
    )
