"""A Git branch of rendered manifests as a destination: what Argo CD and Flux users sync from."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic

from sloth_ci.core.errors import ApplyError, RepositoryError, StateMoved, UnreachableError, UsageError
from sloth_ci.core.objects import Manifest, Ref, Write
from sloth_ci.core.workflow import stable_id
from sloth_ci.destinations.gitledger import RefStore, S
from sloth_ci.destinations.layout import SUFFIXES, content_of, path_of, read_files


class BranchDestination(Generic[S]):
    """One commit a sync. Files outside `folder`, and files that hold no object, are left alone."""

    atomic = True

    def __init__(self, store: RefStore[S], branch: str, folder: str, where: str) -> None:
        self._store = store
        self._folder = _folder(folder)
        self._strangers: dict[Ref, str] = {}
        self._tip: S | None = None
        self.label = f"branch {branch}" + (f" of {where}" if where else "")
        self.id = stable_id(branch, "branch", where, branch, self._folder)

    def live(self) -> Mapping[Ref, Manifest]:
        """Every object on the branch. A branch that is not there yet is empty."""
        with self._reachable():
            self._tip = self._store.read()
        if self._tip is None:
            return {}
        names = {name for name in self._tip.files if name.startswith(self._folder) and name.endswith(SUFFIXES)}
        contents = self._tip.files.read_all(names)
        files = ((name.removeprefix(self._folder), contents[name]) for name in sorted(names))
        objects, self._strangers = read_files(files, self.label)
        return objects

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Says of a remote that is away what the retries of a sync listen to."""
        try:
            yield
        except RepositoryError as error:
            if not error.unreachable:
                raise
            raise UnreachableError(error.message, error.hint) from None

    def strangers(self) -> Mapping[Ref, str]:
        """As the last `live` found them."""
        return self._strangers

    def write(self, writes: Sequence[Write], message: str, done: Callable[[Ref], None]) -> None:
        """Everything in one commit on top of the tip that the last `live` saw."""
        if not writes:
            return
        changes = {
            self._folder + path_of(item.ref): None if item.body is None else content_of(item.body) for item in writes
        }
        try:
            with self._reachable():
                self._tip = self._store.write(changes, message=message, expected=self._tip)
        except StateMoved:
            raise ApplyError(
                f"somebody else pushed to {self.label} meanwhile",
                "sync again: the plan is made anew on what is there now",
            ) from None
        for item in writes:
            done(item.ref)


def _folder(path: str) -> str:
    """As Git spells it, with a slash behind it; empty for the root. Raises UsageError for one outside of the branch."""
    folder = posixpath.normpath(path.strip("/") or ".")
    if folder.split("/")[0] in {"..", ".git"}:
        raise UsageError(f"destination.path: '{path}' is not a folder of the branch", "name a folder below its root")
    return "" if folder == "." else f"{folder}/"
