"""People and controllers who edit objects on a real API server, each under a field manager's name."""

from __future__ import annotations

import itertools
from typing import Any

from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.known import Known, prepared
from sloth_ci.destinations.kubernetes.observe import look_up
from sloth_ci.destinations.kubernetes.takeover import take_over
from support.bodies import manifest
from support.waiting import until

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
APPLYSET = "applyset-tests-v1"

_names = itertools.count()

WIDGETS: Body = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.tests.example.com"},
    "spec": {
        "group": "tests.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1},
                                    "share": {"type": "number"},
                                    "mode": {"type": "string", "default": "soft", "enum": ["soft", "hard"]},
                                    "fixed": {
                                        "type": "string",
                                        "x-kubernetes-validations": [
                                            {"rule": "self == oldSelf", "message": "fixed is immutable"}
                                        ],
                                    },
                                    "tags": {
                                        "type": "array",
                                        "items": {"type": "string"},
                                        "x-kubernetes-list-type": "set",
                                    },
                                    "words": {"type": "array", "items": {"type": "string"}},
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name", "protocol"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {
                                                "name": {"type": "string"},
                                                "protocol": {"type": "string", "default": "TCP"},
                                                "value": {"type": "string"},
                                            },
                                        },
                                    },
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                    "whole": {
                                        "type": "object",
                                        "x-kubernetes-map-type": "atomic",
                                        "additionalProperties": {"type": "string"},
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


class Editors:
    """Writes to one cluster. `refused` says whether the last write was."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = cluster.namespace

    def name(self, stem: str = "o") -> str:
        """One that nobody else has."""
        return f"{stem}-{next(_names)}"

    def body(self, kind: str, name: str, api: str = "v1", **fields: Any) -> Body:
        """An object in the namespace."""
        metadata = {"name": name, "namespace": self.namespace, **fields.pop("metadata", {})}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}

    def path(self, body: Body, sub: str = "") -> str:
        """Its URL path."""
        group, _, version = body["apiVersion"].rpartition("/")
        resource = self.cluster.discovery.find(group, body["kind"], version)
        assert resource, body["kind"]
        return resource.path(body["metadata"].get("namespace", ""), body["metadata"]["name"], sub)

    def live(self, body: Body) -> Body:
        """As the server has it."""
        found: Body = self.cluster.client.json("GET", self.path(body))
        return found

    def exists(self, ref: Ref) -> bool:
        return bool(look_up(self.cluster, [ref]))

    def apply(self, body: Body, manager: str, *, force: bool = False, dry_run: bool = False) -> Body:
        """Server-side apply under any name."""
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        done: Body = self.cluster.client.json(
            "PATCH", self.path(body), query=query, body=body, content_type=APPLY, patient=False
        )
        return done

    def sync(self, desired: Manifest | Body, known: Known | None = None) -> Body:
        """Apply as the product does."""
        one = desired if isinstance(desired, Manifest) else manifest(desired)
        if known is not None and known.takeover:
            take_over(self.cluster, one.ref, known)
        sent = prepared(one.body, APPLYSET, known)
        return self.apply(sent, "sloth-ci", force=known is not None and known.force)

    def patch(self, body: Body, change: object, manager: str, *, kind: str = MERGE, sub: str = "") -> Body:
        """A merge patch or a JSON patch."""
        done: Body = self.cluster.client.json(
            "PATCH",
            self.path(body, sub),
            query={"fieldManager": manager},
            body=change,
            content_type=kind,
            patient=False,
        )
        return done

    def create(self, body: Body, manager: str) -> Body:
        """A plain create."""
        above = self.path(body).rpartition("/")[0]
        done: Body = self.cluster.client.json("POST", above, query={"fieldManager": manager}, body=body)
        return done

    def delete(self, body: Body) -> None:
        self.cluster.client.call("DELETE", self.path(body))

    def define(self, definition: Body = WIDGETS) -> None:
        """Make a CustomResourceDefinition and wait until its kind is served."""
        self.apply(definition, "tests", force=True)
        spec = definition["spec"]

        def served() -> bool:
            self.cluster.discovery.refresh()
            return self.cluster.discovery.find(spec["group"], spec["names"]["kind"]) is not None

        until(served, what="the kind is served")
