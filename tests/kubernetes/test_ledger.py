"""The ledger in a Secret: what is written is read, of two writers one wins, and what is not ours is left alone."""

from __future__ import annotations

import random
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sloth_ci.core.errors import ConflictError, LockedError, UnreachableError, UsageError
from sloth_ci.core.ledger import LEDGER_FORMAT, Held, Journal, Ledger, Record
from sloth_ci.core.objects import Ref
from sloth_ci.core.state import LedgerStore
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.applyset import GROUP_KINDS, ID, NAMESPACES, TOOLING
from sloth_ci.destinations.kubernetes.backups import pack
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.state import KubernetesHome
from support.cluster import ControlPlane
from support.waiting import until

WORKFLOW = "shop-0123456789"
PARENT = f"sloth-{WORKFLOW}"

FULL = Ledger(
    inventory=(Ref("", "ConfigMap", "a", "x"), Ref("apps", "Deployment", "shop", "web"), Ref("", "Namespace", "", "a")),
    history=(
        Record(
            id="sync-1", action="sync", status="succeeded", revision="abc", digest="d.e", started=1.5, finished=2.5,
            message="über 🦥", backup="sync-1", holder="me",
        ),
    ),
    journal=Journal(
        id="sync-2", action="sync", revision="def", digest="d.f", phase="applying", backup="sync-2", started=3
    ),
    held=(Held(revision="0", intent="d", reason="unhealthy"),),
)  # fmt: skip


@pytest.fixture
def home(cluster: Cluster) -> KubernetesHome:
    return KubernetesHome(cluster, cluster.namespace)


