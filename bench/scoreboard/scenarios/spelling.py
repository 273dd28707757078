"""The same said in other words: defaults of the server, quantities, numbers, white space, empty things."""

from __future__ import annotations

from typing import Final

from scoreboard.place import Body, kubectl
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import body, configmap, container, deployment, service

_HPA: Final = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 5}


def _limited(cpu: object, memory: object) -> Body:
    return deployment(container(resources={"limits": {"cpu": cpu, "memory": memory}}))


_WHITE_SPACE: Final = r"""
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  kept: |+
    one\x20\x20
    two\x09


  folded: >-
    a
    b

    c
  crlf: "a\r\nb\r\n"
  tab: "\t"
  others: "ä\u2028☃"
""".replace(r"\x20", " ").replace(r"\x09", "\t")

SCENARIOS: Final = (
    Scenario(
        name="defaults-deployment",
        description="A Deployment with everything that gets a default: probes, ports, volumes, update strategy.",
        before=[
            deployment(
                container(
                    ports=[{"containerPort": 8080}, {"containerPort": 9090, "name": "metrics"}],
                    livenessProbe={"httpGet": {"path": "/", "port": 8080}},
                    env=[{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    volumeMounts=[{"name": "config", "mountPath": "/etc/web"}],
                ),
                pod={"volumes": [{"name": "config", "configMap": {"name": "settings", "optional": True}}]},
                spec={"strategy": {"rollingUpdate": {"maxSurge": 1}}},
            )
        ],
    ),
    Scenario(
        name="defaults-service",
        description="A Service whose cluster IPs, families, session affinity and target ports the server fills in.",
        before=[service()],
    ),
    Scenario(
        name="load-balancer-ports",
        description="A LoadBalancer, for which the server allocates node ports and a health check's node port.",
        before=[service(type="LoadBalancer", externalTrafficPolicy="Local")],
    ),
    Scenario(
        name="defaults-cronjob",
        description="A CronJob, with defaults on three levels.",
        before=[
            body(
                "CronJob",
                "nightly",
                "batch/v1",
                spec={
                    "schedule": "0 3 * * *",
                    "jobTemplate": {
                        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}
                    },
                },
            )
        ],
    ),
    Scenario(
        name="defaults-ingress",
        description="An Ingress whose controller has published an address.",
        before=[
            body(
                "Ingress",
                "web",
                "networking.k8s.io/v1",
                spec={
                    "rules": [
                        {
                            "host": "$NS.example.com",
                            "http": {
                                "paths": [
                                    {
                                        "path": "/",
                                        "pathType": "Prefix",
                                        "backend": {"service": {"name": "web", "port": {"number": 80}}},
                                    }
                                ]
                            },
                        }
                    ]
                },
            )
        ],
        events=[
            kubectl(
                *("patch", "ingress/web", "--subresource=status", "--field-manager=ingress-controller", "--type=merge"),
                *("-p", '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}'),
            )
        ],
    ),
    Scenario(
        name="defaults-statefulset",
        description="A StatefulSet with a claim template, which is applied as a whole and filled by the server.",
        before=[
            body(
                "StatefulSet",
                "db",
                "apps/v1",
                spec={
                    "serviceName": "db",
                    "selector": {"matchLabels": {"app": "db"}},
                    "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container("db")]}},
                    "volumeClaimTemplates": [
                        {
                            "metadata": {"name": "data"},
                            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                        }
                    ],
                },
            )
        ],
    ),
    Scenario(
        name="job-done",
        description="A Job that has run: its controller added labels, a selector and a suspend field.",
        before=[
            body(
                "Job",
                "migrate",
                "batch/v1",
                spec={"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}},
            )
        ],
        events=[kubectl("wait", "--for=condition=Complete", "job/migrate", "--timeout=60s")],
    ),
    Scenario(
        name="quantity-cpu-whole",
        description="A limit of 1000m is written as 1.",
        before=[_limited("1000m", "1Gi")],
        after=[_limited("1", "1Gi")],
    ),
    Scenario(
        name="quantity-cpu-half",
        description="A limit of 0.5 is written as 500m, and another one as a number.",
        before=[_limited("0.5", "1Gi")],
        after=[_limited("500m", 1073741824)],
    ),
    Scenario(
        name="quantity-memory",
        description="A limit of 1Gi is written as 1024Mi.",
        before=[_limited("1", "1Gi")],
        after=[_limited("1", "1024Mi")],
    ),
    Scenario(
        name="quantity-changed",
        description="A limit of 1G, which is less than 1Gi.",
        before=[_limited("1", "1Gi")],
        after=[_limited("1", "1G")],
        changes=frozenset({"Deployment/web"}),
    ),
    Scenario(
        name="int-or-string",
        description="A target port that was a name becomes a number.",
        before=[service([{"port": 80, "targetPort": "http"}])],
        after=[service([{"port": 80, "targetPort": 8080}])],
        changes=frozenset({"Service/web"}),
    ),
    Scenario(
        name="percent-and-number",
        description="A budget of 50% is unchanged, and one of a number too.",
        before=[
            body(
                "PodDisruptionBudget",
                "half",
                "policy/v1",
                spec={"minAvailable": "50%", "selector": {"matchLabels": {"app": "a"}}},
            ),
            body(
                "PodDisruptionBudget",
                "one",
                "policy/v1",
                spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "b"}}},
            ),
        ],
    ),
    Scenario(
        name="number-as-float",
        description="YAML's 2e0 and 1e3 are whole numbers to Kubernetes.",
        before=[
            """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  revisionHistoryLimit: 1000
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
        ],
        after=[
            """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2e0
  revisionHistoryLimit: 1e3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
        ],
    ),
    Scenario(
        name="text-that-looks-like-numbers",
        description="Strings such as 1e3, 0o14, 2020-01-01, 12:30:45, yes and null stay what they are.",
        before=[
            """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations: {example.com/when: 2020-01-01, example.com/at: "12:30:45"}
data: {a: "1e3", b: "0o14", c: "yes", d: "null", e: "0x1F", f: "1_000", g: ""}
"""
        ],
    ),
    Scenario(
        name="white-space",
        description="Block scalars with trailing blanks, tabs, carriage returns and empty last lines.",
        before=[_WHITE_SPACE],
    ),
    Scenario(
        name="white-space-changed",
        description="One trailing blank is gone.",
        before=[configmap(data={"text": "one \ntwo\n"})],
        after=[configmap(data={"text": "one\ntwo\n"})],
        changes=frozenset({"ConfigMap/settings"}),
    ),
    Scenario(
        name="empty-things",
        description="Empty maps and lists, which say nothing.",
        before=[
            deployment(
                container(
                    resources={}, env=[], securityContext={}, volumeMounts=[{"name": "tmp", "mountPath": "/scratch"}]
                ),
                pod={"volumes": [{"name": "tmp", "emptyDir": {}}], "securityContext": {}, "nodeSelector": {}},
                annotations={},
            ),
            configmap(data={}),
        ],
    ),
    Scenario(
        name="nulls",
        description="Fields that are null, as templates leave them.",
        before=[
            """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: null}
spec:
  replicas: null
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, creationTimestamp: null}
    spec:
      nodeSelector: null
      containers: [{name: web, image: "web:1", resources: null, env: null}]
"""
        ],
    ),
    Scenario(
        name="exported",
        description="A manifest that was exported from a cluster, with its status and what only a server sets.",
        before=[configmap()],
        after=[
            configmap(
                resourceVersion="1",
                uid="8a7c4a5a-0000-4000-8000-000000000000",
                generation=7,
                creationTimestamp="2020-01-01T00:00:00Z",
            )
        ],
    ),
    Scenario(
        name="protocol-written-out",
        description="Ports that left out TCP say it now, in a Service and in a container.",
        before=[service(), deployment(container(ports=[{"containerPort": 80}]))],
        after=[
            service([{"port": 80, "protocol": "TCP"}]),
            deployment(container(ports=[{"containerPort": 80, "protocol": "TCP"}])),
        ],
    ),
    Scenario(
        name="api-version",
        description="An autoscaler of autoscaling/v1 is declared as autoscaling/v2, and means the same.",
        before=[
            body(
                "HorizontalPodAutoscaler", "web", "autoscaling/v1", spec={**_HPA, "targetCPUUtilizationPercentage": 80}
            )
        ],
        after=[
            body(
                "HorizontalPodAutoscaler",
                "web",
                "autoscaling/v2",
                spec={
                    **_HPA,
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                        }
                    ],
                },
            )
        ],
    ),
    Scenario(
        name="api-version-changed",
        description="The same, and its target is another one.",
        before=[
            body(
                "HorizontalPodAutoscaler", "web", "autoscaling/v1", spec={**_HPA, "targetCPUUtilizationPercentage": 80}
            )
        ],
        after=[
            body(
                "HorizontalPodAutoscaler",
                "web",
                "autoscaling/v2",
                spec={
                    **_HPA,
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
                        }
                    ],
                },
            )
        ],
        changes=frozenset({"HorizontalPodAutoscaler/web"}),
    ),
    Scenario(
        name="namespace-written-out",
        description="An object that named no namespace names the one it is in.",
        before=[configmap()],
        after=[configmap(namespace="$NS")],
    ),
    Scenario(
        name="big-configmap",
        description="A ConfigMap of 900 KB.",
        before=[configmap(data={f"part-{n}": f"{n}" * 90_000 for n in range(10)})],
    ),
    Scenario(
        name="binary-data",
        description="Binary data, of which one key changes in one of two ConfigMaps.",
        before=[
            configmap("kept") | {"binaryData": {"icon": "iVBORw0KGgo="}},
            configmap("moved") | {"binaryData": {"icon": "iVBORw0KGgo="}},
        ],
        after=[
            configmap("kept") | {"binaryData": {"icon": "iVBORw0KGgo="}},
            configmap("moved") | {"binaryData": {"icon": "R0lGODlh"}},
        ],
        changes=frozenset({"ConfigMap/moved"}),
    ),
)
