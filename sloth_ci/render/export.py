"""Files of a revision on disk, for tools that can read them nowhere else. Nothing there leads out again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from sloth_ci.core.errors import RenderError
from sloth_ci.core.yaml import MAX_FILE_BYTES
from sloth_ci.render.detect import MANIFEST_SUFFIXES
from sloth_ci.render.index import too_large
from sloth_ci.render.result import Problem, RenderFailed, printable
from sloth_ci.render.source import EXECUTABLE, SUBMODULE, SYMLINK, SourceEntry, SourceTree


def export(tree: SourceTree, entries: Mapping[str, SourceEntry], into: Path) -> None:
    """Write entries below a private, empty folder.

    Files too large to be a part of any object are left out, or are a problem where they are YAML or JSON. Links come
    last, so that nothing is written through one, and one that leads out of the folder is removed again.
    """
    try:
        _export(tree, entries, into)
    except OSError as error:
        raise RenderError(f"cannot write a copy of the revision to {into.parent}: {error.strerror}") from None


def _export(tree: SourceTree, entries: Mapping[str, SourceEntry], into: Path) -> None:
    links: dict[str, list[Path]] = {}
    files: dict[str, list[tuple[Path, bool]]] = {}
    sizes = _sizes(tree, entries.values())
    for path, entry in entries.items():
        where = into / _checked(path)
        if entry.mode == SYMLINK:
            links.setdefault(entry.blob, []).append(where)
        elif entry.mode != SUBMODULE and sizes[entry.blob] <= MAX_FILE_BYTES:
            files.setdefault(entry.blob, []).append((where, entry.mode == EXECUTABLE))
    for blob, data in tree.read(files) if files else ():
        for where, executable in files[blob]:
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(data)
            if executable:
                where.chmod(0o700)
    for blob, data in tree.read(links) if links else ():
        for where in links[blob]:
            where.parent.mkdir(parents=True, exist_ok=True)
            where.symlink_to(os.fsdecode(data))
    for where in (link for group in links.values() for link in group):
        if not Path(os.path.realpath(where)).is_relative_to(into):
            where.unlink()


def _sizes(tree: SourceTree, entries: Iterable[SourceEntry]) -> Mapping[str, int]:
    entries = [entry for entry in entries if entry.mode not in (SYMLINK, SUBMODULE)]
    sizes = tree.sizes({entry.blob for entry in entries}) if entries else {}
    large = [e for e in entries if sizes[e.blob] > MAX_FILE_BYTES and e.path.endswith(MANIFEST_SUFFIXES)]
    if large:
        raise RenderFailed(Problem(e.path, *reason) for e in large for reason in too_large(sizes[e.blob]).problems)
    return sizes


def _checked(path: str) -> str:
    """Git's own checks keep such paths out of a work tree, and nothing else does."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise RenderError(f"'{printable(path)}' is no path that a file of a repository may have")
    return path
