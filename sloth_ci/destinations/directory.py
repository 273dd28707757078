"""A tree of YAML files as a destination: the default that needs nothing but a disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sloth_ci.core.errors import ApplyError, UnreachableError
from sloth_ci.core.objects import Manifest, Ref, Write
from sloth_ci.core.workflow import stable_id
from sloth_ci.destinations.layout import SUFFIXES, content_of, path_of, read_files

_PARTIAL = ".sloth-partial-"


class DirectoryDestination:
    """Live state is `root/<namespace>/<kind>-<name>.yaml`, each file replaced as a whole."""

    atomic = False

    def __init__(self, root: Path, shown: str) -> None:
        self._root = root
        self._strangers: dict[Ref, str] = {}
        self.label = f"directory {shown}"
        self.id = stable_id(shown, "directory", shown)

    def live(self) -> Mapping[Ref, Manifest]:
        """Every object in the tree. A directory that is not there yet is empty."""
        objects, self._strangers = read_files(self._files(), self.label)
        return objects

    def strangers(self) -> Mapping[Ref, str]:
        """As the last `live` found them."""
        return self._strangers

    def write(self, writes: list[Write], message: str, done: Callable[[Ref], None]) -> None:  # noqa: ARG002 (a directory keeps no messages)
        """Write each file beside its place, flush it, and rename it; at the end, flush the folders."""
        folders = {(self._root / path_of(item.ref)).parent for item in writes}
        try:
            self._write(writes, done)
        finally:
            for folder in folders:
                _flush_folder(folder)

    def _write(self, writes: list[Write], done: Callable[[Ref], None]) -> None:
        for item in writes:
            path = self._root / path_of(item.ref)
            try:
                if item.body is None:
                    self._delete(path)
                else:
                    self._replace(path, content_of(item.body))
            except OSError as error:
                raise ApplyError(
                    f"{item.ref}: cannot write {path}: {error.strerror}",
                    "check the rights and the space of the directory",
                ) from None
            done(item.ref)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise UnreachableError(f"{self.label} cannot be read: {error.strerror}")

        for folder, folders, names in os.walk(self._root, onerror=fail):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.endswith(SUFFIXES) and not name.startswith("."):
                    path = Path(folder, name)
                    try:
                        yield path.relative_to(self._root).as_posix(), path.read_bytes()
                    except OSError as error:
                        raise UnreachableError(f"{self.label}: cannot read {path}: {error.strerror}") from None

    def _replace(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left_over in path.parent.glob(
            f"{_PARTIAL}*"
        ):  # of a process that was killed; the lock says it is not running
            left_over.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _flush_folder(folder: Path) -> None:
    """Make renames survive a power cut."""
    if not folder.is_dir():
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
