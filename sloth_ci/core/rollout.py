"""Which pods belong to the newest revision of a workload: those of older ones say nothing about what was just written.

Sources: the controllers of Kubernetes: a Deployment numbers its ReplicaSets in an annotation, a StatefulSet names its
revision in its status, a DaemonSet numbers its ControllerRevisions; each pod names its controller by uid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from sloth_ci.core.objects import Body
from sloth_ci.core.status import table, tables, text

DEPLOYMENT, REPLICA_SET, STATEFUL_SET = ("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet")
DAEMON_SET, JOB, REVISION = ("apps", "DaemonSet"), ("batch", "Job"), ("apps", "ControllerRevision")

CHILDREN: Final[Mapping[tuple[str, str], tuple[str, str] | None]] = {
    DEPLOYMENT: REPLICA_SET,
    DAEMON_SET: REVISION,
    STATEFUL_SET: None,
    REPLICA_SET: None,
    JOB: None,
}
"""Workloads, each with the kind that numbers its revisions, where that is an object of its own."""

_NUMBER: Final = "deployment.kubernetes.io/revision"
_HASH: Final = "controller-revision-hash"


PodsOf = Callable[[str], Iterable[Body]]
"""The pods of a controller, by its uid."""


def newest(workload: Body, children: Collection[Body], pods_of: PodsOf) -> list[Body]:
    """The pods of the newest revision. `children` are the workload's own ReplicaSets or ControllerRevisions.

    No pods where the newest revision is not known yet.
    """
    kind = workload.get("kind")
    if kind == "Deployment":
        revision = _annotations(workload).get(_NUMBER)
        current = [child for child in children if revision and _annotations(child).get(_NUMBER) == revision]
        return [pod for child in current for pod in pods_of(uid_of(child))]
    own = pods_of(uid_of(workload))
    if kind == "StatefulSet":
        return _of_revision(own, text(table(workload.get("status")).get("updateRevision")))
    if kind == "DaemonSet":
        last = max(children, key=_revision, default=None)
        return _of_revision(own, text(_labels(last).get(_HASH)) if last else "")
    return list(own)


def every(workload: Body, children: Iterable[Body], pods_of: PodsOf) -> list[Body]:
    """The pods of all revisions."""
    return [pod for uid in (uid_of(workload), *map(uid_of, children)) for pod in pods_of(uid)]


def uid_of(body: Body) -> str:
    """The uid that the server gave an object."""
    return text(table(body.get("metadata")).get("uid"))


def controller_of(body: Body) -> str:
    """The uid of the object's controller; empty where it has none."""
    owners = tables(table(body.get("metadata")).get("ownerReferences"))
    return next((text(owner.get("uid")) for owner in owners if owner.get("controller") is True), "")


def is_over(pod: Body) -> bool:
    """Whether a pod ended or is on its way out: its controller made another, or does not want to."""
    metadata, status = table(pod.get("metadata")), table(pod.get("status"))
    return "deletionTimestamp" in metadata or status.get("phase") in {"Succeeded", "Failed"}


def _of_revision(pods: Iterable[Body], revision: str) -> list[Body]:
    return [pod for pod in pods if revision and _labels(pod).get(_HASH) == revision]


def _revision(child: Body) -> int:
    value = child.get("revision")
    return value if isinstance(value, int) else 0


def _annotations(body: Body) -> Mapping[str, Any]:
    return table(table(body.get("metadata")).get("annotations"))


def _labels(body: Body) -> Mapping[str, Any]:
    return table(table(body.get("metadata")).get("labels"))
