"""Preview: what would change, against a destination or against another revision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from sloth_ci.core.drift import genuine
from sloth_ci.core.errors import RenderError, RepositoryError
from sloth_ci.core.hooks import HookPhase, Split, split
from sloth_ci.core.ledger import Ledger
from sloth_ci.core.objects import Manifest, Ref
from sloth_ci.core.observed import Observed
from sloth_ci.core.plan import Change, Hook, Plan
from sloth_ci.core.planner import Desired, Live, make_plan
from sloth_ci.core.words import first_line
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.checkout import HEAD, tell_what_stays
from sloth_ci.engine.freeze import stands_against
from sloth_ci.engine.policing import judge_of, policies_of, ran
from sloth_ci.engine.session import Session
from sloth_ci.render import HOOKS_ARE_OBJECTS, Rendered, SourceTree, load_bodies, reads, render

if TYPE_CHECKING:
    from sloth_ci.engine.place import Place


def rendered(session: Session, workflow: WorkflowSpec, revision: str, *, missing_ok: bool = False) -> Rendered:
    """Render `target_path` at a revision (a full sha). Raises RenderError with every bad file."""
    repository = session.repository(workflow.repository)
    return rendered_tree(session, workflow, repository.tree(revision, workflow.target_path, missing_ok=missing_ok))


def rendered_tree(session: Session, workflow: WorkflowSpec, tree: SourceTree) -> Rendered:
    """Render a folder as `target_path` of a workflow. Raises RenderError with every bad file."""
    return render(
        tree,
        workflow.render,
        environment=workflow.environment,
        namespace=workflow.destination.namespace if workflow.destination else None,
        cache_dir=session.cache_dir,
        environ=session.environ,
        network=session.offline is None,
    )


def is_untouched(session: Session, workflow: WorkflowSpec, base: str, head: str) -> bool:
    """Whether nothing that is rendered differs between two revisions (full shas): then what comes of it is the same.

    False where only a render could tell.
    """
    repository = session.repository(workflow.repository)
    changed = [change.path for change in repository.changed(base, head)]
    if not changed:
        return True
    if any(is_below(path, [workflow.target_path.strip("./")]) for path in changed):
        return False
    tree = repository.tree(head, workflow.target_path, missing_ok=True)
    try:
        read = reads(
            tree,
            workflow.render,
            environment=workflow.environment,
            namespace=workflow.destination.namespace if workflow.destination else None,
            environ=session.environ,
        )
    except RepositoryError:  # a submodule that is not here, and that the render may have no use for
        return False
    return read is not None and not any(is_below(path, read) for path in changed)


def is_below(path: str, places: Collection[str]) -> bool:
    """Whether a path is one of some files, or in one of some folders; "" is the root."""
    return any(place in ("", path) or path.startswith(f"{place}/") for place in places)


def inputs_of(session: Session, workflow: WorkflowSpec, revision: str, *, missing_ok: bool = False) -> tuple[str, ...]:
    """The paths that the render of a revision (a full sha) reads; where it cannot be rendered, `target_path`."""
    try:
        return rendered(session, workflow, revision, missing_ok=missing_ok).inputs
    except RenderError:
        return (workflow.target_path,)


def desired_at(session: Session, workflow: WorkflowSpec, revision: str) -> Desired:
    """What a revision declares, as the planner takes it."""
    session.observer.phase(f"render {revision[:10]}")
    result = rendered(session, workflow, revision)
    return Desired(revision, result.manifests, result.digest, result.duplicates, result.skipped, result.warnings)


def head_of(session: Session, workflow: WorkflowSpec, head: str | None = None) -> str:
    """The sha to deploy: the one asked for, else the tip of the workflow's branch."""
    repository = session.repository(workflow.repository)
    return repository.resolve(head) if head else repository.branch_tip(session.branch_of(workflow))


class Planned(NamedTuple):
    """A plan, and the objects of both sides that it was made of."""

    plan: Plan
    desired: Mapping[Ref, Manifest]
    """What is written."""
    live: Collection[Ref]
    """What was there of it, and of the inventory, or may be."""
    hooks: Sequence[tuple[HookPhase, Manifest]] = ()
    """What is run."""


def preview(session: Session, workflow: WorkflowSpec, *, head: str | None = None) -> Plan:
    """What a sync would change at the destination, and whether it may now. Takes no lock and writes nothing."""
    plan = plan_at(session, workflow, head)
    return structs.replace(plan, warnings=(*plan.warnings, *stands_against(session, workflow, plan)))


def plan_at(session: Session, workflow: WorkflowSpec, head: str | None = None) -> Plan:
    """What a sync would change at the destination, whatever time it is."""
    from sloth_ci.engine.place import open_place  # from Git to Git, nobody opens one

    place = open_place(session, workflow)
    revision = head_of(session, workflow, head)
    tell_what_stays(session, workflow, revision, head=head)
    return plan_for(place, place.ledger.load(), revision).plan