def path_of(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")


def patch(cluster: Cluster, path: str, body: object) -> Any:
    return cluster.client.json("PATCH", path, body=body, content_type="application/merge-patch+json")


def parent(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.client.json("GET", path_of(cluster.namespace, PARENT))
    return found


def test_what_is_saved_is_loaded_again(home: KubernetesHome) -> None:
    store = home.ledger(WORKFLOW)
    assert store.load() == Ledger()
    assert store.save(FULL, "applying def") == FULL
    assert home.ledger(WORKFLOW).load() == FULL
    store.save(Ledger(), "forget it")
    assert home.ledger(WORKFLOW).load() == Ledger()


def test_the_secret_tells_a_person_what_it_is(home: KubernetesHome, cluster: Cluster) -> None:
    home.ledger(WORKFLOW).save(FULL, "applying def\n\nSloth-Plan: d.f")
    found = parent(cluster)
    assert found["type"] == "sloth-ci/ledger"
    assert found["metadata"]["labels"][ID] == home.ledger(WORKFLOW).applyset
    annotations = found["metadata"]["annotations"]
    assert annotations[TOOLING] == "sloth-ci/v1"
    assert annotations[GROUP_KINDS] == "ConfigMap,Deployment.apps,Namespace"
    assert annotations[NAMESPACES] == "a,shop"
    assert annotations["sloth-ci/message"] == "applying def Sloth-Plan: d.f"
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert managers == {"sloth-ci"}


def exists(cluster: Cluster, namespace: str) -> bool:
    found = cluster.client.json("GET", "/api/v1/namespaces", query={"fieldSelector": f"metadata.name={namespace}"})
    return bool(found["items"])


@pytest.fixture
def absent(cluster: Cluster) -> Iterator[str]:
    """A namespace that does not exist."""
    name = f"{cluster.namespace}-state"
    yield name
    if exists(cluster, name):
        cluster.client.json("DELETE", f"/api/v1/namespaces/{name}")


def test_only_a_write_makes_the_namespace(cluster: Cluster, absent: str) -> None:
    home = KubernetesHome(cluster, absent)
    store = home.ledger(WORKFLOW)
    assert store.load() == Ledger()
    assert home.neighbours(WORKFLOW) == []
    assert not exists(cluster, absent)
    store.save(FULL, "first")
    made = cluster.client.json("GET", f"/api/v1/namespaces/{absent}")
    assert made["metadata"]["annotations"]["sloth-ci/made-for"] == "state"
    assert home.ledger(WORKFLOW).load() == FULL


@pytest.mark.parametrize("there", [True, False])
def test_of_two_writers_one_is_told(home: KubernetesHome, there: bool) -> None:
    if there:
        home.ledger(WORKFLOW).save(Ledger(), "first")
    one, two = home.ledger(WORKFLOW), home.ledger(WORKFLOW)
    one.load()
    two.load()
    one.save(FULL, "one")
    with pytest.raises(LockedError, match="somebody else changed the state") as refused:
        two.save(Ledger(), "two")
    assert "run it again" in (refused.value.hint or "")
    assert home.ledger(WORKFLOW).load() == FULL
    one.save(Ledger(), "one goes on")
    two.load()
    two.save(FULL, "two read it again")


def test_a_ledger_that_was_deleted_is_not_written_over(home: KubernetesHome, cluster: Cluster) -> None:
    store = home.ledger(WORKFLOW)
    store.save(FULL, "first")
    cluster.client.call("DELETE", path_of(cluster.namespace, PARENT))
    with pytest.raises(LockedError):
        store.save(FULL, "second")
    home.ledger(WORKFLOW).save(Ledger(), "made anew")
    with pytest.raises(LockedError):
        store.save(FULL, "third")


def test_what_a_person_added_stays(home: KubernetesHome, cluster: Cluster) -> None:
    home.ledger(WORKFLOW).save(Ledger(), "first")
    added = {"labels": {"team": "a"}, "annotations": {"note": "b"}, "finalizers": ["example.com/keep"]}
    patch(cluster, path_of(cluster.namespace, PARENT), {"metadata": added})
    store = home.ledger(WORKFLOW)
    store.load()
    store.save(FULL, "second")
    metadata = parent(cluster)["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["note"] == "b"
    assert metadata["finalizers"] == ["example.com/keep"]
    patch(cluster, path_of(cluster.namespace, PARENT), {"metadata": {"finalizers": None}})


def many(count: int, entropy: int) -> tuple[Ref, ...]:
    """An inventory with names that compress as badly as generated ones do."""
    chosen = random.Random(7)
    kinds = [("", "ConfigMap"), ("apps", "Deployment"), ("", "Service"), ("monitoring.coreos.com", "PrometheusRule")]
    return tuple(
        Ref(*kinds[n % 4], f"team-{n % 300}", f"service-{n}-{chosen.randbytes(entropy).hex()}") for n in range(count)
    )


def test_an_inventory_of_20000_objects_fits(home: KubernetesHome, cluster: Cluster) -> None:
    ledger = msgspec.structs.replace(FULL, inventory=many(20_000, 8))
    home.ledger(WORKFLOW).save(ledger, "a large one")
    assert len(b64decode(parent(cluster)["data"]["ledger"])) < 512 * 1024
    assert home.ledger(WORKFLOW).load() == ledger


def test_one_that_does_not_fit_is_refused_before_anything_is_written(home: KubernetesHome, cluster: Cluster) -> None:
    home.ledger(WORKFLOW).save(FULL, "first")
    store = home.ledger(WORKFLOW)
    store.load()
    with pytest.raises(UsageError, match=r"20000 objects takes \d+ KiB compressed") as refused:
        store.save(msgspec.structs.replace(FULL, inventory=many(20_000, 60)), "too large")
    assert "several workflows" in (refused.value.hint or "")
    assert home.ledger(WORKFLOW).load() == FULL


def test_a_newer_format_is_refused(home: KubernetesHome) -> None:
    home.ledger(WORKFLOW).save(Ledger(format=LEDGER_FORMAT + 1), "by a later version")
    with pytest.raises(UnreachableError, match=f"newer sloth-ci .format {LEDGER_FORMAT + 1}"):
        home.ledger(WORKFLOW).load()


@pytest.mark.parametrize(("annotations", "owner"), [({TOOLING: "kubectl/v1.30"}, "kubectl"), ({}, "somebody else")])
def test_a_secret_of_somebody_else_is_refused_and_stays(
    home: KubernetesHome, cluster: Cluster, annotations: dict[str, str], owner: str
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": PARENT, "annotations": annotations},
        "stringData": {"password": "hunter2hunter2"},
    }
    cluster.client.json("POST", path_of(cluster.namespace), body=theirs)
    before = parent(cluster)
    store = home.ledger(WORKFLOW)
    with pytest.raises(ConflictError, match=f"{PARENT}.* belongs to {owner}") as refused:
        store.load()
    assert "state_namespace" in (refused.value.hint or "")
    with pytest.raises(LockedError):
        store.save(FULL, "over it")
    assert parent(cluster) == before


def damaged(data: dict[str, str | None]) -> dict[str, Any]:
    return {"data": data}


def b64(data: bytes) -> str:
    return b64encode(data).decode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (damaged({"ledger": None}), "'ledger' is not in it"),
        (damaged({"backups": None}), "'backups' is not in it"),
        (damaged({"ledger": b64(b"{}")}), "not gzip"),
        (damaged({"ledger": b64(pack(Ledger())[:-9])}), "cut off"),
        (damaged({"ledger": b64(pack({"inventory": "hunter2hunter2"}))}), "does not hold a ledger"),
        (damaged({"ledger": b64(pack([]))}), "does not hold"),
        (damaged({"backups": b64(b"hunter2")}), "does not hold an index"),
        ({"metadata": {"labels": {ID: "applyset-another-v1"}}}, "its label .* is applyset-another-v1"),
        ({"metadata": {"labels": {ID: None}}}, "its label .* is gone"),
    ],
)
def test_a_damaged_ledger_says_what_can_be_done(
    home: KubernetesHome, cluster: Cluster, change: dict[str, Any], reason: str
) -> None:
    home.ledger(WORKFLOW).save(FULL, "first")
    patch(cluster, path_of(cluster.namespace, PARENT), change)
    with pytest.raises(
        UnreachableError, match=f"Secret {cluster.namespace}/{PARENT} cannot be read: .*{reason}"
    ) as told:
        home.ledger(WORKFLOW).load()
    assert f"kubectl delete secret {PARENT} -n {cluster.namespace}" in (told.value.hint or "")
    assert "hunter2" not in f"{told.value.message} {told.value.hint}"
    cluster.client.call("DELETE", path_of(cluster.namespace, PARENT))
    store = home.ledger(WORKFLOW)
    assert store.load() == Ledger()
    store.save(FULL, "made anew")


def test_neighbours_are_the_other_workflows_of_sloth_ci(home: KubernetesHome, cluster: Cluster) -> None:
    for name in (WORKFLOW, "web-1", "db-2"):
        home.ledger(name).save(FULL, name)
    for name, said in (("theirs", {TOOLING: "kubectl/v1"}), ("sloth-hand-made", {})):
        metadata = {"name": name, "labels": {ID: f"applyset-{name}-v1"}, "annotations": said}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        cluster.client.json("POST", path_of(cluster.namespace), body=body)
    found = home.neighbours(WORKFLOW)
    assert sorted(name for name, _ in found) == ["db-2", "web-1"]
    assert all(store.load() == FULL for _, store in found)


@pytest.fixture
def as_user(
    control_plane: ControlPlane, cluster: Cluster, tmp_path: Path
) -> Iterator[Callable[[list[dict[str, Any]], str], KubernetesHome]]:
    """The home as somebody sees it who has only the given rules in the namespace."""
    opened: list[Cluster] = []

    def make(rules: list[dict[str, Any]], state: str) -> KubernetesHome:
        user = f"user-of-{cluster.namespace}"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.namespace}"
        role = {"metadata": {"name": "some"}, "rules": rules}
        binding = {
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        cluster.client.json("POST", f"{rbac}/roles", body=role)
        cluster.client.json("POST", f"{rbac}/rolebindings", body=binding)
        spec = DestinationSpec(kubeconfig=str(control_plane.kubeconfig(user=user)), namespace=cluster.namespace)
        opened.append(connect(spec, tmp_path, {}))
        return KubernetesHome(opened[-1], state)

    yield make
    for each in opened:
        each.client.close()


def secrets(*verbs: str) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs)}


