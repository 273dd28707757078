"""Plans are held to a policy: built-in rules, a user's own, and what was so before."""

from __future__ import annotations

from typing import Any

import pytest

from sloth_ci.core.objects import Body, Source, manifest_of
from sloth_ci.core.observed import Observed
from sloth_ci.core.plan import Conflict, Plan
from sloth_ci.core.planner import Desired, Live, make_plan
from sloth_ci.core.secrets import Fingerprinter
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec, read_table
from sloth_ci.engine.policing import judge_of
from support.bodies import body, deployment


def plan(policy: dict[str, Any], after: list[Body], before: list[Body] | None = None) -> Plan:
    """A plan from some objects to others."""
    workflow = read_table({"repository": {"url": "."}, "policy": policy}, WorkflowSpec, "workflow")
    wanted = [manifest_of(one, Source("k8s/all.yaml", 3)) for one in after]
    there = {m.ref: m for m in (manifest_of(one, Source("", 1)) for one in before or [])}
    live = Live("test", Observed(there), frozenset(there))
    policies = [] if workflow.policy == PolicySpec() else [workflow.policy]
    judge = judge_of(policies, there, wanted)
    return make_plan(workflow, Desired("0" * 40, wanted, "d"), live, Fingerprinter(b"k"), judge=judge)


def told(found: tuple[Conflict, ...]) -> list[str]:
    return [f"{one.resource} {one.description}" for one in found]


def web(**container: Any) -> Body:
    """A Deployment that breaks no rule but for what is given."""
    found = deployment(image="ghcr.io/acme/web:1")
    sound = {
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": 80}},
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    found["spec"]["template"]["spec"]["containers"][0] |= {**sound, **container}
    return found


RULES: dict[str, tuple[dict[str, Any], Body, str]] = {
    "image_tags": (
        {"image_tags": True},
        web(image="web:latest"),
        "container web: the image web:latest names no version",
    ),
    "an image volume": (
        {"image_tags": True},
        {**web(), "spec": {"template": {"spec": {"volumes": [{"name": "data", "image": {"reference": "data"}}]}}}},
        "container volume data: the image data names no version",
    ),
    "registries": (
        {"registries": ["ghcr.io/acme"]},
        web(image="nginx:1"),
        "container web: the image nginx:1 is not from ghcr.io/acme",
    ),
    "resources": (
        {"resources": True},
        web(resources={"requests": {"cpu": "1"}}),
        "container web has no requests.memory, limits.memory",
    ),
    "a limit is a request": (
        {"resources": True},
        web(resources={"limits": {"memory": "1Gi"}}),
        "container web has no requests.cpu",
    ),
    "probes": ({"probes": True}, web(readinessProbe=None), "container web has ports and no readinessProbe"),
    "pod_security": (
        {"pod_security": "baseline"},
        web(securityContext={"privileged": True}),
        "container web: securityContext.privileged is true",
    ),
    "kinds": ({"kinds": ["Deployment"]}, web(), "no Deployment may be in this workflow"),
    "kinds by group": ({"kinds": ["Deployment.apps"]}, web(), "no Deployment may be in this workflow"),
    "namespaces": ({"namespaces": ["a", "team-*"]}, web(), "the namespace shop is none of a, team-*"),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_finds_what_it_is_for(name: str) -> None:
    rule, bad, sentence = RULES[name]
    key = next(iter(rule))
    found = plan({"deny": rule}, [bad])
    assert told(found.conflicts) == [f"Deployment/shop/web {key}: {sentence}"]
    (conflict,) = found.conflicts
    assert (conflict.type, conflict.source) == ("policy", Source("k8s/all.yaml", 3))
    assert any("exempt" in way for way in conflict.suggestions)
    assert not found.findings
    warned = plan({"warn": rule}, [bad])
    assert (told(warned.findings), warned.conflicts) == (told(found.conflicts), ())


def test_what_is_sound_breaks_no_rule() -> None:
    rules = {
        "image_tags": True,
        "registries": ["ghcr.io/acme"],
        "resources": True,
        "probes": True,
        "pod_security": "baseline",
        "kinds": ["ClusterRole"],
        "namespaces": ["sho*"],
        "keep": ["PersistentVolumeClaim"],
    }
    found = plan({"deny": rules}, [web(), body("ConfigMap", "c", data={}), body("Namespace", "other", None)])
    assert (found.conflicts, found.findings) == ((), ())


def test_pods_of_every_kind_are_held_to_it() -> None:
    pods = {"containers": [{"name": "c", "image": "web"}], "initContainers": [{"name": "i", "image": "init:latest"}]}
    bodies = [
        body("Pod", "a", spec=pods),
        body("CronJob", "b", api="batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": pods}}}}),
        *(
            body(kind, kind.lower(), api="apps/v1", spec={"template": {"spec": pods}})
            for kind in ("StatefulSet", "DaemonSet", "ReplicaSet")
        ),
    ]
    found = plan({"deny": {"image_tags": True}}, bodies).conflicts
    assert [one.description.count("names no version") for one in found] == [2] * len(bodies)


