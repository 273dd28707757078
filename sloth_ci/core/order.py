"""In which order objects are written: what others need comes first, and what guards requests comes last."""

from __future__ import annotations

from sloth_ci.core.objects import Ref

_FIRST = (
    "CustomResourceDefinition", "Namespace", "PriorityClass", "StorageClass", "IngressClass", "RuntimeClass", "ClusterRole",
    "ClusterRoleBinding", "ResourceQuota", "LimitRange", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret",
    "PersistentVolume", "PersistentVolumeClaim", "Service", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job",
    "PodDisruptionBudget",
)  # fmt: skip
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK = {kind: rank for rank, kind in enumerate(_FIRST)} | {kind: 1000 + rank for rank, kind in enumerate(_LAST)}


def rank(ref: Ref) -> tuple[int, Ref]:
    """Sort key for writes; reverse it for deletions."""
    return _RANK.get(ref.kind, len(_FIRST)), ref
