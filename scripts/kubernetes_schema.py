"""Make the small schema of Kubernetes' own kinds that travels with the package, from a real API server.

    python scripts/kubernetes_schema.py      starts the control plane of the tests, and writes sloth_ci/.../kubernetes.json.gz

The API server's OpenAPI documents say what fields there are. They also call fields required that it fills in by itself, and
name words of an `enum` that it does not insist on, so each of these is tried out: an object with the field and one without
it (or with another word) are sent to it as a server-side dry-run. What it refuses in the second alone is kept.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import engines

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import msgspec

from sloth_ci.core.openapi import Proven, definitions_of
from sloth_ci.core.schema import Definitions, Node
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.client import Client
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.schemas import BUNDLED, Bundle
from support.cluster import PARTS, ControlPlane

_DEPTH: Final = 6
_TRIES: Final = 4
"""Ways from a kind to a definition that are tried."""
_WRONG_WORD: Final = "Neither"
_WORDS: Final = {
    "apiVersion": "v1",
    "image": "registry.example.com/app:1",
    "path": "/app",
    "mountPath": "/app",
    "devicePath": "/dev/xvda",
    "fieldPath": "metadata.name",
    "resource": "limits.cpu",
    "schedule": "0 0 * * *",
    "pathType": "Prefix",
    "url": "https://example.com/",
    "provisioner": "example.com/app",
    "handler": "app",
    "operator": "Exists",
    "cidr": "10.0.0.0/8",
}
"""What a field of this name takes; of any other, `app` is as good as anything."""
_HELPFUL: Final = ("image", "matchLabels", "labels", "metadata", "spec")
"""Required by no document, and what the server complains of first where they are missing."""


class Place(NamedTuple):
    """A field of a definition, and a way to it from a kind: names of fields, `[]` for an item, `{}` for a value."""

    kind: str
    way: tuple[str, ...]


class Trial:
    """Sends objects that have one thing wrong, and objects that have not, and sees what the server makes of both."""

    def __init__(self, cluster: Cluster, known: Definitions) -> None:
        self._cluster = cluster
        self._known = known

    def proven(self, only: Callable[[str], bool] = lambda name: True) -> Proven:
        """What the server insists on, in the definitions that `only` names."""
        required, enums = set(), set()
        for name, places in self._places().items():
            if not only(name):
                continue
            node = self._known.nodes[name]
            for field in node.required:
                if any(self._refused(place, field, drop=True) for place in places):
                    required.add(f"{name}.{field}")
            for field, inner in node.fields.items():
                if inner.enum and any(self._refused(place, field, drop=False) for place in places):
                    enums.add(f"{name}.{field}")
        return Proven(frozenset(required), frozenset(enums))

    def _places(self) -> dict[str, list[Place]]:
        """Each definition with the shortest ways to it."""
        found: dict[str, list[Place]] = {}
        todo: list[tuple[str, Place]] = [
            (name, Place(kind, ())) for kind, name in self._known.kinds.items() if self._path(kind)
        ]
        while todo:
            after: list[tuple[str, Place]] = []
            for name, place in todo:
                ways = found.setdefault(name, [])
                if len(ways) >= _TRIES or len(place.way) > 24:
                    continue
                ways.append(place)
                for step, ref in _steps(self._known.nodes[name]):
                    after.append((ref, Place(place.kind, (*place.way, *step))))
            todo = after
        return found

    def can_apply(self, kind: str) -> bool:
        """Whether there are objects of the kind, and not only questions about it."""
        return self._path(kind) is not None

    def _path(self, kind: str) -> str | None:
        """The path of an object of the kind; None where nobody can apply one."""
        api_version, _, name = kind.rpartition("/")
        group, _, version = api_version.rpartition("/")
        resource = self._cluster.discovery.find(group, name, version)
        if resource is None or "patch" not in resource.verbs:
            return None
        return resource.path("default", _name_for(name))

    def _refused(self, place: Place, field: str, *, drop: bool) -> bool:
        """Whether the server says more of the object that has the fault, and names the field where it says it."""
        right, wrong = self.body(place), self.body(place)
        for body, good in ((right, True), (wrong, False)):
            at = _at(body, place.way)
            if not isinstance(at, dict):
                return False
            if drop and not good:
                at.pop(field, None)
            elif not drop:
                node = self._node(place)
                at[field] = node.fields[field].enum[0] if good else _WRONG_WORD
        new = self.complaints(place.kind, wrong) - self.complaints(place.kind, right)
        return any(field in text for text in new)

    def complaints(self, kind: str, body: Mapping[str, Any]) -> set[str]:
        """What the server has against an object."""
        path = self._path(kind)
        assert path is not None
        return complaints(self._cluster.client, path, body)

    def _node(self, place: Place) -> Node:
        node = self._resolved(Node(ref=self._known.kinds[place.kind]))
        for step in place.way:
            inner = node.items if step == "[]" else node.values if step == "{}" else node.fields[step]
            assert inner is not None
            node = self._resolved(inner)
        return node

    def _resolved(self, node: Node) -> Node:
        return self._known.nodes[node.ref] if node.ref else node

    def body(self, place: Place) -> dict[str, Any]:
        """An object with as little in it as can be, and with the place."""
        api_version, _, kind = place.kind.rpartition("/")
        root = Node(ref=self._known.kinds[place.kind])
        body = self._least(root, place.way, "", 0)
        assert isinstance(body, dict)
        metadata = {"name": _name_for(kind), "labels": {"app": "app"}}
        return {**body, "apiVersion": api_version, "kind": kind, "metadata": {**body.get("metadata", {}), **metadata}}

    def _least(self, node: Node, way: tuple[str, ...], name: str, depth: int) -> Any:
        node = self._resolved(node)
        step, rest = (way[0], way[1:]) if way else ("", ())
        match node.type:
            case "object" if step == "{}" or (not node.fields and node.values is not None):
                assert node.values is not None
                return {"app": self._least(node.values, rest, name, depth)}
            case "object":
                wanted = (
                    [field for field in (*node.required, *_HELPFUL) if field in node.fields] if depth < _DEPTH else []
                )
                fields = dict.fromkeys([*wanted, *([step] if step else [])])
                return {
                    field: self._least(node.fields[field], rest if field == step else (), field, depth + (not rest))
                    for field in fields
                }
            case "array":
                assert node.items is not None
                return [self._least(node.items, rest if step == "[]" else (), name, depth)]
            case "string":
                return node.enum[0] if node.enum else _WORDS.get(name, "app")
            case "boolean":
                return True
            case "quantity":
                return "1"
            case "integer" | "number" | "intstr":
                return 1
            case _:
                return {}


def complaints(client: Client, path: str, body: Mapping[str, Any]) -> set[str]:
    """What a server has against an object that is applied: `field: why`, or its message; empty where it takes it."""
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "schema", "force": "true"}
    try:
        client.call("PATCH", path, query=query, body=dict(body), content_type="application/apply-patch+yaml")
    except ApiFault as fault:
        if fault.causes:
            return {f"{cause.field}: {cause.message}" for cause in fault.causes}
        return {fault.message}
    return set()


def documents(client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    """The OpenAPI v3 documents of all versions of all groups, by `v1`, `apps/v1`."""
    for path, where in sorted(client.json("GET", "/openapi/v3")["paths"].items()):
        document = client.json("GET", where["serverRelativeURL"].partition("?")[0])
        if "components" in document:
            yield path.removeprefix("apis/").removeprefix("api/"), document


def everything(found: Mapping[str, dict[str, Any]], proven: Proven | None) -> Definitions:
    """All documents as one. Where they describe a type alike they share it."""
    nodes: dict[str, Node] = {}
    kinds: dict[str, str] = {}
    for document in found.values():
        part = definitions_of(document, proven)
        nodes.update(part.nodes)
        kinds.update(part.kinds)
    return Definitions(dict(sorted(nodes.items())), dict(sorted(kinds.items())))


def bundle(cluster: Cluster) -> Bundle:
    """What is written: of the server's version, with what it was seen to insist on."""
    found = dict(documents(cluster.client))
    proven = Trial(cluster, everything(found, None)).proven()
    versions = tuple(version for version in found if "/" in version or version == "v1")
    return Bundle(cluster.discovery.server_version, versions, proven, everything(found, proven))


