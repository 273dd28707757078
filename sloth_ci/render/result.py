"""What rendering gives: manifests, or every problem that stands in their way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Literal, NamedTuple, Protocol

from sloth_ci.core.errors import RenderError
from sloth_ci.core.objects import Body, Manifest

RenderKind = Literal["plain", "kustomize", "helm"]

HOOKS_ARE_OBJECTS = "Helm hooks are applied like all other objects, in no order of their own"
"""Begins a warning, which is for destinations that run nothing."""


class Problem(NamedTuple):
    """One reason why a file cannot be used. The reason never quotes the file: it may hold a secret."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)}:{self.line}: {self.reason}"


class RenderFailed(RenderError):
    """One or more files cannot be used; `problems` has them all, in the order of path and line."""

    def __init__(self, problems: Iterable[Problem], hint: str | None = None) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)), hint)


@dataclass(frozen=True)
class Rendered:
    """The desired state of one revision."""

    kind: RenderKind
    manifests: tuple[Manifest, ...]
    """One for each identity, sorted by it."""
    duplicates: tuple[tuple[Manifest, Manifest], ...]
    """Objects that are declared more than once: the one in `manifests`, and the other."""
    skipped: int
    """Files under the target path that are not manifests."""
    inputs: tuple[str, ...]
    """Folders and files of the repository that the result depends on."""
    warnings: tuple[str, ...]
    digest: str
    """Over identities and object digests: files, order and formatting do not count."""


class Key(NamedTuple):
    """Names a body for the one who can read it again."""

    blob: str
    """Empty where a tool made the object."""
    position: int
    """Counted from 0, in the file or in the output of the tool."""
    moved: bool
    """It is in another namespace than the one that its file names: see `index.moved`."""
    digest: str
    """What the body has to hash to."""


class BodySource(Protocol):
    """Reads bodies, many at a time."""

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Body]:
        """All of them, or an error."""


class Bodies:
    """The bodies of one render: those at hand, and those that are read when somebody asks."""

    def __init__(self, source: BodySource, ready: dict[Key, Body] | None = None) -> None:
        self._source = source
        self._ready = ready or {}
        self._lock = RLock()

    def prefetch(self, keys: Iterable[Key]) -> None:
        """Read in one go what is not at hand."""
        with self._lock:
            missing = [key for key in dict.fromkeys(keys) if key not in self._ready]
            if missing:
                self._ready.update(self._source.fetch(missing))

    def take(self, key: Key) -> Body:
        """The body, which is not kept: the manifest that asked keeps it."""
        with self._lock:
            self.prefetch([key])
            return self._ready.pop(key)


class Keyed(Protocol):
    """What a body is known by."""

    @property
    def key(self) -> Key:
        """Made only for those whose body is wanted."""


class Pending:
    """The `load` of a manifest whose body has not been read."""

    __slots__ = ("_row", "bodies")

    def __init__(self, bodies: Bodies, row: Keyed) -> None:
        self.bodies = bodies
        self._row = row

    @property
    def key(self) -> Key:
        return self._row.key

    def __call__(self) -> Body:
        return self.bodies.take(self.key)


def load_bodies(manifests: Iterable[Manifest]) -> None:
    """Read the bodies of many manifests in as few steps as can be: one `git cat-file`, one run of a tool.

    Each body would be read on its own otherwise, when it is asked for.
    """
    waiting: dict[int, tuple[Bodies, list[Key]]] = {}
    for manifest in manifests:
        pending = manifest.pending
        if isinstance(pending, Pending):
            waiting.setdefault(id(pending.bodies), (pending.bodies, []))[1].append(pending.key)
    for bodies, keys in waiting.values():
        bodies.prefetch(keys)


def printable(path: str) -> str:
    """A path on one line: control characters and what is not UTF-8 are escaped."""
    if path.isprintable():
        return path
    escaped = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)
    return "".join(escaped)
