"""Looking at a cluster: what is there, what is as it should be, and what applying the rest would do.

Most objects of a sync are unchanged. They are read with one list per kind and namespace, proved to be so from their own
`managedFields` (`core.noop`), and forgotten. Only the others cost a request each: a dry-run of their apply.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from sloth_ci.core.fieldpath import Path, get, remove
from sloth_ci.core.managed import intent, is_ours, leaves, our_fields, owners, project
from sloth_ci.core.noop import proves_noop
from sloth_ci.core.objects import Body, Manifest, Ref, digest_of
from sloth_ci.core.observed import Foreseen, Observed
from sloth_ci.core.owner import owner_of
from sloth_ci.core.plan import Conflict
from sloth_ci.core.scope import defined_by
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import ConflictPolicy, did_you_mean
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.conflicts import drift_of, rule
from sloth_ci.destinations.kubernetes.dependents import dependents
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.known import NOTHING_SEEN, Known, Observation, prepared
from sloth_ci.destinations.kubernetes.reading import Denied, broken_group, look_up, read, whole
from sloth_ci.destinations.kubernetes.refusals import refusal, unknown_kind
from sloth_ci.destinations.kubernetes.state_namespace import MADE_FOR
from sloth_ci.destinations.kubernetes.trial import Setting, Tried, attempt, live_manifest

__all__ = ["NOTHING_SEEN", "Known", "Observation", "look_up", "observe", "prepared"]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def observe(
    cluster: Cluster,
    applyset_id: str,
    desired: Sequence[Manifest],
    inventory: Collection[Ref],
    policy: ConflictPolicy,
    *,
    state_namespace: str = "",
    creations_tried: bool = False,
) -> Observation:
    """Compare what is declared with a cluster. Nothing is written.

    `desired` has the identities that it has there (namespaces filled in). `inventory`: what belongs to the workflow; of
    that, what is not desired is a candidate for deletion. `state_namespace`: where the state is kept; a sync makes it
    before anything else. `creations_tried`: new objects were tried when the plan was approved, and are not tried again.
    Raises UnreachableError, ApiFault.
    """
    look = _Look(cluster, applyset_id, {manifest.ref: manifest for manifest in desired}, policy)
    look.place(inventory)
    look.read(members=bool(inventory))
    look.look_for_namespaces(state_namespace)
    look.try_out(creations=not creations_tried)
    look.look_at_candidates()
    return look.result()


class _Look:
    def __init__(
        self, cluster: Cluster, applyset_id: str, desired: Mapping[Ref, Manifest], policy: ConflictPolicy
    ) -> None:
        self._cluster, self._applyset, self._desired, self._policy = cluster, applyset_id, desired, policy
        self._places: dict[Ref, Resource] = {}
        self._candidates: list[Ref] = []
        self._unseen: set[Ref] = set()
        self._same: set[Ref] = set()
        self._claims: set[Ref] = set()
        self._raw: dict[Ref, bytes] = {}
        self._objects: dict[Ref, Manifest] = {}
        self._known: dict[Ref, Known] = {}
        self._foreseen: dict[Ref, Foreseen] = {}
        self._owners: dict[Ref, str] = {}
        self._conflicts: list[Conflict] = []
        self._dependents: Mapping[Ref, tuple[str, ...]] = {}
        self._denied: set[Ref] = set()
        self._coming: set[str] = set()
        """Namespaces that are not declared and not there: nothing can be tried in them."""
        self._warnings: list[str] = []
        self._uids: dict[Ref, str] = {}
        """Of desired objects that are the same as a candidate of another API group may be."""
        self._yields = policy.field_ownership == "yield" or "yield" in policy.managers.values()

    # --- where everything is

    def place(self, inventory: Collection[Ref]) -> None:
        """Find the kinds; what has none is judged here."""
        find = self._cluster.discovery.find
        defined = {(s.group, s.kind) for m in self._desired.values() if (s := defined_by(m.body))}
        services = {m.body["spec"].get("group") for m in self._desired.values() if _is_api_service(m)}
        for ref, manifest in self._desired.items():
            resource = find(ref.group, ref.kind, manifest.version)
            if resource is not None:
                self._places[ref] = resource
            elif (ref.group, ref.kind) in defined:
                self._foreseen[ref] = Foreseen(notes=("unverified until its CustomResourceDefinition exists",))
            elif ref.group in services:
                self._foreseen[ref] = Foreseen(notes=("unverified until its APIService exists",))
            else:
                self._foreseen[ref] = Foreseen(conflicts=(self._unknown(manifest),))
        versions = {(ref.group, ref.kind): manifest.version for ref, manifest in self._desired.items()}
        for ref in inventory:
            if ref in self._desired:
                continue
            resource = find(ref.group, ref.kind, versions.get((ref.group, ref.kind))) or find(ref.group, ref.kind)
            if resource is not None:
                self._places[ref] = resource
                self._candidates.append(ref)
            elif broken_group(self._cluster, ref.group):
                self._unseen.add(ref)

    def _unknown(self, manifest: Manifest) -> Conflict:
        ref, resources = manifest.ref, self._cluster.discovery.resources()
        served = {r.group: [r.version] for r in resources if r.kind == ref.kind}
        near = "" if ref.kind in {r.kind for r in resources} else did_you_mean(ref.kind, [r.kind for r in resources])
        return unknown_kind(
            manifest, served, broken_group(self._cluster, ref.group), near if near.startswith("did") else ""
        )

    # --- what is there

    def read(self, *, members: bool) -> None:
        """Read everything; prove what is unchanged, keep the rest as it came."""
        others = {(ref.kind, ref.namespace, ref.name): ref for ref in self._candidates}
        twins = {ref for ref in self._desired if ref[1:] in others}

        def take(ref: Ref, resource: Resource, raw: bytes) -> None:
            manifest = self._desired.get(ref)
            live = _decode(raw)
            if _is_only_a_home(ref, live):
                return  # the lock of this very sync made it: declared, it is as new as the plan that was approved says
            if ref in twins:
                self._uids[ref] = live["metadata"]["uid"]
            if manifest is None or not self._is_same(manifest, live):
                self._raw[ref] = whole(raw, resource)

        for denied in read(self._cluster, self._places, take, applyset_id=self._applyset if members else ""):
            self._deny(denied)

    def _is_same(self, manifest: Manifest, live: Body) -> bool:
        """Called by many threads: each looks at another object."""
        sent = prepared(manifest.body, self._applyset, None)
        left = _left_to_others(sent, live, self._policy) if self._yields else []
        for path in left:
            sent = remove(sent, path)
        if live["metadata"].get("deletionTimestamp") or not proves_noop(sent, live):
            return False
        self._same.add(manifest.ref)
        if left:
            drift = tuple(drift_of(path, manifest.ref, manifest.body, live, "left") for path in left)
            self._foreseen[manifest.ref] = Foreseen(drift=drift)
        return True

    def _deny(self, denied: Denied) -> None:
        self._denied.add(denied.ref)
        manifest = self._desired.get(denied.ref)
        if manifest is not None:
            self._foreseen[denied.ref] = Foreseen(conflicts=refusal(denied.fault, manifest, None).conflicts)
        else:
            self._unseen.add(denied.ref)
            self._conflicts.append(
                Conflict(
                    "permission",
                    str(denied.ref),
                    f"it is no longer in Git, and cannot be looked at: {denied.fault.message}",
                    (f"grant the verb get on {denied.ref.kind}; deploy/rbac.yaml shows a role",),
                )
            )

    def look_for_namespaces(self, home: str) -> None:
        """Namespaces that are not declared and not there. `home`, that of the state, is made by the sync; others by nobody."""
        inside: dict[str, list[Ref]] = {}
        for ref in self._desired:
            inside.setdefault(ref.namespace, []).append(ref)
        seen = self._same | self._raw.keys() | self._denied
        asked = [
            name
            for name, refs in inside.items()
            if name and Ref("", "Namespace", "", name) not in self._desired and seen.isdisjoint(refs)
        ]
        for name in (
            name for name, gone in zip(asked, self._cluster.client.map(self._is_gone, asked), strict=True) if gone
        ):
            self._coming.add(name)
            ref = Ref("", "Namespace", "", name)
            if name == home:
                self._warnings.append(f"{ref} does not exist; a sync makes it, as its state is kept there")
                continue
            ways = (
                f"declare Namespace {name} in the manifests",
                f"kubectl create namespace {name}",
                "correct metadata.namespace, or the namespace of the destination",
            )
            self._conflicts += [
                Conflict("validation", str(lost), f"{ref} does not exist", ways, source=self._desired[lost].source)
                for lost in inside[name]
            ]

    def _is_gone(self, namespace: str) -> bool:
        try:
            self._cluster.client.call("GET", f"/api/v1/namespaces/{namespace}")
        except ApiFault as fault:
            if fault.code == 404:
                return True
            if fault.code != 403:  # whoever may not look at it is told by the dry-runs
                raise
        return False

    # --- what an apply would do

    def try_out(self, *, creations: bool) -> None:
        """Dry-runs of all that is not proved; of new objects only if `creations`."""
        setting = Setting(
            self._cluster,
            self._applyset,
            self._policy,
            namespaces=frozenset(
                ref.name for ref in self._desired if (ref.group, ref.kind) == ("", "Namespace") and self._is_new(ref)
            )
            | self._coming,
            redefined=frozenset(
                (scope.group, scope.kind)
                for ref, manifest in self._desired.items()
                if ref not in self._same and (scope := defined_by(manifest.body))
            ),
        )
        todo = []
        for ref, manifest in self._desired.items():
            if ref in self._same or ref in self._foreseen:
                continue
            if ref.namespace in setting.namespaces and ref not in self._raw:
                self._foreseen[ref] = Foreseen(notes=("unverified until its Namespace exists",))
            elif creations or ref in self._raw:
                todo.append(manifest)

        def trial(manifest: Manifest) -> Tried:
            raw = self._raw.get(manifest.ref)
            return attempt(setting, manifest, self._places[manifest.ref], _decode(raw) if raw else None)

        for manifest, tried in zip(todo, self._cluster.client.map(trial, todo), strict=True):
            self._take_in(manifest, tried)

    def _is_new(self, ref: Ref) -> bool:
        return ref not in self._same and ref not in self._raw and ref not in self._denied

    def _take_in(self, manifest: Manifest, tried: Tried) -> None:
        ref, foreseen = manifest.ref, tried.foreseen
        raw = self._raw.get(ref)
        if raw is None:
            self._foreseen[ref] = foreseen
            return
        live = _decode(raw)
        owner = self._owner(live, manifest.body)
        if owner is not None:
            self._owners[ref] = owner
        if tried.known is not None:
            self._known[ref] = tried.known
        if since := live["metadata"].get("deletionTimestamp"):
            # What is going is as good as gone: the plan makes it anew.
            note = f"is being deleted since {since}: a sync waits until it is gone"
            self._foreseen[ref] = foreseen._replace(notes=(note, *foreseen.notes))
            return
        if tried.before is not None:
            self._objects[ref] = tried.before
        if tried.claim:
            self._claims.add(ref)
        if tried.same:
            self._same.add(ref)
            if not tried.claim:
                del self._raw[ref], self._known[ref]
        if not tried.same or foreseen.drift:
            self._foreseen[ref] = foreseen

    def _owner(self, live: Body, declared: Body | None) -> str | None:
        label = (live["metadata"].get("labels") or {}).get(PART_OF)
        if label is not None and label != self._applyset:
            return f"another workflow ({label})"
        owner = owner_of(live)
        return None if owner is not None and declared is not None and owner_of(declared) == owner else owner

    # --- what is no longer wanted

    def look_at_candidates(self) -> None:
        """Of the inventory, what is not desired any more."""
        going: dict[Ref, Body] = {}
        for ref in self._candidates:
            raw = self._raw.get(ref)
            if raw is None:
                continue
            live = _decode(raw)
            metadata = live["metadata"]
            if metadata["uid"] in self._uids.values():
                del self._raw[ref]  # declared under another API group: it is the same object
                continue
            owner = self._owner(live, None)
            if owner is not None:
                self._owners[ref] = owner
            self._known[ref] = Known(metadata["uid"], metadata["resourceVersion"])
            fields = our_fields(live)
            # What others keep changing in it does not make an approval stale; what we own, and which object it is, does.
            digest = digest_of([metadata["uid"], project(live, fields) if fields is not None else intent(live)])
            going[ref] = intent(live)
            version = self._places[ref].version
            self._objects[ref] = live_manifest(ref, version, going[ref], self._cluster, digest)
        self._dependents = dependents(self._cluster, going)

    def result(self) -> Observation:
        """All that was found."""
        warnings = list(self._warnings)
        if self._unseen - self._denied:
            groups = sorted({ref.group for ref in self._unseen - self._denied})
            count = plural(len(self._unseen - self._denied), "object")
            warnings.append(
                f"{count} no longer in Git cannot be looked for and stay: the API of {', '.join(groups)} does not answer"
            )
        kept = self._known.keys()
        return Observation(
            Observed(
                objects=self._objects,
                owners=self._owners,
                same=frozenset(self._same),
                foreseen=self._foreseen,
                dependents=self._dependents,
                unseen=frozenset(self._unseen),
                conflicts=self._conflicts,
                warnings=warnings,
            ),
            known=self._known,
            raw={ref: raw for ref, raw in self._raw.items() if ref in kept},
            claims=frozenset(self._claims),
        )


def _is_only_a_home(ref: Ref, live: Body) -> bool:
    """A namespace that is there only because the state had to be kept in it."""
    if (ref.group, ref.kind) != ("", "Namespace"):
        return False
    return MADE_FOR in (live["metadata"].get("annotations") or {}) and our_fields(live) is None


def _is_api_service(manifest: Manifest) -> bool:
    ref = manifest.ref
    return (ref.group, ref.kind) == ("apiregistration.k8s.io", "APIService") and isinstance(
        manifest.body.get("spec"), dict
    )


def _left_to_others(sent: Body, live: Body, policy: ConflictPolicy) -> list[Path]:
    """The fields that an apply would leave to their owners, as the settings say: what a dry-run would name as conflicts."""
    entries = owners(live)
    ours = [owner.fields for owner in entries if is_ours(owner)]
    if not ours:
        return []
    kept: dict[Path, bool] = {}
    for owner in entries:
        if is_ours(owner) or owner.subresource == "status":
            continue
        leave = rule(policy, owner.manager) == "yield"
        for path in leaves(owner.fields):
            value = get(sent, path)
            if value is not msgspec.UNSET and value != get(live, path):
                kept[path] = kept.get(path, True) and leave
    return [path for path, leave in kept.items() if leave]
