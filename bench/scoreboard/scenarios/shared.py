"""What others add to objects: items of lists, finalizers, certificates, rules, status."""

from __future__ import annotations

from typing import Final

from scoreboard.place import kubectl, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import body, configmap, container, deployment, service

WEB: Final = frozenset({"Deployment/web"})
SETTINGS: Final = frozenset({"ConfigMap/settings"})
_ROLE: Final = body(
    "Role",
    "reader",
    "rbac.authorization.k8s.io/v1",
    rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
)
_AGGREGATION: Final = {"clusterRoleSelectors": [{"matchLabels": {"$NS.example.com/aggregate": "true"}}]}

SCENARIOS: Final = (
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
