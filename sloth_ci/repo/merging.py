"""What a branch will hold once another one is merged into it."""

from __future__ import annotations

from typing import NamedTuple

from sloth_ci.repo.commits import Existing, make_commit
from sloth_ci.repo.repository import Repository


class Merged(NamedTuple):
    """A merge that nobody has made yet."""

    commit: str
    """With what would be there after it; no branch has it. The head itself where there are conflicts."""
    conflicts: list[str]
    """Paths that Git cannot merge by itself."""


def merged(repository: Repository, base: str, head: str) -> Merged:
    """Merge `head` into `base` (two revisions) without touching a branch. Where head contains base, it is head."""
    base, head = repository.resolve(base), repository.resolve(head)
    key = ("merged", base, head)
    if key not in repository.remembered:
        repository.remembered[key] = _merge(repository, base, head)
    found: Merged = repository.remembered[key]
    return found


def _merge(repository: Repository, base: str, head: str) -> Merged:
    if repository.is_ancestor(base, head):
        return Merged(head, [])
    conflicts = repository.merge_conflicts(base, head)
    if conflicts:
        return Merged(head, conflicts)
    tree, _ = repository.merge_tree(base, head)
    message = f"{head[:10]} merged into {base[:10]}, as a preview"
    return Merged(make_commit(repository, base, {"": Existing(tree)}, message), [])
