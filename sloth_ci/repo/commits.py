"""Making commits without a work tree or an index: one `git fast-import` for blobs, trees and commit together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sloth_ci.repo.errors import GitError
from sloth_ci.repo.repository import Repository


@dataclass(frozen=True)
class NewFile:
    """A file to write."""

    data: bytes
    mode: str = "100644"


@dataclass(frozen=True)
class Existing:
    """Something that the repository holds already, put at a path: a tree (mode 040000), a blob, a submodule."""

    id: str
    mode: str = "040000"


Content = NewFile | Existing | None
"""What a path shall hold; None deletes it, with everything below."""


def make_commit(repository: Repository, parent: str | None, changes: Mapping[str, Content], message: str) -> str:
    """Commit changes on top of `parent` (on nothing where it is None) and return the id.

    The path "" is the root of the tree. No ref points to the commit; Git keeps it for two weeks all the same.
    """
    # fast-import names every commit by a ref. This one is deleted again in the same stream, and never seen.
    ref = f"refs/sloth/new/{uuid.uuid4().hex}"
    text = message.encode("utf-8", "surrogateescape")
    who = f"{repository.identity.name} <{repository.identity.email}> {int(time.time())} +0000".encode()
    null = "0" * (len(parent) if parent else repository.id_length)
    lines = [
        b"feature done\n",
        f"commit {ref}\nmark :1\n".encode(),
        b"author " + who + b"\ncommitter " + who + b"\n",
        b"data %d\n" % len(text) + text + b"\n",
    ]
    if parent:
        lines.append(f"from {parent}\n".encode())
    # Deletions first, so that a folder may take the place of a file.
    for path, content in sorted(changes.items(), key=lambda item: (item[1] is not None, item[0])):
        lines.append(_change(path, content))
    lines.append(f"\nget-mark :1\nreset {ref}\nfrom {null}\n\ndone\n".encode())
    out = repository.git("fast-import", "--quiet", "--date-format=raw", input=b"".join(lines))
    commit = out.decode().strip()
    if len(commit) != len(null):
        raise GitError("git fast-import did not name the commit it made")
    return commit


def message_with_trailers(message: str, trailers: Sequence[tuple[str, str]]) -> str:
    """A commit message with trailers as its last paragraph.

    Nothing in it tells a CI to skip the commit: the words may come with a subject that is quoted.
    """
    body = _awake(message).strip()
    lines = [f"{key}: {_awake(' '.join(value.split()))}" for key, value in trailers]
    return f"{body}\n\n" + "\n".join(lines) + "\n" if lines else body + "\n"


_SKIP = ("skip ci", "ci skip", "no ci", "skip actions", "actions skip", "skip-ci", "ci-skip")


def _awake(text: str) -> str:
    for words in _SKIP:
        start = text.lower().find(f"[{words}]")
        while start >= 0:
            text = f"{text[:start]}({text[start + 1 : start + 1 + len(words)]}){text[start + 2 + len(words) :]}"
            start = text.lower().find(f"[{words}]")
    kept = [line for line in text.split("\n") if not line.lower().replace(" ", "").startswith("skip-checks:true")]
    return "\n".join(kept).replace("***NO_CI***", "NO_CI")


def _change(path: str, content: Content) -> bytes:
    if content is None:
        return b"deleteall\n" if path == "" else b"D " + _quoted(path) + b"\n"
    if isinstance(content, Existing):
        return f"M {content.mode} {content.id} ".encode() + _quoted(path) + b"\n"
    return (
        f"M {content.mode} inline ".encode() + _quoted(path) + b"\ndata %d\n" % len(content.data) + content.data + b"\n"
    )


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it: always in quotes, as a C string."""
    raw = path.encode("utf-8", "surrogateescape")
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
