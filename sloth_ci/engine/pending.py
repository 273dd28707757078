"""Commits that are on a branch and not at the destination yet."""

from __future__ import annotations

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.place import open_place
from sloth_ci.engine.preview import inputs_of
from sloth_ci.engine.session import Session
from sloth_ci.repo import Repository
from sloth_ci.repo.revert import REVERTS

_MOST = 50
"""More of them than this are not gone through one by one."""


def pending_revisions(session: Session, workflow: WorkflowSpec, head: str) -> list[str]:
    """The commits up to `head` that came after the one that was synced last and touch what is deployed, the oldest first.

    `head` is always the last of them; none where it is older than what is deployed already. What failed before, and what a
    later one of them reverts, is passed over. Where there is no way from the one to the other (a first sync, a rollback,
    rewritten history, very many commits), it is the only one.
    """
    repository = session.repository(workflow.repository)
    head = repository.resolve(head)
    ledger = open_place(session, workflow).ledger.load()
    good = ledger.last_good()
    if good is None or good.revision == head or not _known(repository, good.revision):
        return [head]
    if repository.is_ancestor(head, good.revision):
        return []
    if not repository.is_ancestor(good.revision, head):
        return [head]
    found = repository.commits(good.revision, head, inputs_of(session, workflow, head), limit=_MOST + 1)
    if len(found) > _MOST:
        return [head]
    passed = {held.revision for held in ledger.held} | {sha for commit in found for sha in commit.trailer(REVERTS)}
    return [*(commit.sha for commit in reversed(found) if commit.sha not in {head, *passed}), head]


def _known(repository: Repository, revision: str) -> bool:
    """Whether a commit is still in the repository: a force-push may have taken it away."""
    try:
        repository.resolve(revision)
    except UsageError:
        return False
    return True
