"""What two trees differ in, a file at a time: read from what Git prints."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NAMES: Final = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "T": "changed"}


class FileChange(NamedTuple):
    """A file."""

    status: str
    """In words: added, modified, removed, renamed."""
    path: str
    previous: str | None
    additions: int
    deletions: int
    blob: str
    patch: str
    """Without Git's head lines; empty for what is no text."""
    modes: tuple[str, str] = ("", "")
    """Before and after, as Git writes them."""


def read_changes(raw: str, patches: str) -> list[FileChange]:
    """The files of `git diff-tree -r -M -z --raw --no-abbrev`, and of the same with `-p`: both have one order."""
    bodies = re.split(r"^diff --git .*$", patches, flags=re.MULTILINE)[1:]
    fields = iter(raw.split("\0"))
    found: list[FileChange] = []
    for field in fields:
        if not field.startswith(":"):
            continue
        before, after, old, new, letter = field[1:].split(" ")
        previous = next(fields) if letter[0] == "R" else None
        path = next(fields)
        text = bodies[len(found)]
        hunk = re.search(r"^@@", text, flags=re.MULTILINE)
        body = text[hunk.start() :].rstrip("\n") if hunk else ""
        lines = body.split("\n")
        added, gone = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        blob = new if new.strip("0") else old
        found.append(FileChange(_NAMES[letter[0]], path, previous, added, gone, blob, body, (before, after)))
    return found
