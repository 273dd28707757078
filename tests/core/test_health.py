from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.health import Verdict, is_judged, verdict
from sloth_ci.core.objects import Body, Ref
from support.bodies import body

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def says(kind: str, status: str = "True", reason: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    """A condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message, **more}


def seen(kind: str, api: str, status: dict[str, Any], *, generation: int = 2, **fields: Any) -> Body:
    """An object whose controller has looked at its generation."""
    status = {"observedGeneration": generation, **status}
    metadata = {"generation": generation, **fields.pop("metadata", {})}
    return body(kind, "web", api=api, metadata=metadata, status=status, **fields)


def deployment(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> Body:
    counts = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, **status}
    conditions = conditions or (says("Available"), says("Progressing", reason="NewReplicaSetAvailable"))
    return seen("Deployment", "apps/v1", {**counts, "conditions": [*conditions]}, spec={"replicas": 3, **(spec or {})})


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> Body:
    counts = {"replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3}
    revisions = {"currentRevision": "web-7", "updateRevision": "web-7"}
    return seen("StatefulSet", "apps/v1", {**counts, **revisions, **status}, spec={"replicas": 3, **(spec or {})})


def daemon_set(spec: dict[str, Any] | None = None, **status: Any) -> Body:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2}
    return seen("DaemonSet", "apps/v1", {**counts, **status}, spec=spec or {})


def job(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> Body:
    return body("Job", "migrate", api="batch/v1", spec=spec or {}, status={**status, "conditions": [*conditions]})


def pod(phase: str, *conditions: dict[str, Any], **status: Any) -> Body:
    return body("Pod", "web-0", spec={}, status={"phase": phase, "conditions": [*conditions], **status})


def container(name: str = "web", last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": False, "state": state, "lastState": last or {}}


def custom(kind: str, api: str, *conditions: dict[str, Any], **fields: Any) -> Body:
    return body(kind, "web", api=api, metadata={"generation": 3}, status={"conditions": [*conditions]}, **fields)


PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
NEVER_SEEN: dict[str, Any] = {"metadata": {"generation": 1}, "spec": {}}
QUOTA = says("ReplicaFailure", reason="FailedCreate", message="pods is forbidden: exceeded quota")
PULL = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "nope:1"'}
CRASH = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
NO_NODE = says("PodScheduled", "False", "Unschedulable", "0/3 nodes are available", lastTransitionTime=at(20))
NO_NODE_YET = {**NO_NODE, "lastTransitionTime": at(10)}
NO_METRICS = says("ScalingActive", "False", "FailedGetResourceMetric", "no metrics returned", lastTransitionTime=at(90))
CLUSTER: dict[str, Any] = {"namespace": None}

# fmt: off
CASES: list[tuple[str, Body, str, str]] = [
    # any kind
    ("being deleted", deployment() | {"metadata": {"name": "web", "deletionTimestamp": at(1)}}, "terminating", "deleted"),
    ("a map being deleted", body("ConfigMap", "a", metadata={"deletionTimestamp": at(1)}), "terminating", "deleted"),
    ("a map", body("ConfigMap", "a", data={}), "healthy", ""),
    ("a budget, not looked at", body("PodDisruptionBudget", "a", api="policy/v1", metadata={"generation": 2}, status={"observedGeneration": 1}), "healthy", ""),
    ("a role", body("Role", "a", api="rbac.authorization.k8s.io/v1"), "healthy", ""),
    ("older generation observed", deployment(observedGeneration=1), "progressing", "generation 2"),
    ("to be ignored", deployment(readyReplicas=0, availableReplicas=0) | {"metadata": {"name": "web", "annotations": {"argocd.argoproj.io/ignore-healthcheck": "true"}}}, "healthy", "ignored"),
    # Deployment
    ("all there", deployment(), "healthy", "3 available"),
    ("never seen", body("Deployment", "web", api="apps/v1", **NEVER_SEEN), "progressing", "not looked at it"),
    ("deadline", deployment(says("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-1" has timed out progressing.')), "failed", "ProgressDeadlineExceeded: ReplicaSet"),
    ("too few", deployment(replicas=2), "progressing", "2 of 3 made"),
    ("too few updated", deployment(updatedReplicas=1), "progressing", "1 of 3 updated"),
    ("old ones left", deployment(replicas=5), "progressing", "2 more than 3"),
    ("not yet available", deployment(availableReplicas=1), "progressing", "1 of 3 available"),
    ("not Available", deployment(says("Available", "False")), "progressing", "not Available"),
    ("paused", deployment(updatedReplicas=0, spec={"paused": True}), "suspended", "paused"),
    ("quota", deployment(QUOTA, replicas=0, updatedReplicas=0), "progressing", "exceeded quota"),
    ("scaled to zero", deployment(says("Available"), spec={"replicas": 0}, replicas=0, updatedReplicas=0, readyReplicas=0, availableReplicas=0), "healthy", "0 available"),
    # ReplicaSet
    ("replica set", seen("ReplicaSet", "apps/v1", {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}), "healthy", "1 available"),
    ("replica set, refused", seen("ReplicaSet", "apps/v1", {"conditions": [QUOTA]}), "progressing", "exceeded quota"),
    ("replica set, not ready", seen("ReplicaSet", "apps/v1", {"replicas": 1}), "progressing", "0 of 1 ready"),
    ("replica set, not available", seen("ReplicaSet", "apps/v1", {"replicas": 1, "readyReplicas": 1}), "progressing", "0 of 1 available"),
    ("replica set, too many", seen("ReplicaSet", "apps/v1", {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}), "progressing", "1 more"),
    # StatefulSet
    ("set", stateful_set(), "healthy", "3 ready"),
    ("set, never seen", body("StatefulSet", "web", api="apps/v1", **NEVER_SEEN), "progressing", "not looked at it"),
    ("set, too few", stateful_set(replicas=1), "progressing", "1 of 3 made"),
    ("set, not ready", stateful_set(readyReplicas=2), "progressing", "2 of 3 ready"),
    ("set, too many", stateful_set(replicas=4), "progressing", "1 more"),
    ("set, rolling", stateful_set(updatedReplicas=2, updateRevision="web-8"), "progressing", "2 of 3 updated"),
    ("set, rolled but not concluded", stateful_set(updateRevision="web-8"), "progressing", "not finished"),
    ("set, OnDelete", stateful_set(ON_DELETE, updatedReplicas=0, updateRevision="web-8"), "healthy", "deletes them"),
    ("set, OnDelete, not ready", stateful_set(ON_DELETE, readyReplicas=1), "progressing", "1 of 3 ready"),
    ("set, partition", stateful_set(PARTITION, updatedReplicas=1, updateRevision="web-8"), "healthy", "1 updated"),
    ("set, partition, rolling", stateful_set(PARTITION, updatedReplicas=0, updateRevision="web-8"), "progressing", "0 of 1 updated"),
    ("set, to stay ready", stateful_set({"minReadySeconds": 30}, availableReplicas=1), "progressing", "1 of 3 available"),
    # DaemonSet
    ("daemons", daemon_set(), "healthy", "2 available"),
    ("daemons, never seen", body("DaemonSet", "web", api="apps/v1", **NEVER_SEEN), "progressing", "not looked at it"),
    ("daemons, old", daemon_set(updatedNumberScheduled=1), "progressing", "1 of 2 updated"),
    ("daemons, not ready", daemon_set(numberReady=1), "progressing", "1 of 2 ready"),
    ("daemons, not available", daemon_set(numberAvailable=0), "progressing", "0 of 2 available"),
    ("daemons, OnDelete", daemon_set(ON_DELETE, updatedNumberScheduled=0), "healthy", "deletes them"),
    ("daemons, no node fits", daemon_set(desiredNumberScheduled=0, updatedNumberScheduled=0, numberReady=0, numberAvailable=0), "healthy", "0 available"),
    # Job, CronJob
    ("job, done", job(says("Complete"), succeeded=1), "healthy", "completed"),
    ("job, failed", job(says("Failed", reason="BackoffLimitExceeded", message="Job has reached the limit")), "failed", "BackoffLimitExceeded"),
    ("job, failing", job(says("FailureTarget", reason="BackoffLimitExceeded")), "progressing", "BackoffLimitExceeded"),
    ("job, started", job(active=1, failed=2), "progressing", "1 running, 0 succeeded, 2 failed"),
    ("job, not started", job(), "progressing", "0 running"),
    ("job, suspended", job(says("Suspended", reason="JobSuspended"), spec={"suspend": True}), "suspended", "suspended"),
    ("cron job", body("CronJob", "web", api="batch/v1", spec={"suspend": True}), "healthy", ""),
    # Pod
    ("pod, completed", pod("Succeeded"), "healthy", "completed"),
    ("pod, ready", pod("Running", says("Ready")), "healthy", "ready"),
    ("pod, not ready", pod("Running", says("Ready", "False", "ContainersNotReady", "containers with unready status: [web]")), "progressing", "unready status: [web]"),
    ("pod, evicted", pod("Failed", reason="Evicted", message="The node was low on resource: memory."), "failed", "Evicted: The node was low"),
    ("pod, ended badly", pod("Failed", containerStatuses=[container(terminated={"exitCode": 137, "reason": "OOMKilled"})]), "failed", "container web: exit code 137, OOMKilled"),
    ("pod, no image", pod("Pending", containerStatuses=[container(waiting=PULL)]), "failed", "container web: ImagePullBackOff: Back-off pulling"),
    ("pod, no image at first", pod("Pending", containerStatuses=[container(waiting={"reason": "ErrImagePull"})]), "failed", "ErrImagePull"),
    ("pod, bad image name", pod("Pending", containerStatuses=[container(waiting={"reason": "InvalidImageName"})]), "failed", "InvalidImageName"),
    ("pod, no secret", pod("Pending", containerStatuses=[container(waiting={"reason": "CreateContainerConfigError", "message": 'secret "db" not found'})]), "failed", 'secret "db" not found'),
    ("pod, crashing", pod("Running", containerStatuses=[container(last={"terminated": {"exitCode": 1, "reason": "Error"}}, waiting=CRASH)]), "failed", "(last time exit code 1)"),
    ("pod, crashing at init", pod("Pending", initContainerStatuses=[container("init", waiting=CRASH)]), "failed", "container init: CrashLoopBackOff"),
    ("pod, starting", pod("Pending", containerStatuses=[container(waiting={"reason": "ContainerCreating"})]), "progressing", "Pending"),
    ("pod, no node", pod("Pending", NO_NODE), "failed", "Unschedulable: 0/3 nodes are available"),
    ("pod, no node for 10 s", pod("Pending", NO_NODE_YET), "progressing", "Unschedulable"),
    # storage
    ("claim", body("PersistentVolumeClaim", "data", status={"phase": "Bound"}), "healthy", "bound"),
    ("claim, pending", body("PersistentVolumeClaim", "data", status={"phase": "Pending"}), "progressing", "not bound"),
    ("claim, lost", body("PersistentVolumeClaim", "data", status={"phase": "Lost"}), "failed", "lost"),
    ("volume", body("PersistentVolume", "pv", None, status={"phase": "Available"}), "healthy", ""),
    ("volume, failed", body("PersistentVolume", "pv", None, status={"phase": "Failed", "message": "no recycler"}), "failed", "no recycler"),
    ("volume, new", body("PersistentVolume", "pv", None), "progressing", "not available"),
    # Service, Ingress
    ("service", body("Service", "web", spec={"type": "ClusterIP", "clusterIP": "10.0.0.7"}), "healthy", ""),
    ("service, name", body("Service", "web", spec={"type": "ExternalName"}), "healthy", ""),
    ("service, no address", body("Service", "web", spec={"type": "LoadBalancer", "clusterIP": "10.0.0.7"}, status={"loadBalancer": {}}), "progressing", "no address"),
    ("service, address", body("Service", "web", spec={"type": "LoadBalancer"}, status={"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}), "healthy", ""),
    ("service, own address", body("Service", "web", spec={"type": "LoadBalancer", "externalIPs": ["1.2.3.4"]}), "healthy", ""),
    ("ingress, no address", body("Ingress", "web", api="networking.k8s.io/v1", spec={}, status={"loadBalancer": {}}), "healthy", ""),
    # autoscaler
    ("scaler", seen("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": [says("AbleToScale", reason="ReadyForNewScale"), says("ScalingActive")]}), "healthy", ""),
    ("scaler, no target", seen("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": [says("ScalingActive"), says("AbleToScale", "False", "FailedGetScale", lastTransitionTime=at(90))]}), "failed", "FailedGetScale"),
    ("scaler, no metrics", seen("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": [says("AbleToScale"), NO_METRICS]}), "failed", "no metrics"),
    ("scaler, no metrics yet", seen("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": [says("AbleToScale"), {**NO_METRICS, "lastTransitionTime": at(30)}]}), "progressing", "no metrics"),
    ("scaler of nothing", seen("HorizontalPodAutoscaler", "autoscaling/v2", {"conditions": [says("AbleToScale"), says("ScalingActive", "False", "ScalingDisabled", lastTransitionTime=at(90))]}), "suspended", "ScalingDisabled"),
    ("scaler, new", body("HorizontalPodAutoscaler", "web", api="autoscaling/v2"), "progressing", "not looked at it"),
    # the API itself
    ("CRD", body("CustomResourceDefinition", "a", None, "apiextensions.k8s.io/v1", status={"conditions": [says("NamesAccepted"), says("Established")]}), "healthy", "established"),
    ("CRD, name taken", body("CustomResourceDefinition", "a", None, "apiextensions.k8s.io/v1", status={"conditions": [says("Established", "False"), says("NamesAccepted", "False", "ListKindConflict")]}), "failed", "ListKindConflict"),
    ("CRD, new", body("CustomResourceDefinition", "a", None, "apiextensions.k8s.io/v1"), "progressing", "not established"),
    ("API", body("APIService", "a", None, "apiregistration.k8s.io/v1", status={"conditions": [says("Available")]}), "healthy", ""),
    ("API, no answer", body("APIService", "a", None, "apiregistration.k8s.io/v1", status={"conditions": [says("Available", "False", "FailedDiscoveryCheck")]}), "progressing", "FailedDiscoveryCheck"),
    ("namespace", body("Namespace", "a", None, status={"phase": "Active"}), "healthy", ""),
    ("namespace, going", body("Namespace", "a", None, status={"phase": "Terminating"}), "terminating", ""),
    ("namespace, new", body("Namespace", "a", None), "progressing", ""),
    # custom resources
    ("custom, mute", custom("PrometheusRule", "monitoring.coreos.com/v1"), "healthy", ""),
    ("custom, ready", custom("Thing", "example.com/v1", says("Ready")), "healthy", ""),
    ("custom, not ready", custom("Thing", "example.com/v1", says("Ready", "False", "Waiting", "for a friend")), "progressing", "Waiting: for a friend"),
    ("custom, unknown", custom("Thing", "example.com/v1", says("Ready", "Unknown")), "progressing", "Ready is Unknown"),
    ("custom, reconciling", custom("Thing", "example.com/v1", says("Ready"), says("Reconciling", reason="Busy")), "progressing", "Busy"),
    ("custom, stalled", custom("Thing", "example.com/v1", says("Ready"), says("Stalled", reason="BadSpec")), "failed", "BadSpec"),
    ("custom, ready before", custom("Thing", "example.com/v1", says("Ready", observedGeneration=2)), "progressing", "generation 3"),
    ("custom, stalled before", custom("Thing", "example.com/v1", says("Stalled", observedGeneration=2), says("Ready", observedGeneration=3)), "healthy", ""),
    ("custom, failure before success", custom("Thing", "example.com/v1", says("Ready"), says("Failed", reason="Broken")), "failed", "Broken"),
    ("custom, suspended", custom("Thing", "example.com/v1", says("Ready", "False"), spec={"suspend": True}), "suspended", ""),
    ("Certificate, new", body("Certificate", "web", api="cert-manager.io/v1", spec={}), "progressing", "not looked at it"),
    ("Certificate, issuing", custom("Certificate", "cert-manager.io/v1", says("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist", observedGeneration=3), says("Issuing", reason="DoesNotExist", observedGeneration=3)), "progressing", "Secret does not exist"),
    ("Certificate, refused", custom("Certificate", "cert-manager.io/v1", says("Ready", "False", "DoesNotExist"), says("Issuing", "False", "Failed", "The certificate request has failed")), "failed", "request has failed"),
    ("Certificate, not renewed", custom("Certificate", "cert-manager.io/v1", says("Ready"), says("Issuing", "False", "Failed")), "healthy", ""),
    ("Kustomization, working", seen("Kustomization", "kustomize.toolkit.fluxcd.io/v1", {"conditions": [says("Reconciling", reason="Progressing", message="Health check in progress"), says("Ready", "Unknown", "Progressing")]}), "progressing", "Health check"),
    ("Kustomization, done", seen("Kustomization", "kustomize.toolkit.fluxcd.io/v1", {"conditions": [says("Ready", reason="ReconciliationSucceeded")]}), "healthy", "ReconciliationSucceeded"),
    ("HelmRelease, stalled", seen("HelmRelease", "helm.toolkit.fluxcd.io/v2", {"conditions": [says("Stalled", reason="RetriesExceeded", message="Failed to upgrade after 1 attempt(s)"), says("Ready", "False", "UpgradeFailed")]}), "failed", "RetriesExceeded"),
    ("GitRepository, new", seen("GitRepository", "source.toolkit.fluxcd.io/v1", {"observedGeneration": -1}), "progressing", "generation 2"),
    ("Alert of Flux", custom("Alert", "notification.toolkit.fluxcd.io/v1beta3"), "healthy", ""),
    ("Rollout, healthy", seen("Rollout", "argoproj.io/v1alpha1", {"observedGeneration": "2", "phase": "Healthy", "conditions": [says("Available", reason="AvailableReason"), says("Progressing", reason="NewReplicaSetAvailable"), says("Healthy", reason="RolloutHealthy"), says("Completed", reason="RolloutCompleted")]}), "healthy", ""),
    ("Rollout, going on", seen("Rollout", "argoproj.io/v1alpha1", {"observedGeneration": "2", "phase": "Progressing", "conditions": [says("Available"), says("Progressing", reason="ReplicaSetUpdated"), says("Healthy", "False", "RolloutHealthy", "Rollout is not healthy")]}), "progressing", "not healthy"),
    ("Rollout, behind", seen("Rollout", "argoproj.io/v1alpha1", {"observedGeneration": "1", "conditions": [says("Healthy")]}), "progressing", "generation 2"),
    ("Rollout, waits for a person", seen("Rollout", "argoproj.io/v1alpha1", {"observedGeneration": "2", "phase": "Paused", "conditions": [says("Progressing", "Unknown", "RolloutPaused"), says("Paused", reason="RolloutPaused", message="Rollout is paused"), says("Healthy", "False")]}), "suspended", "Rollout is paused"),
    ("Rollout, aborted", seen("Rollout", "argoproj.io/v1alpha1", {"observedGeneration": "2", "phase": "Degraded", "conditions": [says("Progressing", "False", "RolloutAborted", "Rollout aborted update to revision 2"), says("Available")]}), "failed", "aborted"),
    ("Rollout, new", body("Rollout", "web", api="argoproj.io/v1alpha1", spec={}), "progressing", "not looked at it"),
    ("Application", body("Application", "web", api="argoproj.io/v1alpha1", status={"health": {"status": "Healthy"}}), "healthy", ""),
    ("Application, new", body("Application", "web", api="argoproj.io/v1alpha1"), "progressing", "Unknown"),
    ("Application, degraded", body("Application", "web", api="argoproj.io/v1alpha1", status={"health": {"status": "Degraded", "message": "web crashed"}}), "failed", "Degraded: web crashed"),
    ("Workflow", body("Workflow", "web", api="argoproj.io/v1alpha1", status={"phase": "Failed", "message": "child failed", "conditions": [says("Completed")]}), "failed", "child failed"),
    ("Prometheus", seen("Prometheus", "monitoring.coreos.com/v1", {"conditions": [says("Available"), says("Reconciled")]}), "healthy", ""),
    ("Prometheus, degraded", custom("Prometheus", "monitoring.coreos.com/v1", says("Available", "Degraded", "SomePodsNotReady"), says("Reconciled")), "progressing", "SomePodsNotReady"),
    ("Gateway", custom("Gateway", "gateway.networking.k8s.io/v1", says("Accepted"), says("Programmed", "Unknown", "Pending", "Waiting for controller")), "progressing", "Waiting for controller"),
    ("PipelineRun", custom("PipelineRun", "tekton.dev/v1", says("Succeeded", "False", "Failed", "Tasks Completed: 1 (Failed: 1)")), "failed", "Tasks Completed"),
    ("PipelineRun, running", custom("PipelineRun", "tekton.dev/v1", says("Succeeded", "Unknown", "Running")), "progressing", "Running"),
    ("Kafka", custom("Kafka", "kafka.strimzi.io/v1", says("NotReady", reason="Creating")), "progressing", "Creating"),
    ("SealedSecret", custom("SealedSecret", "bitnami.com/v1alpha1", says("Synced", "False", "", "no key could decrypt secret")), "progressing", "no key"),
]
# fmt: on


@pytest.mark.parametrize(("live", "state", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_table(live: Body, state: str, reason: str) -> None:
    said = verdict(live, NOW)
    assert said.state == state, said
    assert reason in said.reason


def test_a_claim_that_waits_for_its_first_pod_blocks_nothing() -> None:
    claim = body("PersistentVolumeClaim", "data", status={"phase": "Pending"})
    assert verdict(claim, NOW, binds_late=True) == Verdict("healthy", "it is bound when its first pod is scheduled")
    claim["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "n1"}
    assert verdict(claim, NOW, binds_late=True).state == "progressing", "its pod is there: now it counts"
    claim["status"]["phase"] = "Lost"
    assert verdict(claim, NOW, binds_late=True).state == "failed"


def test_only_kinds_with_a_verdict_are_judged() -> None:
    assert not is_judged(Ref("", "ConfigMap", "shop", "a"))
    assert not is_judged(Ref("rbac.authorization.k8s.io", "ClusterRole", "", "a"))
    assert not is_judged(Ref("networking.k8s.io", "Ingress", "shop", "a"))
    assert is_judged(Ref("apps", "Deployment", "shop", "a"))
    assert is_judged(Ref("example.com", "ConfigMap", "shop", "a"))
    assert is_judged(Ref("gateway.networking.k8s.io", "Gateway", "shop", "a"))


def test_text_of_others_becomes_one_short_line() -> None:
    hostile = "boom\n::error::x\x1b[31m\u202e" + "A" * 5000
    said = verdict(custom("Thing", "example.com/v1", says("Stalled", reason="Bad\nreason", message=hostile)), NOW)
    assert said.reason.startswith("Bad reason: boom ::error::x [31m A")
    assert said.reason.isprintable()
    assert len(said.reason) < 500


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_words = st.sampled_from(
    ["True", "False", "Unknown", "Ready", "Stalled", "Failed", "Available", "Pending", "Running", "Progressing"]
)
_condition = st.dictionaries(
    st.sampled_from(["type", "status", "reason", "message", "observedGeneration", "lastTransitionTime"]), _words | _json
)
_container = st.fixed_dictionaries(
    {}, optional={"name": _json, "state": _json | st.fixed_dictionaries({"waiting": _condition}), "lastState": _json}
)
_status = st.dictionaries(
    st.sampled_from(["phase", "replicas", "readyReplicas", "updatedReplicas", "loadBalancer", "health", "reason"]),
    _words | _json,
) | st.fixed_dictionaries(
    {"conditions": st.lists(_condition | _json), "containerStatuses": st.lists(_container | _json)}
)
_kind = st.sampled_from(sorted({(case[1]["apiVersion"], case[1]["kind"]) for case in CASES}))


@given(kind=_kind, spec=_json, status=_status | _json, metadata=st.dictionaries(st.text(max_size=5), _json))
def test_no_status_is_too_odd(kind: tuple[str, str], spec: Any, status: Any, metadata: dict[str, Any]) -> None:
    live = {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {**metadata, "name": "a"},
        "spec": spec,
        "status": status,
    }
    said = verdict(live, NOW)
    assert said.state in {"healthy", "progressing", "failed", "suspended", "terminating"}
    assert said.reason.isprintable()
    ref = Ref(kind[0].rpartition("/")[0], kind[1], "", "a")
    assert is_judged(ref) or said.state == "healthy"
    assert said.state == "healthy" or said.reason, "whoever waits wants to know why"
