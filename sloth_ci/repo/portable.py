"""What differs between two commits, where a forge's API can commit it: regular files that are no programs."""

from __future__ import annotations

from pathlib import PurePosixPath

from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tree import REGULAR

_NOTHING = "000000"
_LIMIT = 20 * 2**20
"""Bytes in one request. GitHub names no limit; it takes this much, and more of it is slow."""


def portable_changes(repository: Repository, old: str, new: str) -> dict[str, bytes | None] | None:
    """The files of `new` that are not the same in `old`, None for one that is gone.

    None in all where the API cannot bring it about: programs, links and submodules (it knows no modes), names that are
    not UTF-8, a file that takes the place of a folder or the other way round, and very much at once.
    """
    raw = repository.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    fields = raw.split(b"\0")[:-1]
    blobs: dict[str, str | None] = {}
    for head, name in zip(fields[0::2], fields[1::2], strict=True):
        # ":<mode> <mode> <id> <id> <status>"
        before, after, _, blob, _ = head.decode("ascii").removeprefix(":").split(" ")
        if not {before, after} <= {REGULAR, _NOTHING}:
            return None
        try:
            path = name.decode("utf-8")
        except UnicodeDecodeError:
            return None
        blobs[path] = blob if after == REGULAR else None
    if any(str(folder) in blobs for path in blobs for folder in PurePosixPath(path).parents):
        return None
    wanted = sorted({blob for blob in blobs.values() if blob is not None})
    if sum(repository.sizes(wanted).values()) > _LIMIT:
        return None
    contents = dict(repository.read(wanted))
    return {path: contents[blob] if blob is not None else None for path, blob in blobs.items()}
