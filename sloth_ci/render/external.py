"""What kustomize and helm have in common: for the same inputs they run once.

What they made is remembered with its bodies, as two runs of a tool cost more than all the rest of a preview; but no
Secret is, so that a plan which has to look into one runs the tool again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from sloth_ci.core.errors import RenderError
from sloth_ci.core.objects import Body, Source, canonical, digest_of
from sloth_ci.core.secrets import is_secret
from sloth_ci.render.assemble import Part, RenderRecord, assemble, rendered
from sloth_ci.render.cache import Cache
from sloth_ci.render.index import FileRecord, moved
from sloth_ci.render.result import Key, Problem, Rendered, RenderKind
from sloth_ci.render.source import SourceEntry


class Output(NamedTuple):
    """What a tool made."""

    record: FileRecord
    bodies: list[Body]


class Job(Protocol):
    """One render by a tool."""

    kind: RenderKind
    folder: str
    record_name: str
    """Of the record in the cache: it covers everything that has a say in the result."""
    inputs: tuple[str, ...]
    namespace: str | None
    steady: bool
    """The same inputs give the same result."""

    def run(self) -> Output:
        """Run the tool. Raises RenderFailed."""

    def trace(self, output: Output, /) -> Mapping[int, Source]:
        """Where each object was written, by position."""

    def locate(self, line: int, /) -> tuple[str, int]:
        """The file and line that a line of the output comes from."""

    def warnings(self, output: Output, /) -> Sequence[str]:
        """What the reader should know of the result."""


def render_with(job: Job, cache: Cache) -> Rendered:
    """The objects that the tool makes, from the cache where it has made them before."""
    source = _Made(job, cache)
    record = cache.load(job.record_name, RenderRecord) if job.steady else None
    if record is not None:
        return rendered(record, source)
    output = job.run()
    problems = [Problem(*job.locate(line), reason) for line, reason in output.record.problems]
    objects = FileRecord(output.record.objects, (), output.record.scopes)
    record = assemble(
        job.kind,
        [Part(job.folder, "", objects, job.trace(output))],
        namespace=job.namespace,
        skipped=0,
        inputs=job.inputs,
        warnings=job.warnings(output),
        problems=problems,
    )
    if job.steady:
        _remember(job, cache, record, output.bodies)
    keys = [row.key for row in (*record.rows, *(row for _, row in record.duplicates))]
    return rendered(record, source, _place(dict(enumerate(output.bodies)), keys, job.namespace))


def fingerprint(entries: Iterable[SourceEntry]) -> list[tuple[str, str, str]]:
    """Names the content of some files."""
    return sorted((entry.path, entry.mode, entry.blob) for entry in entries)


class _Made:
    """Reads bodies from the cache, or by running the tool again."""

    def __init__(self, job: Job, cache: Cache) -> None:
        self._job = job
        self._cache = cache
        self._bodies: list[Body] | None = None

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Body]:
        if self._bodies is None:
            known = self._cache.load(_bodies_name(self._job), dict[int, bytes]) or {}
            if all(key.position in known for key in keys):
                found = {key.position: msgspec.json.decode(known[key.position]) for key in keys}
                bodies = _place(found, keys, self._job.namespace)
                if _as_promised(bodies):
                    return bodies
            self._bodies = self._job.run().bodies
        bodies = _place(dict(enumerate(self._bodies)), keys, self._job.namespace)
        if len(bodies) < len(keys) or not _as_promised(bodies):
            raise RenderError(
                f"{self._job.folder or 'the repository'}: {self._job.kind} gives another result each time it runs",
                "remove what is random or depends on the time, so that a plan can be compared with what is applied",
            )
        return bodies


def _remember(job: Job, cache: Cache, record: RenderRecord, bodies: Sequence[Body]) -> None:
    cache.store(job.record_name, record)
    open_ones = {position: canonical(body) for position, body in enumerate(bodies) if not is_secret(body)}
    cache.store(_bodies_name(job), open_ones)


def _bodies_name(job: Job) -> str:
    return f"{job.record_name}.bodies"


def _as_promised(bodies: Mapping[Key, Body]) -> bool:
    return all(digest_of(body) == key.digest for key, body in bodies.items())


def _place(bodies: Mapping[int, Body], keys: Iterable[Key], namespace: str | None) -> dict[Key, Body]:
    """Bodies by key, each where the key says that it belongs."""
    return {
        key: moved(bodies[key.position], namespace) if key.moved else bodies[key.position]
        for key in keys
        if key.position in bodies
    }
