"""What admission makes of objects, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from scoreboard.place import applied, kubectl, webhook
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import body, configmap, container, deployment, service
from support.webhook import Answer, Change, Reject

WEB: Final = frozenset({"Deployment/web"})
SETTINGS: Final = frozenset({"ConfigMap/settings"})
_JOB_SPEC: Final = {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}


def _annotated(value: str, request: Mapping[str, Any]) -> Change:
    """An annotation added on the way."""
    annotations = request["object"]["metadata"].get("annotations")
    patch = [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return Change([*patch, {"op": "add", "path": "/metadata/annotations/example.com~1seen", "value": value}])


def _mirrored(request: Mapping[str, Any]) -> Answer:
    """Images are taken from a mirror."""
    containers = request["object"]["spec"]["template"]["spec"]["containers"]
    return Change(
        [
            {"op": "replace", "path": f"/spec/template/spec/containers/{n}/image", "value": f"mirror/{one['image']}"}
            for n, one in enumerate(containers)
            if not one["image"].startswith("mirror/")
        ]
    )


def _injected(request: Mapping[str, Any]) -> Answer:
    """A container of a mesh is added."""
    containers = request["object"]["spec"]["template"]["spec"]["containers"]
    if any(one["name"] == "mesh" for one in containers):
        return None
    proxy = {"name": "mesh", "image": "mesh:1"}
    return Change([{"op": "add", "path": "/spec/template/spec/containers/-", "value": proxy}])


def _no_debug(request: Mapping[str, Any]) -> Answer:
    return Reject("no debug here") if request["object"].get("data", {}).get("level") == "debug" else None


def _statefulset(storage: str) -> dict[str, Any]:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }
    return body(
        "StatefulSet",
        "db",
        "apps/v1",
        spec={
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container("db")]}},
            "volumeClaimTemplates": [claim],
        },
    )


def _selected(value: str) -> dict[str, Any]:
    found = deployment()
    found["spec"]["selector"] = {"matchLabels": {"app": value}}
    found["spec"]["template"]["metadata"]["labels"] = {"app": value}
    return found


SCENARIOS: Final = (
    Scenario(
        name="webhook-adds",
        description="A webhook adds an annotation to everything.",
        setting=[webhook(lambda request: _annotated("yes", request), "configmaps", mutating=True)],
        before=[configmap()],
    ),
    Scenario(
        name="webhook-adds-later",
        description="A webhook that adds an annotation has come after the object.",
        before=[configmap()],
        events=[webhook(lambda request: _annotated("yes", request), "configmaps", mutating=True)],
    ),
    Scenario(
        name="webhook-stamps",
        description="A webhook writes the time of the last write into an annotation.",
        setting=[webhook(lambda request: _annotated(str(time.time_ns()), request), "configmaps", mutating=True)],
        before=[configmap()],
    ),
    Scenario(
        name="webhook-stamps-change",
        description="The same, and a declared value changes in one of two objects.",
        setting=[webhook(lambda request: _annotated(str(time.time_ns()), request), "configmaps", mutating=True)],
        before=[configmap(), configmap("other")],
        after=[configmap(data={"level": "debug"}), configmap("other")],
        changes=SETTINGS,
    ),
    Scenario(
        name="webhook-rewrites",
        description="A webhook takes images from a mirror.",
        setting=[webhook(_mirrored, "deployments", mutating=True)],
        before=[deployment()],
    ),
    Scenario(
        name="webhook-rewrites-change",
        description="The same, and the image changes.",
        setting=[webhook(_mirrored, "deployments", mutating=True)],
        before=[deployment()],
        after=[deployment(container(image="web:2"))],
        changes=WEB,
    ),
    Scenario(
        name="webhook-injects",
        description="A webhook adds a container to every Deployment.",
        setting=[webhook(_injected, "deployments", mutating=True)],
        before=[deployment()],
    ),
    Scenario(
        name="webhook-rejects",
        description="A webhook refuses the new value of one object; another one changes.",
        setting=[webhook(_no_debug, "configmaps")],
        before=[configmap(), configmap("other")],
        after=[configmap(data={"level": "debug"}), configmap("other", {"level": "warn"})],
        changes=frozenset({"ConfigMap/other"}),
        conflicts=SETTINGS,
    ),
    Scenario(
        name="immutable-configmap",
        description="A value of an immutable ConfigMap changes.",
        before=[configmap() | {"immutable": True}],
        after=[configmap(data={"level": "debug"}) | {"immutable": True}],
        conflicts=SETTINGS,
    ),
    Scenario(
        name="immutable-selector",
        description="The selector of a Deployment changes.",
        before=[_selected("web")],
        after=[_selected("shop")],
        conflicts=WEB,
    ),
    Scenario(
        name="immutable-job",
        description="The pod template of a Job changes.",
        before=[body("Job", "migrate", "batch/v1", spec=_JOB_SPEC)],
        after=[
            body(
                "Job",
                "migrate",
                "batch/v1",
                spec={"template": {"spec": {"restartPolicy": "Never", "containers": [container(image="web:2")]}}},
            )
        ],
        conflicts=frozenset({"Job/migrate"}),
    ),
    Scenario(
        name="immutable-claim-template",
        description="The size in a StatefulSet's claim template changes.",
        before=[_statefulset("1Gi")],
        after=[_statefulset("2Gi")],
        conflicts=frozenset({"StatefulSet/db"}),
    ),
    Scenario(
        name="immutable-cluster-ip",
        description="A Service becomes headless.",
        before=[service()],
        after=[service(clusterIP="None")],
        conflicts=frozenset({"Service/web"}),
    ),
    Scenario(
        name="immutable-role-ref",
        description="A RoleBinding names another Role.",
        before=[
            body(
                "RoleBinding",
                "b",
                "rbac.authorization.k8s.io/v1",
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
                subjects=[{"kind": "User", "name": "ann"}],
            )
        ],
        after=[
            body(
                "RoleBinding",
                "b",
                "rbac.authorization.k8s.io/v1",
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "two"},
                subjects=[{"kind": "User", "name": "ann"}],
            )
        ],
        conflicts=frozenset({"RoleBinding/b"}),
    ),
    Scenario(
        name="duplicate-port-names",
        description="Two ports of a Service get the same name.",
        before=[service([{"name": "a", "port": 80}, {"name": "b", "port": 81}])],
        after=[service([{"name": "a", "port": 80}, {"name": "a", "port": 81}])],
        conflicts=frozenset({"Service/web"}),
    ),
    Scenario(
        name="duplicate-list-keys",
        description="Two variables of a container have the same name.",
        before=[deployment(container(env=[{"name": "A", "value": "1"}]))],
        after=[deployment(container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]))],
        conflicts=WEB,
    ),
    Scenario(
        name="unknown-field",
        description="A field is misspelt.",
        before=[deployment()],
        after=[deployment(spec={"replica": 3})],
        conflicts=WEB,
    ),
    Scenario(
        name="quota",
        description="A new object is one more than the quota allows.",
        setting=[
            applied(body("ResourceQuota", "few", spec={"hard": {"services": "0"}}), by="platform"),
            kubectl("wait", "--for=jsonpath={.status.hard.services}=0", "quota/few", "--timeout=30s"),
        ],
        before=[configmap()],
        after=[configmap(), service()],
        conflicts=frozenset({"Service/web"}),
    ),
    Scenario(
        name="limit-range",
        description="A Pod that has run, with limits that the namespace's LimitRange put into it.",
        setting=[
            applied(
                body(
                    "LimitRange",
                    "usual",
                    spec={
                        "limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]
                    },
                ),
                by="platform",
            )
        ],
        before=[body("Pod", "one", spec={"containers": [container()]})],
        events=[kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s")],
    ),
    Scenario(
        name="no-namespace",
        description="An object names a namespace that nobody makes.",
        before=[configmap()],
        after=[configmap(), configmap("lost", namespace="$NS-nowhere")],
        conflicts=frozenset({"ConfigMap/lost"}),
    ),
    Scenario(
        name="namespace-of-the-same-change",
        description="A namespace and what lives in it are new.",
        before=[configmap()],
        after=[
            configmap(),
            body("Namespace", "$NS-new"),
            configmap("inside", namespace="$NS-new"),
        ],
        changes=frozenset({"Namespace/$NS-new", "ConfigMap/inside"}),
    ),
)
