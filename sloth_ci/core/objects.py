"""Kubernetes objects as data: who they are, where they came from, and what they hash to."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

Body = dict[str, Any]
"""An object as JSON: what the API server would be sent."""

_encode = msgspec.json.Encoder(order="sorted").encode


class Ref(NamedTuple):
    """The identity of an object. The version is not part of it: `apps/v1` and `apps/v1beta1` name one object."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        if self.namespace:
            return f"{self.kind}/{self.namespace}/{self.name}"
        return f"{self.kind}/{self.name}"


class Source(NamedTuple):
    """Where an object was written: a path inside the repository and a line, counted from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Manifest:
    """One object of a revision. Its body may be read only when somebody asks for it.

    `digest` is the SHA-256 (hex) of the canonical body, so two manifests are the same object state if and only if
    their digests are equal; thousands of unchanged objects are compared without reading any of them.
    """

    __slots__ = ("_body", "_load", "digest", "ref", "source", "version")

    def __init__(
        self,
        ref: Ref,
        version: str,
        digest: str,
        source: Source,
        *,
        body: Body | None = None,
        load: Callable[[], Body] | None = None,
    ) -> None:
        self.ref = ref
        self.version = version
        self.digest = digest
        self.source = source
        self._body = body
        self._load = load

    @property
    def body(self) -> Body:
        """The normalised object. Never change it in place: it may be shared."""
        if self._body is None:
            if self._load is None:
                raise ValueError(f"{self.ref} has neither a body nor a way to load it")
            self._body = self._load()
        return self._body

    @property
    def pending(self) -> Callable[[], Body] | None:
        """What would read the body; None once it is here. Lets a renderer read many bodies in one go."""
        return self._load if self._body is None else None

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: as the manifest spells it."""
        return f"{self.ref.group}/{self.version}" if self.ref.group else self.version

    def __repr__(self) -> str:
        return f"Manifest({self.ref}, {self.source})"


class Write(NamedTuple):
    """One object to be written to a destination; no body means that it is deleted."""

    ref: Ref
    body: Body | None
    source: Source | None = None
    """Where it is declared, for messages."""


def manifest_of(body: Body, source: Source) -> Manifest:
    """Make a `Manifest` of a parsed object that has apiVersion, kind and metadata.name.

    The body is normalised first (see `normalise`).
    """
    body = normalise(body)
    group, _, version = body["apiVersion"].rpartition("/")
    metadata = body["metadata"]
    ref = Ref(group, body["kind"], metadata.get("namespace") or "", metadata["name"])
    return Manifest(ref, version, digest_of(body), source, body=body)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no white space: equal values give equal bytes."""
    return _encode(value)


def digest_of(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(_encode(value)).hexdigest()


def set_digest(manifests: Iterable[Manifest]) -> str:
    """SHA-256 (hex) over identities and object digests: files, order and formatting do not count."""
    return digest_of(sorted((*manifest.ref, manifest.version, manifest.digest) for manifest in manifests))


def normalise(body: Body) -> Body:
    """Drop what is not intent and write what can be written in two ways in one.

    No status, no null creationTimestamp, `stringData` folded into `data` as the API server does it. The argument is
    left as it is.
    """
    body = {k: v for k, v in body.items() if k != "status"}
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("creationTimestamp", "") is None:
        body["metadata"] = {k: v for k, v in metadata.items() if k != "creationTimestamp"}
    if body.get("kind") == "Secret" and body.get("apiVersion") == "v1" and isinstance(body.get("stringData"), Mapping):
        data = dict(body.get("data") or {})
        for key, value in body.pop("stringData").items():
            data[key] = b64encode(value.encode()).decode() if isinstance(value, str) else value
        body["data"] = data
    return body
