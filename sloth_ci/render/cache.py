"""What is remembered between runs: small files, each written whole, none of them needed.

A cache that cannot be read or written costs time and never changes a result, so every failure of the file system here
means "not cached". No Secret is ever written, only its identity, line and digest; as a weak one could be guessed from
its digest, the folder is open to its owner alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from sloth_ci import __version__

T = TypeVar("T")

FORMAT = 2
"""Raised when a record changes its shape or its meaning, such as what `normalise` drops; each release starts anew too."""

_MAGIC = f"sloth-render {FORMAT} {__version__}\n".encode()
_CHECK_BYTES = 16
_KEEP_FILES = 400
_KEEP_BYTES = 256 * 2**20
_KEEP_SECONDS = 30 * 86400
_TOUCH_SECONDS = 3600

_encode = msgspec.msgpack.Encoder().encode


class Cache:
    """Records by name, in `folder/render`. Safe under any number of processes: files are replaced, never changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "render"
        self._usable: bool | None = None

    def load(self, name: str, kind: type[T]) -> T | None:
        """The record; None where there is none, or a damaged one, or one of another version."""
        return self._read(self._folder / name, kind) if self._owned() else None

    def recent(self, prefix: str, kind: type[T], limit: int) -> Iterator[T]:
        """Records whose name starts so, those used last first, at most `limit`."""
        if not self._owned():
            return
        for path in self._by_age(prefix)[:limit]:
            record = self._read(path, kind)
            if record is not None:
                yield record

    def store(self, name: str, record: object) -> None:
        """Write a record, and drop those that nobody has used for long."""
        if not self._prepare():
            return
        try:
            payload = _encode(record)
        except UnicodeEncodeError:
            return  # a path that is not UTF-8
        with suppress(OSError):
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + _check(payload) + payload)
                os.replace(temporary, self._folder / name)
            except BaseException:
                os.unlink(temporary)
                raise
            self._prune()

    def _read(self, path: Path, kind: type[T]) -> T | None:
        try:
            content = path.read_bytes()
            if time.time() - path.stat().st_mtime > _TOUCH_SECONDS:
                os.utime(path)
        except OSError:
            return None
        start = len(_MAGIC) + _CHECK_BYTES
        payload = memoryview(content)[start:]
        if content[: len(_MAGIC)] != _MAGIC or content[len(_MAGIC) : start] != _check(payload):
            return None
        try:
            return msgspec.msgpack.decode(payload, type=kind)
        except msgspec.DecodeError:
            return None

    def _owned(self) -> bool:
        """Somebody else's folder is not believed: a record decides what a plan says."""
        if self._usable is None:
            try:
                about = self._folder.lstat()
            except OSError:
                return False
            self._usable = not hasattr(os, "geteuid") or (about.st_uid == os.geteuid() and not about.st_mode & 0o022)
        return self._usable

    def _prepare(self) -> bool:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._owned()

    def _by_age(self, prefix: str = "") -> list[Path]:
        return [path for _, path, _ in self._listed(prefix)]

    def _listed(self, prefix: str) -> list[tuple[float, Path, int]]:
        """Time, path and size of files, those used last first."""
        with suppress(OSError), os.scandir(self._folder) as found:
            about = [(item, item.stat(follow_symlinks=False)) for item in found if item.name.startswith(prefix)]
            return sorted(((stat.st_mtime, Path(item.path), stat.st_size) for item, stat in about), reverse=True)
        return []

    def _prune(self) -> None:
        oldest = time.time() - _KEEP_SECONDS
        total = 0
        for position, (used, path, size) in enumerate(self._listed("")):
            total += size
            if position >= _KEEP_FILES or total > _KEEP_BYTES or used < oldest:
                with suppress(OSError):
                    path.unlink()


def name_of(kind: str, scope: object, *parts: object) -> str:
    """A file name: the kind, what is shared by all records of one target, and a hash of everything else."""
    return f"{scope_of(kind, scope)}{_hash(parts)}"


def scope_of(kind: str, scope: object) -> str:
    """How the names of all records of one target start."""
    return f"{kind}-{_hash(scope)[:12]}-"


def _hash(value: object) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=20).hexdigest()


def _check(payload: bytes | memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=_CHECK_BYTES).digest()
