"""In which order objects are written: what others need comes first, and what guards requests comes last.

It breaks ties among objects of which none says that it needs another (`core.graph`). Source of the order of kinds:
Flux's `ssa` package, with the kinds that it does not name beside their like.
"""

from __future__ import annotations

from sloth_ci.core.objects import Ref

_CLASSES = "*Class"
_FIRST = (
    "CustomResourceDefinition", "Namespace", "ClusterRole", _CLASSES, "ClusterRoleBinding", "ResourceQuota",
    "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim",
    "Service", "LimitRange", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "PodDisruptionBudget",
)  # fmt: skip
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK = {kind: rank for rank, kind in enumerate(_FIRST)} | {kind: 1000 + rank for rank, kind in enumerate(_LAST)}


def rank(ref: Ref) -> tuple[int, Ref]:
    """Sort key for writes; reverse it for deletions."""
    kind = _CLASSES if ref.kind.endswith("Class") else ref.kind
    return _RANK.get(kind, len(_FIRST)), ref
