"""Schemas against the server that they are of: what is called wrong is wrong, and what is remembered is what it said."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubernetes_schema import Place, Trial, complaints, documents, everything
from sloth_ci.core.objects import normalise
from sloth_ci.core.openapi import definitions_of_crd
from sloth_ci.core.schema import Definitions, Schemas, kind_key
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.core.yaml import YamlError, flatten, parse
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.schemas import BUNDLED, FRESH, KEPT, bundled, known, remember
from sloth_ci.engine.doctor import workflow_findings
from support.bodies import deployment
from support.cluster import ControlPlane
from support.clusterworld import ClusterWorld
from support.gitrepo import GitRepo
from support.mutants import mutants
from support.proxy import FaultProxy
from support.waiting import until
from support.world import configmap

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas([bundled().definitions], closed=frozenset(bundled().versions))


@pytest.fixture
def trial(cluster: Cluster) -> Trial:
    return Trial(cluster, everything(dict(documents(cluster.client)), None))


def test_the_bundled_schema_is_what_the_server_says(cluster: Cluster) -> None:
    bundle = bundled()
    assert bundle.version == cluster.discovery.server_version, "make it anew: python scripts/kubernetes_schema.py"
    found = {version: document for version, document in documents(cluster.client) if version in bundle.versions}
    assert set(found) == set(bundle.versions)
    live = everything(found, bundle.proven)
    assert live.kinds == bundle.definitions.kinds
    assert live.nodes == bundle.definitions.nodes
    assert BUNDLED.stat().st_size < 200_000
    assert bundle.version in (BUNDLED.parent / "README.md").read_text(encoding="utf-8")


def test_what_was_proven_of_pods_and_deployments_still_is(trial: Trial) -> None:
    wanted = ("PodSpec", "Container", "DeploymentSpec", "ServiceSpec", "HTTPIngressPath", "ConfigMapKeySelector")
    proven = trial.proven(only=lambda name: name.rpartition(".")[2] in wanted)
    assert {name for name in bundled().proven.required if name.split(".")[-2] in wanted} == proven.required
    assert {name for name in bundled().proven.enums if name.split(".")[-2] in wanted} == proven.enums
    assert "io.k8s.api.core.v1.PodSpec.containers" in proven.required
    assert "io.k8s.api.core.v1.PodSpec.restartPolicy" in proven.enums


def test_what_is_called_wrong_the_server_calls_wrong(trial: Trial, schemas: Schemas) -> None:
    chosen = random.Random(20260101)
    caught = tried = 0
    for kind in bundled().definitions.kinds:
        if not trial.can_apply(kind):
            continue
        right = trial.body(Place(kind, ()))
        assert not schemas.faults(right) or trial.complaints(kind, right), kind
        for wrong in mutants(right, chosen, 12):
            faults = [str(fault) for fault in schemas.faults(normalise(wrong))]
            says = trial.complaints(kind, wrong)
            assert not faults or says, f"{kind}: {faults}, and the server takes {json.dumps(wrong)}"
            new = says - trial.complaints(kind, right) if says else set()
            tried += bool(new)
            caught += bool(new and faults)
    assert tried > 200
    assert caught / tried > 0.7, "most of what the server refuses is seen"


# --- custom kinds --------------------------------------------------------------------------------------------------

LAMP: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["watts", "socket", "rooms"],
            "properties": {
                "watts": {"type": "integer"},
                "socket": {"type": "string", "default": "E27", "enum": ["E27", "E14"]},
                "share": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "level": {"type": "number"},
                "bright": {"type": "boolean"},
                "note": {"type": "string", "nullable": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": {"type": "string"}}},
                "anything": {"x-kubernetes-preserve-unknown-fields": True},
                "nothing": {"type": "object"},
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
                },
                "rooms": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "floor": {"type": "integer"}},
                    },
                },
            },
        }
    },
}  # fmt: skip
SPEC: dict[str, Any] = {
    "watts": 3,
    "socket": "E14",
    "share": "50%",
    "level": 1,
    "bright": True,
    "note": "x",
    "labels": {"a": "b"},
    "raw": {"a": "x", "b": {"c": 1}},
    "anything": [1, {"a": 2}],
    "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"a": "x"}},
    "rooms": [{"name": "hall", "floor": 1}],
}


@pytest.fixture
def lamp_crd(cluster: Cluster, namespace: str) -> Iterator[dict[str, Any]]:
    group = f"{namespace}.example.com"
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"lamps.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Lamp", "plural": "lamps"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": LAMP}}],
        },
    }
    place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cluster.client.call("POST", place, body=body)
    path = f"/apis/{group}/v1/namespaces/{namespace}/lamps/a"
    right = {"apiVersion": f"{group}/v1", "kind": "Lamp", "metadata": {"name": "a"}, "spec": SPEC}
    until(lambda: not complaints(cluster.client, path, right), what="the server takes lamps")
    yield body
    cluster.client.call("DELETE", f"{place}/lamps.{group}")


def test_what_is_called_wrong_of_a_custom_kind_the_server_calls_wrong(
    cluster: Cluster, namespace: str, lamp_crd: dict[str, Any]
) -> None:
    group = lamp_crd["spec"]["group"]
    path = f"/apis/{group}/v1/namespaces/{namespace}/lamps/a"
    own = Schemas([definitions_of_crd(lamp_crd), bundled().definitions])
    meta = {"name": "a", "labels": {"a": "b"}}
    right = {"apiVersion": f"{group}/v1", "kind": "Lamp", "metadata": meta, "spec": SPEC}
    assert own.faults(right) == []
    chosen, caught, tried = random.Random(7), 0, 0
    for wrong in mutants(right, chosen, 400):
        faults = [str(fault) for fault in own.faults(normalise(wrong))]
        says = complaints(cluster.client, path, wrong)
        assert not faults or says, f"{faults}, and the server takes {json.dumps(wrong)}"
        tried += bool(says)
        caught += bool(says and faults)
    assert tried > 100
    assert caught / tried > 0.7
    without: dict[str, Any] = copy.deepcopy(right)
    del without["spec"]["socket"]
    assert own.faults(without) == []
    assert not complaints(cluster.client, path, without), "it has a default"


# --- real repositories ---------------------------------------------------------------------------------------------


def objects_of(bundle: Path, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in every file of every revision, with the path of its file."""
    git = ["git", "--git-dir", str(folder / "bare")]
    subprocess.run([*git[:1], "clone", "--quiet", "--bare", str(bundle), str(folder / "bare")], check=True)
    listed = subprocess.run([*git, "rev-list", "--objects", "--all"], check=True, capture_output=True, text=True).stdout
    paths = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    for blob, path in paths.items():
        if not path.endswith((".yaml", ".yml", ".json")):
            continue
        data = subprocess.run([*git, "cat-file", "blob", blob], check=True, capture_output=True).stdout
        try:
            found = [item.value for document in parse(data) for item in flatten(document)]
        except YamlError:
            continue
        for value in found:
            named = isinstance(value.get("metadata"), dict) and value["metadata"].get("name")
            if named and isinstance(value.get("apiVersion"), str) and isinstance(value.get("kind"), str):
                yield path, value


