"""Hooks on a real API server: they run to their end, in order, and leave what they are told to leave."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ApplyError, UnhealthyError
from sloth_ci.core.hooks import HOOK, WAVE
from sloth_ci.core.objects import Body
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.hooks import LABEL, run_hooks
from support.applying import APPLYSET, Told, carrying, create, live, there, uid
from support.bodies import body, manifest
from support.waiting import until

POLICY = "argocd.argoproj.io/hook-delete-policy"


def job(namespace: str, name: str = "migrate", image: str = "one", *, done_after: str = "0s", **said: str) -> Body:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    template = {"metadata": {"annotations": {"sloth-test/done-after": done_after}}, "spec": pod}
    metadata = {"annotations": {HOOK: "PreSync", **said}}
    return body("Job", name, namespace, "batch/v1", metadata=metadata, spec={"backoffLimit": 0, "template": template})


def pod(namespace: str, image: str = "one", *, restart: str = "Never") -> Body:
    annotations = {HOOK: "PreSync", "sloth-test/done-after": "1s"}
    spec = {"restartPolicy": restart, "containers": [{"name": "main", "image": image}]}
    return body("Pod", "check", namespace, metadata={"annotations": annotations}, spec=spec)


def run(cluster: Cluster, *hooks: Body, told: Told | None = None, timeout: float = 60.0) -> None:
    run_hooks(cluster, APPLYSET, "PreSync", [manifest(hook) for hook in hooks], carrying(told, timeout=timeout))


def test_a_job_is_done_when_it_completed(cluster: Cluster, namespace: str) -> None:
    finished: list[bool] = []
    hook = job(namespace, done_after="1s")
    run_hooks(
        cluster,
        APPLYSET,
        "PreSync",
        [manifest(hook)],
        carrying(done=lambda ref: finished.append("completionTime" in there(cluster, hook)["status"])),
    )
    assert finished == [True]
    labels = there(cluster, hook)["metadata"]["labels"]
    assert labels[LABEL] == APPLYSET
    assert PART_OF not in labels


def test_the_one_of_the_last_run_makes_way(cluster: Cluster, namespace: str) -> None:
    run(cluster, job(namespace))
    first = uid(cluster, job(namespace))
    run(cluster, job(namespace, image="two"))
    assert uid(cluster, job(namespace)) != first


def test_a_job_that_has_run_runs_again_whatever_its_policy(cluster: Cluster, namespace: str) -> None:
    hook = job(namespace, **{POLICY: "HookFailed"})
    run(cluster, hook)
    first = uid(cluster, hook)
    run(cluster, hook)
    assert uid(cluster, hook) != first


def test_one_that_succeeded_goes_where_it_says_so(cluster: Cluster, namespace: str) -> None:
    gone, stays = job(namespace, "gone", **{POLICY: "HookSucceeded"}), job(namespace, "stays", **{POLICY: "HookFailed"})
    run(cluster, gone, stays)
    until(lambda: live(cluster, gone) is None)
    assert live(cluster, stays) is not None


def test_one_that_fails_says_why_and_goes_where_it_says_so(cluster: Cluster, namespace: str) -> None:
    gone = job(namespace, "gone", "fail", **{POLICY: "HookFailed"})
    told = Told()
    with pytest.raises(ApplyError, match=r"PreSync hook failed: Job/.*/gone") as error:
        run(cluster, gone, told=told)
    assert "BackoffLimitExceeded" in error.value.message or "backoff limit" in error.value.message.lower()
    assert told.done == []
    until(lambda: live(cluster, gone) is None)


def test_one_that_does_not_end_in_time_is_told_apart_from_one_that_failed(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(UnhealthyError, match="did not end in time"):
        run(cluster, job(namespace, done_after="60s"), timeout=1.0)


def test_waves_run_one_after_the_other(cluster: Cluster, namespace: str) -> None:
    first = job(namespace, "first", done_after="2s")
    second = job(namespace, "second", **{WAVE: "1"})
    told = Told()
    run(cluster, second, first, told=told)
    assert told.names == ["first", "second"]
    assert there(cluster, second)["metadata"]["creationTimestamp"] >= there(cluster, first)["status"]["completionTime"]


def test_a_failure_keeps_the_next_wave_from_starting(cluster: Cluster, namespace: str) -> None:
    second = job(namespace, "second", **{WAVE: "1"})
    with pytest.raises(ApplyError):
        run(cluster, job(namespace, image="fail"), second)
    assert live(cluster, second) is None


def test_a_pod_is_done_when_it_has_ended_and_not_when_it_is_ready(cluster: Cluster, namespace: str) -> None:
    run(cluster, pod(namespace))
    assert there(cluster, pod(namespace))["status"]["phase"] == "Succeeded"
    run(cluster, pod(namespace))


def test_a_pod_that_never_ends_is_not_done(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(UnhealthyError, match="it is running"):
        run(cluster, pod(namespace, restart="Always"), timeout=2.0)


def test_a_pod_that_fails(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApplyError, match="PreSync hook failed: Pod"):
        run(cluster, pod(namespace, "fail"))


def test_other_kinds_are_done_when_they_are_healthy(cluster: Cluster, namespace: str) -> None:
    settings = body("ConfigMap", "settings", namespace, metadata={"annotations": {HOOK: "PreSync"}}, data={"a": "b"})
    account = body("ServiceAccount", "runner", namespace, metadata={"annotations": {HOOK: "PreSync"}})
    told = Told()
    run(cluster, settings, account, told=told)
    assert sorted(told.names) == ["runner", "settings"]


@pytest.mark.parametrize("labels", [{}, {LABEL: "applyset-other-v1"}])
def test_what_is_no_hook_of_this_workflow_is_not_replaced(
    cluster: Cluster, namespace: str, labels: dict[str, str]
) -> None:
    foreign = body("ConfigMap", "settings", namespace, metadata={"labels": labels})
    create(cluster, foreign)
    first = uid(cluster, foreign)
    mine = body("ConfigMap", "settings", namespace, metadata={"annotations": {HOOK: "PreSync"}})
    with pytest.raises(ApplyError, match="would be replaced") as error:
        run(cluster, mine)
    assert "another name" in (error.value.hint or "")
    assert uid(cluster, foreign) == first


def test_what_another_tool_ran_as_a_hook_is_replaced(cluster: Cluster, namespace: str) -> None:
    theirs = body("ConfigMap", "settings", namespace, metadata={"annotations": {HOOK: "PreSync"}})
    create(cluster, theirs)
    first = uid(cluster, theirs)
    run(cluster, theirs)
    assert uid(cluster, theirs) != first


def test_a_hook_that_the_server_refuses_names_its_file(cluster: Cluster, namespace: str) -> None:
    bad = job(namespace)
    bad["spec"]["backoffLimit"] = -1
    with pytest.raises(ApplyError, match=rf"PreSync hook: Job/{namespace}/migrate \(a\.yaml:1\): .*backoffLimit"):
        run(cluster, bad)
