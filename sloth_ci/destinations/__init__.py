"""Live state: where desired state goes, and what each place remembers of it.

A new kind of destination is a module with an `open_...` function and one entry in `OPENERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from sloth_ci.core.errors import UsageError
from sloth_ci.core.objects import Manifest, Ref, Write
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.branch import BranchDestination
from sloth_ci.destinations.directory import DirectoryDestination
from sloth_ci.destinations.gitledger import RefStore


class Surroundings(Protocol):
    """What a destination may ask for when it is opened."""

    @property
    def root(self) -> Path:
        """The directory of the workflow file, from which paths are counted."""

    def branch_store(self, repository: str | None, branch: str) -> tuple[RefStore[Any], str]:
        """Files on a branch, and the name of its repository for a person (empty for the workflow's own)."""


class Destination(Protocol):
    """Where desired state goes."""

    @property
    def id(self) -> str:
        """Stable: locks and ledgers are kept under it."""

    @property
    def label(self) -> str:
        """For a person."""

    @property
    def atomic(self) -> bool:
        """All writes become visible in one step: deletions go with the rest, nothing is ever half applied."""

    def live(self) -> Mapping[Ref, Manifest]:
        """Every object there. Raises UnreachableError."""

    def strangers(self) -> Mapping[Ref, str]:
        """Objects there that somebody else put in place, with who; as the last `live` found them."""

    def write(self, writes: list[Write], message: str, done: Callable[[Ref], None]) -> None:
        """Create, replace and delete. Each object is either as it was or as it should be, whenever the process ends.

        Raises ApplyError, UnreachableError.
        """


def _open_directory(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    shown = spec.directory or ""
    return DirectoryDestination(surroundings.root / shown, shown)


def _open_branch(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    branch = spec.branch or ""
    store, where = surroundings.branch_store(spec.repository, branch)
    return BranchDestination(store, branch, spec.path, where)


OPENERS: dict[str, Callable[[DestinationSpec, Surroundings], Destination]] = {
    "directory": _open_directory,
    "branch": _open_branch,
}
"""By the key of `destination = {...}` that chooses the kind."""


def open_destination(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    """Raises UsageError where the table names no kind of destination, or two."""
    chosen = [key for key in OPENERS if getattr(spec, key)]
    if len(chosen) != 1:
        said = " and ".join(chosen) or "none"
        raise UsageError(f"destination: exactly one of {', '.join(OPENERS)} is needed, {said} given")
    return OPENERS[chosen[0]](spec, surroundings)
