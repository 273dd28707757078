"""Writing a tree to disk, for the renderers that want files (kustomize, Helm).

The bytes are those of the repository: no filters, no line-end conversion, no `export-ignore`, so that every machine renders
the same. Nothing is ever written outside of the folder, whatever names and links the repository holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sloth_ci.core.errors import RenderError
from sloth_ci.repo.tree import EXECUTABLE, SUBMODULE, SYMLINK, Entry, Tree, normal_path, show_path

_LINK_LIMIT = 40


def export_tree(tree: Tree, into: Path, paths: Iterable[str] | None = None) -> None:
    """Write the files of a tree below `into`, at their paths from the root of the repository.

    `paths` limits it to some folders or files. Submodules that were not asked for become empty folders, as Git leaves
    them. Raises RenderError for a link that leads out of the tree and for names no repository should hold.
    """
    entries = tree.entries()
    links = _read_links(tree, entries)
    if paths is not None:
        wanted = [normal_path(path) for path in paths]
        entries = [entry for entry in entries if any(_inside(entry.path, folder) for folder in wanted)]
    root = os.fsencode(into)
    os.makedirs(root, exist_ok=True)
    places: dict[str, list[tuple[bytes, str]]] = {}
    made: set[bytes] = {root}
    for entry in entries:
        _check_name(entry.path, tree)
        place = root + b"/" + entry.path.encode("utf-8", "surrogateescape")
        folder = place if entry.mode == SUBMODULE else os.path.dirname(place)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if entry.mode not in (SUBMODULE, SYMLINK):
            places.setdefault(entry.blob, []).append((place, entry.mode))
    for blob, data in tree.read(list(places)):
        for place, mode in places[blob]:
            _write(place, data, 0o777 if mode == EXECUTABLE else 0o666)
    # Links last, each into a folder that is real: no file is ever written through one.
    for entry in entries:
        if entry.mode == SYMLINK:
            target = links[entry.path]
            _check_link(entry.path, links, tree)
            os.symlink(
                target.encode("utf-8", "surrogateescape"), root + b"/" + entry.path.encode("utf-8", "surrogateescape")
            )


def _write(place: bytes, data: bytes, mode: int) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(handle, "wb") as file:
        file.write(data)


def _read_links(tree: Tree, entries: list[Entry]) -> dict[str, str]:
    links = [entry for entry in entries if entry.mode == SYMLINK]
    texts = {blob: data.decode("utf-8", "surrogateescape") for blob, data in tree.read({entry.blob for entry in links})}
    return {entry.path: texts[entry.blob] for entry in links}


def _inside(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def _check_name(path: str, tree: Tree) -> None:
    """`..` and `.git` cannot be committed with Git, but a hand-made tree can hold them."""
    for part in path.split("/"):
        if part in ("", ".", "..") or part.lower() == ".git":
            raise RenderError(
                f"{show_path(path)} at {tree.revision[:10]} has a name that no repository should hold",
                "run `git fsck` on the repository and remove the file",
            )


def _check_link(path: str, links: dict[str, str], tree: Tree) -> None:
    """Follow a link as the kernel would, through the other links of the tree, and refuse to leave the tree."""
    todo = path.split("/")
    here: list[str] = []
    followed = 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                raise _leaves(path, links[path], tree)
            here.pop()
            continue
        here.append(part)
        target = links.get("/".join(here))
        if target is None:
            continue
        followed += 1
        if target.startswith("/"):
            raise _leaves(path, links[path], tree)
        if followed > _LINK_LIMIT:
            return  # a circle: it leads nowhere, and whoever opens it is told so
        here.pop()
        todo = target.split("/") + todo


def _leaves(path: str, target: str, tree: Tree) -> RenderError:
    return RenderError(
        f"{show_path(path)} at {tree.revision[:10]} is a symlink that leads out of the repository: {show_path(target)}",
        "replace it by the file itself, or by a link inside the repository",
    )
