"""Putting Git back: the second half of a rollback."""

from __future__ import annotations

from typing import NamedTuple

from sloth_ci.core.errors import RenderError, RepositoryError, UsageError
from sloth_ci.core.ledger import PendingRevert
from sloth_ci.core.outcome import RevertStatus
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.preview import rendered
from sloth_ci.engine.session import Session
from sloth_ci.repo import revert

_STATUS: dict[str, RevertStatus] = {
    "pushed": "committed",
    "already": "already",
    "nothing": "none",
    "branch": "pull_request",
    "queued": "queued",
}


class GitBack(NamedTuple):
    """What became of a revert."""

    status: RevertStatus
    commit: str | None
    message: str


def revert_in_git(session: Session, workflow: WorkflowSpec, pending: PendingRevert) -> GitBack:
    """Undo on the branch what came between the good and the bad revision and touches what the workflow renders.

    Never raises for what Git or the forge refuses: the destination is already back, and the result says what is left
    to be done.
    """
    repository = session.repository(workflow.repository)
    session.observer.phase("revert in Git")
    try:
        repository.fetch(pending.branch)
        tip = repository.branch_tip(pending.branch)
        if not repository.is_ancestor(pending.bad, tip):
            return GitBack(
                "none", None, f"{pending.bad[:10]} is not on {pending.branch}, so there is nothing to revert"
            )
        if repository.is_ancestor(pending.bad, pending.good):
            came_after = f"{pending.good[:10]} came after {pending.bad[:10]}, so there is nothing to revert"
            return GitBack("none", None, came_after)
        paths = _inputs(session, workflow, pending.bad)
        # After a force-push the good revision is not below the bad one: no revert of commits leads to it.
        base = repository.merge_base(pending.good, pending.bad)
        commits = [commit.sha for commit in repository.commits(base, pending.bad, paths)]
        if not commits:
            return GitBack("none", None, "no commit in between touches what is deployed")
        result = revert(
            repository,
            pending.branch,
            commits,
            restore_from=pending.good,
            paths=paths,
            message=_message(workflow, pending, commits),
            restore=base != pending.good,
            trailers={"Sloth-Environment": workflow.environment or "default", "Sloth-Plan": pending.digest},
        )
    except UsageError as error:  # a force-push took the commits away: there is nothing left that could be reverted
        return GitBack("none", None, f"nothing is reverted in Git: {error.message}")
    except RepositoryError as error:
        return GitBack("queued", None, f"{error.message}; the next run tries again")
    return GitBack(_STATUS[result.status], result.commit, result.message)


def _inputs(session: Session, workflow: WorkflowSpec, revision: str) -> tuple[str, ...]:
    """The paths that the render of the revision reads; where it cannot be rendered, `target_path`."""
    try:
        return rendered(session, workflow, revision).inputs
    except RenderError:
        return (workflow.target_path,)


def _message(workflow: WorkflowSpec, pending: PendingRevert, commits: list[str]) -> str:
    where = f" in {workflow.environment}" if workflow.environment else ""
    named = f"{commits[0][:10]}" if len(commits) == 1 else f"{len(commits)} commits up to {commits[0][:10]}"
    return f"Revert {named}: {workflow.name} was rolled back{where}\n\n{pending.reason}"
