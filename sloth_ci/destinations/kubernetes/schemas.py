"""What is known of the kinds of a cluster without asking it: what it said the last time, else what came with the package.

The package has the built-in kinds of one version of Kubernetes (`openapi/`, made by `scripts/kubernetes_schema.py`). What a
cluster said lies in the cache folder, a file for each cluster, and is never needed.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from sloth_ci.core.errors import UsageError
from sloth_ci.core.openapi import Proven, definitions_of
from sloth_ci.core.schema import Definitions, Schemas
from sloth_ci.core.workflow import DestinationSpec

if TYPE_CHECKING:
    from sloth_ci.destinations.kubernetes.access import Access
    from sloth_ci.destinations.kubernetes.cluster import Cluster

BUNDLED: Final = Path(__file__).parent / "openapi" / "kubernetes.json.gz"
FRESH: Final = 86400.0
"""Seconds for which a cluster is not asked again."""
KEPT: Final = 30 * FRESH
"""Seconds after which what a cluster said no longer counts: it may well have been upgraded since."""
MOST: Final = 12
"""Documents that one look at a cluster brings at most."""
_FOLDER: Final = "schemas"
_INDEX: Final = "/openapi/v3"


class Bundle(msgspec.Struct, frozen=True):
    """The file of the package."""

    version: str
    """Of Kubernetes: `v1.37.2`."""
    versions: tuple[str, ...]
    """`v1`, `apps/v1`: those that it has."""
    proven: Proven
    definitions: Definitions


class Remembered(msgspec.Struct, frozen=True):
    """What a cluster said."""

    version: str
    at: float
    """Unix seconds."""
    versions: tuple[str, ...]
    """All that it serves."""
    documents: dict[str, tuple[str, Definitions]] = {}
    """By version: the hash that the server gives its document, and what is in it."""


class Known(NamedTuple):
    """Schemas, and where they are from."""

    schemas: Schemas
    source: str
    """For a person: `Kubernetes v1.37.2`, with the name of the cluster where it said so."""


@cache
def bundled() -> Bundle:
    """What came with the package."""
    return msgspec.json.decode(gzip.decompress(BUNDLED.read_bytes()), type=Bundle)


def known(
    spec: DestinationSpec | None,
    root: Path,
    environ: Mapping[str, str],
    cache_dir: Path,
    own: Iterable[Definitions] = (),
    *,
    now: float,
) -> Known:
    """What is known for a destination. `own`: of the CustomResourceDefinitions of the repository, which count first.

    Nothing is asked of any server. `now` is in Unix seconds.
    """
    bundle = bundled()
    said = _recalled(spec, root, environ, cache_dir)
    if said is None or not 0 <= now - said[0].at < KEPT:
        schemas = Schemas([*own, bundle.definitions], closed=frozenset(bundle.versions))
        return Known(schemas, f"Kubernetes {bundle.version}")
    remembered, name = said
    layers = [definitions for _, definitions in remembered.documents.values()]
    # What a newer server has, and the package does not, would be taken for a slip of the pen.
    rest = Definitions() if _number(remembered.version) > _number(bundle.version) else bundle.definitions
    native = frozenset(bundle.versions)
    schemas = Schemas(
        [*own, *layers, rest],
        closed=native.intersection(remembered.documents),
        served=frozenset(remembered.versions),
        native=frozenset(version.rpartition("/")[0] for version in native),
    )
    return Known(schemas, f"Kubernetes {remembered.version}, as {name} had it")


def remember(cluster: Cluster, cache_dir: Path, wanted: Collection[str], *, now: float) -> Remembered | None:
    """Ask a cluster for its version and for the documents of `wanted` (`v1`, `apps/v1`), and keep what it says.

    Within a day of the last time it is not asked for what is known. Two requests, and one for each document that is new or has
    changed. None where it has no such documents (before Kubernetes 1.27). Raises UnreachableError, ApiFault.
    """
    file = cache_dir / _FOLDER / f"{cluster.key}.json"
    before = _load(file)
    if (
        before is not None
        and 0 <= now - before.at < FRESH
        and before.documents.keys() >= {*wanted} & {*before.versions}
    ):
        return before
    from sloth_ci.destinations.kubernetes.faults import ApiFault

    try:
        listed = cluster.client.json("GET", _INDEX).get("paths") or {}
    except ApiFault as fault:
        if fault.code == 404:
            return None
        raise
    places = {_version_of(path): where for path, where in listed.items() if _version_of(path)}
    documents = {} if before is None else {v: doc for v, doc in before.documents.items() if v in places}
    todo = []
    for version in sorted({*wanted, *documents} & places.keys()):
        path, _, mark = str(places[version].get("serverRelativeURL", "")).partition("?hash=")
        if version not in documents or documents[version][0] != mark:
            todo.append((version, path, mark))

    proven = bundled().proven

    def read(place: tuple[str, str, str]) -> tuple[str, tuple[str, Definitions]]:
        version, path, mark = place
        document = cluster.client.json("GET", path, query={"hash": mark} if mark else None)
        return version, (mark, definitions_of(document, proven))

    documents.update(cluster.client.map(read, todo[:MOST]))
    found = Remembered(cluster.discovery.server_version, now, tuple(sorted(places)), documents)
    _store(file, found)
    return found


def _recalled(
    spec: DestinationSpec | None, root: Path, environ: Mapping[str, str], cache_dir: Path
) -> tuple[Remembered, str] | None:
    """What the cluster of a destination said, and the name of its context."""
    if spec is None or spec.directory or spec.branch or not (cache_dir / _FOLDER).is_dir():
        return None
    access = _access(spec, root, environ)
    if access is None:
        return None
    found = _load(cache_dir / _FOLDER / f"{access.key}.json")
    return None if found is None else (found, access.context)


def _access(spec: DestinationSpec, root: Path, environ: Mapping[str, str]) -> Access | None:
    # Imported here: ssl takes 20 ms, and most who get here never saw a cluster.
    from sloth_ci.destinations.kubernetes.access import find_access

    try:
        return find_access(spec, root, environ)
    except UsageError:
        return None  # without a way to the cluster there is none to remember


def _version_of(path: str) -> str:
    """`apps/v1` of `apis/apps/v1`; empty for what is no version of a group."""
    match = re.fullmatch(r"api/(v\w+)|apis/([^/]+/v\w+)", path)
    return (match[1] or match[2]) if match else ""


def _number(version: str) -> tuple[int, int]:
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _load(file: Path) -> Remembered | None:
    """None where there is nothing, or nothing that can be read, or a file of somebody else's."""
    try:
        if hasattr(os, "geteuid") and file.stat().st_uid != os.geteuid():
            return None
        return msgspec.json.decode(file.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _store(file: Path, found: Remembered) -> None:
    """Written whole or not at all. A cache that cannot be written is no fault of anything."""
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as new:
                new.write(msgspec.json.encode(found))
            os.replace(temporary, file)
        except BaseException:
            os.unlink(temporary)
            raise
