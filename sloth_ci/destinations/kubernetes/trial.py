"""One desired object tried out: a dry-run of its apply, read as what a plan shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.fieldpath import Path, get, remove, show
from sloth_ci.core.immutable import may_recreate
from sloth_ci.core.managed import (
    MANAGER,
    NOTHING,
    Fields,
    leaves,
    our_fields,
    owners,
    project,
    union,
    without,
)
from sloth_ci.core.objects import Body, Manifest, Ref, Source, digest_of
from sloth_ci.core.observed import Foreseen
from sloth_ci.core.plan import Drift
from sloth_ci.core.secrets import LAST_APPLIED
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.conflicts import (
    Contested,
    Outcome,
    Resolved,
    contested,
    drift_of,
    ownership_conflict,
    resolve,
)
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.known import Known, prepared
from sloth_ci.destinations.kubernetes.refusals import Refusal, is_final, refusal
from sloth_ci.destinations.kubernetes.takeover import (
    JSON_PATCH,
    adoption_note,
    former_owners,
    left_behind,
    takeover_note,
)

_APPLY: Final = "application/apply-patch+yaml"
_ROUNDS: Final = 3
"""A dry-run, one without the fields that are left to others, and one more where somebody was faster."""
_FAULTY_FIELDS: Final = 20
"""The server names one wrong field at a time: so many are looked for in one object."""
_ABOUT_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")
_UNVERIFIED: Final = "unverified"


class Tried(NamedTuple):
    """What came out."""

    foreseen: Foreseen
    before: Manifest | None = None
    """The live object, as far as it is compared."""
    known: Known | None = None
    same: bool = False
    """An apply would not even touch it."""
    claim: bool = False
    """An apply would change who owns which field, and nothing else."""


@dataclass(frozen=True)
class Setting:
    """What all trials of one look at a cluster share."""

    cluster: Cluster
    applyset_id: str
    policy: ConflictPolicy
    namespaces: frozenset[str] = frozenset()
    """Those that the same revision makes: nothing can be tried in them yet."""
    redefined: frozenset[tuple[str, str]] = frozenset()
    """Group and kind of what a CustomResourceDefinition of the same revision changes."""


class _Answer(NamedTuple):
    body: Body
    warnings: tuple[str, ...]
    resolved: Resolved


def attempt(setting: Setting, manifest: Manifest, resource: Resource, live: Body | None) -> Tried:
    """Try one object. `live` is whole, with apiVersion and kind. Raises UnreachableError."""
    return _Trial(setting, manifest, resource, live).run()


class _Trial:
    def __init__(self, setting: Setting, manifest: Manifest, resource: Resource, live: Body | None) -> None:
        self._setting, self._manifest, self._resource, self._live = setting, manifest, resource, live
        self._cluster = setting.cluster
        self._former = former_owners(live, setting.policy) if live else []
        self._names = frozenset(owner.manager for owner in self._former)
        # What was patched under our own name (restoring does) is ours to take.
        self._taken_from = self._names | {MANAGER}
        self._sent = prepared(manifest.body, setting.applyset_id, None)

    def run(self) -> Tried:
        try:
            answer = self._apply()
            return self._created(answer) if self._live is None else self._updated(answer, self._live)
        except ApiFault as fault:
            return self._refused(fault)

    # --- asking

    def _apply(self) -> _Answer:
        """The dry-run, repeated as the settings say where others own fields. Raises ApiFault, UnreachableError."""
        resolved, force = Resolved(), False
        for _ in range(_ROUNDS):
            sent = self._sent
            for field in resolved.left:
                sent = remove(sent, field.path)
            try:
                body, warnings = self._dry_run(sent, force=force)
                return _Answer(body, warnings, resolved)
            except ApiFault as fault:
                found = contested(fault, self._sent, self._live or {}) if fault.code == 409 else []
                if not found and (fault.code != 409 or fault.reason != "Conflict"):
                    raise
                more = resolve(found, self._setting.policy, self._taken_from)
            resolved = Resolved(resolved.blocked + more.blocked, resolved.left + more.left, resolved.taken + more.taken)
            # Also where a field blocks: the plan shows what would come after the person has decided.
            force = bool(resolved.blocked or resolved.taken)
        raise UnreachableError(
            f"{self._manifest.ref} changes faster than it can be tried", "run it again, or stop what keeps changing it"
        )

    def _dry_run(self, body: Body, *, force: bool = False, name: str = "") -> tuple[Body, tuple[str, ...]]:
        query = {"fieldManager": MANAGER, "dryRun": "All", "fieldValidation": "Strict"}
        if force:
            query["force"] = "true"
        return self._ask(body, _APPLY, query, name)

    def _ask(
        self, body: object, content_type: str, query: Mapping[str, str], name: str
    ) -> tuple[Body, tuple[str, ...]]:
        path = self._resource.path(self._manifest.ref.namespace, name or self._manifest.ref.name)
        for patient in (False, True):
            try:
                answer = self._cluster.client.answer(
                    "PATCH", path, query=query, body=body, content_type=content_type, patient=patient
                )
                return msgspec.json.decode(answer.body), answer.warnings
            except ApiFault as fault:
                # A wrong field is answered as a fault of the server: nothing to wait for.
                if patient or not fault.transient or is_final(fault):
                    raise
            except UnreachableError:
                if patient:
                    raise
        raise AssertionError("the second try returns or raises")

    # --- reading

    def _created(self, answer: _Answer) -> Tried:
        fields = our_fields(answer.body) or NOTHING
        after = self._manifest_of(_without_label(project(answer.body, fields, tidy=True)))
        return Tried(Foreseen(after=after, notes=self._told(answer)))

    def _updated(self, answer: _Answer, live: Body) -> Tried:
        result = answer.body
        before_fields, after_fields = our_fields(live), our_fields(result) or NOTHING
        gone: Fields = NOTHING
        if self._former:
            gone = left_behind(result, self._former)
            if gone:
                result = self._with_defaults(without(result, gone), live)
        fields = union(after_fields, before_fields or NOTHING, *(owner.fields for owner in self._former))
        before, after = _comparable(project(live, fields, tidy=True), project(result, fields, tidy=True))
        known = Known(
            uid=live["metadata"]["uid"],
            resource_version=live["metadata"]["resourceVersion"],
            yields=tuple(field.path for field in answer.resolved.left),
            force=bool(answer.resolved.taken) and not self._former_only(answer.resolved),
            takeover=bool(self._former),
            former=self._names,
        )
        foreseen = Foreseen(
            after=self._manifest_of(after),
            conflicts=tuple(ownership_conflict(field, self._manifest, live) for field in answer.resolved.blocked),
            drift=tuple(self._drift(answer.resolved, live, before_fields, after_fields)),
            notes=self._told(answer, _removed(gone, live, result)),
        )
        touched = result["metadata"].get("resourceVersion") != known.resource_version or result != live
        equal = digest_of(before) == digest_of(after)
        return Tried(
            foreseen,
            self._live_manifest(before),
            known,
            same=not touched or (equal and not foreseen.conflicts),
            claim=equal and before_fields != after_fields and not foreseen.conflicts,
        )

    def _former_only(self, resolved: Resolved) -> bool:
        """After a takeover nothing of the former managers is left to be forced."""
        return all(set(field.managers) <= self._names for field in resolved.taken)

    def _with_defaults(self, predicted: Body, live: Body) -> Body:
        """What the server makes of an object that fields were taken from: some have defaults."""
        patch: list[dict[str, Any]] = []
        tables = (
            ((), set(live) | set(predicted) - {"apiVersion", "kind", "metadata", "status"}),
            (("metadata",), _ABOUT_METADATA),
        )
        for above, keys in tables:
            old: Any = live["metadata"] if above else live
            new: Any = predicted["metadata"] if above else predicted
            for key in keys:
                if key in {"apiVersion", "kind", "metadata", "status"} or old.get(key) == new.get(key):
                    continue
                path = "/".join(("", *above, key.replace("~", "~0").replace("/", "~1")))
                patch.append(
                    {"op": "add", "path": path, "value": new[key]} if key in new else {"op": "remove", "path": path}
                )
        body, _ = self._ask(patch, JSON_PATCH, {"fieldManager": MANAGER, "dryRun": "All"}, "")
        return body

    def _drift(self, resolved: Resolved, live: Body, before: Fields | None, after: Fields) -> list[Drift]:
        """What others did to an object that was ours."""
        if before is None:
            return []
        ref, declared = self._manifest.ref, self._sent
        outcomes: tuple[tuple[Outcome, tuple[Contested, ...]], ...] = (
            ("blocks", resolved.blocked),
            ("left", resolved.left),
            ("overwritten", resolved.taken),
        )
        found = [
            drift_of(field.path, ref, declared, live, outcome, field.managers[0])
            for outcome, fields in outcomes
            for field in fields
            if not set(field.managers) <= self._taken_from
        ]
        found += [drift_of(path, ref, declared, live, "overwritten") for path in _missing(after, declared, live)]
        return found

    def _told(self, answer: _Answer, removed: int = 0) -> tuple[str, ...]:
        live, notes = self._live, list[str]()
        if live is not None:
            if self._former:
                notes.append(takeover_note(self._former, self._setting.policy, removed))
            elif note := adoption_note(live):
                notes.append(note)
            notes += [f"{show(field.path)} stays with {_names(field)}" for field in answer.resolved.left]
            notes += [
                f"{show(field.path)} is taken over from {_names(field)}"
                for field in answer.resolved.taken
                if not set(field.managers) <= self._taken_from
            ]
        return (*notes, *(f"the API server warns: {warning}" for warning in answer.warnings))

    # --- refusals

    def _refused(self, fault: ApiFault) -> Tried:
        found = self._read(fault)
        if found.unverified:
            return self._as_declared(Foreseen(notes=(f"{_UNVERIFIED} {found.unverified}",)))
        kind = (self._manifest.ref.group, self._manifest.ref.kind)
        if kind in self._setting.redefined and all(conflict.type == "validation" for conflict in found.conflicts):
            return self._as_declared(Foreseen(notes=(f"{_UNVERIFIED} until its CustomResourceDefinition is changed",)))
        if found.immutable and self._live is not None and may_recreate(self._manifest.ref, self._manifest.body):
            return self._made_anew(self._live)
        return self._as_declared(Foreseen(conflicts=found.conflicts))

    def _read(self, fault: ApiFault) -> Refusal:
        """All that is wrong with the object: without its wrong fields, others are found."""
        found = refusal(fault, self._manifest, self._live, self._setting.namespaces)
        conflicts, sent = list(found.conflicts), self._sent
        for _ in range(_FAULTY_FIELDS):
            without_it = sent
            for path in found.unknown:
                without_it = remove(without_it, path)
            if without_it is sent:
                break
            sent = without_it
            try:
                self._dry_run(sent, force=True)
                break
            except ApiFault as another:
                found = refusal(another, self._manifest, self._live, self._setting.namespaces)
                if not found.unknown:
                    break  # what else there is may only be for the lack of the fields
                conflicts += [conflict for conflict in found.conflicts if conflict not in conflicts]
        return found._replace(conflicts=tuple(conflicts)) if len(conflicts) > len(found.conflicts) else found

    def _as_declared(self, foreseen: Foreseen) -> Tried:
        """Without an answer: the object as it is written, beside what was declared before."""
        live = self._live
        if live is None:
            return Tried(foreseen)
        ours = our_fields(live)
        fields = ours if ours is not None else union(*(o.fields for o in owners(live) if o.subresource != "status"))
        before, after = _comparable(project(live, fields, tidy=True), self._sent)
        known = Known(live["metadata"]["uid"], live["metadata"]["resourceVersion"], former=self._names)
        known = known._replace(takeover=bool(self._former))
        return Tried(
            foreseen._replace(after=self._manifest_of(after)),
            self._live_manifest(before),
            known,
            same=before == after and not foreseen.conflicts,
        )

    def _made_anew(self, live: Body) -> Tried:
        """The object as it would be created: tried under another name, as its own is taken."""
        metadata = live["metadata"]
        fields = our_fields(live) or NOTHING
        note: tuple[str, ...] = ()
        result: Body | None = None
        name = _other_name(self._manifest.ref.name, metadata["uid"])
        try:
            sent = {**self._sent, "metadata": {**self._sent["metadata"], "name": name}}
            result, warnings = self._dry_run(sent, name=name)
        except ApiFault as fault:
            if fault.code == 403:
                return self._as_declared(Foreseen(conflicts=refusal(fault, self._manifest, None).conflicts))
            warnings = ()
            note = (f"{_UNVERIFIED}: it can be tried only when the old one is gone",)
        if result is not None:
            ours = our_fields(result) or NOTHING
            result = {**result, "metadata": {**result["metadata"], "name": self._manifest.ref.name}}
            fields = union(fields, ours)
            before, after = _comparable(project(live, fields, tidy=True), project(result, fields, tidy=True))
        else:
            before, after = _comparable(project(live, fields, tidy=True), self._sent)
        told = (*note, *(f"the API server warns: {warning}" for warning in warnings))
        return Tried(
            Foreseen(after=self._manifest_of(after), recreate=True, notes=told),
            self._live_manifest(before),
            Known(metadata["uid"], metadata["resourceVersion"], recreate=True),
        )

    def _manifest_of(self, body: Body) -> Manifest:
        own = self._manifest
        return Manifest(own.ref, own.version, digest_of(body), own.source, body=body)

    def _live_manifest(self, body: Body) -> Manifest:
        return live_manifest(self._manifest.ref, self._manifest.version, body, self._cluster)


def live_manifest(ref: Ref, version: str, body: Body, cluster: Cluster, digest: str = "") -> Manifest:
    """An object of the cluster, or what of it matters."""
    return Manifest(ref, version, digest or digest_of(body), Source(cluster.label, 0), body=body)


def _names(field: Contested) -> str:
    return " and ".join(field.managers)


def _comparable(before: Body, after: Body) -> tuple[Body, Body]:
    """Without the member label, unless it changes, and without kubectl's memory of what it applied."""
    before, after = (remove(body, ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")) for body in (before, after))
    if (before["metadata"].get("labels") or {}).get(PART_OF) == (after["metadata"].get("labels") or {}).get(PART_OF):
        return _without_label(before), _without_label(after)
    return before, after


def _without_label(body: Body) -> Body:
    return remove(body, ("f:metadata", "f:labels", f"f:{PART_OF}"))


def _removed(gone: Fields, live: Body, result: Body) -> int:
    """How many fields of former managers go or change; the others fall back to a default that they had anyway."""
    return sum(get(live, path) != get(result, path) for path in leaves(gone) if path[-1] != f"f:{LAST_APPLIED}")


def _missing(after: Fields, declared: Body, live: Body) -> list[Path]:
    """The declared fields that are not there at all; of a missing table or item, itself and not what is in it."""
    found: dict[Path, None] = {}
    for path in leaves(after):
        if get(live, path) is not UNSET or not get(declared, path):
            continue
        top = next(path[:length] for length in range(1, len(path) + 1) if get(live, path[:length]) is UNSET)
        found[top] = None
    return [path for path in found if path[-1] != f"f:{PART_OF}"]


def _other_name(name: str, uid: str) -> str:
    """A name that is free, and valid wherever the first one is."""
    mark = hashlib.sha256(uid.encode()).hexdigest()[:10]
    return f"{name[:40].rstrip('-.')}-{mark}"
