"""Putting Git back: one commit that undoes others, made without a work tree and pushed without force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sloth_ci.core.errors import UsageError
from sloth_ci.repo.commits import Content, Existing, make_commit, message_with_trailers
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.history import Commit
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tree import normal_path

REVERTS = "Sloth-Reverts"
ENVIRONMENT = "Sloth-Environment"
PLAN = "Sloth-Plan"
_TRIES = 5

Status = Literal["pushed", "already", "nothing", "branch", "queued"]
Method = Literal["revert", "restore"]


@dataclass(frozen=True)
class Revert:
    """What became of a revert.

    `pushed`: on the branch now. `already`: an earlier call did it. `nothing`: the branch holds that state anyway.
    `branch`: the branch refuses pushes, so it is on a branch of its own for a pull request. `queued`: the remote is
    away; call again later. `message` says it in a sentence.
    """

    status: Status
    commit: str | None
    branch: str
    method: Method
    message: str


def revert(
    repository: Repository,
    branch: str,
    commits: Sequence[str],
    *,
    restore_from: str,
    paths: Sequence[str],
    message: str,
    trailers: Mapping[str, str],
    restore: bool = False,
) -> Revert:
    """Undo commits (ids, the newest first) in one commit on the remote's tip of `branch`.

    A merge is undone against its first parent. Where a commit cannot be undone without a conflict, or with `restore`,
    `paths` get the content they have at `restore_from` instead, and nothing else changes. A call that was made before is recognised by
    its trailers. Raises RepositoryError where the push fails for any reason but a refusal or an absent remote.
    """
    if not commits:
        raise UsageError("there is no commit to revert")
    try:
        for _ in range(_TRIES):
            repository.fetch(branch)
            attempt = _Attempt(repository, branch, commits, message, trailers)
            result = attempt.settled() or attempt.push(*attempt.build(restore_from, paths, restore=restore))
            if result is not None:
                return result
    except GitError as error:
        if not error.unreachable:
            raise
        said = f"the remote cannot be reached, so the revert of {commits[0][:10]} waits: {error.message}"
        return Revert("queued", None, branch, "revert", said)
    raise GitError(
        f"{branch} moved {_TRIES} times while the revert of {commits[0][:10]} was pushed",
        "run the rollback again when fewer pushes arrive",
        reason="moved",
    )


class _Attempt:
    """One try, on one tip of the branch."""

    def __init__(
        self, repository: Repository, branch: str, commits: Sequence[str], message: str, trailers: Mapping[str, str]
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._message = message
        self._trailers = trailers
        self._tip = repository.branch_tip(branch)
        # Only what the branch still contains: a force-push may have taken some away.
        self._commits = [commit for commit in commits if _is_on(repository, commit, self._tip)] or list(commits)
        self._fallback = f"sloth/revert-{self._commits[0][:10]}"

    def settled(self) -> Revert | None:
        """The result where there is nothing left to do: it was done before, or the commits are not on the branch."""
        repository = self._repository
        if not _is_on(repository, self._commits[-1], self._tip):
            text = f"{self._short} is not on {self._branch} any more: there is nothing to revert"
            return Revert("nothing", None, self._branch, "revert", text)
        for commit in repository.commits(self._commits[-1], self._tip):
            if self._is_ours(commit):
                text = f"{self._short} was reverted before, by {commit.short}"
                return Revert("already", commit.sha, self._branch, "revert", text)
        waiting = repository.fetcher.branch(self._fallback)
        if waiting and self._is_ours(repository.commit(waiting)):
            text = f"the revert of {self._short} waits on branch {self._fallback}"
            return Revert("branch", waiting, self._fallback, "revert", text)
        return None

    def build(self, restore_from: str, paths: Sequence[str], *, restore: bool) -> tuple[str | None, Method]:
        """The commit on top of the tip, or None where it would change nothing, and how it was made."""
        method: Method = "revert"
        tree = None if restore else self._undone()
        if tree is None:
            method = "restore"
            changes = self._restored(restore_from, paths)
        else:
            changes = {"": Existing(tree)}
        trailers = [(REVERTS, commit) for commit in self._commits] + list(self._trailers.items())
        commit = make_commit(self._repository, self._tip, changes, message_with_trailers(self._message, trailers))
        before, after = (
            info.id for info in self._repository.objects.info([f"{c}^{{tree}}" for c in (self._tip, commit)]) if info
        )
        return (None if before == after else commit), method

    def push(self, commit: str | None, method: Method) -> Revert | None:
        """Push the commit; None where the branch has moved and everything has to be computed again."""
        if commit is None:
            text = f"{self._branch} already holds the state from before {self._short}"
            return Revert("nothing", None, self._branch, method, text)
        remote = self._repository.push_remote
        try:
            remote.push(f"{commit}:refs/heads/{self._branch}")
        except GitError as error:
            if error.reason == "moved":
                return None
            if error.reason != "refused":
                raise
            remote.push(f"{commit}:refs/heads/{self._fallback}")
            text = f"{self._branch} refuses pushes, so the revert of {self._short} is on branch {self._fallback} ({error.message})"
            return Revert("branch", commit, self._fallback, method, text)
        finally:
            self._repository.fetcher.refresh()
        how = "reverted" if method == "revert" else "undone by restoring the files (a plain revert is not possible)"
        return Revert(
            "pushed",
            commit,
            self._branch,
            method,
            f"{self._short} {self._verb} {how} on {self._branch} by {commit[:10]}",
        )

    @property
    def _verb(self) -> str:
        return "is" if len(self._commits) == 1 else "are"

    @property
    def _short(self) -> str:
        return ", ".join(commit[:10] for commit in self._commits)

    def _is_ours(self, commit: Commit) -> bool:
        environment = self._trailers.get(ENVIRONMENT)
        same_place = environment is None or commit.trailer(ENVIRONMENT) == [environment]
        return same_place and set(self._commits) <= set(commit.trailer(REVERTS))

    def _undone(self) -> str | None:
        """The tree without the commits; None where that is a conflict.

        For each commit there is a made-up child with the tree of its first parent. Merging that child into the tip has the
        commit itself as merge base, so the merge takes out what the commit brought and keeps all that came later.
        """
        repository, current = self._repository, self._tip
        tree = None
        for commit in self._commits:
            if tree is not None:
                current = make_commit(repository, current, {"": Existing(tree)}, "undone in part")
            parent = repository.first_parent(commit)
            before: Content = Existing(repository.tree(parent).object_id) if parent else None
            child = make_commit(repository, commit, {"": before}, "undo")
            tree, conflicts = repository.merge_tree(current, child)
            if conflicts:
                return None
        return tree

    def _restored(self, restore_from: str, paths: Sequence[str]) -> dict[str, Content]:
        source = self._repository.resolve(restore_from)
        return {normal_path(path): self._entry(source, normal_path(path)) for path in paths or [""]}

    def _entry(self, revision: str, path: str) -> Content:
        found = self._repository.entry(revision, path)
        return Existing(found.blob, found.mode) if found else None


def _is_on(repository: Repository, commit: str, tip: str) -> bool:
    try:
        return repository.is_ancestor(commit, tip)
    except UsageError:
        return False  # not even in the repository any more
