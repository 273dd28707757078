"""Others in the same objects: autoscalers, controllers, people with kubectl."""

from __future__ import annotations

import json
from typing import Final

from scoreboard.place import Event, applied, created, kubectl, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import body, configmap, container, deployment, service

WEB: Final = frozenset({"Deployment/web"})
SETTINGS: Final = frozenset({"ConfigMap/settings"})
HPA: Final = "kube-controller-manager"


def _scaled(replicas: int) -> Event:
    patch = {"spec": {"replicas": replicas}}
    return patched("deployment/web", patch, by=HPA, subresource="scale")


_ROLE: Final = body(
    "Role",
    "reader",
    "rbac.authorization.k8s.io/v1",
    rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
)
_AGGREGATION: Final = {"clusterRoleSelectors": [{"matchLabels": {"$NS.example.com/aggregate": "true"}}]}

SCENARIOS: Final = (
    Scenario(
        name="labels-of-others",
        description="Another manager has set labels and annotations that are not declared.",
        before=[configmap(labels={"app": "web"})],
        events=[
            patched(
                "cm/settings", {"metadata": {"labels": {"team": "a"}, "annotations": {"example.com/x": "y"}}}, by="ops"
            )
        ],
    ),
    Scenario(
        name="label-of-another-declared",
        description="A label that another manager has set is declared with another value.",
        before=[configmap()],
        events=[applied(configmap(data={}, labels={"team": "a"}), by="ops")],
        after=[configmap(labels={"team": "b"})],
        conflicts=SETTINGS,
    ),
    Scenario(
        name="label-of-another-agreed",
        description="A label that another manager has set is declared with the same value.",
        before=[configmap()],
        events=[applied(configmap(data={}, labels={"team": "a"}), by="ops")],
        after=[configmap(labels={"team": "a"})],
    ),
    Scenario(
        name="label-given-up-to-another",
        description="A label that another manager sets, too, is no longer declared: it stays.",
        before=[configmap(labels={"team": "a"})],
        events=[applied(configmap(data={}, labels={"team": "a"}), by="ops")],
        after=[configmap()],
    ),
    Scenario(
        name="autoscaler-undeclared",
        description="An autoscaler has set replicas, which are not declared.",
        before=[deployment()],
        events=[_scaled(4)],
    ),
    Scenario(
        name="autoscaler-declared",
        description="An autoscaler has set replicas to 4, and 2 are declared.",
        before=[deployment(spec={"replicas": 2})],
        events=[_scaled(4)],
        conflicts=WEB,
    ),
    Scenario(
        name="autoscaler-forced",
        description="The same, and the tool is told to force.",
        before=[deployment(spec={"replicas": 2})],
        events=[_scaled(4)],
        ownership="force",
        changes=WEB,
        conflicts=WEB,
    ),
    Scenario(
        name="autoscaler-yielded",
        description="The same, and the tool is told to leave fields to their owners, where it can be told; the image changes.",
        before=[deployment(spec={"replicas": 2})],
        events=[_scaled(4)],
        after=[deployment(container(image="web:2"), spec={"replicas": 2})],
        ownership="yield",
        changes=WEB,
    ),
    Scenario(
        name="autoscaler-handed-over",
        description="Replicas are no longer declared, because an autoscaler has taken over: it keeps its 4.",
        before=[deployment(spec={"replicas": 2})],
        events=[_scaled(4)],
        after=[deployment()],
    ),
    Scenario(
        name="kubectl-scale",
        description="Somebody has scaled by hand.",
        before=[deployment(spec={"replicas": 2})],
        events=[kubectl("scale", "deployment/web", "--replicas=3")],
        conflicts=WEB,
    ),
    Scenario(
        name="kubectl-rollout-restart",
        description="Somebody has restarted the rollout, which leaves an annotation in the pod template.",
        before=[deployment()],
        events=[kubectl("rollout", "restart", "deployment/web")],
    ),
    Scenario(
        name="kubectl-set-image",
        description="Somebody has set another image by hand.",
        before=[deployment()],
        events=[kubectl("set", "image", "deployment/web", "web=web:hotfix")],
        conflicts=WEB,
    ),
    Scenario(
        name="kubectl-edit-agreed",
        description="Somebody has set by hand just what the next revision declares.",
        before=[deployment()],
        events=[kubectl("set", "image", "deployment/web", "web=web:2")],
        after=[deployment(container(image="web:2"))],
    ),
    Scenario(
        name="kubectl-edit-undeclared",
        description="Somebody has set a field that is not declared.",
        before=[deployment()],
        events=[patched("deployment/web", {"spec": {"minReadySeconds": 7}})],
    ),
    Scenario(
        name="kubectl-replace",
        description="Somebody has replaced the whole object with another level.",
        before=[configmap()],
        events=[kubectl("replace", "-f", "-", stdin=json.dumps(configmap(data={"level": "debug"})))],
        conflicts=SETTINGS,
    ),
    Scenario(
        name="field-removed-by-hand",
        description="Somebody has removed a label that is declared.",
        before=[configmap(labels={"app": "web", "team": "a"})],
        events=[kubectl("label", "cm/settings", "team-")],
        changes=SETTINGS,
    ),
    Scenario(
        name="object-deleted-by-hand",
        description="Somebody has deleted an object that is declared.",
        before=[configmap(), configmap("other")],
        events=[kubectl("delete", "cm/settings")],
        changes=SETTINGS,
    ),
    Scenario(
        name="object-made-anew-by-hand",
        description="Somebody has deleted an object and made it again with another value.",
        before=[configmap()],
        events=[kubectl("delete", "cm/settings"), created(configmap(data={"level": "debug"}))],
        conflicts=SETTINGS,
    ),
    Scenario(
        name="conflict-beside-a-change",
        description="One object is contested, another one simply changes.",
        before=[deployment(spec={"replicas": 2}), configmap()],
        events=[_scaled(4)],
        after=[deployment(spec={"replicas": 2}), configmap(data={"level": "debug"})],
        changes=SETTINGS,
        conflicts=WEB,
    ),
    Scenario(
        name="sidecar-of-another",
        description="Another manager has added a container, which stands before ours.",
        before=[deployment()],
        events=[
            patched(
                "deployment/web",
                {"spec": {"template": {"spec": {"containers": [{"name": "a-proxy", "image": "proxy:1"}]}}}},
                by="mesh",
                kind="strategic",
            )
        ],
    ),
    Scenario(
        name="env-of-another",
        description="Another manager has added a variable to our container, and we add one.",
        before=[deployment(container(env=[{"name": "A", "value": "1"}]))],
        events=[
            patched(
                "deployment/web",
                {
                    "spec": {
                        "template": {"spec": {"containers": [{"name": "web", "env": [{"name": "X", "value": "9"}]}]}}
                    }
                },
                by="mesh",
                kind="strategic",
            )
        ],
        after=[deployment(container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]))],
        changes=WEB,
    ),
    Scenario(
        name="port-of-another",
        description="Somebody has added a port to a Service.",
        before=[service([{"name": "http", "port": 80}])],
        events=[
            patched(
                "service/web",
                [{"op": "add", "path": "/spec/ports/-", "value": {"name": "admin", "port": 81}}],
                kind="json",
            )
        ],
    ),
    Scenario(
        name="atomic-list-of-another",
        description="Somebody has added a rule to a Role, whose rules are one value.",
        before=[_ROLE],
        events=[
            patched(
                "role/reader",
                {"rules": [*_ROLE["rules"], {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}]},
            )
        ],
        conflicts=frozenset({"Role/reader"}),
    ),
    Scenario(
        name="atomic-list-forced",
        description="The same, and the tool is told to force.",
        before=[_ROLE],
        events=[
            patched(
                "role/reader",
                {"rules": [*_ROLE["rules"], {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}]},
            )
        ],
        ownership="force",
        changes=frozenset({"Role/reader"}),
        conflicts=frozenset({"Role/reader"}),
    ),
    Scenario(
        name="finalizer-of-another",
        description="A controller has put its finalizer beside a declared one.",
        before=[configmap(finalizers=["example.com/ours"])],
        events=[
            patched(
                "cm/settings", {"metadata": {"finalizers": ["example.com/theirs", "example.com/ours"]}}, by="operator"
            )
        ],
    ),
    Scenario(
        name="finalizer-dropped",
        description="A declared finalizer is no longer declared; that of a controller stays.",
        before=[configmap(finalizers=["example.com/ours"])],
        events=[
            patched(
                "cm/settings", {"metadata": {"finalizers": ["example.com/ours", "example.com/theirs"]}}, by="operator"
            )
        ],
        after=[configmap()],
        changes=SETTINGS,
    ),
    Scenario(
        name="owner-reference",
        description="A controller has made the object its own.",
        before=[configmap(), configmap("owner")],
        events=[
            lambda place: patched(
                "cm/settings",
                {
                    "metadata": {
                        "ownerReferences": [
                            {
                                "apiVersion": "v1",
                                "kind": "ConfigMap",
                                "name": "owner",
                                "uid": place.kubectl("get", "cm/owner", "-o", "jsonpath={.metadata.uid}"),
                            }
                        ]
                    }
                },
                by="operator",
            )(place)
        ],
    ),
    Scenario(
        name="status-only",
        description="Nothing but the status has changed.",
        before=[deployment()],
        events=[
            patched(
                "deployment/web",
                {"status": {"conditions": [{"type": "Odd", "status": "True"}]}},
                by="somebody",
                subresource="status",
            )
        ],
    ),
    Scenario(
        name="ca-bundle-injected",
        description="A certificate manager has put its CA into a webhook's configuration.",
        before=[
            body(
                "ValidatingWebhookConfiguration",
                "$NS",
                "admissionregistration.k8s.io/v1",
                webhooks=[
                    {
                        "name": "check.$NS.example.com",
                        "clientConfig": {"service": {"namespace": "$NS", "name": "check"}},
                        "rules": [
                            {
                                "apiGroups": ["$NS.example.com"],
                                "apiVersions": ["v1"],
                                "resources": ["things"],
                                "operations": ["CREATE"],
                            }
                        ],
                        "sideEffects": "None",
                        "admissionReviewVersions": ["v1"],
                    }
                ],
            )
        ],
        events=[
            lambda place: patched(
                f"validatingwebhookconfiguration/{place.namespace}",
                [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Cg=="}],
                by="cainjector",
                kind="json",
            )(place)
        ],
    ),
    Scenario(
        name="aggregated-clusterrole",
        description="A ClusterRole whose rules a controller collects from others.",
        before=[
            body(
                "ClusterRole",
                "$NS-part",
                "rbac.authorization.k8s.io/v1",
                metadata={"labels": {"$NS.example.com/aggregate": "true"}},
                rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            ),
            body(
                "ClusterRole",
                "$NS-whole",
                "rbac.authorization.k8s.io/v1",
                aggregationRule=_AGGREGATION,
                rules=[],
            ),
        ],
        events=[kubectl("wait", "--for=jsonpath={.rules[0].verbs[0]}=get", "clusterrole/$NS-whole", "--timeout=30s")],
    ),
    Scenario(
        name="aggregated-clusterrole-without-rules",
        description="The same, and the rules are not declared at all.",
        before=[
            body(
                "ClusterRole",
                "$NS-part",
                "rbac.authorization.k8s.io/v1",
                metadata={"labels": {"$NS.example.com/aggregate": "true"}},
                rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            ),
            body("ClusterRole", "$NS-whole", "rbac.authorization.k8s.io/v1", aggregationRule=_AGGREGATION),
        ],
        events=[kubectl("wait", "--for=jsonpath={.rules[0].verbs[0]}=get", "clusterrole/$NS-whole", "--timeout=30s")],
    ),
    Scenario(
        name="service-account",
        description="A controller has added a pull secret to a ServiceAccount.",
        before=[body("ServiceAccount", "builder", automountServiceAccountToken=False)],
        events=[
            patched(
                "sa/builder", {"imagePullSecrets": [{"name": "registry"}], "secrets": [{"name": "old"}]}, by="openshift"
            )
        ],
    ),
    Scenario(
        name="volume-claim-bound",
        description="A claim that a controller has bound to a volume, and annotated.",
        before=[
            body(
                "PersistentVolume",
                "$NS",
                spec={
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": "/data"},
                    "storageClassName": "$NS",
                },
            ),
            body(
                "PersistentVolumeClaim",
                "data",
                spec={
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                    "storageClassName": "$NS",
                },
            ),
        ],
        events=[kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", "--timeout=60s")],
    ),
)
