"""Whole syncs, from a commit to health, while requests fail and the API server goes away: they end as if nothing had been."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.workflow import DestinationSpec, WorkflowSpec
from sloth_ci.destinations.kubernetes.cluster import connect
from support.bodies import body
from support.canary import WatchedWorld, secret
from support.cluster import ControlPlane
from support.gitrepo import GitRepo
from support.proxy import FaultProxy, share
from support.shop import config, failing, push, slow, web
from support.waiting import until

CALM = {"retry": {"delay": 0, "limit": 20}}
"""A policy that gives up late: of many requests that fail by chance, a few fail again and again."""


@contextmanager
def syncing(world: WatchedWorld, workflow: WorkflowSpec, **more: Any) -> Iterator[list[SyncOutcome | BaseException]]:
    """A sync in a thread, which has ended at the end; what came out of it is in the list."""
    came: list[SyncOutcome | BaseException] = []

    def run() -> None:
        try:
            came.append(world.sync(workflow, **more))
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            came.append(error)

    thread = threading.Thread(target=run, name="sync")
    thread.start()
    try:
        yield came
    finally:
        thread.join()


def succeeded(came: list[SyncOutcome | BaseException]) -> None:
    (outcome,) = came
    assert isinstance(outcome, SyncOutcome), repr(outcome)
    assert (outcome.status, outcome.health) == ("succeeded", "healthy"), outcome.message


def settled(world: WatchedWorld, workflow: WorkflowSpec, *names: str) -> None:
    """What is there is what is declared, and a second look finds nothing to do."""
    assert world.objects() == set(names)
    plan = world.preview(workflow)
    assert (plan.changes, plan.conflicts, plan.drift, plan.unchanged) == ((), (), (), len(names))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tenth_of_all_requests_fail(watched: WatchedWorld, seed: int) -> None:
    """429, 500 and cut connections, over the whole life: create, change, prune, fail, roll back."""
    many = [config(f"c{n}", n=str(n)) for n in range(15)]
    with FaultProxy(watched.plane, share(0.1, seed=seed)) as proxy:
        proxy.retry_after = 0
        watched.kubeconfig = watched.plane.kubeconfig(server=proxy.url)
        workflow = watched.to_cluster(sync_policy=CALM)
        push(watched, web("web:1"), secret(), *many)
        assert watched.sync(workflow).status == "succeeded"
        everything = {"Deployment/web", "Secret/keys", *(f"ConfigMap/c{n}" for n in range(15))}
        settled(watched, workflow, *everything)

        push(watched, web("web:2"), secret(version=2), config("c0", n="changed"), delete=("c1", "c2"))
        plan = watched.preview(workflow)
        assert sorted(change.type for change in plan.changes) == ["delete"] * 2 + ["update"] * 3
        assert watched.sync(workflow, approved=plan).status == "succeeded"
        settled(watched, workflow, *(everything - {"ConfigMap/c1", "ConfigMap/c2"}))
        good = watched.spec_of_all()

        push(watched, web("web:3"), failing(), config("c0", n="bad"), config("new"), delete=("c3",))
        outcome = watched.sync(workflow)
        assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
        assert watched.spec_of_all() == good
        watched.pull()
        settled(watched, workflow, *(everything - {"ConfigMap/c1", "ConfigMap/c2"}))

        assert watched.rollback(workflow).status in {"succeeded", "nothing"}
        push(watched, config("c0", n="4"))
        assert watched.sync(workflow).status == "succeeded"
        assert watched.rollback(workflow).status == "succeeded"
        assert watched.spec_of_all() == good
        assert {"429", "500"} <= set(proxy.delivered)
        assert any(fault.startswith("cut") for fault in proxy.delivered)


@pytest.mark.parametrize("expired", [False, True], ids=["dropped", "expired"])
def test_watches_end_during_the_wait(watched: WatchedWorld, expired: bool) -> None:
    """Connections that are cut, and versions that are too old (410)."""
    push(watched, slow("web:1"), secret())
    with FaultProxy(watched.plane) as proxy:
        watched.kubeconfig = watched.plane.kubeconfig(server=proxy.url)
        with syncing(watched, watched.to_cluster()) as came:
            for _ in range(3):
                until(lambda: proxy.watches >= 3)  # of the Deployment, its ReplicaSets and its pods
                assert (proxy.expire_watches() if expired else proxy.drop_watches()) >= 3
            # Nothing ends a wait but what the cluster says: here somebody makes the pod ready.
            until(lambda: proxy.watches >= 3)
            make_ready(watched)
        succeeded(came)
        settled(watched, watched.to_cluster(), "Deployment/web", "Secret/keys")


def make_ready(world: WatchedWorld) -> None:
    """Say of the pod of the Deployment that it is ready, as a kubelet would.

    Of a pod that runs: of one that kwok has not started yet, kwok would say afterwards that it is not ready.
    """
    running = ("get", "pods", "-l", "app=web", "--field-selector", "status.phase=Running", "-o", "name")
    pods = until(lambda: world.kubectl(*running).split(), what="a pod that runs")
    now = "2026-01-01T00:00:00Z"
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")]
    ready = {"name": "web", "ready": True, "started": True, "image": "web:1", "imageID": "", "restartCount": 0}
    status = {"conditions": conditions, "phase": "Running", "containerStatuses": [ready]}
    path = f"/api/v1/namespaces/{world.namespace}/{pods[0].replace('pod/', 'pods/')}/status"
    world.plane.api("PATCH", path, {"status": status}, content_type="application/strategic-merge-patch+json")


@pytest.fixture
def alone(tmp_path: Path, git_repo: Callable[..., GitRepo], own_control_plane: ControlPlane) -> Iterator[WatchedWorld]:
    """A world on a control plane of its own, which may be stopped."""
    namespace = own_control_plane.namespace(f"test-{uuid.uuid4().hex[:8]}")
    world = WatchedWorld(tmp_path, git_repo, own_control_plane, namespace)
    yield world
    world.assert_silent()


def test_the_api_server_is_restarted_while_objects_are_written(alone: WatchedWorld) -> None:
    push(alone, web("web:1"), secret(), *[config(f"c{n}", n=str(n)) for n in range(40)])
    workflow = alone.to_cluster(sync_policy=CALM)
    written: list[str] = []

    def checkpoint(name: str) -> None:
        if name.startswith("wrote "):
            written.append(name)
            if len(written) == 10:
                alone.plane.restart_apiserver()

    session = alone.session(checkpoint=checkpoint)
    outcome = alone.sync(workflow, session=session)
    assert (outcome.status, outcome.health) == ("succeeded", "healthy"), outcome.message
    assert len(written) == 42
    settled(alone, workflow, "Deployment/web", "Secret/keys", *(f"ConfigMap/c{n}" for n in range(40)))


def test_the_api_server_is_away_for_longer_than_a_request_waits(alone: WatchedWorld) -> None:
    """The retries of the sync policy begin where the patience of a request ends."""
    push(alone, secret(), *[config(f"c{n}", n=str(n)) for n in range(20)])
    workflow = alone.to_cluster(sync_policy={"retry": {"delay": 0, "limit": 20}})
    stopped = False

    def checkpoint(name: str) -> None:
        nonlocal stopped
        if name.startswith("wrote ") and not stopped:
            stopped = True
            alone.plane.stop_apiserver()

    log = alone.listener.log

    def told(level: Any, message: str) -> None:
        log(level, message)
        if "next try in" in message:
            alone.plane.start_apiserver()

    alone.listener.log = told  # type: ignore[method-assign]
    outcome = alone.sync(workflow, session=alone.session(checkpoint=checkpoint))
    assert outcome.status == "succeeded", outcome.message
    assert "next try in" in alone.listener.text()
    settled(alone, workflow, "Secret/keys", *(f"ConfigMap/c{n}" for n in range(20)))


def test_the_api_server_is_restarted_during_the_wait(alone: WatchedWorld) -> None:
    push(alone, slow("web:1"), secret())
    workflow = alone.to_cluster()
    with syncing(alone, workflow) as came:
        until(lambda: "wait for health" in alone.listener.text())
        until(lambda: "progressing" in alone.listener.text())
        alone.plane.restart_apiserver()
        make_ready(alone)
    succeeded(came)
    settled(alone, workflow, "Deployment/web", "Secret/keys")


def widget(name: str) -> dict[str, Any]:
    return body("Widget", name, None, api="faults.example.com/v1", spec={"size": 1})


WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.faults.example.com"},
    "spec": {
        "group": "faults.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def test_one_api_group_does_not_answer(alone: WatchedWorld) -> None:
    """What is in it is neither forgotten nor deleted, and the rest goes on."""
    alone.plane.kubectl("apply", "-f", "-", stdin=json.dumps(WIDGETS))
    alone.plane.kubectl("wait", "--for=condition=established", "crd/widgets.faults.example.com", "--timeout=120s")
    workflow = alone.to_cluster()
    push(alone, widget("one"), widget("two"), config("a", n="1"), secret())
    assert alone.sync(workflow).status == "succeeded"
    push(alone, config("a", n="2"), delete=("one", "two"))

    with served_by_nobody(alone.plane, "faults.example.com"):
        plan = alone.preview(workflow)
        assert [(change.type, change.ref.name) for change in plan.changes] == [("update", "a")]
        assert not plan.conflicts
        (warning,) = plan.warnings
        assert "2 objects no longer in Git cannot be looked for and stay" in warning
        assert "faults.example.com" in warning
        assert alone.sync(workflow, approved=plan).status == "succeeded"
        assert alone.get("configmap/a")["data"] == {"n": "2"}
        assert alone.sync(workflow).status == "nothing"
        push(alone, widget("three"), config("a", n="3"))
        (conflict,) = alone.preview(workflow).conflicts
        assert "faults.example.com/v1 cannot be asked" in conflict.description
        with pytest.raises(ConflictError):
            alone.sync(workflow)
        push(alone, delete=("three",))

    plan = alone.preview(workflow)
    assert sorted((change.type, change.ref.name) for change in plan.changes) == [
        ("delete", "one"),
        ("delete", "two"),
        ("update", "a"),
    ]
    assert alone.sync(workflow, approved=plan).status == "succeeded"
    assert alone.objects("widgets") == set()


def test_a_rollback_into_an_api_group_that_does_not_answer_is_refused_before_it_begins(alone: WatchedWorld) -> None:
    alone.plane.kubectl("apply", "-f", "-", stdin=json.dumps(WIDGETS))
    alone.plane.kubectl("wait", "--for=condition=established", "crd/widgets.faults.example.com", "--timeout=120s")
    workflow = alone.to_cluster()
    push(alone, widget("one"), config("a", n="1"), secret())
    assert alone.sync(workflow).status == "succeeded"
    push(alone, config("a", n="2"), delete=("one",))
    assert alone.sync(workflow).status == "succeeded"
    assert alone.objects("widgets") == set()

    with served_by_nobody(alone.plane, "faults.example.com"):
        with pytest.raises(ConflictError, match=r"the API faults\.example\.com/v1 cannot be asked"):
            alone.rollback(workflow)
        assert alone.get("configmap/a")["data"] == {"n": "2"}
    assert alone.rollback(workflow).status == "succeeded"
    assert alone.objects("widgets,configmaps,secrets") == {"Widget/one", "ConfigMap/a", "Secret/keys"}
    assert alone.get("configmap/a")["data"] == {"n": "1"}
    assert alone.log()[0].startswith("Revert ")


def test_an_api_group_that_stops_answering_keeps_nothing_else_from_being_put_back(alone: WatchedWorld) -> None:
    alone.plane.kubectl("apply", "-f", "-", stdin=json.dumps(WIDGETS))
    alone.plane.kubectl("wait", "--for=condition=established", "crd/widgets.faults.example.com", "--timeout=120s")
    workflow = alone.to_cluster()
    push(alone, widget("one"), config("a", n="1"), secret())
    assert alone.sync(workflow).status == "succeeded"
    before = alone.spec_of_all()
    push(alone, widget("two"), config("a", n="2"), secret(version=2), failing(), delete=("one",))
    with ExitStack() as broken:

        def checkpoint(name: str) -> None:
            if name == "restoring":
                broken.enter_context(served_by_nobody(alone.plane, "faults.example.com"))

        outcome = alone.sync(workflow, session=alone.session(checkpoint=checkpoint))
        assert outcome.status == "failed"
        assert "it could not be put back" in outcome.message
        assert f"Widget/{alone.namespace}/one: " in outcome.message
        after = alone.spec_of_all()
        assert {name: after[name] for name in before} == before
    mended = alone.sync(workflow)
    assert "the state before it is restored" in (mended.recovered or "")
    assert alone.spec_of_all() == before
    assert alone.objects("widgets") == {"Widget/one"}


@contextmanager
def served_by_nobody(plane: ControlPlane, group: str) -> Iterator[None]:
    """While this lasts, the server that is said to serve a group is not there."""
    with plane.broken_api_group(group):
        until(lambda: not is_served(plane, group), what="discovery knows that nobody answers")
        yield
    until(lambda: is_served(plane, group), what="the definition serves its group again")


def is_served(plane: ControlPlane, group: str) -> bool:
    """What discovery says, which learns of a change in its own time."""
    spec = DestinationSpec(kubeconfig=str(plane.admin))
    cluster = connect(spec, Path(), {})
    with cluster.client:
        return any(resource.group == group for resource in cluster.discovery.resources())
