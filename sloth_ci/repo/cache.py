"""The clone cache: one bare repository for each remote, shared by every process of this user.

Clones hold the whole history of the branches that were asked for, no more. Shallow clones would be faster once and wrong in
small ways ever after (merge bases, reverts), and blobless ones ask the server for every file by itself.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sloth_ci.core.workflow import stable_id
from sloth_ci.repo import git
from sloth_ci.repo.address import Address
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.lock import file_lock

_HEAD = re.compile(r"ref: refs/|[0-9a-f]{40}")
_MANY_PACKS = 40
T = TypeVar("T")


class CacheEntry:
    """The bare repository of one remote. `path` stays the same when the entry is made anew."""

    def __init__(
        self, cache_dir: Path, address: Address, env: Mapping[str, str], notice: Callable[[str], None]
    ) -> None:
        folder = cache_dir / "repos"
        name = stable_id(address.key, "git", address.key)
        self.path = folder / name
        self.lock = folder / f"{name}.lock"
        self._env = env
        self._notice = notice
        self._display = address.path if address.local else f"{address.host}/{address.path}"
        if not self._looks_whole():
            with file_lock(self.lock):
                if not self._looks_whole():
                    if self.path.exists():
                        notice(f"the cached clone of {self._display} is damaged: cloning it again")
                    self._replace()
        self._generation = self._inode()

    def is_damaged(self, error: GitError) -> bool:
        """Whether a failure comes from this clone rather than from the remote."""
        if error.reason == "corrupt":
            return True
        if error.reason == "not_found":
            return not self._looks_whole() or self._fails("rev-parse", "--git-dir")
        if error.reason == "failed":
            return self._fails("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        return False

    def mended(self, action: Callable[[], T]) -> T:
        """Do something with the clone before it is in use; start it from nothing if Git cannot even open it."""
        try:
            return action()
        except GitError as error:
            if str(self.path) not in error.message:
                raise  # the user's own configuration, for example
            self.rebuild()
            return action()

    def rebuild(self) -> None:
        """Start the entry from nothing, unless another process has done so since this one was opened."""
        with file_lock(self.lock):
            if self._inode() == self._generation:
                self._notice(f"the cached clone of {self._display} is damaged: cloning it again")
                self._replace()
            self._generation = self._inode()

    def tidy(self) -> None:
        """Pack what many fetches left. Call it with the lock held."""
        packs = self.path / "objects" / "pack"
        if sum(1 for name in os.listdir(packs) if name.endswith(".pack")) > _MANY_PACKS:
            git.run(["gc", "--quiet"], git_dir=self.path, env=self._env, what="cannot tidy the clone cache")

    def _looks_whole(self) -> bool:
        try:
            head = (self.path / "HEAD").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return bool(_HEAD.match(head)) and (self.path / "objects" / "pack").is_dir() and (self.path / "refs").is_dir()

    def _replace(self) -> None:
        """Put a new, empty repository in place: made beside it and renamed, so that nobody sees half of one."""
        folder = self.path.parent
        with tempfile.TemporaryDirectory(prefix=f".{self.path.name}-", dir=folder) as scratch:
            fresh = Path(scratch) / "fresh"
            git.run(
                ["init", "--quiet", "--bare", "--template=", "--", str(fresh)],
                env=self._env,
                what="cannot make a clone",
            )
            if self.path.exists():
                self.path.rename(Path(scratch) / "old")
            fresh.rename(self.path)
            shutil.rmtree(Path(scratch) / "old", ignore_errors=True)

    def _fails(self, *args: str) -> bool:
        return git.call(args, git_dir=self.path, env=self._env).code != 0

    def _inode(self) -> int:
        return self.path.stat().st_ino