def use(store: LedgerStore) -> None:
    store.load()
    store.save(Ledger(), "first")
    store.save(FULL, "second")


@pytest.mark.parametrize(
    ("verbs", "missing"),
    [
        (("list",), "get"),
        (("get",), "create"),
        (("get", "create"), "list"),
        (("get", "create", "list"), "update"),
    ],
)
def test_a_missing_right_is_named(
    as_user: Callable[..., KubernetesHome], cluster: Cluster, verbs: tuple[str, ...], missing: str
) -> None:
    home = as_user([secrets(*verbs)], cluster.namespace)
    store = home.ledger(WORKFLOW)
    with pytest.raises(
        UnreachableError, match=f"no permission to {missing} secrets in the namespace {cluster.namespace}"
    ) as told:
        use(store)
    assert "deploy/rbac.yaml" in (told.value.hint or "")


def test_who_may_not_list_secrets_is_told(as_user: Callable[..., KubernetesHome], cluster: Cluster) -> None:
    with pytest.raises(UnreachableError, match=f"no permission to list secrets in the namespace {cluster.namespace}"):
        as_user([secrets("get")], cluster.namespace).neighbours(WORKFLOW)


def test_who_may_not_make_the_namespace_is_told(
    control_plane: ControlPlane, cluster: Cluster, absent: str, tmp_path: Path
) -> None:
    """Allowed to write Secrets everywhere, but to make no namespace."""
    user = f"writer-{cluster.namespace}"
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    cluster.client.json("POST", f"{rbac}/clusterroles", body={"metadata": {"name": user}, "rules": [secrets("*")]})
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    cluster.client.json("POST", f"{rbac}/clusterrolebindings", body=binding)
    spec = DestinationSpec(kubeconfig=str(control_plane.kubeconfig(user=user)), namespace=cluster.namespace)
    opened = connect(spec, tmp_path, {})
    try:
        store = KubernetesHome(opened, absent).ledger(WORKFLOW)
        assert store.load() == Ledger()
        with pytest.raises(UnreachableError, match=f"{absent}.* does not exist and cannot be made") as told:
            store.save(FULL, "first")
        assert f"kubectl create namespace {absent}" in (told.value.hint or "")
        assert "deploy/rbac.yaml" in (told.value.hint or "")
    finally:
        opened.client.close()
        cluster.client.call("DELETE", f"{rbac}/clusterrolebindings/{user}")
        cluster.client.call("DELETE", f"{rbac}/clusterroles/{user}")