def _steps(node: Node, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The definitions that a node refers to, and how one comes to them."""
    if node.ref:
        yield way, node.ref
    for step, inner in (("[]", node.items), ("{}", node.values), *node.fields.items()):
        if inner is not None:
            yield from _steps(inner, (*way, step))


def _at(body: Any, way: tuple[str, ...]) -> Any:
    for step in way:
        body = body[0] if step == "[]" else body["app"] if step == "{}" else body[step]
    return body


def _name_for(kind: str) -> str:
    return "v1.app.example.com" if kind == "APIService" else "app.example.com" if "Definition" in kind else "app"


def main() -> int:
    """Write the asset. The exit code is 1 where an engine is missing."""
    found = {name: path for name in (*PARTS, "kubectl") if (path := engines.find(name, os.environ))}
    if len(found) <= len(PARTS):
        print(f"schema: engines are missing; get them with `{engines.MEND}`", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="sloth-schema-") as folder,
        ControlPlane.start(Path(folder), found, found["kubectl"]) as plane,
    ):
        cluster = connect(DestinationSpec(kubeconfig=str(plane.admin)), Path(folder), os.environ)
        made = bundle(cluster)
        cluster.client.close()
    text = json.dumps(msgspec.to_builtins(made), sort_keys=True, separators=(",", ":"), default=sorted)
    BUNDLED.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    shown = f"{len(made.definitions.kinds)} kinds, {len(made.proven.required)} required fields, {len(made.proven.enums)} enums"
    print(f"{made.version}: {shown}, {BUNDLED.stat().st_size} bytes in {BUNDLED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
