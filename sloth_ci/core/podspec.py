"""Where the pods of a workload are described.

Source: the built-in types that hold a PodTemplateSpec (Kubernetes API reference).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.status import table, tables

POD_SPECS: Final[Mapping[tuple[str, str], str]] = {
    ("", "Pod"): "spec",
    ("", "PodTemplate"): "template.spec",
    ("", "ReplicationController"): "spec.template.spec",
    ("apps", "Deployment"): "spec.template.spec",
    ("apps", "ReplicaSet"): "spec.template.spec",
    ("apps", "StatefulSet"): "spec.template.spec",
    ("apps", "DaemonSet"): "spec.template.spec",
    ("batch", "Job"): "spec.template.spec",
    ("batch", "CronJob"): "spec.jobTemplate.spec.template.spec",
}
"""By group and kind, the path of the pod spec."""


class Pods(NamedTuple):
    """The pods that an object makes, or the one that it is."""

    spec: Mapping[str, Any]
    metadata: Mapping[str, Any]


def pods_of(ref: Ref, body: Body) -> Pods | None:
    """None where an object makes no pods, or does not say so as it should.

    A custom resource with a template where a Deployment has it, such as a Rollout, is taken for a workload.
    """
    path = POD_SPECS.get((ref.group, ref.kind))
    above: Mapping[str, Any] = body
    for key in (path or "spec.template.spec").split(".")[:-1]:
        above = table(above.get(key))
    spec = above.get("spec")
    if not isinstance(spec, dict) or (path is None and not isinstance(spec.get("containers"), list)):
        return None
    return Pods(spec, table(above.get("metadata")))


def containers(spec: Mapping[str, Any], *keys: str) -> Iterator[Mapping[str, Any]]:
    """Those of a pod spec: `containers`, or what `keys` say, in their order. What is no table is left out."""
    for key in keys or ("containers",):
        yield from tables(spec.get(key))