def test_a_namespace_that_is_being_deleted_is_no_missing_right(cluster: Cluster, absent: str) -> None:
    namespaces = "/api/v1/namespaces"
    cluster.client.json("POST", namespaces, body={"metadata": {"name": absent}})
    blocker = {"metadata": {"name": "keep", "finalizers": ["example.com/keep"]}}
    cluster.client.json("POST", f"{namespaces}/{absent}/configmaps", body=blocker)
    cluster.client.json("DELETE", f"{namespaces}/{absent}")
    try:
        with pytest.raises(UnreachableError, match=f"{absent}.*being deleted") as told:
            KubernetesHome(cluster, absent).ledger(WORKFLOW).save(FULL, "first")
        assert "no permission" not in told.value.message
        assert "wait until it is gone" in (told.value.hint or "")
    finally:
        patch(cluster, f"{namespaces}/{absent}/configmaps/keep", {"metadata": {"finalizers": None}})


def test_a_quota_is_no_missing_right(home: KubernetesHome, cluster: Cluster) -> None:
    quotas = f"/api/v1/namespaces/{cluster.namespace}/resourcequotas"
    body = {"metadata": {"name": "none"}, "spec": {"hard": {"count/secrets": "0"}}}
    cluster.client.json("POST", quotas, body=body)
    until(lambda: cluster.client.json("GET", f"{quotas}/none").get("status", {}).get("used"), what="a counting quota")
    with pytest.raises(UnreachableError, match=r"cannot create secrets .*exceeded quota") as told:
        home.ledger(WORKFLOW).save(FULL, "first")
    assert "no permission" not in told.value.message
