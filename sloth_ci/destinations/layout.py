"""How objects lie in files: one object a file, at a path that its identity gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.objects import Body, Manifest, Ref, Source, manifest_of
from sloth_ci.core.yaml import YamlError, dump, flatten, parse

SUFFIXES = (".yaml", ".yml", ".json")
CLUSTER_SCOPED = "_cluster"
"""Folder of the objects without a namespace. No namespace can have this name."""


def path_of(ref: Ref) -> str:
    """`<namespace>/<kind>[.<group>]-<name>.yaml`: readable, unique, safe as a file name."""
    kind = ref.kind.lower() + (f".{ref.group}" if ref.group else "")
    return f"{_safe(ref.namespace) or CLUSTER_SCOPED}/{_safe(kind)}-{_safe(ref.name)}.yaml"


def _safe(part: str) -> str:
    """Percent-encoded where a file system could trip; never `.` or `..`."""
    encoded = quote(part, safe=":+@")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


def content_of(body: Body) -> bytes:
    """The file of one object."""
    return dump(body).encode()


def read_files(files: Iterable[tuple[str, bytes]], where: str) -> tuple[dict[Ref, Manifest], dict[Ref, str]]:
    """The objects in the files, and those that lie in a file of somebody else's making, with its name.

    Raises UnreachableError that names every file that cannot be read.
    """
    objects: dict[Ref, Manifest] = {}
    strangers: dict[Ref, str] = {}
    bad: list[str] = []
    for path, content in files:
        try:
            documents = [item for document in parse(content) for item in flatten(document)]
        except YamlError as error:
            bad += [f"{path}:{problem.line}: {problem.reason}" for problem in error.problems]
            continue
        for document in documents:
            if not _is_object(document.value):
                continue
            manifest = manifest_of(document.value, Source(path, document.line))
            if path_of(manifest.ref) != path or len(documents) > 1:
                strangers[manifest.ref] = f"the file {path}, which sloth-ci did not write,"
            objects[manifest.ref] = manifest
    if bad:
        raise UnreachableError(f"{where} cannot be read:\n  " + "\n  ".join(bad), "correct or delete these files")
    return objects, strangers


def _is_object(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    metadata = value.get("metadata")
    return (
        isinstance(value.get("apiVersion"), str)
        and isinstance(value.get("kind"), str)
        and isinstance(metadata, Mapping)
        and isinstance(metadata.get("name"), str)
    )
