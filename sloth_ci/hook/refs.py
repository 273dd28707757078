"""What is pushed where: from Git's lines on stdin, from the variables of a hook manager, or HEAD where a person asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo.address import Address, parse_address
from sloth_ci.repo.tracking import current_branch

_BRANCHES = "refs/heads/"
_REVIEWS = "refs/for/"
"""Gerrit takes a change for a branch as a push to `refs/for/<branch>`."""


class Push(NamedTuple):
    """One branch that is pushed."""

    commit: str
    """A full sha; a name where only a hook manager said what is pushed."""
    branch: str | None
    """Its name at the remote; None where nobody knows it."""
    before: str | None = None
    """What the remote has there now; None where it has no such branch, or nobody knows."""
    review: bool = False
    """It asks for a merge into `branch`, and does not change it."""


class Pushed(NamedTuple):
    """All that a push brings."""

    branches: tuple[Push, ...]
    known: Mapping[str, str | None]
    """What Git says the remote has now, by full name; None: it has no such ref."""


def from_git(lines: bytes) -> Pushed:
    """Read `<local ref> <local oid> <remote ref> <remote oid>`, a line each, as `githooks(5)` has it.

    Deleted refs, tags, notes and what else is no branch are left out.
    """
    branches: list[Push] = []
    known: dict[str, str | None] = {}
    for line in lines.decode("utf-8", "surrogateescape").splitlines():
        parts = line.rsplit(" ", 3)  # a local ref such as HEAD@{1 day ago} has blanks, the others have none
        if len(parts) != 4:
            continue
        _, ours, ref, theirs = parts
        before = None if _null(theirs) else theirs
        known[ref] = before
        if _null(ours):
            continue
        if ref.startswith(_BRANCHES):
            branches.append(Push(ours, ref.removeprefix(_BRANCHES), before))
        elif ref.startswith(_REVIEWS):
            branches.append(Push(ours, ref.removeprefix(_REVIEWS).partition("%")[0], review=True))
    return Pushed(tuple(dict.fromkeys(branches)), known)


def from_manager(environ: Mapping[str, str]) -> Pushed | None:
    """What the pre-commit framework and prek tell a pre-push hook, which has no stdin there; None where they tell nothing.

    Both set FROM_REF and TO_REF to the first branch that is pushed, and neither for a push with a root commit in it: then there
    is LOCAL_BRANCH. FROM_REF is what they compare with, and not always what the remote has, so it is left alone.
    """
    commit = environ.get("PRE_COMMIT_TO_REF") or environ.get("PRE_COMMIT_LOCAL_BRANCH")
    if not commit:
        return None
    ref = environ.get("PRE_COMMIT_REMOTE_BRANCH", "")
    if ref and not ref.startswith(_BRANCHES):
        return Pushed((), {})
    return Pushed((Push(commit, ref.removeprefix(_BRANCHES) or None),), {})


def from_head() -> Pushed:
    """What is checked out, as a request to merge it would bring it."""
    return Pushed((Push("HEAD", None),), {})


def remote_of(
    said: str,
    url: str,
    git_dir: Path,
    config: Mapping[str, Sequence[str]],
    remotes: Mapping[str, tuple[Address, Credentials | None]],
    environ: Mapping[str, str],
) -> str | None:
    """The name here of the remote that is pushed to; None for one that this checkout has no refs of.

    Git gives a name where it has one, else the URL. A person at a terminal means the remote of the branch, else the only one.
    """
    if said in remotes:
        return said
    for name in remotes:
        if said in (*config.get(f"remote.{name}.url", ()), *config.get(f"remote.{name}.pushurl", ())):
            return name
    if url:
        try:
            address = parse_address(url, cwd=git_dir, environ=environ)[0]
        except UsageError:
            return None
        return next((name for name, (other, _) in remotes.items() if other.same(address)), None)
    tracked = config.get(f"branch.{current_branch(git_dir)}.remote", [""])[-1]
    if tracked in remotes:
        return tracked
    return next(iter(remotes)) if len(remotes) == 1 else None


def _null(oid: str) -> bool:
    return not oid.strip("0")
