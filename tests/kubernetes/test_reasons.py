from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import UnhealthyError
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.pods import stuck
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.reasons import Culprit, Reasons, culprits
from sloth_ci.destinations.kubernetes.wait import wait
from support.bodies import body
from support.cluster import ControlPlane
from support.waiting import until
from support.workloads import get, job, pods, put, workload

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def someone(control_plane: ControlPlane, cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """The cluster as somebody sees it who may only read some things: `someone(("apps", "deployments"))`."""
    opened: list[Cluster] = []

    def make(*kinds: tuple[str, str]) -> Cluster:
        rules = [
            {"apiGroups": [group], "resources": [kind], "verbs": ["get", "list", "watch"]} for group, kind in kinds
        ]
        meta = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "reader"}}
        put(cluster, {**meta, "kind": "Role", "rules": rules})
        subject = {"kind": "User", "name": "reader", "apiGroup": RBAC}
        role = {"kind": "Role", "name": "reader", "apiGroup": RBAC}
        put(cluster, {**meta, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]})
        config = control_plane.kubeconfig(user="reader")
        opened.append(connect(DestinationSpec(kubeconfig=str(config), namespace=cluster.namespace), tmp_path, {}))
        if kinds:
            until(lambda: _may(opened[-1], kinds[-1]))
        return opened[-1]

    yield make
    for each in opened:
        each.client.close()


def fails(cluster: Cluster, *refs: Ref, timeout: float = 60.0) -> str:
    with pytest.raises(UnhealthyError) as caught:
        wait(cluster, refs, timeout=timeout, stopped=lambda: False, told=lambda ref, verdict: None, grace=0.5)
    return caught.value.message


def test_a_crash_is_told_with_its_events_and_its_log(cluster: Cluster) -> None:
    ref = put(cluster, workload("Deployment", "web", "web:crash", replicas=1))
    message = fails(cluster, ref)
    pod = pods(cluster, "web")[0]["metadata"]["name"]
    lines = message.splitlines()
    assert lines[0].startswith(f"{ref} is not healthy: pod {pod}: container main: CrashLoopBackOff: back-off 40s")
    assert "(last time exit code 1, Error: panic in main)" in lines[0]
    assert any(line.startswith("  event BackOff, ") and "restarting failed container" in line for line in lines)
    assert lines[-4:] == [
        "  last 3 lines of the log of main:",
        "    starting",
        "    reading the settings",
        "    error: the database refused the connection",
    ]


def test_memory_that_ran_out_is_told(cluster: Cluster) -> None:
    ref = put(cluster, workload("StatefulSet", "web", "web:oom", replicas=1))
    assert "(last time exit code 137, OOMKilled)" in fails(cluster, ref)


def test_a_job_that_failed_is_told_with_the_log_of_its_pod(cluster: Cluster) -> None:
    ref = put(cluster, job("migrate", "migrate:fail"))
    message = fails(cluster, ref)
    assert f"{ref} is not healthy: BackoffLimitExceeded" in message
    assert "pod migrate-" in message
    assert "container main: exit code 1" in message
    assert "error: the database refused the connection" in message


def test_a_job_counts_its_crashes_itself(cluster: Cluster) -> None:
    again = {"spec": {"containers": [{"name": "main", "image": "work:crash"}], "restartPolicy": "OnFailure"}}
    ref = put(cluster, job("work", "", template=again, backoffLimit=6))
    message = fails(cluster, ref, timeout=2)
    assert f"{ref} is not healthy after 2 s: 1 running" in message
    assert "CrashLoopBackOff" in message, "what its pod says is told all the same"


