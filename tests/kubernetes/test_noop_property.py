"""The shortcut against the server: what is proved to change nothing, a dry-run leaves as it is."""

from __future__ import annotations

import copy
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth_ci.core.diff import diff
from sloth_ci.core.noop import proves_noop
from sloth_ci.core.objects import Body, canonical
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.known import prepared
from support.bodies import manifest
from support.editors import APPLYSET, JSON, Editors

R = random.Random
CPU = ["1000m", "1", 1, "0.5", "500m", "2", "0.1", "100m"]
MEMORY = ["1Gi", "1024Mi", "0.5Gi", "512Mi", "1G", "1e9", 1073741824]


def some(r: R, pool: list[Any], least: int = 0) -> list[Any]:
    return r.sample(pool, r.randint(least, len(pool)))


def maybe(r: R, table: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    return {key: make() for key, make in table.items() if r.random() < 0.5}


def labels(r: R) -> dict[str, str]:
    return {key: r.choice(["1", "x", ""]) for key in some(r, ["tier", "limits", "app.kubernetes.io/name"])}


def resources(r: R) -> dict[str, Any]:
    amounts = lambda: maybe(r, {"cpu": lambda: r.choice(CPU), "memory": lambda: r.choice(MEMORY)})  # noqa: E731
    return maybe(r, {"limits": amounts})


def port(r: R, key: str, number: int) -> dict[str, Any]:
    return {key: number, **maybe(r, {"protocol": lambda: r.choice(["TCP", "TCP", "UDP"])}), "name": f"p{number}"}


def env(r: R, name: str) -> dict[str, Any]:
    source: list[dict[str, Any]] = [
        {"value": ""},
        {"value": "1000m"},
        {"value": "x"},
        {},
        {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
        {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": r.random() < 0.5}}},
        {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    return {"name": name, **r.choice(source)}


def container(r: R, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": r.choice(["web:1", "web:2"]),
        **maybe(
            r,
            {
                "args": lambda: some(r, ["a", "b", "c"]),
                "env": lambda: [env(r, name) for name in some(r, ["A", "B", "C"])],
                "ports": lambda: [port(r, "containerPort", n) for n in some(r, [80, 81])],
                "resources": lambda: resources(r),
                "securityContext": lambda: r.choice([{}, {"privileged": False}]),
                "stdin": lambda: False,
                "imagePullPolicy": lambda: r.choice(["Always", "IfNotPresent"]),
                "terminationMessagePath": lambda: r.choice(["/dev/x", "/x"]),
                "readinessProbe": lambda: {"httpGet": {"path": "/", "port": r.choice([80, "web"])}},
                "volumeMounts": lambda: [{"name": "v", "mountPath": "/v", "readOnly": r.random() < 0.5}],
            },
        ),
    }


def pod(r: R) -> dict[str, Any]:
    return {
        "containers": [container(r, name) for name in some(r, ["web", "side", "log"], 1)],
        "volumes": [{"name": "v", **r.choice([{"emptyDir": {}}, {"emptyDir": {"sizeLimit": r.choice(MEMORY)}}])}],
        **maybe(
            r,
            {
                "initContainers": lambda: [container(r, name) for name in some(r, ["first", "second"])],
                "hostNetwork": lambda: False,
                "securityContext": dict,
                "imagePullSecrets": lambda: r.choice([[], [{"name": "a"}, {"name": "b"}]]),
                "tolerations": lambda: r.choice([[], [{"key": "a", "operator": "Exists"}]]),
                "nodeSelector": lambda: r.choice([{}, {"a": "b"}]),
                "terminationGracePeriodSeconds": lambda: r.choice([0, 30]),
                "affinity": lambda: r.choice([{}, {"nodeAffinity": {}}]),
            },
        ),
    }


def deployment(r: R) -> Body:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web", **labels(r)}, **maybe(r, {"creationTimestamp": lambda: None})},
                "spec": pod(r),
            },
            **maybe(
                r,
                {
                    "replicas": lambda: r.choice([0, 1, 3]),
                    "strategy": lambda: r.choice(
                        [{}, {"type": "RollingUpdate"}, {"rollingUpdate": {"maxSurge": r.choice([1, "25%"])}}]
                    ),
                    "paused": lambda: r.random() < 0.3,
                    "revisionHistoryLimit": lambda: 10,
                },
            ),
        },
    }


def service(r: R) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "ports": [port(r, "port", n) | r.choice([{}, {"targetPort": n}]) for n in some(r, [80, 81], 1)],
            **maybe(
                r,
                {
                    "selector": lambda: r.choice([{"app": "web"}, {"app": "web", "tier": "x"}]),
                    "type": lambda: "ClusterIP",
                    "publishNotReadyAddresses": lambda: r.random() < 0.5,
                    "sessionAffinity": lambda: "None",
                    "externalIPs": list,
                },
            ),
        },
    }


