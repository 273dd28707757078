"""deploy/rbac.yaml on a real server: each account can do its work, and nothing beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sloth_ci.core import yaml
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from support.access import connected, token_of, who
from support.cluster import ControlPlane
from support.project import ROOT
from support.waiting import until

RBAC = ROOT / "deploy" / "rbac.yaml"
APPLY = "application/apply-patch+yaml"
POLICY = "may only rehearse (dryRun=All)"


@pytest.fixture(scope="module")
def roles(control_plane: ControlPlane) -> None:
    """As the file says: applied once, by kubectl."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(RBAC))


@contextmanager
def account(
    plane: ControlPlane,
    namespace: str,
    name: str,
    role: str,
    *,
    everywhere: bool = False,
    known_by: tuple[str, str] = ("list", "secrets"),
) -> Iterator[Cluster]:
    """A service account with one of the roles, in its namespace or everywhere; `known_by` is one of its rights."""
    token_of(plane, namespace, name)
    binding = "clusterrolebinding" if everywhere else "rolebinding"
    where = () if everywhere else ("--namespace", namespace)
    plane.kubectl(
        "create",
        binding,
        f"{namespace}-{name}",
        "--clusterrole",
        role,
        "--serviceaccount",
        f"{namespace}:{name}",
        *where,
    )
    config = plane.kubeconfig(service_account=f"{namespace}/{name}", namespace=namespace)
    with connected(config) as cluster:
        until(lambda: allowed(cluster, *known_by, namespace), what="the server knows the binding")
        yield cluster


def allowed(cluster: Cluster, verb: str, resource: str, namespace: str) -> bool:
    """What the server says of us."""
    asked = {"verb": verb, "resource": resource, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = cluster.client.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(answer["status"]["allowed"])


def apply(cluster: Cluster, body: dict[str, Any], **query: str) -> Any:
    group, _, version = body["apiVersion"].rpartition("/")
    resource = cluster.discovery.find(group, body["kind"], version)
    assert resource
    path = resource.path(cluster.namespace if resource.namespaced else "", body["metadata"]["name"])
    return cluster.client.json(
        "PATCH", path, query={"fieldManager": "sloth-ci", **query}, body=body, content_type=APPLY
    )


def refused(cluster: Cluster, method: str, path: str, **how: Any) -> str:
    """The message of the 403."""
    with pytest.raises(ApiFault) as fault:
        cluster.client.call(method, path, **how)
    assert fault.value.code == 403, fault.value.message
    return fault.value.message


POD_SPEC = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC}
SELECTOR = {"matchLabels": {"app": "a"}}
MEMBERS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}},
    {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "1"}},
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}], "selector": {"app": "a"}}},
    {"apiVersion": "v1", "kind": "ServiceAccount"},
    {"apiVersion": "v1", "kind": "Pod", "spec": POD_SPEC},
    {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"selector": SELECTOR, "template": TEMPLATE}},
    {"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"selector": SELECTOR, "template": TEMPLATE}},
    {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"selector": SELECTOR, "serviceName": "x", "template": TEMPLATE}},
    {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}}}},
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}},
    },
    {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"selector": SELECTOR, "maxUnavailable": 1}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    },
]  # fmt: skip
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"}}


@pytest.mark.usefixtures("roles")
def test_a_deployer_does_its_work_in_its_namespace(control_plane: ControlPlane, namespace: str) -> None:
    with account(control_plane, namespace, "deployer", "sloth-ci-deploy") as cluster:
        for member in MEMBERS:
            body = {**member, "metadata": {"name": "x"}}
            apply(cluster, body, dryRun="All")
            apply(cluster, body)
            resource = cluster.discovery.find(body["apiVersion"].rpartition("/")[0], body["kind"])
            assert resource
            assert cluster.client.json("GET", resource.path(namespace))["items"], "it lists what it has applied"
            with cluster.client.watch(resource.path(namespace), {}, timeout=1) as watch:
                next(watch)
            cluster.client.call("DELETE", resource.path(namespace, "x"))
        for kind in ("leases", "secrets"):
            root = "/apis/coordination.k8s.io/v1" if kind == "leases" else "/api/v1"
            body = LEASE if kind == "leases" else {**LEASE, "apiVersion": "v1", "kind": "Secret"}
            made = cluster.client.json("POST", f"{root}/namespaces/{namespace}/{kind}", body=body)
            cluster.client.call("PUT", f"{root}/namespaces/{namespace}/{kind}/lock", body=made)
        cluster.client.call("GET", f"/api/v1/namespaces/{namespace}/events")


