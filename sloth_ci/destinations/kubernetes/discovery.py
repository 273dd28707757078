"""Which kinds of objects a server has, and where.

Aggregated discovery (v2, v2beta1) takes two requests; servers before 1.26 and some proxies are asked group by group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from sloth_ci.destinations.kubernetes.client import Client
from sloth_ci.destinations.kubernetes.faults import ApiFault

T = TypeVar("T")

_AGGREGATED: Final = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)
_ACCEPT: Final = f"{_AGGREGATED},application/json"
_SILENT: Final = "its API server does not answer"


class Resource(NamedTuple):
    """One kind in one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Its URL path. Without a namespace, a namespaced resource is its list over all namespaces."""
        path = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            path += f"/namespaces/{quote(namespace, safe='')}"
        path += f"/{self.plural}"
        if name:
            path += f"/{quote(name, safe=':@')}"
        return f"{path}/{sub}" if sub else path


class _Names(msgspec.Struct, frozen=True):
    name: str = ""


class _Kind(msgspec.Struct):
    kind: str = ""
    group: str = ""
    version: str = ""


class _AggregatedResource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _Kind | None = None
    scope: str = ""
    verbs: list[str] = []


class _AggregatedVersion(msgspec.Struct):
    version: str
    resources: list[_AggregatedResource] = []
    freshness: str = "Current"


class _AggregatedGroup(msgspec.Struct):
    metadata: _Names = _Names()
    versions: list[_AggregatedVersion] = []


class _PlainVersion(msgspec.Struct, rename="camel"):
    group_version: str = ""
    version: str = ""


class _PlainGroup(msgspec.Struct, rename="camel"):
    name: str = ""
    versions: list[_PlainVersion] = []
    preferred_version: _PlainVersion | None = None


class _Listing(msgspec.Struct):
    """The answer of /api or /apis, whichever of the forms it has."""

    kind: str = ""
    items: list[_AggregatedGroup] = []
    versions: list[str] = []
    groups: list[_PlainGroup] = []


class _PlainResource(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = False
    verbs: list[str] = []
    group: str = ""
    version: str = ""


class _PlainResources(msgspec.Struct):
    resources: list[_PlainResource] | None = None


# Made here, once: where two threads are the first to decode into a struct, msgspec 0.22 crashes the process.
_decode_listing = msgspec.json.Decoder(_Listing).decode
_decode_plain = msgspec.json.Decoder(_PlainResources).decode


class _Found:
    """What a server has, while it is read."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], dict[str, Resource]] = {}
        self.broken: dict[str, str] = {}

    def add(self, resource: Resource) -> None:
        """Versions are added with the preferred one first."""
        versions = self.versions.setdefault((resource.group, resource.kind), {})
        known = versions.get(resource.version)
        # Some groups serve one kind twice; the one that can be read is the object.
        if known is None or ("get" in resource.verbs and "get" not in known.verbs):
            versions[resource.version] = resource


class Discovery:
    """Asks when the first question comes, and once. Safe for many threads. Questions raise UnreachableError, ApiFault."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = Lock()
        self._found: _Found | None = None
        self._server_version = ""

    def find(self, group: str, kind: str, version: str | None = None) -> Resource | None:
        """A kind in a version; without one, in the version that the server prefers."""
        versions = self._all().versions.get((group, kind))
        if not versions:
            return None
        return versions.get(version) if version is not None else next(iter(versions.values()))

    def resources(self) -> list[Resource]:
        """Every kind, in its preferred version."""
        return [next(iter(versions.values())) for versions in self._all().versions.values()]

    @property
    def broken(self) -> Mapping[str, str]:
        """`group/version` of what cannot be asked now, with why."""
        return self._all().broken

    def refresh(self) -> None:
        """Ask anew: after a CustomResourceDefinition or an APIService was established or deleted."""
        with self._lock:
            self._found = self._ask()

    @property
    def server_version(self) -> str:
        """`v1.37.2`."""
        if not self._server_version:
            said = self._client.json("GET", "/version")
            self._server_version = str(said.get("gitVersion") or "of an unknown version")
        return self._server_version

    def _all(self) -> _Found:
        with self._lock:
            if self._found is None:
                self._found = self._ask()
            return self._found

    def _ask(self) -> _Found:
        core, named = self._client.map(self._listing, ("/api", "/apis"))
        found = _Found()
        plain: list[tuple[str, str]] = []
        for listing in (core, named):
            if listing.kind == "APIGroupDiscoveryList":
                _add_aggregated(listing, found)
            else:
                plain += [("", version) for version in listing.versions]
                plain += [(group.name, version) for group in listing.groups for version in _preferred_first(group)]
        for (group, version), answer in zip(plain, self._client.map(self._plain, plain), strict=True):
            if isinstance(answer, str):
                found.broken[f"{group}/{version}" if group else version] = answer
            else:
                _add_plain(group, version, answer, found)
        return found

    def _listing(self, path: str) -> _Listing:
        return _read(self._client.call("GET", path, accept=_ACCEPT), _decode_listing, self._client)

    def _plain(self, group_version: tuple[str, str]) -> _PlainResources | str:
        """The resources of one version, or why there are none."""
        group, version = group_version
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        # A group without a server answers 503 for as long as that lasts: the others should not wait for it.
        for patient in (False, True):
            try:
                return _read(self._client.call("GET", path, patient=patient), _decode_plain, self._client)
            except ApiFault as fault:
                if fault.code == 503 or patient or not fault.transient:
                    return _SILENT if fault.code == 503 else fault.message
        raise AssertionError("the second try answers")


def _read(body: bytes, decode: Callable[[bytes], T], client: Client) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise client.no_api_server() from None


def _add_aggregated(listing: _Listing, found: _Found) -> None:
    for group in listing.items:
        name = group.metadata.name
        for version in group.versions:
            if version.freshness == "Stale":
                found.broken[f"{name}/{version.version}"] = _SILENT
                continue
            for item in version.resources:
                if item.response_kind is None:
                    continue  # it has subresources only
                found.add(
                    Resource(
                        name,
                        version.version,
                        item.response_kind.kind,
                        item.resource,
                        item.scope == "Namespaced",
                        frozenset(item.verbs),
                    )
                )


def _preferred_first(group: _PlainGroup) -> list[str]:
    preferred = group.preferred_version.version if group.preferred_version else ""
    return sorted((version.version for version in group.versions), key=lambda version: version != preferred)


def _add_plain(group: str, version: str, answer: _PlainResources, found: _Found) -> None:
    for item in answer.resources or []:
        if "/" not in item.name:
            found.add(Resource(group, version, item.kind, item.name, item.namespaced, frozenset(item.verbs)))
