"""The files of one folder at one revision, without a work tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sloth_ci.core.errors import RenderError

if TYPE_CHECKING:
    from sloth_ci.repo.repository import Repository

REGULAR = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
SUBMODULE = "160000"


class Entry(NamedTuple):
    """One file: its path from the root of the repository, its mode as Git writes it, and the id of its content.

    A path that is not UTF-8 holds surrogates (`surrogateescape`); `show_path` makes any path fit to print.
    """

    path: str
    mode: str
    blob: str


class ChangedPath(NamedTuple):
    """One file that differs between two revisions. `status` is A, M, D or T (its type changed)."""

    status: str
    path: str
    old_blob: str | None
    new_blob: str | None


class Tree:
    """A folder (`path`, "" for all) at a revision. Empty, with `tree_id` "", where the folder is not there.

    Equal `tree_id`s mean equal files: a tree whose submodules are read differs from the same one without.
    """

    def __init__(self, repository: Repository, revision: str, path: str, tree_id: str) -> None:
        self.revision = revision
        self.path = path
        self.tree_id = f"{tree_id}+submodules" if tree_id and repository.submodules else tree_id
        self.object_id = tree_id
        """The id that Git knows the folder by."""
        self._repository = repository
        self._entries: list[Entry] | None = None
        # Blobs of submodules are in repositories of their own.
        self._elsewhere: dict[str, Repository] = {}

    def entries(self) -> list[Entry]:
        """All files below the folder, in Git's order. A submodule is one entry, or its files where they are wanted."""
        if self._entries is None:
            entries = self._repository.list_tree(self.object_id, self.path) if self.object_id else []
            if self._repository.submodules and any(entry.mode == SUBMODULE for entry in entries):
                entries = list(self._with_submodules(entries))
            self._entries = entries
        return self._entries

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of blobs, in order, a portion at a time."""
        self._find_submodules()
        if not self._elsewhere:
            yield from self._repository.read(blobs)
            return
        for owner, group in groupby(blobs, key=self.owner_of):
            yield from owner.read(group)

    def sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """The sizes of blobs in bytes, without reading them."""
        self._find_submodules()
        wanted = list(dict.fromkeys(blobs))
        sizes = self._repository.sizes([blob for blob in wanted if blob not in self._elsewhere])
        for blob in wanted:
            if blob in self._elsewhere:
                sizes |= self._elsewhere[blob].sizes([blob])
        return sizes

    def at(self, path: str) -> Tree:
        """Another folder of the same revision; empty where it is not there."""
        return self._repository.tree(self.revision, path, missing_ok=True)

    def export(self, into: Path, paths: Iterable[str] | None = None) -> None:
        """Write the tree to disk; see `export.export_tree`."""
        from sloth_ci.repo.export import export_tree

        export_tree(self, into, paths)

    def _find_submodules(self) -> None:
        """Know which blobs are elsewhere, also where nobody has asked for the entries."""
        if self._repository.submodules:
            self.entries()

    def _with_submodules(self, entries: list[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if entry.mode != SUBMODULE:
                yield entry
                continue
            inner = self._repository.submodule_tree(self.revision, entry)
            for child in inner.entries():
                self._elsewhere[child.blob] = inner.owner_of(child.blob)
                yield Entry(f"{entry.path}/{child.path}", child.mode, child.blob)

    def owner_of(self, blob: str) -> Repository:
        """The repository that holds a blob of this tree."""
        return self._elsewhere.get(blob, self._repository)

    def __repr__(self) -> str:
        return f"Tree({self.revision[:10]}:{self.path})"


def parse_tree(out: bytes, prefix: str) -> list[Entry]:
    """Read `git ls-tree -r -z --full-tree`; `prefix` is the folder that was listed."""
    start = f"{prefix}/" if prefix else ""
    entries = []
    for line in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        # "<mode> <type> <id>\t<path>"
        head, _, path = line.partition("\t")
        entries.append(Entry(start + path, head[:6], head[head.rindex(" ") + 1 :]))
    return entries


def parse_changes(out: bytes) -> list[ChangedPath]:
    """Read `git diff-tree -r -z --raw --no-renames --no-abbrev`."""
    fields = out.decode("utf-8", "surrogateescape").split("\0")
    changes = []
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        # ":<mode> <mode> <id> <id> <status>"
        _, _, old, new, status = head.split(" ")
        changes.append(ChangedPath(status[0], path, _blob(old), _blob(new)))
    return changes


def _blob(oid: str) -> str | None:
    return None if oid.strip("0") == "" else oid


def show_path(path: str) -> str:
    """A path fit to print: quoted, as a string literal, where it holds control characters or is not UTF-8."""
    if path.isprintable():
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f'"{escaped}"'


def normal_path(path: str) -> str:
    """A target path from the root of the repository, without `./` and slashes at its ends.

    Raises RenderError where it leads out of the repository.
    """
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise RenderError(
                    f"the path '{path}' leads out of the repository", "write it from the repository's root"
                )
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
