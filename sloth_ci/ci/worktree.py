"""The work tree of a request's job: which files in it are the request's, and which were made by the job itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sloth_ci.repo import Repository

_REGULAR, _TREE = ("100644", "100755"), "040000"


class RequestTree:
    """`core.unreviewed.Unreviewed`: a checkout, held against the revision of the base branch that counts."""

    def __init__(self, repository: Repository, base: str) -> None:
        self._repository = repository
        self._base = base
        self._top = Path(os.path.abspath(repository.root))

    def holds(self, path: str) -> bool:
        """Whether Git put it there. A link is followed: both it and what it leads to count."""
        return any(self._from_git(inside) for inside in self._inside(path))

    def changed(self, path: str) -> bool:
        """Whether the base branch has it otherwise, or not at all. A file that the job made itself is no change."""
        return any(not self._as_in_base(inside) and self._from_git(inside) for inside in self._inside(path))

    def without_own(self, search_path: str) -> str:
        """A PATH without the folders in which a request could put a program of its own."""
        folders = [folder for folder in search_path.split(os.pathsep) if folder]
        return os.pathsep.join(
            folder for folder in folders if Path(folder).resolve() != self._top.resolve() and not self.holds(folder)
        )

    def _inside(self, path: str) -> Iterator[PurePosixPath]:
        """The path in the repository as it is written, and as it is once links are followed."""
        written, followed = Path(os.path.abspath(path)), Path(path).resolve()
        for place, top in ((written, self._top), (followed, self._top.resolve())):
            if place.is_relative_to(top) and place != top:
                yield PurePosixPath(place.relative_to(top).as_posix())

    def _from_git(self, path: PurePosixPath) -> bool:
        """Whether the commit that is checked out has the path, or a link or a submodule on the way to it."""
        on_the_way = [str(path), *map(str, list(path.parents)[:-1])]
        found = self._repository.entries("HEAD", on_the_way)
        return str(path) in found or any(found[place].mode != _TREE for place in on_the_way if place in found)

    def _as_in_base(self, path: PurePosixPath) -> bool:
        """Whether both commits have the same file. What a step of the job has made of it since is the job's own."""
        base, head = (self._repository.entry(revision, str(path)) for revision in (self._base, "HEAD"))
        return base is not None and base == head and base.mode in _REGULAR
