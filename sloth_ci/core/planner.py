"""Desired and live objects become a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from sloth_ci.core.diff import diff
from sloth_ci.core.immutable import ON_IMMUTABLE, STATEFUL, immutable_changes, may_recreate
from sloth_ci.core.impact import assess, privileges
from sloth_ci.core.objects import Body, Manifest, Ref, Source, canonical
from sloth_ci.core.observed import Foreseen, Observed
from sloth_ci.core.owner import owner_of
from sloth_ci.core.plan import Change, ChangeType, Conflict, FieldChange, Hook, Impact, Plan
from sloth_ci.core.prune import why_kept
from sloth_ci.core.references import references
from sloth_ci.core.secrets import Fingerprinter, is_secret, is_secret_path
from sloth_ci.core.validate import problems
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import WorkflowSpec

PRUNE_FLOOR = 5
"""So many deletions are never too large a share: a small inventory is allowed to shrink."""

_AS_DECLARED = Foreseen()


class Desired(NamedTuple):
    """What a revision declares."""

    revision: str
    manifests: Sequence[Manifest]
    digest: str
    """Over the identities and digests of all manifests (`objects.set_digest`)."""
    duplicates: Sequence[tuple[Manifest, Manifest]] = ()
    skipped_files: int = 0
    warnings: Sequence[str] = ()
    hooks: Sequence[Hook] = ()


class Live(NamedTuple):
    """What the other side of the comparison holds: a destination, or a base revision."""

    label: str
    """As `Plan.destination` shows it."""
    observed: Observed
    inventory: frozenset[Ref]
    """What the workflow put there; only this may be pruned."""
    running: bool = False
    """A cluster: what is deleted there takes more with it than a file does."""
    base: str | None = None
    warnings: Sequence[str] = ()


class Judgement(NamedTuple):
    """What the policy says of a plan."""

    denied: Sequence[Conflict] = ()
    warned: Sequence[Conflict] = ()


Judge = Callable[[Sequence[Change]], Judgement]


class _Draft(NamedTuple):
    """A change with its raw values: what is hashed, and what must never be shown."""

    type: ChangeType
    ref: Ref
    before: Manifest | None
    after: Manifest | None
    fields: list[FieldChange]
    notes: tuple[str, ...] = ()


def make_plan(
    workflow: WorkflowSpec,
    desired: Desired,
    live: Live,
    fingerprint: Fingerprinter,
    *,
    merge_conflicts: Iterable[str] = (),
    prune_limit: float | None = None,
    judge: Judge | None = None,
) -> Plan:
    """Compare; assess each change; find what stands against it; hash both halves.

    `prune_limit` overrides the workflow's own (a rollback may delete all that a bad revision made). `judge`: the policy.
    """
    wanted = {manifest.ref: manifest for manifest in desired.manifests}
    drafts, kept = _drafts(workflow, wanted, live)
    conflicts = [*live.observed.conflicts, *(merge_conflict(path) for path in merge_conflicts)]
    conflicts += [_duplicate(first, second) for first, second in desired.duplicates]
    finished: list[_Draft] = []
    for draft in drafts:
        found, draft = _conflicts_of(draft, workflow, live, fingerprint)  # noqa: PLW2901 (an immutable field makes it a recreate)
        conflicts += found
        finished.append(draft)
    conflicts += [conflict for foreseen in live.observed.foreseen.values() for conflict in foreseen.conflicts]
    gone = {draft.ref for draft in finished if draft.type in {"delete", "recreate"}}
    needed = _dependents(gone, wanted, live)
    changed = {draft.ref for draft in finished}
    conflicts += _prune_conflicts(workflow, finished, wanted, live, prune_limit)
    changes = sorted(
        (_change(draft, needed.get(draft.ref, ()), fingerprint) for draft in finished), key=lambda c: (-c.impact, c.ref)
    )
    judged = judge(changes) if judge else Judgement()
    conflicts += judged.denied
    return Plan(
        workflow_id=workflow.id,
        name=workflow.name,
        environment=workflow.environment,
        destination=live.label,
        revision=desired.revision,
        base=live.base,
        digest=_digest(workflow, desired, finished, conflicts),
        changes=tuple(changes),
        conflicts=tuple(conflicts),
        warnings=(*desired.warnings, *live.warnings, *live.observed.warnings, *kept),
        unchanged=sum(ref not in changed for ref in wanted),
        skipped_files=desired.skipped_files,
        drift=tuple(drift for foreseen in live.observed.foreseen.values() for drift in foreseen.drift),
        hooks=tuple(desired.hooks),
        findings=tuple(judged.warned),
    )


def _drafts(workflow: WorkflowSpec, wanted: Mapping[Ref, Manifest], live: Live) -> tuple[list[_Draft], list[str]]:
    drafts: list[_Draft] = []
    observed = live.observed
    for ref, manifest in wanted.items():
        if ref in observed.same:
            continue
        current = observed.objects.get(ref)
        foreseen = observed.foreseen.get(ref, _AS_DECLARED)
        after = foreseen.after or manifest
        if current is None:
            drafts.append(_Draft("create", ref, None, after, [], foreseen.notes))
        elif current.digest != after.digest:
            kind: ChangeType = "recreate" if foreseen.recreate else "update"
            drafts.append(_Draft(kind, ref, current, after, diff(current.body, after.body), foreseen.notes))
    gone = [ref for ref in live.inventory if ref not in wanted and ref in observed.objects]
    if not workflow.sync_policy.auto_prune:
        return drafts, [
            f"{plural(len(gone), 'object')} no longer in Git left in place, as auto_prune is off"
        ] if gone else []
    kept = []
    lived_in = {ref.namespace for ref in wanted} if live.running else set()
    for ref in sorted(gone):
        current = observed.objects[ref]
        reason = why_kept(ref, current.body, running=live.running)
        if reason is None and ref.kind == "Namespace" and ref.name in lived_in:
            reason = "objects that are in Git live in it"
        if reason is None:
            drafts.append(_Draft("delete", ref, current, None, []))
        else:
            kept.append(f"{ref} is no longer in Git and stays: {reason}")
    return drafts, kept


def _dependents(gone: Collection[Ref], wanted: Mapping[Ref, Manifest], live: Live) -> dict[Ref, tuple[str, ...]]:
    """What needs the objects that go: of what stays in Git, and what the destination knows of."""
    if not live.running:
        return {}
    found: dict[Ref, list[str]] = {ref: list(live.observed.dependents.get(ref, ())) for ref in gone}
    for user, manifest in wanted.items():
        for used in references(manifest.body).intersection(gone) if user not in gone else ():
            found[used].append(f"{user} refers to it")
    return {ref: tuple(told) for ref, told in found.items()}


def _conflicts_of(
    draft: _Draft, workflow: WorkflowSpec, live: Live, fingerprint: Fingerprinter
) -> tuple[list[Conflict], _Draft]:
    """What stands against one change; the change itself becomes a `recreate` where the object allows it."""
    found: list[Conflict] = []
    resource, after, before = str(draft.ref), draft.after, draft.before
    declared = live.observed.foreseen.get(draft.ref, _AS_DECLARED)
    if after is not None and declared.after is None and not declared.conflicts:  # no server has looked at it
        found += [
            Conflict("validation", resource, reason, ("correct the manifest",), source=after.source)
            for reason in problems(after.body)
        ]
    owner = live.observed.owners.get(draft.ref)
    if before is not None and owner is None:
        owner = owner_of(before.body)
        if owner is not None and after is not None and owner_of(after.body) == owner:
            owner = None
    if owner is not None and workflow.conflicts.foreign_owner == "fail":
        found.append(
            Conflict(
                "foreign_owner",
                resource,
                f"{owner} owns it",
                (
                    "remove it from one of the two",
                    'take it over on purpose with conflicts = { foreign_owner = "adopt" }',
                ),
                source=after.source if after else None,
            )
        )
    if draft.type == "update" and before is not None and after is not None and declared.after is None:
        paths = immutable_changes(draft.ref, before.body, draft.fields)
        if paths and may_recreate(draft.ref, after.body):
            draft = draft._replace(type="recreate")
        elif paths:
            found.append(_immutable(draft, paths, fingerprint))
    return found, draft


def _immutable(draft: _Draft, paths: Sequence[str], fingerprint: Fingerprinter) -> Conflict:
    if draft.ref.kind in STATEFUL:
        suggestions: tuple[str, ...] = (
            "leave the field as it is",
            f"a {draft.ref.kind} is never made anew by a sync: migrate it under another name",
        )
    else:
        suggestions = (
            "leave the field as it is",
            f'let it be made anew with the annotation {ON_IMMUTABLE}: "recreate"',
            "give the object another name",
        )
    changed = {field.path: field for field in _masked(draft, fingerprint) if field.path in set(paths)}
    return Conflict(
        "immutable_field",
        str(draft.ref),
        f"cannot be changed in place: {', '.join(paths)}",
        suggestions,
        current_state={path: _shown(field.before) for path, field in changed.items()},
        desired_state={path: _shown(field.after) for path, field in changed.items()},
        source=draft.after.source if draft.after else None,
    )


def _shown(value: object) -> object:
    return None if value is UNSET else value


def merge_conflict(path: str) -> Conflict:
    """Why a file keeps two branches from being merged."""
    return Conflict(
        "git_merge",
        path,
        "both branches changed it, and Git cannot merge the two",
        ("merge or rebase onto the base branch and resolve the file there",),
    )


def _duplicate(first: Manifest, second: Manifest) -> Conflict:
    return Conflict(
        "duplicate_resource",
        str(first.ref),
        f"declared in {first.source} and again in {second.source}"
        + (" with the same content" if first.digest == second.digest else " with other content"),
        ("delete one of the two", "set target_path to the folder of one of them"),
        source=second.source,
    )


def _prune_conflicts(
    workflow: WorkflowSpec,
    drafts: Sequence[_Draft],
    wanted: Mapping[Ref, Manifest],
    live: Live,
    prune_limit: float | None,
) -> list[Conflict]:
    policy = workflow.sync_policy
    deletes = sum(1 for draft in drafts if draft.type == "delete")
    where = workflow.target_path or "the repository"
    if not wanted and live.inventory and not policy.allow_empty:
        return [
            Conflict(
                "validation",
                where,
                f"the revision holds no manifest, so {plural(len(live.inventory), 'object')}, all there are, would be deleted",
                ("check target_path", "if that is meant, set sync_policy = { allow_empty = true }"),
            )
        ]
    limit = policy.prune_limit if prune_limit is None else prune_limit
    if deletes > PRUNE_FLOOR and deletes > limit * len(live.inventory):
        return [
            Conflict(
                "validation",
                where,
                f"{deletes} of {len(live.inventory)} objects would be deleted, more than {limit:.0%}",
                ("check target_path", f"if that is meant, raise sync_policy = {{ prune_limit = {limit} }}"),
            )
        ]
    return []


def _masked(draft: _Draft, fingerprint: Fingerprinter) -> list[FieldChange]:
    """The fields to be shown. Those of a Secret are compared anew between masked bodies, so that no path lets a value by."""
    if draft.before is None or draft.after is None or not is_secret(draft.after.body):
        return draft.fields
    fields = diff(fingerprint.mask(draft.before.body), fingerprint.mask(draft.after.body))
    return [replace(field, masked=is_secret_path(field.path)) for field in fields]


def _missing(draft: _Draft) -> Manifest:
    raise ValueError(f"a change of {draft.ref} without either side")


def _change(draft: _Draft, dependents: tuple[str, ...], fingerprint: Fingerprinter) -> Change:
    impact, reasons, reversible = assess(draft.type, draft.ref, draft.fields)
    if draft.type == "create" and draft.after is not None:
        asks = privileges(draft.after.body)
        if asks:
            impact, reasons = max(impact, Impact.HIGH), (*asks, *reasons)
    manifest = draft.after or draft.before or _missing(draft)
    return Change(
        type=draft.type,
        ref=draft.ref,
        version=manifest.version,
        impact=impact,
        reasons=reasons,
        reversible=reversible,
        fields=tuple(_masked(draft, fingerprint)),
        current_state=_state(draft.before, fingerprint),
        desired_state=_state(draft.after, fingerprint),
        source=_source(draft),
        notes=draft.notes,
        dependents=dependents,
    )


def _state(manifest: Manifest | None, fingerprint: Fingerprinter) -> Body | None:
    return fingerprint.mask(manifest.body) if manifest else None


def _source(draft: _Draft) -> Source | None:
    return draft.after.source if draft.after else None


def _digest(workflow: WorkflowSpec, desired: Desired, drafts: Sequence[_Draft], conflicts: Sequence[Conflict]) -> str:
    """Two halves: what is wanted, and what of the live state would be overwritten or deleted.

    A plan with conflicts has another digest than the same plan without: nobody can approve it in advance.

    Live fields that the plan leaves alone are in neither, so that an autoscaler does not make an approval stale.
    """
    intent = [workflow.id, desired.digest]
    effect = sorted(
        (
            *draft.ref,
            draft.type,
            draft.before.digest if draft.type == "delete" and draft.before else "",
            [(field.path, None if field.before is UNSET else field.before) for field in draft.fields],
        )
        for draft in drafts
    )
    against = sorted((conflict.type, conflict.resource) for conflict in conflicts)
    return f"{_half(intent)}.{_half(msgspec.to_builtins([effect, against] if against else effect))}"


def _half(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()[:32]
