"""What one file declares, without the bodies: what the cache remembers of a blob."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sloth_ci.core.objects import Body, Ref, Source, digest_of, manifest_of
from sloth_ci.core.scope import Scope, defined_by, may_be_cluster_scoped
from sloth_ci.core.yaml import MAX_FILE_BYTES, Document, YamlError, flatten, parse

_LFS = b"version https://git-lfs.github.com/spec/"
_OBJECT_WORDS = re.compile(rb"""^[ \t{,"'-]*(?:apiVersion|kind)["']?\s*:""", re.MULTILINE)
_TEMPLATE = re.compile(
    rb"\{\{-?\s*(?:\(*[.$]|/\*|(?:if|else|end|with|range|include|template|define|block)\b|\w+ [(.$\"])"
)

_CLIENT_GROUPS = frozenset(
    {
        "apiserver.config.k8s.io",
        "audit.k8s.io",
        "backstage.io",
        "client.authentication.k8s.io",
        "config.kubernetes.io",
        "ctlptl.dev",
        "eksctl.io",
        "helm.sh",
        "k3d.io",
        "kind.x-k8s.io",
        "kubeadm.k8s.io",
        "kubelet.config.k8s.io",
        "kubeproxy.config.k8s.io",
        "kubescheduler.config.k8s.io",
        "kustomize.config.k8s.io",
        "skaffold",
    }
)
"""Groups of files that look like objects and are read by a program on this side of the API server."""


class ObjectRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One object of a file."""

    ref: Ref
    version: str
    digest: str
    line: int
    position: int
    """Counted from 0 among the objects of the file."""
    moved: str = ""
    """Its digest once `moved`: in the default namespace where it names none, out of the one that it names where its kind may
    have none; else empty."""


class FileRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One file: objects, or problems, or neither, which makes it no manifest."""

    objects: tuple[ObjectRecord, ...] = ()
    problems: tuple[tuple[int, str], ...] = ()
    scopes: tuple[Scope, ...] = ()
    """What the CustomResourceDefinitions of the file define."""
    unclear: bool = False
    """It cannot be parsed and nothing in it looks like an object, so it may be meant for another program."""


def index(data: bytes, namespace: str | None) -> tuple[FileRecord, list[Body]]:
    """Read a file. The bodies are in the order of the objects' positions."""
    if data.startswith(_LFS):
        return _broken("is a Git LFS pointer: the file itself was not fetched (git lfs pull)"), []
    try:
        documents = parse(data)
    except YamlError as error:
        unclear = not _OBJECT_WORDS.search(data) and b"\0" not in data
        return FileRecord(
            problems=tuple(_as_template(data, *reason) for reason in _reasons(error)), unclear=unclear
        ), []
    return index_documents(documents, namespace)


def too_large(size: int) -> FileRecord:
    """The record of a file that is not read."""
    return _broken(f"is {size / 2**20:.0f} MiB; a manifest may have {MAX_FILE_BYTES / 2**20:.0f} MiB")


def index_documents(documents: Iterable[Document], namespace: str | None) -> tuple[FileRecord, list[Body]]:
    """Tell objects from what is not meant to be one, and from what is and cannot."""
    objects: list[ObjectRecord] = []
    bodies: list[Body] = []
    problems: list[tuple[int, str]] = []
    scopes: list[Scope] = []
    foreign: list[int] = []
    for document in documents:
        if not _says_what_it_is(document.value):
            foreign.append(document.line)
            continue
        if _for_a_client(document.value):
            continue
        try:
            items = flatten(document)
        except YamlError as error:
            problems += _reasons(error)
            continue
        for line, value, _ in items:
            reason = _malformed(value)
            if reason is not None:
                problems.append((line, reason))
                continue
            record, body = _record(value, line, len(objects), namespace)
            objects.append(record)
            bodies.append(body)
            scope = defined_by(body)
            if scope is not None:
                scopes.append(scope)
    if objects or problems:
        reason = "has neither apiVersion nor kind, though other documents of the file are objects"
        problems += [(line, reason) for line in foreign]
    return FileRecord(tuple(objects), tuple(sorted(problems)), tuple(scopes)), bodies


def moved(body: Body, namespace: str | None) -> Body:
    """A copy where the object belongs: in the default namespace, or out of the one that it names."""
    metadata = dict(body["metadata"])
    if not metadata.pop("namespace", None):
        metadata["namespace"] = namespace
    return {**body, "metadata": metadata}


def _record(value: Body, line: int, position: int, namespace: str | None) -> tuple[ObjectRecord, Body]:
    manifest = manifest_of(value, Source("", line))
    ref, elsewhere = manifest.ref, ""
    if may_be_cluster_scoped(ref.group, ref.kind) if ref.namespace else namespace:
        elsewhere = digest_of(moved(manifest.body, namespace))
    return ObjectRecord(ref, manifest.version, manifest.digest, line, position, elsewhere), manifest.body


def _broken(reason: str) -> FileRecord:
    return FileRecord(problems=((1, reason),))


def _reasons(error: YamlError) -> tuple[tuple[int, str], ...]:
    return tuple((problem.line, problem.reason) for problem in error.problems)


def _as_template(data: bytes, line: int, reason: str) -> tuple[int, str]:
    """The same, with a word where the line, or the one before, is of a Helm template: that is no YAML until it is rendered."""
    lines = data.split(b"\n")[max(line - 2, 0) : line]
    if any(_TEMPLATE.search(text) for text in lines):
        reason += "; this looks like a Helm template: make its chart the target_path"
    return line, reason


def _says_what_it_is(value: object) -> bool:
    return isinstance(value, Mapping) and ("apiVersion" in value or "kind" in value)


def _for_a_client(value: Mapping[str, Any]) -> bool:
    """A kubeconfig, a kustomization, a skaffold file: no API server would know what to do with it."""
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str):
        return False
    return version.partition("/")[0] in _CLIENT_GROUPS or (version == "v1" and kind == "Config" and "clusters" in value)


def _malformed(value: Mapping[str, Any]) -> str | None:
    """Why a document that is meant to be an object is none."""
    version, kind, metadata = value.get("apiVersion"), value.get("kind"), value.get("metadata")
    if version is None or kind is None:
        return "has a kind and no apiVersion" if version is None else "has an apiVersion and no kind"
    if not isinstance(version, str) or not re.fullmatch(r"(?:[^/\s]+/)?[^/\s]+", version):
        return "apiVersion is not of the form v1 or group/v1"
    if not isinstance(kind, str) or not kind.strip():
        return "kind is not a name"
    if metadata is None:
        return "has no metadata.name"
    if not isinstance(metadata, Mapping):
        return "metadata is not a table"
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name is None or name == "":
        if metadata.get("generateName"):
            return (
                "generateName cannot be declared: without a metadata.name the next sync would not find the object again"
            )
        return "has no metadata.name"
    if not isinstance(name, str):
        return "metadata.name is not a string: put it in quotes"
    if namespace is not None and not isinstance(namespace, str):
        return "metadata.namespace is not a string: put it in quotes"
    return None
