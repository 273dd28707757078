"""Whole syncs where the cluster says no, or something else: webhooks, quotas, namespaces that are going."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError, UnreachableError
from support.canary import CANARY, WatchedWorld, secret
from support.shop import config, failing, push, web
from support.waiting import until
from support.webhook import Answer, Change, Hang, Reject, Warn, serve_webhook

HOOK = "webhook.tests.example.com"
Review = Mapping[str, Any]


def is_state(request: Review) -> bool:
    """Whether it is about what sloth-ci keeps for itself."""
    is_lock = request["kind"]["kind"] == "Lease"
    return is_lock or str((request.get("object") or {}).get("type", "")).startswith("sloth-ci/")


def written(requests: list[Review]) -> list[str]:
    """What was asked for in earnest, without the state."""
    return [request["name"] for request in requests if not request["dryRun"] and not is_state(request)]


def test_a_webhook_that_rejects_is_named_and_nothing_is_written(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), config("b", n="1"), secret(), web("web:1"))

    def answer(request: Review) -> Answer:
        return Reject("b is not wanted here") if request["name"] == "b" else None

    with serve_webhook(watched.plane, answer, namespace=watched.namespace, resources=["*"]) as hook:
        (conflict,) = watched.preview(workflow).conflicts
        assert (conflict.type, conflict.resource) == ("validation", f"ConfigMap/{watched.namespace}/b")
        assert conflict.description == f"admission webhook {HOOK} denies it: b is not wanted here"
        assert str(conflict.source).startswith("k8s/b.yaml")
        with pytest.raises(ConflictError, match="b is not wanted here"):
            watched.sync(workflow)
        assert written(hook.requests) == []
        assert watched.objects() == set()
    assert watched.sync(workflow).status == "succeeded"


def talkative(quote: Callable[[str], str]) -> Callable[[Review], Answer]:
    """A webhook that repeats what it was given."""

    def answer(request: Review) -> Answer:
        if request["name"] != "keys":
            return None
        values = [base64.b64decode(value).decode() for value in request["object"]["data"].values()]
        return Reject("these values are bad: " + ", ".join(quote(value) for value in values))

    return answer


@pytest.mark.parametrize(
    "quote",
    [
        str,
        json.dumps,
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: value.replace(CANARY, f"{CANARY}..."),
        lambda value: value.strip("-\n").upper().lower()[:40] + CANARY,
    ],
    ids=["plain", "quoted", "base64", "changed", "in part"],
)
def test_a_webhook_that_repeats_a_secret_is_not_quoted(watched: WatchedWorld, quote: Callable[[str], str]) -> None:
    workflow = watched.to_cluster()
    push(watched, secret(), config("a", n="1"))
    with serve_webhook(watched.plane, talkative(quote), namespace=watched.namespace, resources=["secrets"]):
        (conflict,) = watched.preview(workflow).conflicts
        assert conflict.resource == f"Secret/{watched.namespace}/keys"
        assert HOOK in conflict.description
        with pytest.raises(ConflictError, match=HOOK):
            watched.sync(workflow)
    assert watched.objects() == set()


@pytest.mark.parametrize("quote", [str, json.dumps], ids=["plain", "quoted"])
def test_a_webhook_that_rejects_only_in_earnest(watched: WatchedWorld, quote: Callable[[str], str]) -> None:
    """No plan can foresee it: the sync fails, and what it had written goes again."""
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret(version=1))
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    push(watched, config("a", n="2"), secret(version=2), config("b"))
    repeat = talkative(quote)

    def answer(request: Review) -> Answer:
        return None if request["dryRun"] else repeat(request)

    with serve_webhook(watched.plane, answer, namespace=watched.namespace, resources=["secrets"]):
        plan = watched.preview(workflow)
        assert not plan.conflicts
        outcome = watched.sync(workflow, approved=plan)
        assert outcome.status == "failed"
        assert f'admission webhook "{HOOK}" denied the request' in outcome.message
        assert "k8s/keys.yaml" in outcome.message
        assert watched.spec_of_all() == before
        assert watched.status(workflow)["status"] == "degraded"


def test_what_cannot_be_put_back_keeps_nothing_else_from_it(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    names = [f"c{n}" for n in range(20)]
    push(watched, *[config(name, n="1") for name in names], secret())
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    push(watched, *[config(name, n="2") for name in names], failing())
    restoring = False

    def checkpoint(name: str) -> None:
        nonlocal restoring
        restoring = restoring or name == "restoring"

    def answer(request: Review) -> Answer:
        return Reject("no way back") if restoring and request["name"] == "c0" else None

    with serve_webhook(watched.plane, answer, namespace=watched.namespace, resources=["configmaps"]):
        outcome = watched.sync(workflow, session=watched.session(checkpoint=checkpoint))
        assert (outcome.status, outcome.rolled_back) == ("failed", False)
        assert "it could not be put back: " in outcome.message
        assert "no way back" in outcome.message
        assert [name for name in names if watched.get(f"configmap/{name}")["data"] == {"n": "2"}] == ["c0"]
    mended = watched.sync(workflow)
    assert "the state before it is restored" in (mended.recovered or "")
    assert watched.spec_of_all() == before


def test_a_webhook_that_warns_does_not_tell_a_secret_either(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, secret(), config("a", n="1"))

    def answer(request: Review) -> Answer:
        if request["name"] != "keys":
            return None if is_state(request) else Warn("be careful")
        data = request["object"]["data"]
        return Warn(f"be careful with {data} and {[base64.b64decode(value) for value in data.values()]}")

    with serve_webhook(watched.plane, answer, namespace=watched.namespace, resources=["secrets", "configmaps"]):
        plan = watched.preview(workflow)
        notes = {change.ref.name: change.notes for change in plan.changes}
        assert notes["a"] == ("the API server warns: be careful",)
        (note,) = notes["keys"]
        assert note.startswith("the API server warns: 1 warning about a Secret, not shown")
        assert watched.sync(workflow, approved=plan).status == "succeeded"


def test_a_webhook_that_does_not_answer_is_named_and_nothing_is_written(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret(), web("web:1"))

    def answer(request: Review) -> Answer:
        return Hang() if request["name"] == "a" else None

    where: Any = {"namespace": watched.namespace, "resources": ["configmaps", "deployments"], "timeout": 1}
    with serve_webhook(watched.plane, answer, **where) as hook:
        named = rf"ConfigMap/{watched.namespace}/a: admission webhook {HOOK} does not answer: "
        with pytest.raises(ConflictError, match=named):
            watched.sync(workflow)
        assert written(hook.requests) == []
    assert watched.objects() == set()
    with serve_webhook(watched.plane, answer, **where, failure_policy="Ignore"):
        assert watched.sync(workflow).status == "succeeded"


def test_a_webhook_that_changes_what_is_applied(watched: WatchedWorld) -> None:
    """It stamps every write anew and rewrites a declared field: the plan shows it, and is empty afterwards."""
    workflow = watched.to_cluster()

    def answer(request: Review) -> Answer:
        if is_state(request) or request["operation"] not in {"CREATE", "UPDATE"}:
            return None
        patch = [{"op": "add", "path": "/metadata/annotations", "value": {"stamp": request["uid"]}}]
        if request["kind"]["kind"] == "Deployment":
            path = "/spec/template/spec/containers/0/image"
            image = request["object"]["spec"]["template"]["spec"]["containers"][0]["image"]
            patch.append({"op": "replace", "path": path, "value": f"mirror/{image.removeprefix('mirror/')}"})
        return Change(patch)

    where: Any = {"namespace": watched.namespace, "resources": ["configmaps", "secrets", "deployments"]}
    with serve_webhook(watched.plane, answer, **where, mutating=True):
        for number in ("1", "2"):
            push(watched, config("a", n=number), secret(version=int(number)), web(f"web:{number}"))
            plan = watched.preview(workflow)
            assert len(plan.changes) == 3
            if number == "2":
                (image,) = [field for change in plan.changes for field in change.fields if "image" in field.path]
                assert (image.before, image.after) == ("mirror/web:1", "mirror/web:2")
            assert watched.sync(workflow, approved=plan).status == "succeeded"
            (container,) = watched.get("deployment/web")["spec"]["template"]["spec"]["containers"]
            assert container["image"] == f"mirror/web:{number}"
            again = watched.preview(workflow)
            assert (again.changes, again.conflicts, again.drift, again.unchanged) == ((), (), (), 3)
            assert watched.sync(workflow).status == "nothing"
        assert watched.rollback(workflow).status == "succeeded"
        watched.pull()
        assert watched.preview(workflow).changes == ()
        (container,) = watched.get("deployment/web")["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "mirror/web:1"


def quota(world: WatchedWorld, **hard: str) -> None:
    """Limit the namespace, from now on."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": hard}}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    until(lambda: world.get("resourcequota/few").get("status", {}).get("hard") == hard, what="the quota is counted")