@pytest.mark.parametrize("name", ["kube-prometheus", "microservices-demo"])
def test_nothing_is_wrong_with_any_revision_of_a_real_repository(
    name: str, bundles: Path, tmp_path: Path, schemas: Schemas
) -> None:
    found = list(objects_of(bundles / f"{name}.bundle", tmp_path))
    assert len(found) > 200
    defined = [definitions_of_crd(body) for _, body in found if body["kind"] == "CustomResourceDefinition"]
    wrong: list[tuple[str, str]] = []
    for path, body in found:
        if ".patch." in path:
            continue  # a part of an object, for kustomize
        key = kind_key(body["apiVersion"], body["kind"])
        # Definitions change from revision to revision: an object has to fit one of them.
        own = [Schemas([one, bundled().definitions]) for one in defined if key in one.kinds] or [schemas]
        faults = min((one.faults(normalise(body)) for one in own), key=len)
        wrong += [(path, str(fault)) for fault in faults]
    assert wrong == []


# --- what a cluster said -------------------------------------------------------------------------------------------


def spec_of(config: Path) -> DestinationSpec:
    return DestinationSpec(kubeconfig=str(config), context="test")


def test_a_cluster_is_asked_for_what_is_used_and_once_a_day(control_plane: ControlPlane, tmp_path: Path) -> None:
    with FaultProxy(control_plane) as proxy:
        spec = spec_of(control_plane.kubeconfig(server=proxy.url))
        cluster = connect(spec, tmp_path, os.environ)
        found = remember(cluster, tmp_path, {"v1", "apps/v1", "example.com/v9"}, now=NOW)
        assert found is not None
        assert found.version == bundled().version
        assert set(found.documents) == {"v1", "apps/v1"}
        assert {"v1", "apps/v1", "batch/v1"} <= {*found.versions}
        asked = {("GET", "/openapi/v3"): 1, ("GET", "/openapi/v3/api/v1"): 1, ("GET", "/openapi/v3/apis/apps/v1"): 1}
        asked |= {("GET", "/version"): 1}
        assert proxy.counts() == asked
        assert remember(cluster, tmp_path, {"v1", "apps/v1", "example.com/v9"}, now=NOW + FRESH - 1) == found
        assert proxy.counts() == asked, "within a day it is not asked again"
        later = remember(cluster, tmp_path, {"v1"}, now=NOW + FRESH)
        assert later == msgspec.structs.replace(found, at=NOW + FRESH)
        assert proxy.counts() == {**asked, ("GET", "/openapi/v3"): 2}, "what has not changed is not read again"
        more = remember(cluster, tmp_path, {"batch/v1"}, now=NOW + FRESH + 1)
        assert more is not None
        assert set(more.documents) == {"v1", "apps/v1", "batch/v1"}
        cluster.client.close()


