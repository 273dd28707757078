from __future__ import annotations

from typing import Any

from sloth_ci.core.objects import Body
from sloth_ci.core.pods import ended_badly, stuck, unready
from sloth_ci.core.rollout import controller_of, every, is_over, newest
from support.bodies import body

REVISION = "deployment.kubernetes.io/revision"
HASH = "controller-revision-hash"


def owned(kind: str, name: str, owner: str, **fields: Any) -> Body:
    reference = {"uid": owner, "controller": True}
    metadata = {"uid": f"uid-{name}", "ownerReferences": [{"uid": "other"}, reference], **fields.pop("metadata", {})}
    return body(kind, name, metadata=metadata, **fields)


def pods_of(*pods: Body) -> Any:
    return lambda uid: [pod for pod in pods if controller_of(pod) == uid]


def names(pods: list[Body]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def test_the_pods_of_a_deployment_are_those_of_its_newest_replica_set() -> None:
    web = body("Deployment", "web", api="apps/v1", metadata={"uid": "d", "annotations": {REVISION: "10"}})
    sets = [owned("ReplicaSet", f"web-{n}", "d", metadata={"annotations": {REVISION: n}}) for n in ("9", "10")]
    pods = pods_of(owned("Pod", "old", "uid-web-9"), owned("Pod", "new", "uid-web-10"), owned("Pod", "other", "x"))
    assert names(newest(web, sets, pods)) == ["new"]
    assert names(every(web, sets, pods)) == ["old", "new"]
    assert newest(web, sets[:1], pods) == [], "its newest ReplicaSet was not seen yet"


def test_the_pods_of_a_stateful_set_are_those_of_its_update_revision() -> None:
    web = body("StatefulSet", "web", metadata={"uid": "s"}, status={"updateRevision": "web-2"})
    pods = pods_of(*(owned("Pod", f"web-{n}", "s", metadata={"labels": {HASH: f"web-{n}"}}) for n in (1, 2)))
    assert names(newest(web, [], pods)) == ["web-2"]
    assert newest(body("StatefulSet", "web", metadata={"uid": "s"}), [], pods) == []


def test_the_pods_of_a_daemon_set_are_those_of_its_last_revision() -> None:
    web = body("DaemonSet", "web", metadata={"uid": "d"})
    revisions = [
        owned("ControllerRevision", f"web-{n}", "d", metadata={"labels": {HASH: f"h{n}"}}, revision=n) for n in (9, 10)
    ]
    pods = pods_of(*(owned("Pod", f"web-{n}", "d", metadata={"labels": {HASH: f"h{n}"}}) for n in (9, 10)))
    assert names(newest(web, revisions, pods)) == ["web-10"]
    assert newest(web, [], pods) == []


def test_the_pods_of_a_job_are_all_its_own() -> None:
    pods = pods_of(owned("Pod", "a", "j"), owned("Pod", "b", "k"))
    assert names(newest(body("Job", "migrate", metadata={"uid": "j"}), [], pods)) == ["a"]


def test_a_pod_that_ended_or_goes_says_nothing() -> None:
    assert is_over(body("Pod", "a", status={"phase": "Failed", "reason": "Evicted"}))
    assert is_over(body("Pod", "a", metadata={"deletionTimestamp": "2026-05-01T12:00:00Z"}))
    assert not is_over(body("Pod", "a", status={"phase": "Running"}))


def test_which_log_tells_why() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    never_ran = _pod(state={"waiting": {"reason": "ErrImageNeverPull", "message": "not\nthere"}})
    why = stuck(never_ran, 0)
    assert why
    assert (why.reason, why.container, why.log) == ("container main: ErrImageNeverPull: not there", "main", "")
    crashing = _pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": ended})
    why = stuck(crashing, 0)
    assert why
    assert (why.log, why.crashed) == ("previous", True)
    assert why.reason == "container main: CrashLoopBackOff (last time exit code 137, OOMKilled)"
    why = ended_badly(_pod(state={"terminated": ended}))
    assert why
    assert why.log == "current"
    assert ended_badly(_pod(state={"terminated": {"exitCode": 0}})) is None
    why = unready(_pod(ready=False, state={"running": {}}))
    assert why
    assert why.log == "current"
    assert unready(_pod(ready=True, state={"running": {}})) is None


def _pod(**container: Any) -> Body:
    return body("Pod", "web-0", status={"phase": "Running", "containerStatuses": [{"name": "main", **container}]})