def test_a_quota_that_is_used_up_is_named_and_nothing_is_written(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    quota(watched, **{"count/configmaps": "1"})  # the cluster's own is there already
    push(watched, config("a"), config("b"), secret())
    plan = watched.preview(workflow)
    assert [conflict.resource.rpartition("/")[2] for conflict in plan.conflicts] == ["a", "b"]
    for conflict in plan.conflicts:
        assert conflict.description.startswith("quota few is exceeded: requested: count/configmaps=1")
        assert conflict.suggestions[0] == "raise ResourceQuota few"
    with pytest.raises(ConflictError, match="quota few"):
        watched.sync(workflow)
    assert watched.objects() == set()


def test_a_quota_that_is_used_up_on_the_way_takes_everything_back(watched: WatchedWorld) -> None:
    """Each object alone would fit: only together they do not."""
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    quota(watched, **{"count/configmaps": "4"})  # 2 are there
    push(watched, config("a", n="2"), *[config(f"new-{n}") for n in range(6)])
    assert not watched.preview(workflow).conflicts
    outcome = watched.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert "exceeded quota: few" in outcome.message
    assert watched.spec_of_all() == before
    watched.pull()
    assert watched.preview(workflow).changes == ()


def test_a_quota_that_keeps_pods_from_being_made_is_the_reason_that_is_told(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster(sync_policy={"health_check": {"timeout": "5s"}})
    quota(watched, pods="0")
    push(watched, web("web:1"), secret())
    outcome = watched.sync(workflow)
    assert outcome.status == "failed"
    assert "exceeded quota: few" in outcome.message
    assert watched.objects() == set()


@pytest.mark.parametrize("state", ["in it", "elsewhere"])
def test_a_namespace_that_is_going_is_named_and_nothing_is_written(watched: WatchedWorld, state: str) -> None:
    where = {} if state == "in it" else {"state_namespace": watched.plane.namespace(f"{watched.namespace}-state")}
    workflow = watched.to_cluster(destination=where)
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["tests.local/hold"]}}
    watched.kubectl("apply", "-f", "-", stdin=json.dumps(held))
    watched.plane.kubectl("delete", "namespace", watched.namespace, "--wait=false")
    until(lambda: watched.objects() == {"ConfigMap/held"}, what="the rest is gone")
    try:
        plan = watched.preview(workflow)
        assert [conflict.resource.rpartition("/")[2] for conflict in plan.conflicts] == ["a", "keys"]
        for conflict in plan.conflicts:
            told = f"namespace '{watched.namespace}' is being deleted: nothing can be made in it"
            assert conflict.description == told
        refusal = UnreachableError if state == "in it" else ConflictError  # without a lock it does not even plan
        with pytest.raises(refusal, match="is being deleted"):
            watched.sync(workflow)
    finally:
        watched.kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_a_namespace_that_goes_while_objects_are_written(watched: WatchedWorld) -> None:
    """What is left of it cannot be put back either: that is said, and the journal knows."""
    state = watched.plane.namespace(f"{watched.namespace}-state")
    workflow = watched.to_cluster(destination={"state_namespace": state})
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["tests.local/hold"]}}
    watched.kubectl("apply", "-f", "-", stdin=json.dumps(held))
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    push(watched, config("a", n="2"), config("b"))

    def checkpoint(name: str) -> None:
        if name == "backed up":
            watched.plane.kubectl("delete", "namespace", watched.namespace, "--wait=false")
            until(lambda: watched.objects() == {"ConfigMap/held"}, what="the rest is gone")

    try:
        outcome = watched.sync(workflow, session=watched.session(checkpoint=checkpoint))
        assert outcome.status == "failed"
        assert "is being terminated" in outcome.message
    finally:
        watched.kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    gone = f"/api/v1/namespaces?fieldSelector=metadata.name%3D{watched.namespace}"
    until(lambda: not watched.plane.api("GET", gone)["items"], what="the namespace is gone")
    watched.plane.namespace(watched.namespace)
    assert watched.sync(workflow).status == "succeeded"
    assert watched.objects() == {"ConfigMap/a", "ConfigMap/b", "Secret/keys"}