def configmap(r: R) -> Body:
    keys = ["limits", "cpu", "sizeLimit", "requests", "a.yaml"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        **maybe(r, {"data": lambda: {key: r.choice(["1000m", "1", "", "0.5"]) for key in some(r, keys)}}),
    }


def secret(r: R) -> Body:
    values = [b64encode(text).decode() for text in (b"", b"one", b"two")]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        **maybe(
            r,
            {
                "data": lambda: {key: r.choice(values) for key in some(r, ["a", "b"])},
                "stringData": lambda: {key: r.choice(["", "one"]) for key in some(r, ["b", "c"])},
                "type": lambda: "Opaque",
            },
        ),
    }


def widget(r: R) -> Body:
    parts = lambda: [  # noqa: E731
        {"name": name, **maybe(r, {"protocol": lambda: r.choice(["TCP", "UDP"]), "value": lambda: r.choice(["", "1"])})}
        for name in some(r, ["a", "b", "c"])
    ]
    return {
        "apiVersion": "tests.example.com/v1",
        "kind": "Widget",
        "spec": maybe(
            r,
            {
                "size": lambda: r.choice([1, 2]),
                "share": lambda: r.choice([1, 1.0, 0.5]),
                "mode": lambda: r.choice(["soft", "hard"]),
                "tags": lambda: some(r, ["x", "y", "z"]),
                "words": lambda: some(r, ["x", "y", "z"]),
                "parts": parts,
                "whole": lambda: {key: r.choice(["1", "2"]) for key in some(r, ["a", "b"])},
                "free": lambda: r.choice([{}, {"a": {"b": 1}}, {"a": {"b": {"c": []}}}, {"l": [{"x": 1.0}]}]),
            },
        ),
    }


def policy(r: R) -> Body:
    ports = [maybe(r, {"port": lambda: r.choice([53, "dns"]), "protocol": lambda: r.choice(["TCP", "UDP"])})]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": r.choice([{}, {"matchLabels": {"a": "b"}}]),
            **maybe(
                r, {"ingress": lambda: r.choice([[{}], [{"ports": ports}]]), "egress": lambda: r.choice([[], [{}]])}
            ),
        },
    }


def binding(r: R) -> Body:
    subjects = [
        {"kind": "Group", "name": "g"},
        {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        **maybe(r, {"subjects": lambda: some(r, subjects)}),
    }


def stateful(r: R) -> Body:
    body = deployment(r)
    spec = {key: body["spec"][key] for key in ("selector", "template")}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": r.choice(["1Gi", "1024Mi"])}}}
    spec |= {"serviceName": "s", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]}
    return {**body, "kind": "StatefulSet", "spec": {**spec, **maybe(r, {"updateStrategy": dict})}}


MAKERS: dict[str, Callable[[R], Body]] = {
    "Deployment": deployment,
    "Service": service,
    "ConfigMap": configmap,
    "Secret": secret,
    "Widget": widget,
    "NetworkPolicy": policy,
    "RoleBinding": binding,
    "StatefulSet": stateful,
}
ACTIONS = ["ours", "ours", "applied", "forced", "merged", "removed", "same", "scaled"]


@pytest.fixture
def editors(cluster: Cluster) -> Editors:
    found = Editors(cluster)
    found.define()
    return found


def made(editors: Editors, kind: str, name: str, r: R) -> Body:
    about = maybe(r, {"labels": lambda: labels(r), "annotations": lambda: r.choice([{}, {"a/b": "", "c": "1000m"}])})
    body = MAKERS[kind](r)
    return body | {"metadata": {"name": name, "namespace": editors.namespace, **about}}


