"""Git: clones, revisions, trees, reverts and state refs, on the `git` command alone."""

from __future__ import annotations

from sloth_ci.repo.opening import open_repository
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.revert import Revert, revert
from sloth_ci.repo.state import State, StateRef
from sloth_ci.repo.strategy import environment_for
from sloth_ci.repo.tracking import Elsewhere, Offline
from sloth_ci.repo.tree import Tree

__all__ = [
    "Elsewhere",
    "Offline",
    "Repository",
    "Revert",
    "State",
    "StateRef",
    "Tree",
    "environment_for",
    "open_repository",
    "revert",
]
