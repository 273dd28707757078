"""Bringing commits here: what the remote has, and no more of it than is needed.

Everything lands under `refs/sloth/fetched/`; no branch, tag, remote-tracking ref or work tree of a checkout changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sloth_ci.repo import git
from sloth_ci.repo.cache import CacheEntry
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.lock import file_lock
from sloth_ci.repo.objects import ObjectReader
from sloth_ci.repo.remote import Remote, RemoteRefs

T = TypeVar("T")

FETCHED = "refs/sloth/fetched/"
STATE = "refs/sloth/state/"
_DEEPEN = (32, 256)


class Fetcher:
    """One repository's view of its remote. The list of refs is asked for once; `refresh` forgets it."""

    def __init__(
        self, remote: Remote | None, git_dir: Path, common_dir: Path, env: Mapping[str, str], entry: CacheEntry | None
    ) -> None:
        self.remote = remote
        self.reader = ObjectReader(git_dir, env)
        self._git_dir = git_dir
        self._common_dir = common_dir
        self._env = env
        self._entry = entry
        self._refs: RemoteRefs | None = None
        self._healed = False

    @property
    def name(self) -> str | None:
        """The remote's name here, where it is looked at by that."""
        return None

    @property
    def shallow(self) -> bool:
        """Whether history was cut off."""
        try:
            return (self._common_dir / "shallow").stat().st_size > 0
        except FileNotFoundError:
            return False

    @property
    def lock(self) -> Path:
        """The lock under which this repository is fetched into."""
        return self._entry.lock if self._entry else self._common_dir / "sloth-ci.lock"

    def refresh(self) -> None:
        """Ask the remote again next time."""
        self._refs = None

    def refs(self) -> RemoteRefs:
        """Branches and tags of the remote; of the repository itself where it has none."""
        if self._refs is None:
            self._refs = self.healing(self._list)
        return self._refs

    def branch(self, name: str) -> str | None:
        """The remote's tip of a branch, with its objects here; None where there is no such branch."""
        return self.ref(f"refs/heads/{name}")

    def ref(self, full: str) -> str | None:
        """The remote's value of a ref (branch, tag, or any that can be fetched), with its objects here."""
        oid = self.refs().refs.get(full)
        if oid is None and full.startswith(("refs/heads/", "refs/tags/")):
            return None
        if self.remote is None:
            return oid
        local = FETCHED + full.removeprefix("refs/")
        if oid is not None and self._has(oid):
            if self._entry:
                self._keep(local, oid)
            return oid
        try:
            self.fetch([f"+{full}:{local}"])
        except GitError as error:
            if error.reason == "ref_not_found":
                self.refresh()
                return None
            raise
        return self._must(local)

    def commit(self, oid: str) -> bool:
        """Bring a commit by its full id. False where the remote has none."""
        if self.remote is None:
            return False
        try:
            self.fetch([oid])
        except GitError as error:
            # Some servers give out only what a ref names: then all of the branches may bring it.
            if error.reason not in ("ref_not_found", "failed"):
                raise
            self.everything()
        return self._has(oid)

    def everything(self) -> None:
        """All branches and tags, with all of their history."""
        if self.remote is not None:
            refspecs = [f"+refs/heads/*:{FETCHED}heads/*", f"+refs/tags/*:{FETCHED}tags/*"]
            self.fetch(refspecs, unshallow=self.shallow)

    def deepen_until(self, test: Callable[[], T | None], wanted: Sequence[str]) -> T | None:
        """The first answer of `test` that is not None, asked again each time more history is here."""
        result = test()
        if result is not None or not self.shallow:
            return result
        for step in (*_DEEPEN, None):
            self._deepen(wanted, step)
            result = test()
            if result is not None or not self.shallow:
                return result
        return None

    def fetch(self, refspecs: Sequence[str], *, deepen: int | None = None, unshallow: bool = False) -> None:
        """Fetch refspecs, one process at a time, and mend a damaged cache once."""

        def action() -> None:
            assert self.remote is not None
            with file_lock(self.lock):
                # A shallow checkout stays shallow: what is needed below the tip is asked for later.
                depth = 1 if self.shallow and not deepen and not unshallow else None
                self.remote.fetch(refspecs, depth=depth, deepen=deepen, unshallow=unshallow)
                if self._entry:
                    self._entry.tidy()
            self.reader.restart()

        self.healing(action)

    def healing(self, action: Callable[[], T]) -> T:
        """Do something; where it fails because the cached clone is damaged, clone again and do it once more."""
        try:
            return action()
        except GitError as error:
            if self._entry is None or self._healed or not self._entry.is_damaged(error):
                raise
            self._healed = True
            self._entry.rebuild()
            self.reader.restart()
            assert self.remote is not None
            with file_lock(self._entry.lock):
                self.remote.fetch(
                    [f"+refs/heads/*:{FETCHED}heads/*", f"+refs/tags/*:{FETCHED}tags/*", f"+{STATE}*:{STATE}*"]
                )
            return action()

    def _list(self) -> RemoteRefs:
        if self.remote is not None:
            return self.remote.list("refs/heads/*", "refs/tags/*")
        out = git.run(["for-each-ref", "--format=%(objectname) %(refname)"], git_dir=self._git_dir, env=self._env)
        lines = (line.partition(" ") for line in out.decode("utf-8", "surrogateescape").splitlines())
        head = git.call(["symbolic-ref", "--quiet", "--short", "HEAD"], git_dir=self._git_dir, env=self._env)
        return RemoteRefs({name: oid for oid, _, name in lines}, head.out.decode().strip() or None)

    def _deepen(self, wanted: Sequence[str], step: int | None) -> None:
        if self.remote is None:
            raise GitError(
                "the history is cut off (a shallow clone), and there is no remote to get more from",
                "clone with the whole history (`fetch-depth: 0`, `GIT_DEPTH: 0`)",
            )
        try:
            self.fetch(list(wanted), deepen=step, unshallow=step is None)
        except GitError as error:
            if error.reason not in ("ref_not_found", "failed"):
                raise
            # A commit that only this machine has: deepen what it grew from.
            self.fetch([f"+refs/heads/*:{FETCHED}heads/*"], deepen=step, unshallow=step is None)

    def _has(self, oid: str) -> bool:
        return self.reader.info([oid])[0] is not None

    def _must(self, name: str) -> str:
        found = self.reader.info([name])[0]
        if found is None:
            raise GitError(f"{name} is missing after it was fetched", reason="corrupt")
        return found.id

    def _keep(self, local: str, oid: str) -> None:
        found = self.reader.info([local])[0]
        if found is None or found.id != oid:
            git.run(["update-ref", "--no-deref", local, oid], git_dir=self._git_dir, env=self._env)
