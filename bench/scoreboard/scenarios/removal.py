"""What is no longer declared, and lists whose items or order change."""

from __future__ import annotations

from typing import Final

from scoreboard.place import applied, kubectl, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import body, configmap, container, deployment, service

WEB: Final = frozenset({"Deployment/web"})
SETTINGS: Final = frozenset({"ConfigMap/settings"})
_ENV: Final = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
_DNS: Final = [{"name": "dns-tcp", "port": 53, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
_FINALIZER: Final = "example.com/hold"

SCENARIOS: Final = (
    Scenario(
        name="label-removed",
        description="A label is no longer declared.",
        before=[configmap(labels={"app": "web", "team": "a"})],
        after=[configmap(labels={"app": "web"})],
        changes=SETTINGS,
    ),
    Scenario(
        name="annotation-removed",
        description="The only annotation is no longer declared.",
        before=[configmap(annotations={"example.com/x": "y"})],
        after=[configmap()],
        changes=SETTINGS,
    ),
    Scenario(
        name="env-removed",
        description="A variable of a container is no longer declared.",
        before=[deployment(container(env=_ENV))],
        after=[deployment(container(env=_ENV[:1]))],
        changes=WEB,
    ),
    Scenario(
        name="container-removed",
        description="A container is no longer declared.",
        before=[deployment(container(), container("log", "log:1"))],
        after=[deployment(container())],
        changes=WEB,
    ),
    Scenario(
        name="map-removed",
        description="A whole map is no longer declared.",
        before=[deployment(pod={"nodeSelector": {"disk": "ssd"}})],
        after=[deployment()],
        changes=WEB,
    ),
    Scenario(
        name="replicas-removed",
        description="Replicas are no longer declared, and nobody else sets them: they fall back to 1.",
        before=[deployment(spec={"replicas": 3})],
        after=[deployment()],
        changes=WEB,
    ),
    Scenario(
        name="default-removed",
        description="A field is no longer declared that had the value of its default.",
        before=[deployment(container(imagePullPolicy="IfNotPresent"), spec={"revisionHistoryLimit": 10})],
        after=[deployment()],
    ),
    Scenario(
        name="key-removed",
        description="A key of a ConfigMap is no longer declared.",
        before=[configmap(data={"a": "1", "b": "2"})],
        after=[configmap(data={"a": "1"})],
        changes=SETTINGS,
    ),
    Scenario(
        name="field-removed-after-client-side",
        description="Somebody has applied it client-side; a label is no longer declared.",
        formerly=[configmap(labels={"app": "web", "team": "a"})],
        events=[applied(configmap(labels={"app": "web", "team": "a"}))],
        after=[configmap(labels={"app": "web"})],
        changes=SETTINGS,
        conflicts=SETTINGS,
    ),
    Scenario(
        name="unchanged-after-client-side",
        description="Somebody has applied it client-side, and nothing changes but the label by which a tool knows its objects.",
        formerly=[deployment(spec={"replicas": 2})],
        events=[applied(deployment(spec={"replicas": 2}))],
        after=[deployment(spec={"replicas": 2})],
        changes=WEB,
    ),
    Scenario(
        name="changed-after-client-side",
        description="Somebody has applied it client-side, and the image and a variable change.",
        formerly=[deployment(container(env=_ENV))],
        events=[applied(deployment(container(env=_ENV)))],
        after=[deployment(container(image="web:2", env=_ENV[1:]))],
        changes=WEB,
        conflicts=WEB,
    ),
    Scenario(
        name="client-side-and-server-side",
        description="Somebody has applied our object client-side, with the same content.",
        before=[configmap(labels={"app": "web"})],
        events=[applied(configmap(labels={"app": "web"}))],
    ),
    Scenario(
        name="list-order",
        description="The same variables in another order, which a container sees.",
        before=[deployment(container(env=_ENV))],
        after=[deployment(container(env=_ENV[::-1]))],
        changes=WEB,
    ),
    Scenario(
        name="container-inserted",
        description="A container before the one that is there.",
        before=[deployment(container())],
        after=[deployment(container("init", "init:1"), container())],
        changes=WEB,
    ),
    Scenario(
        name="same-port-tcp-and-udp",
        description="One port for TCP and UDP, in a Service and in a container.",
        before=[
            service(_DNS),
            deployment(container(ports=[{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")])),
        ],
    ),
    Scenario(
        name="udp-port-changed",
        description="Of two ports with one number, the UDP one gets another name.",
        before=[service(_DNS)],
        after=[service([_DNS[0], {**_DNS[1], "name": "dns-udp"}])],
        changes=frozenset({"Service/web"}),
    ),
    Scenario(
        name="udp-port-removed",
        description="Of two ports with one number, the UDP one is no longer declared.",
        before=[service(_DNS)],
        after=[service(_DNS[:1])],
        changes=frozenset({"Service/web"}),
    ),
    Scenario(
        name="port-number-changed",
        description="A port keeps its name and gets another number.",
        before=[service([{"name": "http", "port": 80}])],
        after=[service([{"name": "http", "port": 8080}])],
        changes=frozenset({"Service/web"}),
    ),
    Scenario(
        name="atomic-list-changed",
        description="One verb of a Role's rules, which are one value.",
        before=[
            body(
                "Role",
                "r",
                "rbac.authorization.k8s.io/v1",
                rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            )
        ],
        after=[
            body(
                "Role",
                "r",
                "rbac.authorization.k8s.io/v1",
                rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
            )
        ],
        changes=frozenset({"Role/r"}),
    ),
    Scenario(
        name="command-order",
        description="The arguments of a command, in another order.",
        before=[deployment(container(args=["--a", "--b"]))],
        after=[deployment(container(args=["--b", "--a"]))],
        changes=WEB,
    ),
    Scenario(
        name="renamed-by-hash",
        description="A ConfigMap whose generated name carries a hash: another one, and the Deployment that names it.",
        before=[
            configmap("settings-7d9f"),
            deployment(container(envFrom=[{"configMapRef": {"name": "settings-7d9f"}}])),
        ],
        after=[
            configmap("settings-b8c2", {"level": "debug"}),
            deployment(container(envFrom=[{"configMapRef": {"name": "settings-b8c2"}}])),
        ],
        changes=frozenset({"ConfigMap/settings-7d9f", "ConfigMap/settings-b8c2", "Deployment/web"}),
    ),
    Scenario(
        name="object-pruned",
        description="An object is no longer declared.",
        before=[configmap(), configmap("old")],
        after=[configmap()],
        changes=frozenset({"ConfigMap/old"}),
    ),
    Scenario(
        name="terminating",
        description="The object is being deleted and waits for a finalizer, which is about to be removed.",
        before=[configmap()],
        events=[
            patched("cm/settings", {"metadata": {"finalizers": [_FINALIZER]}}, by="operator"),
            kubectl("delete", "cm/settings", "--wait=false"),
        ],
        later=[patched("cm/settings", {"metadata": {"finalizers": None}}, by="operator")],
        changes=SETTINGS,
    ),
)