def part(r: R, value: Any) -> Any:
    """A random part of a body: what somebody else declares or patches."""
    if not isinstance(value, dict):
        return value
    return {key: part(r, inner) for key, inner in value.items() if r.random() < 0.6}


def a_path(r: R, value: Any) -> list[str]:
    """Where somebody removes something, as a JSON pointer."""
    if isinstance(value, dict) and value and r.random() < 0.9:
        key = r.choice(list(value))
        return [key.replace("~", "~0").replace("/", "~1"), *a_path(r, value[key])]
    if isinstance(value, list) and value and r.random() < 0.9:
        index = r.randrange(len(value))
        return [str(index), *a_path(r, value[index])]
    return []


def act(editors: Editors, action: str, body: Body, r: R) -> None:
    """What somebody does to the object; what the server refuses did not happen."""
    kind, name = body["kind"], body["metadata"]["name"]
    another = made(editors, kind, name, r)
    identity = {key: another[key] for key in ("apiVersion", "kind")}
    named = {"name": name, "namespace": editors.namespace}
    with refused_quietly():
        match action:
            case "same":
                editors.apply(prepared(manifest(copy.deepcopy(body)).body, "", None), "twin", force=r.random() < 0.5)
            case "applied" | "forced":
                some_of_it = part(r, another)
                some_of_it["metadata"] = {**some_of_it.get("metadata", {}), **named}
                editors.apply({**some_of_it, **identity}, "other", force=action == "forced")
            case "merged":
                some_of_it = part(r, another)
                some_of_it["metadata"] = {**some_of_it.get("metadata", {}), **named}
                editors.patch(body, {**some_of_it, **identity}, "human")
            case "removed":
                live = editors.live(body)
                tree = {key: live[key] for key in live if key not in {"apiVersion", "kind", "metadata", "status"}}
                tree["metadata"] = {k: v for k, v in live["metadata"].items() if k in {"labels", "annotations"}}
                pointer = "/" + "/".join(a_path(r, tree))
                editors.patch(body, [{"op": "remove", "path": pointer}], "human", kind=JSON)
            case "scaled" if kind == "Deployment":
                editors.patch(body, {"spec": {"replicas": r.choice([0, 1, 3])}}, "scaler", sub="scale")


@contextmanager
def refused_quietly() -> Iterator[None]:
    """What the server refuses did not happen; but it has to be a refusal."""
    try:
        yield
    except ApiFault as fault:
        if fault.code not in {400, 404, 409, 422, 500}:
            raise


def check(editors: Editors, desired: Body) -> bool:
    """The property for one state. Returns whether it was proved."""
    sent = prepared(manifest(copy.deepcopy(desired)).body, APPLYSET, None)
    while True:
        live = editors.live(desired)
        if not proves_noop(sent, live):
            return False
        dried = editors.apply(sent, "sloth-ci", dry_run=True)
        if timeless(dried) == timeless(live):
            return True
        moved = editors.live(desired)["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
        assert moved, (
            f"proved, and the server would change {diff(timeless(live), timeless(dried))}\nsent {sent}\nat {live}"
        )


def timeless(body: Body) -> Body:
    """Without the times of the managers, by which they are ordered: the server renews ours where others applied later."""
    entries = [{k: v for k, v in entry.items() if k != "time"} for entry in body["metadata"]["managedFields"]]
    return {**body, "metadata": {**body["metadata"], "managedFields": sorted(entries, key=canonical)}}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_proved_a_dry_run_leaves_alone(editors: Editors, kind: str) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(seed=st.integers(0, 2**32), actions=st.lists(st.sampled_from(ACTIONS), max_size=5))
    def states(seed: int, actions: list[str]) -> None:
        r = R(seed)
        body = made(editors, kind, editors.name("p"), r)
        for action in ["ours", *actions]:
            fresh = False
            if action == "ours":
                changed = made(editors, kind, body["metadata"]["name"], r) if r.random() < 0.5 else body
                with refused_quietly():
                    editors.sync(copy.deepcopy(changed))
                    body, fresh = changed, True
            else:
                act(editors, action, body, r)
            if not editors.exists(manifest(copy.deepcopy(body)).ref):
                return  # its first manifest was not valid
            done = check(editors, body)
            seen["unchanged"] += fresh
            seen["proved"] += fresh and done
            # What Git may say next, seen against what is there.
            check(editors, made(editors, kind, body["metadata"]["name"], r))

    states()
    # The manifests are odd on purpose, and about a third of them is proved; everyday ones follow, and all of those are.
    assert seen["proved"] > seen["unchanged"] / 4, seen


def pod_template(**spec: Any) -> dict[str, Any]:
    container_ = {
        "name": "web",
        "image": "web:1",
        "args": ["--port=80"],
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "ports": [{"name": "http", "containerPort": 80}],
        "livenessProbe": {"httpGet": {"path": "/", "port": "http"}},
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/t"}, {"name": "c", "mountPath": "/c", "readOnly": False}],
    }
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]
    return {
        "metadata": {"labels": {"app": "web"}, "creationTimestamp": None},
        "spec": {
            "containers": [container_, {"name": "side", "image": "side:1", "resources": {}}],
            "volumes": volumes,
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {},
            "hostNetwork": False,
            "tolerations": [],
            "initContainers": [],
            **spec,
        },
    }


