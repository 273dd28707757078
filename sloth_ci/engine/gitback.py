"""Putting Git back: the second half of a rollback."""

from __future__ import annotations

from typing import NamedTuple

from sloth_ci.core.errors import ForgeError, RepositoryError, UsageError
from sloth_ci.core.ledger import PendingRevert
from sloth_ci.core.outcome import RevertStatus
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.ports import Forge
from sloth_ci.engine.preview import inputs_of
from sloth_ci.engine.session import Session
from sloth_ci.repo import Repository, Revert, revert
from sloth_ci.repo.address import parse_address
from sloth_ci.repo.commits import message_with_trailers
from sloth_ci.repo.revert import ENVIRONMENT, PLAN, REVERTS
from sloth_ci.report.text import fenced, markdown

_STATUS: dict[str, RevertStatus] = {
    "pushed": "committed",
    "already": "already",
    "nothing": "none",
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
    forge = _forge_of(session, repository)
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
        paths = inputs_of(session, workflow, pending.bad)
        # After a force-push the good revision is not below the bad one: no revert of commits leads to it.
        base = repository.merge_base(pending.good, pending.bad)
        commits = [commit.sha for commit in repository.commits(base, pending.bad, paths)]
        if not commits:
            return GitBack("none", None, "no commit in between touches what is deployed")
        message = _message(workflow, pending, commits)
        trailers = {ENVIRONMENT: workflow.environment or "default", PLAN: pending.digest}
        result = revert(
            repository,
            pending.branch,
            commits,
            restore_from=pending.good,
            paths=paths,
            message=message,
            restore=base != pending.good,
            trailers=trailers,
            committer=forge.commit if forge else None,
        )
    except UsageError as error:  # a force-push took the commits away: there is nothing left that could be reverted
        return GitBack("none", None, f"nothing is reverted in Git: {error.message}")
    except RepositoryError as error:
        return GitBack("queued", None, f"{error.message}; the next run tries again")
    if result.status == "branch":
        asked = [(REVERTS, commit) for commit in commits] + list(trailers.items())
        return GitBack("pull_request", result.commit, _asked(forge, result, pending, message, asked))
    return GitBack(_STATUS[result.status], result.commit, result.message)


def _forge_of(session: Session, repository: Repository) -> Forge | None:
    """The forge, where it is that of this repository: a workflow may deploy another one than the job's."""
    forge = session.forge
    if forge is None or repository.remote is None:
        return None
    address, _ = parse_address(forge.repository, cwd=session.root, environ=session.environ)
    return forge if repository.remote.address.same(address) else None


def _asked(
    forge: Forge | None, result: Revert, pending: PendingRevert, message: str, trailers: list[tuple[str, str]]
) -> str:
    """Ask for the merge of a revert that the branch refuses. Returns what is to be told of it."""
    if forge is None:
        return f"{result.message}; ask for a merge of {result.branch} into {pending.branch}"
    # The words of both may become those of a commit: nothing in them puts the CI to sleep.
    title, _, _ = message_with_trailers(message, ()).partition("\n")
    body = (
        f"{markdown(title)}: the deployment is back where it was, and {markdown(pending.branch)} is not, as it takes no pushes.\n\n"
        f"{fenced(pending.reason)}\n\nMerge this, and the branch says again what is deployed. Until then what failed is not "
        "deployed again, and what comes after it is."
    )
    try:
        url = forge.request(result.branch, pending.branch, title, message_with_trailers(body, trailers))
    except ForgeError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return (
            f"{result.message}; no {forge.request_word} could be opened: {error.message}{hint}; "
            f"open one from {result.branch} into {pending.branch}"
        )
    return f"{result.message}; merge {url}"


def _message(workflow: WorkflowSpec, pending: PendingRevert, commits: list[str]) -> str:
    where = f" in {workflow.environment}" if workflow.environment else ""
    named = f"{commits[0][:10]}" if len(commits) == 1 else f"{len(commits)} commits up to {commits[0][:10]}"
    return f"Revert {named}: {workflow.name} was rolled back{where}\n\n{pending.reason}"