def test_events_are_the_last_three_and_the_newest_first(cluster: Cluster) -> None:
    claim = put(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {
                "storageClassName": "none",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    )
    live = get(cluster, claim)
    for index in range(5):
        _event(cluster, live, f"Reason{index}", f"2026-05-01T12:00:0{index}Z", f"said\n{index} \x1b[31m" + "x" * 900)
    found = Reasons(cluster).events(live)
    ours = [event for event in found if event.reason.startswith("Reason")]
    assert [event.reason for event in ours] == ["Reason4", "Reason3", "Reason2", "Reason1", "Reason0"]
    assert ours[0].message.startswith("said 4 [31mxxx")
    assert all(event.message.isprintable() and len(event.message) <= 200 for event in ours)
    assert len(list(Reasons(cluster).about(live))) == 3


def test_without_the_right_to_read_more_the_wait_goes_on_and_says_so_once(
    cluster: Cluster, someone: Callable[..., Cluster]
) -> None:
    reader = someone(("apps", "deployments"))
    good = put(cluster, workload("Deployment", "good", "web:1", replicas=1))
    refs = [put(cluster, workload("Deployment", name, "web:broken", replicas=1)) for name in ("a", "b")]
    message = fails(reader, good, *refs, timeout=3)
    assert message.startswith("2 of 3 objects are not healthy after 3 s:")
    assert "0 of 1 available" in message
    for what in ("pods", "replicasets", "events"):
        assert message.count(f"({what} could not be read: ") == 1
    assert "cannot list resource" in message


def test_a_log_that_must_not_be_read_is_left_out(cluster: Cluster, someone: Callable[..., Cluster]) -> None:
    reader = someone(("apps", "deployments"), ("apps", "replicasets"), ("", "pods"))
    ref = put(cluster, workload("Deployment", "web", "web:crash", replicas=1))
    message = fails(reader, ref)
    assert "container main: CrashLoopBackOff" in message
    assert "(logs could not be read: " in message
    assert "database" not in message


def test_an_object_that_must_not_be_watched_is_a_failure(cluster: Cluster, someone: Callable[..., Cluster]) -> None:
    reader = someone()
    ref = put(cluster, workload("Deployment", "web", "web:1", replicas=1))
    message = fails(reader, ref)
    assert "it cannot be watched: " in message
    assert "cannot list resource" in message


def test_the_pods_that_tell_most() -> None:
    pull = {"waiting": {"reason": "ImagePullBackOff"}}
    stuck_pods = [_pod(f"new-{n}", state=pull) for n in range(3)]
    config = _pod("new-9", state={"waiting": {"reason": "CreateContainerConfigError"}})
    starting = _pod("new-8", ready=False, state={"running": {}})
    old = _pod("old", state=pull)
    assert _names(culprits([*stuck_pods, config, starting], [old], 0)) == ["new-0", "new-9"], "one of each cause"
    assert _names(culprits([starting], [starting], 0)) == ["new-8"]
    in_the_way = culprits([starting], [old, starting], 0)
    assert _names(in_the_way) == ["old"], "it may stand in the way of the new one"
    assert in_the_way[0].line == "pod old, of a former revision: container main: ImagePullBackOff"
    ended = _pod("ended", state={"terminated": {"exitCode": 2}})
    ended["status"]["phase"] = "Failed"
    assert _names(culprits([ended], [], 0)) == ["ended"]
    assert stuck(starting, 0) is None


def _names(found: list[Culprit]) -> list[str]:
    return [culprit.pod["metadata"]["name"] for culprit in found]


def _pod(name: str, **container: Any) -> Body:
    return body("Pod", name, status={"phase": "Running", "containerStatuses": [{"name": "main", **container}]})


def _may(cluster: Cluster, kind: tuple[str, str]) -> bool:
    attributes = {"namespace": cluster.namespace, "group": kind[0], "resource": kind[1], "verb": "list"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return bool(cluster.client.json("POST", path, body=review)["status"]["allowed"])


def _event(cluster: Cluster, about: Body, reason: str, at: str, message: str) -> None:
    metadata = about["metadata"]
    regarding = {"kind": about["kind"], **{key: metadata[key] for key in ("namespace", "name", "uid")}}
    content = {"metadata": {"generateName": "e-"}, "involvedObject": regarding, "reason": reason, "message": message}
    path = f"/api/v1/namespaces/{cluster.namespace}/events"
    cluster.client.call("POST", path, body={**content, "type": "Normal", "lastTimestamp": at})