def plan_for(
    place: Place,
    ledger: Ledger,
    revision: str,
    *,
    prune_limit: float | None = None,
    creations_tried: bool = False,
) -> Planned:
    """Plan one revision against the destination as it is now. `creations_tried`: as `Destination.observe` has it."""
    session, destination = place.session, place.destination
    desired = desired_at(session, place.workflow, revision)
    written = desired.manifests
    session.observer.phase("compare")
    hooks: list[tuple[HookPhase, Manifest]] = []
    if destination.running:
        load_bodies(desired.manifests)
        parts = split(destination.settle(desired.manifests))
        hooks = parts.hooks
        desired = desired._replace(
            manifests=parts.members,
            hooks=[_hook(phase, hook) for phase, hook in hooks],
            warnings=[warning for warning in desired.warnings if not warning.startswith(HOOKS_ARE_OBJECTS)],
        )
    live = live_state(place, ledger, desired.manifests, creations_tried=creations_tried)
    load_changed(desired.manifests, live.observed.objects)
    # Where somebody wants to go back to what was there, no rule of today stands in the way.
    policies = policies_of(session, place.workflow) if prune_limit is None else []
    before = _before(place, ledger, desired, written) if destination.running or policies else None
    judge = None
    if policies:
        known = _known(ledger, desired, live, hooks, before)
        declared = [*desired.manifests, *(hook for _, hook in hooks)]
        judge = judge_of(policies, known, declared, ran(session, hooks, known))
    plan = make_plan(place.workflow, desired, live, session.fingerprint, prune_limit=prune_limit, judge=judge)
    if destination.running:
        intent = _intent(place, ledger, desired, before)
        plan = structs.replace(
            plan,
            intent=intent,
            drift=genuine(plan.drift, intent),
            hooks=_marked(plan.hooks, hooks, before, ledger, revision),
        )
    held = ledger.holds(plan.digest.partition(".")[0])
    if held is not None and plan.changes:
        told = f"{held.revision[:10]} wanted just this and was rolled back, so it is held: {first_line(held.reason)}"
        plan = structs.replace(plan, warnings=(*plan.warnings, told))
    there = live.observed.objects.keys() | live.observed.unseen
    return Planned(plan, {manifest.ref: manifest for manifest in desired.manifests}, there, hooks)


def _known(
    ledger: Ledger, desired: Desired, live: Live, hooks: Sequence[tuple[HookPhase, Manifest]], before: Split | None
) -> Mapping[Ref, Manifest]:
    """What the objects are as the revision has them that was synced last; without one, what is there and is ours."""
    good = ledger.last_good()
    if good is not None and good.revision == desired.revision:
        known = [*desired.manifests, *(hook for _, hook in hooks)]
    elif before is not None:
        known = [*before.members, *(hook for _, hook in before.hooks)]
    else:
        known = [live.observed.objects[ref] for ref in live.inventory if ref in live.observed.objects]
    return {manifest.ref: manifest for manifest in known}


def _hook(phase: HookPhase, manifest: Manifest) -> Hook:
    return Hook(phase, manifest.ref, manifest.source, "" if manifest.ref.kind == "Secret" else manifest.digest)


def _marked(
    hooks: Sequence[Hook],
    running: Sequence[tuple[HookPhase, Manifest]],
    before: Split | None,
    ledger: Ledger,
    revision: str,
) -> tuple[Hook, ...]:
    """The hooks, with those marked that the revision which was synced last did not run just so."""
    good = ledger.last_good()
    if good is not None and good.revision == revision:
        return tuple(hooks)
    known = {(phase, hook.ref): hook.digest for phase, hook in before.hooks} if before else {}
    now = {(phase, hook.ref): hook.digest for phase, hook in running}
    return tuple(
        structs.replace(hook, changed=known.get((hook.phase, hook.ref)) != now[hook.phase, hook.ref]) for hook in hooks
    )


def _before(place: Place, ledger: Ledger, desired: Desired, written: Sequence[Manifest]) -> Split | None:
    """What the revision declares that was synced last; None where there is none, or nobody can tell.

    `written`: the manifests of the new revision. What is the same in both was read already.
    """
    good = ledger.last_good()
    if good is None or good.revision == desired.revision:
        return None
    session, workflow = place.session, place.workflow
    try:
        manifests = rendered(session, workflow, good.revision, missing_ok=True).manifests
    except (
        RenderError,
        RepositoryError,
    ) as error:  # rewritten history, or a renderer that is gone: the rest is the plan
        session.observer.log("debug", f"{good.revision[:10]} cannot be compared with: {error.message}")
        return None
    known = {(manifest.ref, manifest.digest): manifest for manifest in written}
    before = [known.get((manifest.ref, manifest.digest), manifest) for manifest in manifests]
    load_bodies(before)
    return split(place.destination.settle(before))


