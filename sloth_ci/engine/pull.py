"""The plan of a pull request: what the destination would get once it is merged."""

from __future__ import annotations

from msgspec.structs import replace

from sloth_ci.core.plan import Plan
from sloth_ci.core.planner import merge_conflict
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.preview import inputs_of, is_below, is_deployed, plan_at, preview_revisions
from sloth_ci.engine.session import Session
from sloth_ci.repo.merging import merged


def preview_merge(session: Session, workflow: WorkflowSpec, head: str, *, only_git: bool = False) -> Plan:
    """Plan what the workflow's branch holds once `head` (a full sha) is merged into it.

    The merge is made here, on the branch as it is now, so that the plan is the one that the merge will bring, whatever was
    checked out. `revision` of the plan is `head`. `only_git`: compare with the branch, and ask no destination.
    """
    repository = session.repository(workflow.repository)
    tip = repository.branch_tip(session.branch_of(workflow))
    merge = merged(repository, tip, head)
    if only_git:
        plan = preview_revisions(session, workflow, tip, merge.commit)
    else:
        plan = plan_at(session, workflow, merge.commit)
    known = {conflict.resource for conflict in plan.conflicts}
    conflicts = [merge_conflict(path) for path in merge.conflicts if path not in known]
    return replace(plan, revision=head, conflicts=(*conflicts, *plan.conflicts))


def changed_inputs(session: Session, workflow: WorkflowSpec, base: str, head: str) -> list[str]:
    """The files that a pull request changes, moves or deletes, of those that are rendered before or after it.

    From where `head` left `base`: what came to the base meanwhile is not the pull request's.
    """
    repository = session.repository(workflow.repository)
    start = repository.merge_base(base, head) or base
    inputs = {path for revision in (start, head) for path in inputs_of(session, workflow, revision, missing_ok=True)}
    return sorted(change.path for change in repository.changed(start, head) if is_below(change.path, inputs))


def preview_builtin(session: Session, workflow: WorkflowSpec, head: str) -> Plan:
    """The same for the built-in workflow: where nothing was ever deployed with it, there is only Git to compare."""
    return preview_merge(session, workflow, head, only_git=not is_deployed(session, workflow))
