"""Whether a live object does what it was made for: a table, read from top to bottom.

First what every object may say of itself (kstatus), then the rules of its kind, then its conditions. The first rule
that says something decides; an object that no rule speaks about is healthy as soon as it is there.

Sources: kstatus (cli-utils), gitops-engine's health checks, kapp's wait rules, the controllers of Kubernetes. Where those
differ: a suspended Job is suspended, and one that merely started is not done (kstatus: current); a Failed pod is failed
(kstatus: current); a DaemonSet with OnDelete is not waited for (kstatus: for ever); a Service of type LoadBalancer needs an
address (kstatus: a clusterIP); an Ingress does not (gitops-engine: for ever, where no controller publishes one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.pods import ended_badly, stuck
from sloth_ci.core.status import Live, table, told

State = Literal["healthy", "progressing", "failed", "suspended", "terminating"]

IGNORE: Final = "argocd.argoproj.io/ignore-healthcheck"
"""Annotation of Argo CD: `true` where nobody should wait for an object."""

# How long an autoscaler may find no metrics: new pods have none until they were measured.
_METRICS_SECONDS: Final = 60.0


class Verdict(NamedTuple):
    """How an object is, and why: one line for a person, empty where there is nothing to say."""

    state: State
    reason: str


class Rule(NamedTuple):
    """Decides where `says` returns a reason."""

    state: State
    says: Callable[[Live], str]


def verdict(body: Body, now: float, *, binds_late: bool = False) -> Verdict:
    """Judge a live object. `now`: Unix seconds by the server's clock.

    `binds_late`: a claim whose StorageClass waits for the first pod (`WaitForFirstConsumer`), which only that class
    can tell.
    """
    live = Live(body, now)
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    key = (group, str(body.get("kind", "")))
    rules = _KINDS.get(key, _UNJUDGED if group in _BUILT_IN else _CUSTOM)
    if binds_late and rules is _CLAIM:
        rules = _LATE_CLAIM
    for state, says in rules:
        reason = says(live)
        if reason:
            return Verdict(state, reason)
    return Verdict("healthy", "")


def is_judged(ref: Ref) -> bool:
    """Whether a verdict on an object of this kind can be anything but healthy, while it exists."""
    return (ref.group, ref.kind) in _KINDS or ref.group not in _BUILT_IN


# --- what several kinds share ---


def _where(test: Callable[[Live], object], reason: str) -> Callable[[Live], str]:
    """A rule that knows its reason beforehand."""
    return lambda o: reason if test(o) else ""


def _pods(o: Live) -> str:
    """Where pods are refused (a quota, an admission webhook), that is why there are too few."""
    return o.said("ReplicaFailure")


def _always(reason: str) -> Callable[[Live], str]:
    return lambda o: reason


# --- kinds ---

# Conditions that all have to hold where there is no Ready.
_GOOD: Final = ("Available", "Healthy", "Reconciled", "Synced", "Programmed", "Succeeded")

# fmt: off
_UNJUDGED: Final = (
    Rule("terminating", _where(lambda o: o.metadata.get("deletionTimestamp"), "it is being deleted")),
)

_ANY: Final = (
    *_UNJUDGED,
    Rule("healthy",     _where(lambda o: o.annotations.get(IGNORE) == "true", "its health is ignored, as its annotation says")),
    Rule("progressing", lambda o: o.outdated),
    Rule("progressing", lambda o: o.said("Reconciling")),
    Rule("failed",      lambda o: o.said("Stalled")),
)

_DEPLOYMENT: Final = (
    *_ANY,
    Rule("progressing", lambda o: o.unseen),
    Rule("failed",      lambda o: o.said("Progressing", "False", "ProgressDeadlineExceeded")),
    Rule("suspended",   _where(lambda o: o.spec.get("paused") is True, "it is paused")),
    Rule("progressing", _pods),
    Rule("progressing", lambda o: o.short(o.count("replicas"), o.wanted, "made")),
    Rule("progressing", lambda o: o.short(o.count("updatedReplicas"), o.wanted, "updated")),
    Rule("progressing", lambda o: o.extra),
    Rule("progressing", lambda o: o.short(o.count("availableReplicas"), o.count("updatedReplicas"), "available")),
    Rule("progressing", _where(lambda o: not o.holds("Available"), "it is not Available")),
    Rule("healthy",     lambda o: f"{o.count('availableReplicas')} available"),
)

_REPLICA_SET: Final = (
    *_ANY,
    Rule("progressing", lambda o: o.unseen),
    Rule("progressing", _pods),
    Rule("progressing", lambda o: o.short(o.count("readyReplicas"), o.wanted, "ready")),
    Rule("progressing", lambda o: o.short(o.count("availableReplicas"), o.wanted, "available")),
    Rule("progressing", lambda o: o.extra),
    Rule("healthy",     lambda o: f"{o.count('availableReplicas')} available"),
)

_STATEFUL_SET: Final = (
    *_ANY,
    Rule("progressing", lambda o: o.unseen),
    Rule("progressing", lambda o: o.short(o.count("replicas"), o.wanted, "made")),
    Rule("progressing", lambda o: o.short(o.count("readyReplicas"), o.wanted, "ready")),
    Rule("progressing", lambda o: o.short(o.count("availableReplicas"), o.wanted, "available") if o.spec.get("minReadySeconds") else ""),
    Rule("progressing", lambda o: o.extra),
    Rule("healthy",     _where(lambda o: o.on_delete, "ready; its pods are replaced when somebody deletes them")),
    Rule("progressing", lambda o: o.short(o.count("updatedReplicas"), o.wanted - _partition(o), "updated")),
    Rule("healthy",     lambda o: f"{o.count('updatedReplicas')} updated, up to its partition" if _partition(o) else ""),
    Rule("progressing", _where(lambda o: o.status.get("currentRevision") != o.status.get("updateRevision"), "its rollout is not finished")),
    Rule("healthy",     lambda o: f"{o.count('readyReplicas')} ready"),
)

_DAEMON_SET: Final = (
    *_ANY,
    Rule("progressing", lambda o: o.unseen),
    Rule("progressing", lambda o: "" if o.on_delete else o.short(o.count("updatedNumberScheduled"), _nodes(o), "updated")),
    Rule("progressing", lambda o: o.short(o.count("numberReady"), _nodes(o), "ready")),
    Rule("progressing", lambda o: o.short(o.count("numberAvailable"), _nodes(o), "available")),
    Rule("healthy",     _where(lambda o: o.on_delete, "ready; its pods are replaced when somebody deletes them")),
    Rule("healthy",     lambda o: f"{o.count('numberAvailable')} available"),
)

_JOB: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.holds("Complete"), "completed")),
    Rule("failed",      lambda o: o.said("Failed")),
    Rule("suspended",   _where(lambda o: o.spec.get("suspend") is True or o.holds("Suspended"), "it is suspended")),
    Rule("progressing", lambda o: o.said("FailureTarget")),
    Rule("progressing", lambda o: f"{o.count('active')} running, {o.count('succeeded')} succeeded, {o.count('failed')} failed"),
)

_POD: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.phase == "Succeeded", "completed")),
    Rule("failed",      lambda o: _failed_pod(o) if o.phase == "Failed" else ""),
    Rule("healthy",     _where(lambda o: o.phase == "Running" and o.holds("Ready"), "ready")),
    Rule("failed",      lambda o: fault.reason if (fault := stuck(o.body, o.now)) else ""),
    Rule("progressing", lambda o: o.said("PodScheduled", "False")),
    Rule("progressing", lambda o: o.said("Ready", "False")),
    Rule("progressing", lambda o: f"it is {o.phase or 'not scheduled yet'}"),
)

_CLAIM: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.phase == "Bound", "bound")),
    Rule("failed",      _where(lambda o: o.phase == "Lost", "its volume is lost")),
    Rule("progressing", _where(lambda o: "volume.kubernetes.io/selected-node" in o.annotations, "its volume is being made for the node of its pod")),
    Rule("progressing", _always("it is not bound to a volume")),
)

# It waits for a pod, which may well be in a later wave: an answer would never come.
_LATE_CLAIM: Final = (
    *_CLAIM[:-1],
    Rule("healthy",     _always("it is bound when its first pod is scheduled")),
)

_VOLUME: Final = (
    *_ANY,
    Rule("failed",      lambda o: told(o.status) or "Failed" if o.phase == "Failed" else ""),
    Rule("progressing", _where(lambda o: o.phase in {"", "Pending"}, "it is not available yet")),
)

_SERVICE: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.spec.get("type") != "LoadBalancer", "needs no load balancer")),
    Rule("healthy",     _where(lambda o: o.spec.get("externalIPs"), "has external addresses")),
    Rule("progressing", _where(lambda o: not table(o.status.get("loadBalancer")).get("ingress"), "its load balancer has no address yet")),
)

_AUTOSCALER: Final = (
    *_ANY,
    Rule("suspended",   lambda o: o.said("ScalingActive", "False", "ScalingDisabled")),
    Rule("failed",      lambda o: _standing(o, "AbleToScale") or _standing(o, "ScalingActive")),
    Rule("progressing", lambda o: o.said("AbleToScale", "False") or o.said("ScalingActive", "False")),
    Rule("progressing", _where(lambda o: not o.conditions, "its controller has not looked at it yet")),
)

_DEFINITION: Final = (
    *_ANY,
    Rule("failed",      lambda o: o.said("NamesAccepted", "False")),
    Rule("healthy",     _where(lambda o: o.holds("Established"), "established")),
    Rule("progressing", lambda o: o.said("Established", "False") or "it is not established yet"),
)

_API_SERVICE: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.holds("Available"), "available")),
    Rule("progressing", lambda o: o.words("Available")),
)

_NAMESPACE: Final = (
    *_ANY,
    Rule("terminating", _where(lambda o: o.phase == "Terminating", "it is being deleted")),
    Rule("progressing", _where(lambda o: o.phase != "Active", "it is not active yet")),
)

_ARGO_APPLICATION: Final = (
    *_ANY,
    Rule("failed",      lambda o: _argo(o, "Degraded")),
    Rule("suspended",   lambda o: _argo(o, "Suspended")),
    Rule("progressing", lambda o: _argo(o, "Progressing") or _argo(o, "Missing") or _argo(o, "Unknown") or _argo(o, "")),
)

_ARGO_WORKFLOW: Final = (
    *_ANY,
    Rule("healthy",     _where(lambda o: o.phase == "Succeeded", "succeeded")),
    Rule("failed",      lambda o: told(o.status) or o.phase if o.phase in {"Failed", "Error"} else ""),
    Rule("suspended",   _where(lambda o: o.spec.get("suspend") is True, "it is suspended")),
    Rule("progressing", lambda o: f"it is {o.phase}" if o.phase else "its controller has not looked at it yet"),
)

# Conditions as Flux, cert-manager, Crossplane, External Secrets, Knative, Tekton, Cluster API, Strimzi, Argo Rollouts,
# Sealed Secrets, prometheus-operator and the Gateway API write them. Failure before success.
_CUSTOM: Final = (
    *_ANY,
    Rule("suspended",   _where(lambda o: o.spec.get("suspend") is True, "it is suspended")),
    Rule("suspended",   _where(lambda o: o.spec.get("paused") is True, "it is paused")),
    Rule("failed",      lambda o: o.said("Failed")),
    Rule("failed",      lambda o: o.said("InvalidSpec")),
    Rule("failed",      lambda o: o.said("Progressing", "False", "ProgressDeadlineExceeded")),
    Rule("failed",      lambda o: o.said("Progressing", "False", "RolloutAborted")),
    Rule("failed",      lambda o: "" if o.holds("Ready") else o.said("Issuing", "False", "Failed")),
    Rule("failed",      lambda o: o.said("Succeeded", "False")),
    Rule("suspended",   lambda o: o.said("Paused")),
    Rule("progressing", lambda o: o.said("Degraded")),
    Rule("progressing", lambda o: o.said("NotReady")),
    Rule("healthy",     lambda o: o.said("Ready")),
    Rule("progressing", lambda o: _not_yet(o, "Ready")),
    Rule("progressing", lambda o: next(filter(None, (_not_yet(o, kind) for kind in _GOOD)), "")),
    Rule("progressing", _where(lambda o: not o.conditions and _reports(o), "its controller has not looked at it yet")),
)
# fmt: on

_KINDS: Final[Mapping[tuple[str, str], tuple[Rule, ...]]] = {
    ("", "Namespace"): _NAMESPACE,
    ("", "PersistentVolume"): _VOLUME,
    ("", "PersistentVolumeClaim"): _CLAIM,
    ("", "Pod"): _POD,
    ("", "ReplicationController"): _REPLICA_SET,
    ("", "Service"): _SERVICE,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _DEFINITION,
    ("apiregistration.k8s.io", "APIService"): _API_SERVICE,
    ("apps", "DaemonSet"): _DAEMON_SET,
    ("apps", "Deployment"): _DEPLOYMENT,
    ("apps", "ReplicaSet"): _REPLICA_SET,
    ("apps", "StatefulSet"): _STATEFUL_SET,
    ("argoproj.io", "Application"): _ARGO_APPLICATION,
    ("argoproj.io", "Workflow"): _ARGO_WORKFLOW,
    ("autoscaling", "HorizontalPodAutoscaler"): _AUTOSCALER,
    ("batch", "Job"): _JOB,
}
"""Kinds with rules of their own. An Ingress has none on purpose: many controllers never publish an address."""

_BUILT_IN: Final = frozenset(
    {"", "apps", "autoscaling", "batch", "policy"}
    | {
        f"{name}.k8s.io"
        for name in (
            "admissionregistration",
            "apiextensions",
            "apiregistration",
            "authentication",
            "authorization",
            "certificates",
            "coordination",
            "discovery",
            "events",
            "flowcontrol.apiserver",
            "internal.apiserver",
            "networking",
            "node",
            "rbac.authorization",
            "resource",
            "scheduling",
            "storage",
            "storagemigration",
        )
    }
)
"""Groups of the API server itself: their other kinds have no controller to wait for."""


# --- words of the rules ---


def _partition(o: Live) -> int:
    value = table(table(o.spec.get("updateStrategy")).get("rollingUpdate")).get("partition")
    return value if isinstance(value, int) else 0


def _nodes(o: Live) -> int:
    return o.count("desiredNumberScheduled")


def _failed_pod(o: Live) -> str:
    ended = ended_badly(o.body)
    return ": ".join(part for part in (told(o.status), ended.reason if ended else "") if part) or "it failed"


def _standing(o: Live, kind: str) -> str:
    """What an autoscaler complains about for so long that it is not for want of a first measurement."""
    return o.said(kind, "False") if o.age(kind) > _METRICS_SECONDS else ""


def _argo(o: Live, state: str) -> str:
    health = table(o.status.get("health"))
    return told({**health, "reason": state or "Unknown"}) if str(health.get("status") or "") == state else ""


def _not_yet(o: Live, kind: str) -> str:
    """What a condition that has to hold says as long as it does not."""
    if kind not in o.conditions or o.holds(kind):
        return ""
    return o.words(kind) if o.current(kind) else f"{kind} is not about generation {o.generation} yet"


def _reports(o: Live) -> bool:
    """Whether the kind always gets conditions: without them, its controller has merely not been there."""
    group, _, _ = str(o.body.get("apiVersion", "")).rpartition("/")
    rollout = group == "argoproj.io" and o.body.get("kind") == "Rollout"
    # Flux' Alert and Provider have no status.
    flux = group.endswith(".toolkit.fluxcd.io") and group != "notification.toolkit.fluxcd.io"
    return rollout or flux or group == "cert-manager.io"
