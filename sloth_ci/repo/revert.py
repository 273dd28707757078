"""Putting Git back: one commit that undoes others, made without a work tree and pushed without force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved, UsageError
from sloth_ci.repo.commits import Content, Existing, make_commit, message_with_trailers
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.history import Commit
from sloth_ci.repo.portable import portable_changes
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tree import normal_path

REVERTS = "Sloth-Reverts"
ENVIRONMENT = "Sloth-Environment"
PLAN = "Sloth-Plan"
_TRIES = 5

Status = Literal["pushed", "already", "nothing", "branch", "queued"]
Method = Literal["revert", "restore"]
Committer = Callable[[str, str, str, Mapping[str, bytes | None]], str]
"""Makes a commit at the forge, which signs it: the branch, the commit that it is on, the message, and the files (None
deletes one). Returns the new commit's id. Raises StateMoved, BranchRefused, and ForgeError where it may be done or not."""


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
    committer: Committer | None = None,
) -> Revert:
    """Undo commits (ids, the newest first) in one commit on the remote's tip of `branch`.

    A merge is undone against its first parent. Where a commit cannot be undone without a conflict, or with `restore`,
    `paths` get the content they have at `restore_from` instead, and nothing else changes. A call that was made before is recognised by
    its trailers. `committer` makes the commit where it can, so that it is signed; else it is pushed. Raises
    RepositoryError where the push fails for any reason but a refusal or an absent remote.
    """
    if not commits:
        raise UsageError("there is no commit to revert")
    try:
        for _ in range(_TRIES):
            repository.fetch(branch)
            attempt = _Attempt(repository, branch, commits, message, trailers, committer)
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
        self,
        repository: Repository,
        branch: str,
        commits: Sequence[str],
        message: str,
        trailers: Mapping[str, str],
        committer: Committer | None,
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._message = message
        self._trailers = trailers
        self._committer = committer
        self._unsigned = ""
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
        commit = make_commit(self._repository, self._tip, changes, self._text)
        return (None if self._tree(self._tip) == self._tree(commit) else commit), method

    def push(self, commit: str | None, method: Method) -> Revert | None:
        """Push the commit; None where the branch has moved and everything has to be computed again."""
        if commit is None:
            text = f"{self._branch} already holds the state from before {self._short}"
            return Revert("nothing", None, self._branch, method, text)
        remote = self._repository.push_remote
        try:
            made = self._signed(commit)
            if made is None:
                remote.push(f"{commit}:refs/heads/{self._branch}")
                made = commit
        except StateMoved:
            return None
        except (BranchRefused, GitError) as error:
            if isinstance(error, GitError) and error.reason == "moved":
                return None
            if isinstance(error, GitError) and error.reason != "refused":
                raise
            remote.push(f"{commit}:refs/heads/{self._fallback}")
            text = f"{self._branch} refuses pushes, so the revert of {self._short} is on branch {self._fallback} ({error.message})"
            return Revert("branch", commit, self._fallback, method, text)
        finally:
            self._repository.fetcher.refresh()
        how = "reverted" if method == "revert" else "undone by restoring the files (a plain revert is not possible)"
        return Revert(
            "pushed",
            made,
            self._branch,
            method,
            f"{self._short} {self._verb} {how} on {self._branch} by {made[:10]}{self._unsigned}",
        )

    def _signed(self, commit: str) -> str | None:
        """The same commit, made by the forge; None where it has to be pushed."""
        changes = portable_changes(self._repository, self._tip, commit) if self._committer else None
        if self._committer is None or changes is None:
            return None
        try:
            made = self._committer(self._branch, self._tip, self._text, changes)
        except (StateMoved, BranchRefused):
            raise
        except ForgeError as error:
            # The revert matters more than its signature. Was it made all the same, the push finds that the branch has moved.
            self._unsigned = f", which is not signed ({error.message})"
            return None
        self._repository.fetch(self._branch)
        if self._tree(self._repository.resolve(made)) != self._tree(commit):
            raise GitError(
                f"the forge committed {made[:10]} to {self._branch}, and it holds other files than were sent",
                f"compare it with its parent {self._tip[:10]}, and put right what differs",
            )
        return made

    def _tree(self, commit: str) -> str:
        [info] = self._repository.objects.info([f"{commit}^{{tree}}"])
        if info is None:
            raise GitError(f"commit {commit[:10]} has no tree", reason="corrupt")
        return info.id

    @property
    def _text(self) -> str:
        """The message of the commit."""
        trailers = [(REVERTS, commit) for commit in self._commits] + list(self._trailers.items())
        return message_with_trailers(self._message, trailers)

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
