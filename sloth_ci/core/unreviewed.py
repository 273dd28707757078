"""A work tree that nobody has reviewed: whatever is run or believed of it could be the change's own."""

from __future__ import annotations

from typing import Protocol


class Unreviewed(Protocol):
    """What a change under review has put into the work tree."""

    def holds(self, path: str) -> bool:
        """Whether a path leads to something that Git put there, and nobody else."""

    def changed(self, path: str) -> bool:
        """Whether it leads to something that the base branch does not have just so."""
