"""Where the files of a revision come from: what rendering needs to know, and a plain folder that satisfies it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from sloth_ci.core.errors import RenderError

FILE = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
SUBMODULE = "160000"


class SourceEntry(Protocol):
    """One file of a revision."""

    @property
    def path(self) -> str:
        """Relative to the root of the repository, with `/`."""

    @property
    def mode(self) -> str:
        """Git's mode, six digits."""

    @property
    def blob(self) -> str:
        """Names the content: equal ids, equal bytes."""


class SourceTree(Protocol):
    """One folder of a repository at one revision. Read only."""

    @property
    def path(self) -> str:
        """The folder, relative to the root of the repository; empty for the root."""

    @property
    def tree_id(self) -> str:
        """Names the content of the folder: equal ids, equal files below it."""

    def entries(self) -> Sequence[SourceEntry]:
        """Every file below the folder, symbolic links and submodules included, in the order of their paths."""

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The content of many blobs in one go."""

    def sizes(self, blobs: Iterable[str]) -> Mapping[str, int]:
        """The size of many blobs in bytes, without reading them."""

    def at(self, path: str) -> SourceTree:
        """Another folder of the same revision."""


class Entry(NamedTuple):
    """One file of a `DirectoryTree`."""

    path: str
    mode: str
    blob: str


class DirectoryTree:
    """A folder on disk, read as if it were a revision: an uncommitted work tree, or a test's files.

    `files` (paths relative to `root`) limits it to what the caller knows to belong to it, such as the files that Git
    does not ignore; without it every file counts but what is below a `.git`. Blob ids are Git's own, so that a file
    costs nothing again once it is committed.
    """

    def __init__(self, root: Path, path: str = "", files: Iterable[str] | None = None) -> None:
        self.root = root
        self.path = path.strip("/")
        self._files = None if files is None else sorted(files)
        self._entries: list[Entry] | None = None
        self._where: dict[str, Path] = {}

    @property
    def tree_id(self) -> str:
        listing = "\0".join("\0".join(entry) for entry in self.entries())
        return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()

    def entries(self) -> Sequence[Entry]:
        if self._entries is None:
            self._entries = [self._entry(path) for path in self._paths()]
        return self._entries

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for blob in blobs:
            yield blob, _content(self._where[blob])

    def sizes(self, blobs: Iterable[str]) -> Mapping[str, int]:
        return {blob: self._where[blob].lstat().st_size for blob in blobs}

    def at(self, path: str) -> DirectoryTree:
        other = DirectoryTree(self.root, path, self._files)
        other._where = self._where
        return other

    def _paths(self) -> list[str]:
        prefix = f"{self.path}/" if self.path else ""
        if self._files is not None:
            # Git also lists what was deleted and not committed, and a submodule by its folder.
            here = [path for path in self._files if path.startswith(prefix)]
            return [path for path in here if (self.root / path).is_file() or (self.root / path).is_symlink()]
        inside = PurePosixPath(self.path)
        if any((self.root / part).is_symlink() for part in (inside, *inside.parents) if part.name):
            return []  # Git does not look through a link either
        return sorted(prefix + path for path in _walk(self.root / self.path, ""))

    def _entry(self, path: str) -> Entry:
        where = self.root / path
        try:
            blob = _blob_id(where)
        except OSError as error:
            raise RenderError(f"{path!r} cannot be read: {error.strerror}") from None
        self._where[blob] = where
        if where.is_symlink():
            return Entry(path, SYMLINK, blob)
        return Entry(path, EXECUTABLE if os.access(where, os.X_OK) else FILE, blob)


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        for item in found:
            if item.name == ".git":
                continue
            if item.is_dir(follow_symlinks=False):
                yield from _walk(Path(item.path), f"{prefix}{item.name}/")
            elif item.is_file(follow_symlinks=False) or item.is_symlink():
                yield prefix + item.name


def _content(where: Path) -> bytes:
    return os.fsencode(os.readlink(where)) if where.is_symlink() else where.read_bytes()


def _blob_id(where: Path) -> str:
    """Git's name of a file: SHA-1 of a header and the content, read in pieces as a file may be huge."""
    if where.is_symlink():
        target = os.fsencode(os.readlink(where))
        return hashlib.sha1(b"blob %d\0" % len(target) + target, usedforsecurity=False).hexdigest()
    with where.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size, usedforsecurity=False)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
