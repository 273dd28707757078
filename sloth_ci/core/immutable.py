"""Fields that an API server refuses to change, and the objects that may be made anew for them.

Source: the validation of updates of each built-in type in Kubernetes (`ValidateImmutableField` and its like).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.plan import FieldChange

ON_IMMUTABLE = "sloth-ci/on-immutable"
"""Annotation: `recreate` lets a sync delete the object and make it anew where an immutable field changes."""

STATEFUL = frozenset(
    {"PersistentVolume", "PersistentVolumeClaim", "StatefulSet", "Namespace", "CustomResourceDefinition"}
)
"""Never made anew, whatever they say: what they hold is gone with them."""

_STATEFUL_SET_MAY_CHANGE = "replicas|ordinals|template|updateStrategy|revisionHistoryLimit|persistentVolumeClaimRetentionPolicy|minReadySeconds"
_TABLE: dict[tuple[str, str], re.Pattern[str]] = {
    ("apps", "Deployment"): re.compile(r"^spec\.selector"),
    ("apps", "DaemonSet"): re.compile(r"^spec\.selector"),
    ("apps", "ReplicaSet"): re.compile(r"^spec\.selector"),
    ("apps", "StatefulSet"): re.compile(rf"^spec\.(?!({_STATEFUL_SET_MAY_CHANGE})\b)"),
    ("batch", "Job"): re.compile(r"^spec\.(selector|template|completionMode|podFailurePolicy|manualSelector)"),
    ("", "PersistentVolumeClaim"): re.compile(r"^spec\.(?!resources\.requests\b|volumeAttributesClassName\b)"),
    ("", "PersistentVolume"): re.compile(
        r"^spec\.(nfs|hostPath|csi|local|awsElasticBlockStore|gcePersistentDisk|volumeMode)"
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): re.compile(r"^roleRef"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): re.compile(r"^roleRef"),
    ("storage.k8s.io", "StorageClass"): re.compile(r"^(provisioner|parameters|reclaimPolicy|volumeBindingMode)"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): re.compile(
        r"^spec\.(group|scope|names\.plural|names\.kind)$"
    ),
    ("", "Service"): re.compile(r"^spec\.clusterIPs?\b"),
    ("scheduling.k8s.io", "PriorityClass"): re.compile(r"^(value|preemptionPolicy)"),
    ("", "Secret"): re.compile(r"^type$"),
}
_POD_MAY_CHANGE = re.compile(r"^spec\.((initC|c)ontainers\[[^]]*\]\.image$|activeDeadlineSeconds|tolerations)")


def immutable_changes(ref: Ref, before: Body, fields: Sequence[FieldChange]) -> list[str]:
    """The paths of those changed fields that cannot be changed in place."""
    if (ref.group, ref.kind) == ("", "Pod"):
        return [f.path for f in fields if f.path.startswith("spec.") and not _POD_MAY_CHANGE.match(f.path)]
    if ref.group == "" and ref.kind in {"ConfigMap", "Secret"} and before.get("immutable") is True:
        return [f.path for f in fields if not f.path.startswith("metadata")]
    pattern = _TABLE.get((ref.group, ref.kind))
    return [f.path for f in fields if pattern and pattern.match(f.path)]


def may_recreate(ref: Ref, desired: Body) -> bool:
    """Whether the object opted in to being deleted and made anew."""
    annotations = desired["metadata"].get("annotations") or {}
    return annotations.get(ON_IMMUTABLE) == "recreate" and ref.kind not in STATEFUL