def _intent(place: Place, ledger: Ledger, desired: Desired, before: Split | None) -> tuple[Change, ...] | None:
    """What the revision changes against the one that was synced last, Git to Git."""
    good = ledger.last_good()
    if good is None:
        return None
    if good.revision == desired.revision:
        return ()
    if before is None:
        return None
    there = {manifest.ref: manifest for manifest in before.members}
    live = Live(f"revision {good.revision[:10]}", Observed(there), frozenset(there), base=good.revision)
    return make_plan(place.workflow, desired, live, place.session.fingerprint, prune_limit=1.0).changes


def live_state(place: Place, ledger: Ledger, desired: Sequence[Manifest], *, creations_tried: bool = False) -> Live:
    """What the destination holds, what the desired objects would do to it, and who owns what of it."""
    observed = place.destination.observe(
        desired, ledger.inventory, place.workflow.conflicts, creations_tried=creations_tried
    )
    owners: dict[Ref, str] = dict(observed.owners)
    for name, neighbour in place.neighbours:
        owners |= {ref: f"workflow {name}" for ref in neighbour.load().inventory if ref not in ledger.inventory}
    warnings = []
    if ledger.journal:
        warnings.append(
            f"the last run was interrupted while {ledger.journal.phase} {ledger.journal.revision[:10]}; the next sync mends it"
        )
    owners = {ref: owner for ref, owner in owners.items() if ref in observed.objects}
    return Live(
        place.destination.label,
        observed._replace(owners=owners),
        frozenset(ledger.inventory),
        running=place.destination.running,
        warnings=warnings,
    )


def is_deployed(session: Session, workflow: WorkflowSpec) -> bool:
    """Whether the workflow was ever synced to its destination."""
    from sloth_ci.engine.place import open_place

    return bool(open_place(session, workflow).ledger.load().history)


def since_when(session: Session, workflow: WorkflowSpec) -> str | None:
    """The revision that a checkout's HEAD is best compared with when nobody says.

    Where it left the default branch, or, on that branch, the commit before it. None where HEAD is the first commit.
    """
    repository = session.repository(workflow.repository)
    head = repository.resolve(HEAD)
    left = repository.merge_base(repository.resolve(repository.default_branch()), head)
    if left is not None and left != head:
        return left
    return repository.first_parent(head)


def preview_revisions(
    session: Session, workflow: WorkflowSpec, base: str | None, head: str | None, *, merging: bool = True
) -> Plan:
    """What changes from one revision to another, Git to Git: no destination is asked.

    Without a base everything is new; without a head it is HEAD. Where `head` does not descend from `base`, paths that
    Git could not merge are conflicts, unless `head` takes the place of `base` and is not merged into it.
    """
    repository = session.repository(workflow.repository)
    head_sha = repository.resolve(head or HEAD)
    tell_what_stays(session, workflow, head_sha, head=head or HEAD)
    if base is None:
        nothing = Live("no revision before it", Observed({}), frozenset())
        desired = desired_at(session, workflow, head_sha)
        judge = judge_of(policies_of(session, workflow), {}, desired.manifests)
        return make_plan(workflow, desired, nothing, session.fingerprint, judge=judge)
    base_sha = repository.resolve(base)
    live: Mapping[Ref, Manifest] = {}
    warnings = []
    # The base first: what the head has in common with it is not read twice.
    session.observer.phase(f"render {base_sha[:10]}")
    try:
        live = {m.ref: m for m in rendered(session, workflow, base_sha, missing_ok=True).manifests}
    except RenderError as error:
        # A base that cannot be read must not hide the head: it is what the head may be mending.
        warnings = [f"the base {base_sha[:10]} cannot be rendered, so everything counts as new: {error.message}"]
    desired = desired_at(session, workflow, head_sha)
    load_changed(desired.manifests, live)
    conflicts = []
    if merging and not repository.is_ancestor(base_sha, head_sha):
        conflicts = repository.merge_conflicts(base_sha, head_sha, workflow.target_path)
    return make_plan(
        workflow,
        desired,
        Live(f"revision {base_sha[:10]}", Observed(live), frozenset(live), base=base_sha, warnings=warnings),
        session.fingerprint,
        merge_conflicts=conflicts,
        judge=judge_of(policies_of(session, workflow), live, desired.manifests),
    )


def load_changed(desired: Sequence[Manifest], live: Mapping[Ref, Manifest]) -> None:
    """Read the bodies of everything that differs in one go; the rest is never read."""
    wanted = {manifest.ref for manifest in desired}
    both = ((manifest, live.get(manifest.ref)) for manifest in desired)
    differing = [one for new, old in both if old is None or old.digest != new.digest for one in (new, old) if one]
    load_bodies([*differing, *(manifest for ref, manifest in live.items() if ref not in wanted)])
