from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sloth_ci.core.errors import Interrupted, UnhealthyError
from sloth_ci.core.health import Verdict
from sloth_ci.core.objects import Body, Ref
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.wait import wait
from support.waiting import until
from support.workloads import delete, get, job, path_of, pods, put, template, workload

PATIENCE = 300.0


class Told:
    """What a wait said, and what is to happen when it says something."""

    def __init__(self) -> None:
        self.verdicts: dict[Ref, list[Verdict]] = {}
        self.threads: set[int] = set()
        self._then: list[tuple[Ref, str, Callable[[], Any]]] = []

    def when(self, ref: Ref, state: str, act: Callable[[], Any]) -> None:
        """Do something once, when an object is told to be in a state."""
        self._then.append((ref, state, act))

    def __call__(self, ref: Ref, verdict: Verdict) -> None:
        self.verdicts.setdefault(ref, []).append(verdict)
        self.threads.add(threading.get_ident())
        for entry in list(self._then):
            if entry[:2] == (ref, verdict.state):
                self._then.remove(entry)
                entry[2]()

    def states(self, ref: Ref) -> list[str]:
        """Without repetition."""
        found: list[str] = []
        for verdict in self.verdicts[ref]:
            found += [] if found[-1:] == [verdict.state] else [verdict.state]
        return found


