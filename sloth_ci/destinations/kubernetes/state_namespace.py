"""The namespace that holds what sloth-ci remembers: its Secrets and Leases, read and changed by compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sloth_ci.core.errors import SlothError, UnreachableError
from sloth_ci.core.objects import Body
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "sloth-ci"}
WRITE: Final = "sloth-ci/write"
"""Annotation: names one write. Where its answer is lost, it tells whether the write took place."""
MADE_FOR: Final = "sloth-ci/made-for"
"""Annotation of a namespace that is there only because state had to be kept in it."""

_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TRIES: Final = 5
_NAMESPACES: Final = "/api/v1/namespaces"


class Kind(NamedTuple):
    """A kind of object that state is kept in."""

    api_version: str
    kind: str
    plural: str
    root: str


SECRETS: Final = Kind("v1", "Secret", "secrets", "/api/v1")
LEASES: Final = Kind("coordination.k8s.io/v1", "Lease", "leases", "/apis/coordination.k8s.io/v1")


class StateNamespace:
    """Secrets and Leases in one namespace. Every method raises UnreachableError where the server does not allow it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.client = cluster.client
        self.name = name
        self._manager = {"fieldManager": cluster.manager}

    def read(self, kind: Kind, name: str) -> Body | None:
        """One object; None where it, or the namespace, is not there."""
        try:
            body: Body = self.client.json("GET", self._path(kind, name))
        except ApiFault as fault:
            if fault.code == 404:
                return None
            raise self._told(fault, "get", kind) from None
        return body

    def put(self, kind: Kind, body: Body) -> Body | None:
        """Replace what has the body's `resourceVersion`, or create what must not be there yet. Returns what is there then.

        None: somebody else was first. A write that took place although its answer was lost is known by its `WRITE`
        annotation, which is needed for that. The namespace is made where it is missing.
        """
        replaces = "resourceVersion" in body["metadata"]
        name = body["metadata"]["name"]
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                return self._replace(kind, name, body) if replaces else self._create(kind, body)
            except ApiFault as fault:
                moved = fault.code == 409 or (replaces and fault.code == 404)
                if moved and not fault.transient:
                    break
                if fault.code != 404 or last:
                    raise self._told(fault, "update" if replaces else "create", kind) from None
                self._make_namespace()
            except UnreachableError:
                # Cut off: it may have taken place. Looking waits for the server, which a POST must not.
                if last:
                    raise
                if _version_of(self.read(kind, name)) != _version_of(body):
                    break
        found = self.read(kind, name)
        return found if found is not None and _write_of(found) == _write_of(body) else None

    def delete(self, kind: Kind, name: str, uid: str) -> None:
        """Delete this very object; one that is gone already, or has been made anew, is left alone."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self.client.call("DELETE", self._path(kind, name), body=options)
        except ApiFault as fault:
            if fault.code not in {404, 409}:
                raise self._told(fault, "delete", kind) from None

    def listed(self, kind: Kind, *, labels: str, fields: str = "") -> list[dict[str, Any]]:
        """The metadata of all that the selectors choose: contents stay on the server."""
        query = {"labelSelector": labels, **({"fieldSelector": fields} if fields else {})}
        try:
            found = self.client.json("GET", self._path(kind), query=query, accept=_METADATA_LIST)
        except ApiFault as fault:
            raise self._told(fault, "list", kind) from None
        return [item["metadata"] for item in found["items"] or ()]  # an empty list of metadata is null

    def _path(self, kind: Kind, name: str = "") -> str:
        path = f"{kind.root}/namespaces/{self.name}/{kind.plural}"
        return f"{path}/{name}" if name else path

    def _replace(self, kind: Kind, name: str, body: Body) -> Body:
        written: Body = self.client.json("PUT", self._path(kind, name), query=self._manager, body=body)
        return written

    def _create(self, kind: Kind, body: Body) -> Body:
        created: Body = self.client.json("POST", self._path(kind), query=self._manager, body=body)
        return created

    def _make_namespace(self) -> None:
        # Under another name than that of the objects: where a workflow declares this namespace, it owns all it declares.
        query = {"fieldManager": f"{self._manager['fieldManager']}-state"}
        metadata = {"name": self.name, "annotations": {MADE_FOR: "state"}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        try:
            self.client.json("POST", _NAMESPACES, query=query, body=body)
        except ApiFault as fault:
            if fault.code == 409:  # another run made it at the same moment
                return
            raise UnreachableError(
                f"the namespace {self.name}, which is to hold the state, does not exist and cannot be made: "
                f"{fault.message}",
                f"kubectl create namespace {self.name}; or bind sloth-ci-cluster of deploy/rbac.yaml to this account",
            ) from None
        except UnreachableError:
            return  # cut off: whether it was made, the next write into it says

    def _told(self, fault: ApiFault, verb: str, kind: Kind) -> SlothError:
        what = f"{kind.plural} in the namespace {self.name}, where the state is kept"
        if any(cause.reason == "NamespaceTerminating" for cause in fault.causes):
            return UnreachableError(
                f"cannot {verb} {what}: it is being deleted",
                "wait until it is gone and run it again, or keep the state elsewhere with destination.state_namespace",
            )
        # A quota and an admission plugin answer 403 as well, but only the authorizer says so.
        if fault.code == 403 and " cannot " in fault.message:
            return UnreachableError(
                f"no permission to {verb} {what}: {fault.message}",
                "make sure that the namespace exists, and bind sloth-ci-state of deploy/rbac.yaml to this account there",
            )
        return UnreachableError(f"cannot {verb} {what}: {fault.message}", fault.hint)


def annotation(body: Mapping[str, Any], key: str) -> str:
    """One annotation of an object; empty where there is none."""
    return str((body["metadata"].get("annotations") or {}).get(key, ""))


def renewed(
    found: Body | None, *, labels: Mapping[str, str], annotations: Mapping[str, str | None], write: str
) -> dict[str, Any]:
    """The metadata of what is to replace an object: what others added stays. An annotation of None is taken away."""
    kept = dict(found["metadata"]) if found else {}
    kept.pop("managedFields", None)
    merged = {**(kept.get("annotations") or {}), **annotations, WRITE: write}
    kept["labels"] = {**(kept.get("labels") or {}), **MANAGED_BY, **labels}
    kept["annotations"] = {key: value for key, value in merged.items() if value is not None}
    return kept


def _write_of(body: Body) -> str | None:
    return annotation(body, WRITE) or None


def _version_of(body: Body | None) -> str | None:
    version: str | None = body["metadata"].get("resourceVersion") if body else None
    return version
