"""Records become the rendered state: default namespaces, duplicates, order, digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from sloth_ci.core.objects import Body, Manifest, Ref, Source, set_digest
from sloth_ci.core.scope import is_namespaced
from sloth_ci.render.index import FileRecord
from sloth_ci.render.result import Bodies, BodySource, Key, Pending, Problem, Rendered, RenderFailed, RenderKind


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One object of a render: a manifest without its body."""

    ref: Ref
    version: str
    digest: str
    source: Source
    blob: str
    position: int
    moved: bool

    @property
    def key(self) -> Key:
        return Key(self.blob, self.position, self.moved, self.digest)


class RenderRecord(msgspec.Struct, array_like=True, frozen=True):
    """A whole render as the cache remembers it."""

    kind: RenderKind
    rows: list[Row]
    """Sorted by identity, each identity once."""
    duplicates: list[tuple[int, Row]]
    """The row that came first, by its position in `rows`, and the other."""
    skipped: int
    inputs: tuple[str, ...]
    warnings: tuple[str, ...]
    digest: str
    problems: tuple[Problem, ...] = ()


class Part(NamedTuple):
    """The objects of one file, or of the output of a tool."""

    path: str
    blob: str
    record: FileRecord
    sources: Mapping[int, Source] = {}
    """Where each object was written, by position, when that is not `path` and the line of the record."""


def assemble(
    kind: RenderKind,
    parts: Iterable[Part],
    *,
    namespace: str | None,
    skipped: int,
    inputs: Iterable[str],
    warnings: Iterable[str],
    problems: Iterable[Problem] = (),
) -> RenderRecord:
    """Put the parts together, in their order: of two objects with one identity the first is the manifest."""
    parts = list(parts)
    found = [Problem(part.path, line, reason) for part in parts for line, reason in part.record.problems]
    scopes = {(scope.group, scope.kind): scope.namespaced for part in parts for scope in part.record.scopes}
    first: dict[Ref, Row] = {}
    again: list[Row] = []
    for row in _rows(parts, namespace, scopes):
        if first.setdefault(row.ref, row) is not row:
            again.append(row)  # noqa: PERF401 (the condition is the point)
    rows = sorted(first.values(), key=lambda row: row.ref)
    place = {row.ref: position for position, row in enumerate(rows)}
    return RenderRecord(
        kind,
        rows,
        [(place[row.ref], row) for row in again],
        skipped,
        tuple(inputs),
        tuple(warnings),
        set_digest(map(_bare, [*rows, *again])),
        tuple(sorted({*problems, *found})),
    )


def _rows(parts: list[Part], namespace: str | None, scopes: Mapping[tuple[str, str], bool]) -> Iterable[Row]:
    for path, blob, record, sources in parts:
        for item in record.objects:
            ref, digest = item.ref, item.digest
            namespaced = is_namespaced(ref.group, ref.kind, scopes)
            moved = bool(item.moved) and namespaced != bool(ref.namespace)
            if moved:
                ref, digest = ref._replace(namespace=(namespace or "") if namespaced else ""), item.moved
            source = sources.get(item.position) or Source(path, item.line)
            yield Row(ref, item.version, digest, source, blob, item.position, moved)


def rendered(record: RenderRecord, source: BodySource, ready: Mapping[Key, Body] | None = None) -> Rendered:
    """The manifests of a record. Raises RenderFailed when it has problems."""
    if record.problems:
        raise RenderFailed(record.problems)
    bodies = Bodies(source, dict(ready or {}))

    def manifest(row: Row) -> Manifest:
        return Manifest(row.ref, row.version, row.digest, row.source, load=Pending(bodies, row))

    manifests = [manifest(row) for row in record.rows]
    duplicates = tuple((manifests[first], manifest(row)) for first, row in record.duplicates)
    return Rendered(
        record.kind, tuple(manifests), duplicates, record.skipped, record.inputs, record.warnings, record.digest
    )


def _bare(row: Row) -> Manifest:
    return Manifest(row.ref, row.version, row.digest, row.source)
