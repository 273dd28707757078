"""What the pre-commit hook finds."""

from __future__ import annotations

from typing import NamedTuple

from sloth_ci.repo.tree import show_path


class Finding(NamedTuple):
    """One thing that is wrong."""

    path: str
    line: int
    who: str
    """`Kind/namespace/name`; empty where it is not about an object."""
    what: str

    def __str__(self) -> str:
        who = f"{self.who}: " if self.who else ""
        return f"{show_path(self.path)}:{self.line}: {who}{self.what}"