class Waiting:
    """`wait` with the settings of these tests."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.told = Told()

    def __call__(
        self,
        *refs: Ref,
        timeout: float = PATIENCE,
        grace: float = 0.5,
        stopped: Callable[[], bool] = lambda: False,
        uids: dict[Ref, str] | None = None,
        unblock: bool = False,
    ) -> bool:
        return wait(
            self.cluster,
            refs,
            timeout=timeout,
            stopped=stopped,
            told=self.told,
            uids=uids or {},
            grace=grace,
            unblock=unblock,
        )

    def fails(self, *refs: Ref, **how: Any) -> UnhealthyError:
        with pytest.raises(UnhealthyError) as caught:
            self(*refs, **how)
        return caught.value


@pytest.fixture
def waiting(cluster: Cluster) -> Iterator[Waiting]:
    yield Waiting(cluster)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("watch ")]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"])
def test_a_workload_becomes_healthy(waiting: Waiting, kind: str) -> None:
    scale: dict[str, Any] = {} if kind == "DaemonSet" else {"replicas": 2}
    ref = put(waiting.cluster, workload(kind, "web", "web:1", annotations={"sloth-test/ready-after": "300ms"}, **scale))
    assert waiting(ref)
    assert waiting.told.states(ref) == ["progressing", "healthy"]
    assert waiting.told.threads == {threading.get_ident()}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_rollout_with_a_broken_image_fails_at_once_although_the_old_pods_are_ready(
    waiting: Waiting, kind: str
) -> None:
    scale: dict[str, Any] = {} if kind == "DaemonSet" else {"replicas": 2}
    ref = put(waiting.cluster, workload(kind, "web", "web:1", **scale))
    assert waiting(ref)
    put(waiting.cluster, workload(kind, "web", "web:broken", **scale))
    began = time.monotonic()
    error = waiting.fails(ref)
    assert time.monotonic() - began < PATIENCE / 2
    assert f"{ref} is not healthy: pod web-" in error.message
    assert "container main: ImagePullBackOff: Back-off pulling image" in error.message
    assert "event Failed" in error.message
    assert "log of" not in error.message, "the container never ran"
    assert error.hint
    assert f"kubectl -n {waiting.cluster.namespace} describe" in error.hint


def test_pods_of_the_former_revision_say_nothing_about_the_new_one(waiting: Waiting) -> None:
    ref = put(waiting.cluster, workload("Deployment", "web", "web:broken", replicas=1))
    waiting.fails(ref)
    slow = {"sloth-test/ready-after": "2s"}
    put(waiting.cluster, workload("Deployment", "web", "web:1", annotations=slow, replicas=1))
    waiting.told.verdicts.clear()
    assert waiting(ref)
    assert waiting.told.states(ref) == ["progressing", "healthy"]


def test_a_stateful_set_comes_back_from_a_revision_that_never_became_ready(waiting: Waiting) -> None:
    good = workload("StatefulSet", "web", "web:1", replicas=2)
    ref = put(waiting.cluster, good)
    assert waiting(ref)
    put(waiting.cluster, workload("StatefulSet", "web", "web:broken", replicas=2))
    waiting.fails(ref)
    put(waiting.cluster, good)
    error = waiting.fails(ref, timeout=2)
    assert "pod web-1, of a former revision: container main: ImagePullBackOff" in error.message
    assert waiting(ref, unblock=True)


def test_a_failure_that_something_still_works_on_may_end_well(waiting: Waiting) -> None:
    good = workload("Deployment", "web", "web:1", replicas=1)
    ref = put(waiting.cluster, workload("Deployment", "web", "web:crash", replicas=1))
    waiting.told.when(ref, "failed", lambda: put(waiting.cluster, good))
    assert waiting(ref, grace=PATIENCE)
    assert waiting.told.states(ref)[-2:] == ["progressing", "healthy"]


def test_a_final_failure_waits_for_no_grace_but_for_the_others(waiting: Waiting) -> None:
    failing = put(waiting.cluster, job("migrate", "migrate:fail"))
    slow = put(waiting.cluster, workload("Deployment", "web", "web:1", annotations={"sloth-test/ready-after": "2s"}))
    error = waiting.fails(failing, slow, grace=PATIENCE)
    assert waiting.told.states(slow)[-1] == "healthy"
    assert f"{failing} is not healthy: BackoffLimitExceeded" in error.message
    assert str(slow) not in error.message


def test_a_job_is_done_when_it_is_complete(waiting: Waiting) -> None:
    ref = put(waiting.cluster, job("migrate", "migrate:1"))
    assert waiting(ref)
    assert waiting.told.verdicts[ref][-1] == Verdict("healthy", "completed")


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_job_that_deletes_itself_is_done(waiting: Waiting, seconds: int) -> None:
    ref = put(waiting.cluster, job("migrate", "migrate:1", ttlSecondsAfterFinished=seconds))
    assert waiting(ref, uids={ref: get(waiting.cluster, ref)["metadata"]["uid"]})


def test_a_job_that_deleted_itself_before_anybody_looked_is_done(waiting: Waiting) -> None:
    ref = put(waiting.cluster, job("migrate", "migrate:1", ttlSecondsAfterFinished=0))
    uid = get(waiting.cluster, ref)["metadata"]["uid"]
    _until_gone(waiting.cluster, ref)
    assert waiting(ref, uids={ref: uid})
    assert "somebody deleted it" in waiting.fails(ref).message, "without its uid, it may be any other"


def test_a_job_that_deleted_itself_after_it_failed_has_failed(waiting: Waiting) -> None:
    ref = put(waiting.cluster, job("migrate", "migrate:fail", ttlSecondsAfterFinished=0))
    assert str(ref) in waiting.fails(ref, uids={ref: get(waiting.cluster, ref)["metadata"]["uid"]}).message


def test_what_is_suspended_waits_for_a_person_and_nobody_for_it(waiting: Waiting) -> None:
    paused = put(waiting.cluster, workload("Deployment", "web", "web:1", paused=True))
    held = put(waiting.cluster, job("migrate", "migrate:1", suspend=True))
    assert waiting(paused, held)
    assert waiting.told.states(paused)[-1] == waiting.told.states(held)[-1] == "suspended"


def test_a_suspended_hook_is_not_done(waiting: Waiting) -> None:
    hook = {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}
    ref = put(waiting.cluster, job("migrate", "migrate:1", suspend=True, metadata=hook))
    assert f"{ref} is not healthy after 1 s: it is suspended" in waiting.fails(ref, timeout=1).message


def test_a_claim_that_waits_for_its_first_pod_blocks_nothing(waiting: Waiting) -> None:
    classes = [
        put(waiting.cluster, _storage_class(f"{waiting.cluster.namespace}-late", "WaitForFirstConsumer")),
        put(waiting.cluster, _storage_class(f"{waiting.cluster.namespace}-now", "Immediate")),
    ]
    try:
        late, now = (put(waiting.cluster, _claim(ref.name)) for ref in classes)
        assert waiting(late)
        assert f"{now} is not healthy after 1 s: it is not bound" in waiting.fails(now, timeout=1).message
    finally:
        for ref in classes:
            delete(waiting.cluster, ref)


def test_a_load_balancer_needs_an_address(waiting: Waiting) -> None:
    content = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    ports = {"spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP"}]}}
    ref = put(waiting.cluster, {**content, **ports})
    address = {**content, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    waiting.told.when(ref, "progressing", lambda: put(waiting.cluster, address, status=True))
    assert waiting(ref)


def test_a_definition_and_then_a_resource_of_it(waiting: Waiting) -> None:
    name = f"Thing{waiting.cluster.namespace.replace('-', '')}"
    definition = put(waiting.cluster, _definition(name))
    try:
        assert waiting(definition)
        thing = {"apiVersion": "wait.example.com/v1", "kind": name, "metadata": {"name": "a"}, "spec": {"size": 1}}

        def is_served() -> bool:
            waiting.cluster.discovery.refresh()
            return waiting.cluster.discovery.find("wait.example.com", name) is not None

        until(is_served)
        ref = put(waiting.cluster, thing)

        def report(**condition: Any) -> None:
            conditions = [{"type": "Ready", "status": "True", **condition}]
            put(waiting.cluster, {**thing, "status": {"conditions": conditions}}, status=True)

        report(status="False", reason="Working", message="half way")
        waiting.told.when(ref, "progressing", report)
        assert waiting(ref)
        assert Verdict("progressing", "Working: half way") in waiting.told.verdicts[ref]
        report(type="Stalled", reason="BadSpec", message="no such size")
        assert "BadSpec: no such size" in waiting.fails(ref).message
    finally:
        delete(waiting.cluster, definition)


def test_a_pod_of_its_own(waiting: Waiting) -> None:
    content = {"apiVersion": "v1", "kind": "Pod", **template("web", "web:broken")}
    ref = put(waiting.cluster, {**content, "metadata": {"name": "web"}})
    assert f"{ref} is not healthy: container main: ImagePullBackOff" in waiting.fails(ref).message


def test_what_nobody_watches_is_healthy_at_once(waiting: Waiting) -> None:
    refs = [Ref("", "ConfigMap", waiting.cluster.namespace, "a"), Ref("", "Secret", waiting.cluster.namespace, "b")]
    assert waiting(*refs)
    assert [waiting.told.states(ref) for ref in refs] == [["healthy"], ["healthy"]]
    assert waiting()


def test_a_timeout_names_every_object_and_what_its_pods_say(waiting: Waiting) -> None:
    slow = {"sloth-test/ready-after": "120s"}
    web = put(waiting.cluster, workload("Deployment", "web", "web:1", replicas=1, annotations=slow))
    good = put(waiting.cluster, workload("Deployment", "good", "web:1", replicas=1))
    work = put(waiting.cluster, job("work", "work:1", template=_slow_job()))
    error = waiting.fails(web, good, work, timeout=4)
    assert error.message.startswith("2 of 3 objects are not healthy after 4 s:")
    assert f"{web}: 0 of 1 available" in error.message
    assert "pod web-" in error.message
    assert "container main runs and is not ready" in error.message
    assert "error: the database refused the connection" in error.message
    assert f"{work}: 1 running" in error.message
    assert str(good) not in error.message
    assert error.hint
    assert "health_check.timeout" in error.hint


def test_a_quota_is_told(waiting: Waiting) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    ref = put(waiting.cluster, quota)
    until(lambda: "hard" in get(waiting.cluster, ref).get("status", {}))
    ref = put(waiting.cluster, workload("Deployment", "web", "web:1", replicas=1))
    assert "exceeded quota: q" in waiting.fails(ref, timeout=3).message


def test_another_object_of_the_same_name_is_a_failure(waiting: Waiting) -> None:
    content = workload("Deployment", "web", "web:1", paused=True, replicas=1)
    ref = put(waiting.cluster, content)
    uid = get(waiting.cluster, ref)["metadata"]["uid"]
    delete(waiting.cluster, ref)
    _until_gone(waiting.cluster, ref)
    put(waiting.cluster, content)
    assert "it was replaced" in waiting.fails(ref, uids={ref: uid}).message


def test_an_object_that_vanishes_is_a_failure(waiting: Waiting) -> None:
    slow = {"sloth-test/ready-after": "120s"}
    ref = put(waiting.cluster, workload("Deployment", "web", "web:1", annotations=slow))
    other = put(waiting.cluster, workload("Deployment", "other", "web:1", annotations=slow))
    waiting.told.when(ref, "progressing", lambda: delete(waiting.cluster, ref))
    waiting.told.when(other, "progressing", lambda: delete(waiting.cluster, other))
    error = waiting.fails(ref, other)
    assert error.message.count("it is gone: somebody deleted it") == 2


def test_a_kind_that_the_server_does_not_have_is_a_failure(waiting: Waiting) -> None:
    ref = Ref("nowhere.example.com", "Thing", waiting.cluster.namespace, "a")
    assert "the server has no kind Thing of nowhere.example.com" in waiting.fails(ref).message


def test_a_wish_to_stop_is_heard(waiting: Waiting) -> None:
    ref = put(waiting.cluster, workload("Deployment", "web", "web:1", annotations={"sloth-test/ready-after": "120s"}))
    wish = threading.Event()
    waiting.told.when(ref, "progressing", wish.set)
    began = time.monotonic()
    with pytest.raises(Interrupted):
        waiting(ref, stopped=wish.is_set)
    assert time.monotonic() - began < 5


def test_a_pod_without_a_node_fails_unless_one_is_being_made_for_it(waiting: Waiting) -> None:
    nowhere = {"nodeSelector": {"is": "nowhere"}}
    lost = put(waiting.cluster, workload("Deployment", "lost", "web:1", replicas=1, pod=nowhere))
    awaited = put(waiting.cluster, workload("Deployment", "awaited", "web:1", replicas=1, pod=nowhere))
    for name in ("lost", "awaited"):
        _long_without_a_node(waiting.cluster, name)
    _make_event(waiting.cluster, pods(waiting.cluster, "awaited")[0], "TriggeredScaleUp", "pod triggered scale-up")
    error = waiting.fails(lost, awaited, timeout=3)
    assert f"{lost}: pod lost-" in error.message
    assert waiting.told.states(lost)[-1] == "failed"
    assert waiting.told.states(awaited) == ["progressing"]
    assert "event TriggeredScaleUp" in error.message
    assert "are available" in waiting.fails(lost).message


def _until_gone(cluster: Cluster, ref: Ref) -> None:
    collection = path_of(cluster, ref).rpartition("/")[0]
    query = {"fieldSelector": f"metadata.name={ref.name}"}
    until(lambda: not cluster.client.json("GET", collection, query=query)["items"])


def _slow_job() -> Body:
    return template("work", "work:1", annotations={"sloth-test/done-after": "120s"}, restartPolicy="Never")


def _storage_class(name: str, mode: str) -> Body:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "example.com/none",
        "volumeBindingMode": mode,
    }


def _claim(storage: str) -> Body:
    spec = {
        "storageClassName": storage,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": f"data-{storage}"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _definition(kind: str) -> Body:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}s.wait.example.com"},
        "spec": {
            "group": "wait.example.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": f"{kind.lower()}s"},
            "versions": [{**version, "subresources": {"status": {}}}],
        },
    }


def _long_without_a_node(cluster: Cluster, app: str) -> None:
    """Wait until the scheduler gave up on a pod, and say that this was long ago."""

    def found() -> Body | None:
        for pod in pods(cluster, app):
            for condition in pod.get("status", {}).get("conditions") or ():
                if condition.get("reason") == "Unschedulable":
                    return pod
        return None

    pod = until(found)
    assert pod
    old = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    old["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    cluster.client.call(
        "PATCH",
        f"/api/v1/namespaces/{cluster.namespace}/pods/{pod['metadata']['name']}/status",
        body={"status": {"conditions": [old]}},
        content_type="application/strategic-merge-patch+json",
    )


def _make_event(cluster: Cluster, about: Body, reason: str, message: str) -> None:
    metadata = about["metadata"]
    regarding = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cluster.client.now()))
    cluster.client.call(
        "POST",
        f"/api/v1/namespaces/{metadata['namespace']}/events",
        body={
            "metadata": {"generateName": "e-"},
            "involvedObject": regarding,
            "reason": reason,
            "message": message,
            "type": "Normal",
            "lastTimestamp": now,
            "count": 1,
        },
    )
