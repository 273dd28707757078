"""Others in the same objects: autoscalers, controllers, people with kubectl."""

from __future__ import annotations

import json
from typing import Final

from scoreboard.place import Event, applied, created, kubectl, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import configmap, container, deployment

WEB: Final = frozenset({"Deployment/web"})
SETTINGS: Final = frozenset({"ConfigMap/settings"})
HPA: Final = "kube-controller-manager"


def _scaled(replicas: int) -> Event:
    patch = {"spec": {"replicas": replicas}}
    return patched("deployment/web", patch, by=HPA, subresource="scale")


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
)
