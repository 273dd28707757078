"""Objects that a user chooses by words."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from sloth_ci.core.objects import Ref


def selects(patterns: Iterable[str], ref: Ref) -> bool:
    """Whether one of the patterns means an object: `Kind`, or `Kind/namespace/name` with `*` for any part of it."""
    return any(pattern == ref.kind or fnmatchcase(str(ref), pattern) for pattern in patterns)