@pytest.mark.usefixtures("roles")
def test_a_deployer_does_nothing_else(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("run", "pod", "--image=i", "--namespace", namespace)
    with account(control_plane, namespace, "deployer", "sloth-ci-deploy") as cluster:
        assert "cannot list" in refused(cluster, "GET", "/api/v1/namespaces/kube-system/secrets")
        assert "cannot list" in refused(cluster, "GET", "/api/v1/secrets")
        assert "cannot create" in refused(cluster, "POST", "/api/v1/namespaces", body={"metadata": {"name": "more"}})
        here = f"/api/v1/namespaces/{namespace}"
        refused(cluster, "DELETE", f"{here}/secrets")
        refused(cluster, "GET", f"{here}/pods/pod/exec", query={"command": "sh", "stdout": "true"})
        refused(cluster, "POST", f"{here}/serviceaccounts/deployer/token", body={"spec": {}})
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
        more = {"metadata": {"name": "more"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
        assert "attempting to grant RBAC permissions not currently held" in refused(cluster, "POST", roles, body=more)
        binding = {
            "metadata": {"name": "admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}],
        }
        refused(cluster, "POST", roles.replace("/roles", "/rolebindings"), body=binding)


@pytest.mark.usefixtures("roles")
def test_the_state_can_live_elsewhere(control_plane: ControlPlane, namespace: str) -> None:
    with account(control_plane, namespace, "keeper", "sloth-ci-state") as cluster:
        for body in (LEASE, {**LEASE, "apiVersion": "v1", "kind": "Secret"}):
            apply(cluster, body)
        refused(cluster, "GET", f"/api/v1/namespaces/{namespace}/configmaps")


@pytest.mark.usefixtures("roles")
def test_what_has_no_namespace_needs_the_second_role(control_plane: ControlPlane, namespace: str) -> None:
    name = f"{namespace}-more"
    with account(
        control_plane, namespace, "deployer", "sloth-ci-cluster", everywhere=True, known_by=("get", "namespaces")
    ) as cluster:
        apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        reads = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        apply(cluster, {**role, "rules": reads})
        with pytest.raises(ApiFault, match="not currently held"):
            apply(cluster, {**role, "rules": [{**reads[0], "resources": ["nodes"]}]})
        clusterroles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        cluster.client.call("DELETE", f"{clusterroles}/{name}")
        cluster.client.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        refused(cluster, "GET", f"/api/v1/namespaces/{namespace}/secrets")
        refused(cluster, "GET", "/api/v1/nodes")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("everywhere", [False, True], ids=["namespace", "cluster"])
def test_a_preview_rehearses_and_writes_nothing(control_plane: ControlPlane, namespace: str, everywhere: bool) -> None:
    control_plane.kubectl("create", "configmap", "there", "--from-literal=a=1", "--namespace", namespace)
    configmaps = f"/api/v1/namespaces/{namespace}/configmaps"
    with account(control_plane, namespace, "sloth-ci-preview", "sloth-ci-preview", everywhere=everywhere) as cluster:
        for member in MEMBERS:
            body = {**member, "metadata": {"name": "x"}}
            apply(cluster, body, dryRun="All")
            with pytest.raises(ApiFault) as fault:
                apply(cluster, body)
            assert fault.value.code == 403
            assert POLICY in fault.value.message
        cluster.client.call("POST", configmaps, query={"dryRun": "All"}, body={"metadata": {"name": "x"}})
        assert POLICY in refused(cluster, "POST", configmaps, body={"metadata": {"name": "x"}})
        merge = "application/merge-patch+json"
        there = f"{configmaps}/there"
        cluster.client.call("PATCH", there, query={"dryRun": "All"}, body={"data": {"a": "2"}}, content_type=merge)
        assert POLICY in refused(cluster, "PATCH", there, body={"data": {"a": "2"}}, content_type=merge)
        refused(cluster, "DELETE", there)
        refused(cluster, "PUT", there, body={"metadata": {"name": "there"}})
        refused(cluster, "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token", body={"spec": {}})
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        cluster.client.call("GET", lease)
        refused(cluster, "POST", lease, query={"dryRun": "All"}, body=LEASE)
        if everywhere:
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-more"}}
            apply(cluster, space, dryRun="All")
            with pytest.raises(ApiFault, match="may only rehearse"):
                apply(cluster, space)
    live = control_plane.api("GET", configmaps)["items"]
    assert {item["metadata"]["name"]: item["data"] for item in live}["there"] == {"a": "1"}
    assert not [item for item in live if item["metadata"]["name"] == "x"]


@pytest.mark.usefixtures("roles")
def test_the_policy_holds_whatever_else_was_granted(control_plane: ControlPlane, namespace: str) -> None:
    configmaps = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.kubectl("create", "configmap", "there", "--namespace", namespace)
    control_plane.kubectl("run", "pod", "--image=i", "--namespace", namespace)
    with account(control_plane, namespace, "sloth-ci-preview", "cluster-admin") as cluster:
        for method, path in (
            ("DELETE", f"{configmaps}/there"),
            ("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"),
            ("POST", f"/api/v1/namespaces/{namespace}/pods/pod/eviction"),
            ("POST", f"/api/v1/namespaces/{namespace}/pods/pod/exec"),
        ):
            body = {"metadata": {"name": path.split("/")[-2]}, "spec": {}} if method == "POST" else None
            query = {"command": "sh", "stdout": "true"} if path.endswith("exec") else {}
            assert POLICY in refused(cluster, method, path, body=body, query=query), path
        cluster.client.call("DELETE", f"{configmaps}/there", query={"dryRun": "All"})
    config = control_plane.kubeconfig("jane", ["system:masters", "sloth-ci:preview"])
    with connected(config) as cluster:
        assert who(cluster) == "jane"
        assert POLICY in refused(cluster, "DELETE", f"{configmaps}/there"), "people of the group, too"
    with account(control_plane, namespace, "not-sloth-ci-preview", "cluster-admin") as cluster:
        cluster.client.call("DELETE", f"{configmaps}/there")


def test_the_file_gives_no_rights_that_lead_to_more() -> None:
    for document in yaml.parse(RBAC.read_bytes()):
        for rule in document.value.get("rules", []):
            assert not {"*", "escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])
            assert "*" not in rule["resources"] + rule["apiGroups"]
            assert not {"pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token"} & set(
                rule["resources"]
            )
