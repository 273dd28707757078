"""A tree of YAML files as a destination: the default that needs nothing but a disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sloth_ci.core.errors import ApplyError, UnreachableError
from sloth_ci.core.objects import Manifest, Ref, Write
from sloth_ci.core.secrets import is_secret
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
        same = os.path.normpath(shown)  # `live`, `./live` and `live/` are one place, with one lock
        self.id = stable_id(same, "directory", same)

    def live(self) -> Mapping[Ref, Manifest]:
        """Every object in the tree. A directory that is not there yet is empty."""
        objects, self._strangers = read_files(self._files(), self.label)
        return objects

    def strangers(self) -> Mapping[Ref, str]:
        """As the last `live` found them."""
        return self._strangers

    def write(self, writes: Sequence[Write], message: str, done: Callable[[Ref], None]) -> None:  # noqa: ARG002 (a directory keeps no messages)
        """Write each file beside its place, flush it, and rename it; at the end, flush the folders."""
        folders = {(self._root / path_of(item.ref)).parent for item in writes}
        self._tidy()
        try:
            self._write(writes, done)
        finally:
            for folder in folders:
                _flush_folder(folder)

    def _tidy(self) -> None:
        """Remove what a process that was killed left half written: whoever writes holds the lock, so none is running."""
        for left_over in self._root.glob(f"*/{_PARTIAL}*"):
            with suppress(OSError):
                left_over.unlink()

    def _write(self, writes: Sequence[Write], done: Callable[[Ref], None]) -> None:
        for item in writes:
            path = self._root / path_of(item.ref)
            try:
                if item.body is None:
                    self._delete(path)
                else:
                    # A Secret is for its owner alone, as mkstemp makes files; the rest is for whoever syncs from here.
                    self._replace(path, content_of(item.body), mode=0o600 if is_secret(item.body) else 0o644)
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

        for folder, folders, names in self._walk(fail):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                special = path.exists() and not path.is_file()  # a pipe would be waited for
                if name.endswith(SUFFIXES) and not name.startswith(".") and not special:
                    try:
                        yield path.relative_to(self._root).as_posix(), path.read_bytes()
                    except OSError as error:
                        raise UnreachableError(f"{self.label}: cannot read {path}: {error.strerror}") from None

    def _walk(self, fail: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
        """Links among the folders of the top are followed, as writing follows them; those further down are not."""
        for folder, folders, names in os.walk(self._root, onerror=fail):
            yield folder, folders, names
            if Path(folder) == self._root:
                for linked in [name for name in folders if Path(folder, name).is_symlink()]:
                    yield from os.walk(Path(folder, linked), onerror=fail)

    def _replace(self, path: Path, content: bytes, *, mode: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
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
    with suppress(OSError):  # it is gone with its last file, or on a file system that cannot flush a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