def test_resources_of_the_pod_count_for_its_containers() -> None:
    bad = web(resources={})
    bad["spec"]["template"]["spec"]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
    assert not plan({"deny": {"resources": True}}, [bad]).conflicts


@pytest.mark.parametrize("kept", ["PersistentVolumeClaim", "PersistentVolumeClaim/shop/*", "*/data"])
def test_what_is_kept_is_not_deleted(kept: str) -> None:
    claim = body("PersistentVolumeClaim", "data")
    found = plan({"deny": {"keep": [kept]}}, [web()], [web(), claim])
    assert told(found.conflicts) == ["PersistentVolumeClaim/shop/data keep: it must not be deleted"]
    assert not plan({"deny": {"keep": [kept]}}, [web(), claim], [web(), claim]).conflicts


def test_what_was_so_before_is_told_and_stands_against_nothing() -> None:
    rule = {"deny": {"image_tags": True, "resources": True}}
    found = plan(rule, [web(image="web:latest", resources={})], [web(resources={})])
    assert [one.partition("image_tags")[1] for one in told(found.conflicts)] == ["image_tags"]
    (old,) = told(found.findings)
    assert old.endswith("(it was so before)")
    assert not plan(rule, [web(resources={})], [web(resources={})]).findings, "only what changes is looked at"


def test_an_object_breaks_a_rule_once_however_often_it_does() -> None:
    wild = web(securityContext={"privileged": True})
    wild["spec"]["template"]["spec"] |= {"hostPID": True, "hostNetwork": True}
    before = web()
    before["spec"]["template"]["spec"]["hostPID"] = True
    found = plan({"deny": {"pod_security": "baseline"}, "warn": {"pod_security": "restricted"}}, [wild], [before])
    (denied,) = told(found.conflicts)
    assert denied.endswith("pod_security: pod: hostNetwork is true; container web: securityContext.privileged is true")
    assert told(found.findings)[0].endswith("pod_security: pod: hostPID is true (it was so before)")
    assert "privileged" not in "".join(told(found.findings))


def test_a_denial_is_not_told_twice() -> None:
    both = {"deny": {"image_tags": True}, "warn": {"image_tags": True}}
    found = plan(both, [web(image="web")])
    assert (len(found.conflicts), len(found.findings)) == (1, 0)


def test_another_path_of_the_node_is_not_what_was_so_before() -> None:
    bodies = []
    for path in ("/var/log/app", "/"):
        bodies.append(web())
        bodies[-1]["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "hostPath": {"path": path}}]
    found = plan({"deny": {"pod_security": "baseline"}}, [bodies[1]], [bodies[0]])
    assert told(found.conflicts) == ["Deployment/shop/web pod_security: volume v: hostPath /"]


def test_a_custom_workload_is_held_to_it_and_what_is_none_is_not() -> None:
    rollout = {**web(image="web"), "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    other = body("Thing", "t", api="example.com/v1", spec={"template": {"spec": {"image": "web"}}})
    found = plan({"deny": {"image_tags": True, "resources": True}}, [rollout, other])
    assert told(found.conflicts) == ["Rollout/shop/web image_tags: container web: the image web names no version"]


def test_an_object_can_be_left_out() -> None:
    policy = {"deny": {"image_tags": True}, "exempt": ["Deployment/shop/web"]}
    assert not plan(policy, [web(image="web")]).conflicts
    policy["exempt"] = ["Deployment/other/*"]
    assert plan(policy, [web(image="web")]).conflicts


def no_nodes(change: dict[str, Any]) -> Any:
    if change["kind"] == "Service" and (change["desired_state"] or {}).get("spec", {}).get("type") == "NodePort":
        return False, "take an Ingress"
    return None


def test_a_rule_of_ones_own_is_asked_about_each_change() -> None:
    service = body("Service", "web", spec={"type": "NodePort"})
    found = plan({"deny": {"rules": {"no_node_ports": no_nodes}}}, [service, web()])
    assert told(found.conflicts) == ["Service/shop/web no_node_ports: take an Ingress"]
    deleted: list[str] = []
    plan({"warn": {"rules": {"r": lambda change: deleted.append(change["type"])}}}, [], [service])
    assert deleted == ["delete"]


def test_a_denial_changes_what_is_approved() -> None:
    """An approval that was given before the rule was there is none for what breaks it."""
    assert plan({"deny": {"image_tags": True}}, [web(image="web")]).digest != plan({}, [web(image="web")]).digest
    assert plan({"warn": {"image_tags": True}}, [web(image="web")]).digest == plan({}, [web(image="web")]).digest


def test_a_rule_never_sees_a_secret() -> None:
    seen: list[Any] = []
    secret = body("Secret", "s", stringData={"password": "hunter2"})
    plan({"warn": {"rules": {"look": seen.append}}}, [secret])
    assert "password" in repr(seen)
    assert "hunter2" not in repr(seen)
    assert "aHVudGVyMg" not in repr(seen)