WORKLOAD = {"selector": {"matchLabels": {"app": "web"}}, "template": pod_template()}
CLAIM = {
    "metadata": {"name": "d"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
EVERYDAY: list[tuple[str, str, dict[str, Any]]] = [
    ("apps/v1", "Deployment", {"spec": {**WORKLOAD, "replicas": 2, "strategy": {}}, "status": {}}),
    ("apps/v1", "Deployment", {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxSurge": 1}}}}),
    ("apps/v1", "DaemonSet", {"spec": {**WORKLOAD, "updateStrategy": {}}}),
    ("apps/v1", "StatefulSet", {"spec": {**WORKLOAD, "serviceName": "s", "volumeClaimTemplates": [CLAIM]}}),
    ("batch/v1", "Job", {"spec": {"template": pod_template(restartPolicy="Never"), "backoffLimit": 0}}),
    (
        "batch/v1",
        "CronJob",
        {
            "spec": {
                "schedule": "0 0 * * *",
                "suspend": False,
                "jobTemplate": {"spec": {"template": pod_template(restartPolicy="Never")}},
            }
        },
    ),
    ("v1", "Service", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}),
    ("v1", "Service", {"spec": {"clusterIP": "None", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}}),
    ("v1", "Service", {"spec": {"type": "ExternalName", "externalName": "example.com"}}),
    ("v1", "ConfigMap", {"data": {"a.yaml": "b: c\n", "limits": "1000m", "empty": ""}}),
    ("v1", "Secret", {"stringData": {"password": "x"}, "type": "Opaque"}),
    ("v1", "ServiceAccount", {"automountServiceAccountToken": False, "imagePullSecrets": [{"name": "r"}]}),
    (
        "v1",
        "PersistentVolumeClaim",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}},
    ),
    ("v1", "ResourceQuota", {"spec": {"hard": {"limits.cpu": "100000m", "pods": 1000}}}),
    ("rbac.authorization.k8s.io/v1", "Role", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "n"}, {"kind": "Group", "name": "g"}],
        },
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 53}]}]}},
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        {
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": ["a.example"], "secretName": "t"}],
                "rules": [
                    {
                        "host": "a.example",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "s", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ],
            }
        },
    ),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 3,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                    }
                ],
            }
        },
    ),
    (
        "tests.example.com/v1",
        "Widget",
        {"spec": {"size": 1, "share": 0.5, "tags": ["b", "a"], "parts": [{"name": "x"}], "free": {"a": {"b": [1]}}}},
    ),
]


@pytest.mark.parametrize(("api", "kind", "fields"), EVERYDAY)
def test_everyday_manifests_need_no_request(editors: Editors, api: str, kind: str, fields: dict[str, Any]) -> None:
    body = editors.body(kind, editors.name("e"), api, **copy.deepcopy(fields))
    editors.sync(copy.deepcopy(body))
    assert check(editors, body)
