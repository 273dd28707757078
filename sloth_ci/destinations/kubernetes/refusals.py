"""What an API server refuses, and why: its faults become conflicts that name the field and the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from sloth_ci.core.fieldpath import Path, get, parse, show
from sloth_ci.core.immutable import ON_IMMUTABLE, STATEFUL
from sloth_ci.core.objects import Body, Manifest
from sloth_ci.core.plan import Conflict, ConflictType
from sloth_ci.core.secrets import is_secret
from sloth_ci.destinations.kubernetes.beside import beside
from sloth_ci.destinations.kubernetes.conflicts import shown
from sloth_ci.destinations.kubernetes.faults import ApiFault, Cause

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
_POLICY: Final = re.compile(r"ValidatingAdmissionPolicy '(?P<name>[^']+)'.*?denied request: (?P<rest>.*)", re.DOTALL)
_CONVERSION: Final = re.compile(r"conversion webhook for (?P<rest>.*)", re.DOTALL)
_TYPED: Final = re.compile(
    r"failed to (create typed patch object|convert new object)[^:]*?\([^)]*\)[^:]*: (?P<rest>.*)", re.DOTALL
)
_PATH: Final = r'(\.(?:[^\s:\[]|\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+)'
_UNDECLARED: Final = re.compile(rf"{_PATH}: field not declared in schema")
_MISFIT: Final = re.compile(rf"{_PATH}: (.*)", re.DOTALL)
_UNKNOWN: Final = re.compile(r'unknown field "([^"]+)"')
_GOT_VALUE: Final = re.compile(r", got &value\..*", re.DOTALL)
_LONGEST: Final = 600

CHANGE_MANIFEST: Final = ("correct the manifest",)


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
        case 429 | 502 | 503 | 504 if not (_SILENT.search(fault.message) or _WEBHOOK.search(fault.message)):
            raise fault.unreachable()
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
        why = _reason(match["rest"] or "without a reason", manifest)
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
        why = _reason(match["rest"], manifest)
        return _refused(manifest, f"ValidatingAdmissionPolicy {match['name']} denies it: {why}")
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


def _reason(text: str, manifest: Manifest) -> str:
    """The words of a webhook or a policy, which may quote a value of a Secret in every way there is."""
    return "what it says is not shown, as it may quote a value" if is_secret(manifest.body) else text


def _typed(rest: str, manifest: Manifest) -> Refusal:
    """Fields that are not in the schema of the kind, or have another type there."""
    found = _UNDECLARED.findall(rest)
    if found:
        paths = [path for text in found if (path := parse(text, manifest.body)) is not None]
        return Refusal(tuple(_undeclared(manifest, show(path)) for path in paths), unknown=tuple(paths))
    if is_secret(manifest.body):
        rest = _GOT_VALUE.sub("", rest)
    match = _MISFIT.search(rest)
    path = parse(match[1], manifest.body) if match else None
    said = f"{show(path)}: {match[2]}" if match and path else rest
    text = f"it does not fit the schema of {manifest.ref.kind}: {said}"
    return _refused(manifest, text)._replace(unknown=(path,) if path else ())


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
            (f"declare Namespace {namespace} in the manifests", "correct metadata.namespace"),
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
    # A cause without a field only says that more could not be looked at.
    wrong = [
        cause for cause in fault.causes if cause not in fixed and (cause.field != "<nil>" or len(fault.causes) == 1)
    ]
    conflicts = [_wrong(cause, manifest, live) for cause in wrong]
    if fixed and live is not None:
        conflicts.append(_immutable(fixed, manifest, live))
    return Refusal(tuple(conflicts), immutable=bool(fixed) and not wrong)


def _wrong(cause: Cause, manifest: Manifest, live: Body | None) -> Conflict:
    found = beside(cause, manifest, live) if live is not None and not is_secret(manifest.body) else None
    if found is None:
        return _conflict("validation", manifest, _cause(cause, manifest))
    said = f"{_cause(cause, manifest)}: {found.description}"
    return _conflict("validation", manifest, said, found.suggestions)


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
        current[field] = shown(get(live, path) if path else UNSET, secret=secret)
        wanted[field] = shown(get(manifest.body, path) if path else UNSET, secret=secret)
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
