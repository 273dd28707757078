"""Objects of a push that a cluster would refuse for their schema, found without asking it."""

from __future__ import annotations

from sloth_ci.core.plan import Conflict, Plan
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.destinations.kubernetes.schemas import Known, bundled, known
from sloth_ci.engine.session import Session


def invalid(session: Session, workflow: WorkflowSpec, plan: Plan) -> tuple[Conflict, ...]:
    """What is wrong with the objects that a plan brings to a cluster, and was not wrong with them before.

    Of built-in kinds, by what the cluster said last or by the schemas that come with us. A custom kind is let through: its
    definition may be what the push changes. So is a Secret, of which the plan has no values.
    """
    place = workflow.destination
    if place is None or place.directory is not None or place.branch is not None:
        return ()
    native = {version.rpartition("/")[0] for version in bundled().versions}
    brought = [
        change
        for change in plan.changes
        if change.desired_state is not None and change.ref.group in native and change.ref.kind != "Secret"
    ]
    if not brought:
        return ()
    schemas: Known = known(place, session.root, session.environ, session.cache_dir, now=session.clock())
    found = []
    for change in brought:
        before = {str(fault) for fault in schemas.schemas.faults(change.current_state or {})}
        found += [
            Conflict(
                type="validation",
                resource=str(change.ref),
                description=f"{fault} ({schemas.source})",
                suggestions=("correct the manifest",),
                source=change.source,
            )
            for fault in schemas.schemas.faults(change.desired_state or {})
            if str(fault) not in before
        ]
    return tuple(found)