def test_what_a_cluster_said_counts_before_what_came_with_the_package(
    cluster: Cluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    spec = spec_of(control_plane.admin)
    without = known(spec, tmp_path, os.environ, tmp_path, now=NOW)
    assert without.source == f"Kubernetes {bundled().version}"
    found = remember(cluster, tmp_path, {"apps/v1"}, now=NOW)
    assert found is not None
    with_it = known(spec, tmp_path, os.environ, tmp_path, now=NOW)
    assert with_it.source == f"Kubernetes {found.version}, as test had it"
    wrong = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replica": 1}}
    assert [str(fault) for fault in with_it.schemas.faults(wrong)] == [str(f) for f in without.schemas.faults(wrong)]
    old = {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "a"}}
    assert without.schemas.faults(old) == []
    gone = "apiVersion: the cluster no longer serves batch/v1beta1, write batch/v1"
    assert [str(fault) for fault in with_it.schemas.faults(old)] == [gone]
    later = known(spec, tmp_path, os.environ, tmp_path, now=NOW + KEPT)
    assert later.source == without.source, "it may have been upgraded"
    elsewhere = known(DestinationSpec(directory="out"), tmp_path, os.environ, tmp_path, now=NOW)
    assert elsewhere.source == without.source


def test_a_newer_cluster_is_not_held_to_an_older_package(
    cluster: Cluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    found = remember(cluster, tmp_path, {"apps/v1"}, now=NOW)
    assert found is not None
    newer = msgspec.structs.replace(found, version="v1.99.0", documents={})
    file = tmp_path / "schemas" / f"{cluster.key}.json"
    file.write_bytes(msgspec.json.encode(newer))
    schemas = known(spec_of(control_plane.admin), tmp_path, os.environ, tmp_path, now=NOW).schemas
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [], "newInOneNinetyNine": 1},
    }
    assert schemas.faults(pod) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 3}', b"\xff"])
def test_a_damaged_memory_is_none(
    content: bytes, cluster: Cluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / f"{cluster.key}.json").write_bytes(content)
    assert (
        known(spec_of(control_plane.admin), tmp_path, os.environ, tmp_path, now=NOW).source
        == f"Kubernetes {bundled().version}"
    )
    assert remember(cluster, tmp_path, {"v1"}, now=NOW)
    assert [path.name for path in folder.iterdir()] == [f"{cluster.key}.json"]


def test_a_custom_kind_that_the_cluster_knows_is_known(
    cluster: Cluster, control_plane: ControlPlane, lamp_crd: dict[str, Any], tmp_path: Path
) -> None:
    version = f"{lamp_crd['spec']['group']}/v1"

    def learnt() -> Definitions | None:
        found = remember(cluster, tmp_path, {version}, now=NOW)
        (tmp_path / "schemas" / f"{cluster.key}.json").unlink(missing_ok=True)
        return found.documents[version][1] if found and version in found.documents else None

    definitions = until(learnt, what="the server publishes the schema of lamps")
    assert definitions
    assert kind_key(version, "Lamp") in definitions.kinds
    remember(cluster, tmp_path, {version}, now=NOW)
    schemas = known(spec_of(control_plane.admin), tmp_path, os.environ, tmp_path, now=NOW).schemas
    right = {"apiVersion": version, "kind": "Lamp", "metadata": {"name": "a"}, "spec": SPEC}
    assert schemas.faults(right) == []
    wrong = {**right, "spec": {**SPEC, "wats": 3, "socket": "E40"}}
    assert [fault.shown for fault in schemas.faults(wrong)] == ["spec.socket", "spec.wats"]


def test_doctor_has_kept_what_the_hooks_check_against(
    tmp_path: Path, git_repo: Callable[..., GitRepo], control_plane: ControlPlane, namespace: str
) -> None:
    world = ClusterWorld(tmp_path, git_repo, control_plane, namespace)
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": deployment(), "k8s/a.yaml": configmap("a")})
    with world.opened() as session:
        found = {finding.name: finding for finding in workflow_findings(session, workflow)}
        assert found["shop: schemas"].ok
        assert found["shop: schemas"].detail == (
            f"2 API versions of Kubernetes {bundled().version}, for the hooks to check against"
        )
        seen = known(workflow.destination, session.root, session.environ, session.cache_dir, now=session.clock())
        assert seen.source == f"Kubernetes {bundled().version}, as test had it"
