"""The files of a whole revision by path, with symbolic links followed inside it and never out of it."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from sloth_ci.render.source import SUBMODULE, SYMLINK, SourceEntry, SourceTree

_MAX_LINKS = 40


class Outside(Exception):
    """A path or a link leads out of the repository, or in a circle."""


class Listing:
    """Answers what is where. Paths are relative to the root of the repository."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree.at("") if tree.path else tree
        self.entries: dict[str, SourceEntry] = {entry.path: entry for entry in self.tree.entries()}
        self._paths = sorted(self.entries)
        self._links = self._read_links()

    def _read_links(self) -> dict[str, str]:
        links = [entry for entry in self.entries.values() if entry.mode == SYMLINK]
        targets = dict(self.tree.read({entry.blob for entry in links})) if links else {}
        return {entry.path: targets[entry.blob].decode("utf-8", "surrogateescape") for entry in links}

    def resolve(self, path: str) -> str:
        """Where a path leads when every link on the way is followed; what is there need not exist.

        Raises Outside where that is not in the repository.
        """
        return self._trace(path)[0]

    def _trace(self, path: str) -> tuple[str, list[str]]:
        """Where a path leads, and the links on the way."""
        todo = path.split("/")[::-1]
        here: list[str] = []
        followed: list[str] = []
        while todo:
            part = todo.pop()
            if part == "..":
                if not here:
                    raise Outside
                here.pop()
                continue
            if part in ("", "."):
                continue
            link = "/".join((*here, part))
            target = self._links.get(link)
            if target is None:
                here.append(part)
                continue
            followed.append(link)
            if target.startswith("/") or len(followed) > _MAX_LINKS:
                raise Outside
            todo += target.split("/")[::-1]
        return "/".join(here), followed

    def join(self, folder: str, entry: str) -> str:
        """A path that a file in `folder` names, resolved. Raises Outside."""
        if entry.startswith("/"):
            raise Outside
        return self.resolve(posixpath.join(folder, entry))

    def is_file(self, path: str) -> bool:
        entry = self.entries.get(path)
        return entry is not None and entry.mode not in (SYMLINK, SUBMODULE)

    def is_folder(self, path: str) -> bool:
        return path == "" or next(self._below(path), None) is not None

    def below(self, folder: str) -> Iterator[SourceEntry]:
        """Every entry below a folder, or the entry itself where it is a file."""
        if folder in self.entries:
            yield self.entries[folder]
        for path in self._below(folder):
            yield self.entries[path]

    def closure(self, places: Iterable[str]) -> dict[str, SourceEntry]:
        """Every entry below some places, and below what the links there lead to.

        A link that leads nowhere, or out of the repository, is left out.
        """
        found: dict[str, SourceEntry] = {}
        todo = list(places)
        seen: set[str] = set()
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            for entry in self.below(place):
                if entry.path in found:
                    continue
                if entry.mode == SYMLINK:
                    try:
                        target, followed = self._trace(entry.path)
                    except Outside:
                        continue
                    todo += [target, *followed]
                found[entry.path] = entry
        return found

    def read(self, path: str) -> bytes:
        """The content of one file."""
        return next(iter(self.tree.read([self.entries[path].blob])))[1]

    def _below(self, folder: str) -> Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        for position in range(bisect_left(self._paths, prefix), len(self._paths)):
            path = self._paths[position]
            if not path.startswith(prefix):
                return
            yield path
