"""How much a change can break, and whether it can be undone: two tables, read from top to bottom.

The sources are Kubernetes' own documentation of each kind: what a delete cascades to, what a selector routes, which
fields restart pods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.plan import ChangeType, FieldChange, Impact, Reversible

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"})
RBAC = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
WEBHOOKS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})

Test = Callable[[FieldChange], bool]


class Rule(NamedTuple):
    """A change of one of these types, to one of these kinds, in a field of this path that passes the test."""

    impact: Impact
    reason: str
    types: str
    kinds: frozenset[str] | None = None
    path: re.Pattern[str] | None = None
    test: Test | None = None


def _kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


def _to_zero(change: FieldChange) -> bool:
    return change.after == 0 and change.before not in (0, UNSET)


def _grows(change: FieldChange) -> bool:
    """RBAC only adds: a role that gains a rule, a verb or a subject grants more; one that loses them does not."""
    return change.after is not UNSET


def _removed(change: FieldChange) -> bool:
    return change.after is UNSET


_DELETE, _CREATE, _UPDATE, _RECREATE = "delete", "create", "update", "recreate"
_POD = r"^(spec\.(jobTemplate\.spec\.)?template\.)?spec\."
_p = re.compile

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule(Impact.CRITICAL, "its volume's data may be deleted with it", _DELETE, _kinds("PersistentVolume", "PersistentVolumeClaim")),
    Rule(Impact.CRITICAL, "everything in the namespace is deleted with it", _DELETE, _kinds("Namespace")),
    Rule(Impact.CRITICAL, "every object of its kind is deleted with it", _DELETE, _kinds("CustomResourceDefinition")),
    Rule(Impact.CRITICAL, "a stateful workload is removed", _DELETE, _kinds("StatefulSet")),
    Rule(Impact.CRITICAL, "whatever mounts or reads the secret fails at its next start", _DELETE, _kinds("Secret")),
    Rule(Impact.HIGH, "the workload stops", _DELETE, _kinds("Deployment", "DaemonSet", "ReplicaSet", "Pod", "CronJob", "Job")),
    Rule(Impact.HIGH, "traffic to it ends", _DELETE, _kinds("Service", "Ingress", "HTTPRoute", "Gateway", "IngressClass")),
    Rule(Impact.HIGH, "what it protects is open", _DELETE, _kinds("NetworkPolicy", "PodDisruptionBudget", "ResourceQuota", *WEBHOOKS)),
    Rule(Impact.HIGH, "whoever relies on these rights loses them", _DELETE, RBAC | _kinds("ServiceAccount")),
    Rule(Impact.MEDIUM, "the object is removed", _DELETE),
    Rule(Impact.HIGH, "deleted and made anew: there is a gap in between", _RECREATE),
    Rule(Impact.HIGH, "cluster-wide rights are granted", _CREATE, _kinds("ClusterRoleBinding")),
    Rule(Impact.HIGH, "requests to the API server go through a new webhook", _CREATE, WEBHOOKS),
    Rule(Impact.MEDIUM, "rights are granted", _CREATE, _kinds("Role", "ClusterRole", "RoleBinding")),
    Rule(Impact.MEDIUM, "traffic that no policy names is refused", _CREATE, _kinds("NetworkPolicy")),
    Rule(Impact.LOW, "a new object", _CREATE),
    Rule(Impact.HIGH, "grants more rights", _UPDATE, RBAC, _p(r"^(rules|subjects|aggregationRule)"), _grows),
    Rule(Impact.HIGH, "binds another role", _UPDATE, RBAC, _p(r"^roleRef")),
    Rule(Impact.MEDIUM, "grants fewer rights", _UPDATE, RBAC, _p(r"^(rules|subjects|aggregationRule)"), _removed),
    Rule(Impact.HIGH, "traffic goes to other pods", _UPDATE, _kinds("Service"), _p(r"^spec\.selector")),
    Rule(Impact.HIGH, "the service is exposed in another way", _UPDATE, _kinds("Service"), _p(r"^spec\.type$")),
    Rule(Impact.MEDIUM, "the ports of a service change", _UPDATE, _kinds("Service"), _p(r"^spec\.ports")),
    Rule(Impact.HIGH, "scaled to zero", _UPDATE, None, _p(r"^spec\.(replicas|minReplicas|maxReplicas)$"), _to_zero),
    Rule(Impact.HIGH, "suspended", _UPDATE, WORKLOADS, _p(r"^spec\.suspend$"), lambda c: c.after is True),
    Rule(Impact.HIGH, "every matching request to the API server goes through it", _UPDATE, WEBHOOKS, _p(r"^webhooks")),
    Rule(Impact.HIGH, "a served version of the API goes away", _UPDATE, _kinds("CustomResourceDefinition"), _p(r"^spec\.versions\[name=[^]]*\]$"), _removed),
    Rule(Impact.MEDIUM, "the schema of an API changes", _UPDATE, _kinds("CustomResourceDefinition"), _p(r"^spec\.")),
    Rule(Impact.HIGH, "runs with more privileges", _UPDATE, None, _p(r"(privileged|allowPrivilegeEscalation|hostNetwork|hostPID|hostIPC)$"), lambda c: c.after is True),
    Rule(Impact.HIGH, "mounts a path of the node", _UPDATE, None, _p(r"hostPath"), _grows),
    Rule(Impact.HIGH, "runs under another service account", _UPDATE, WORKLOADS, _p(_POD + r"serviceAccountName$")),
    Rule(Impact.HIGH, "who may reach what changes", _UPDATE, _kinds("NetworkPolicy"), _p(r"^spec\.")),
    Rule(Impact.MEDIUM, "a value of a secret changes", _UPDATE, _kinds("Secret"), _p(r"^(data|stringData|type)")),
    Rule(Impact.MEDIUM, "other storage", _UPDATE, None, _p(r"(volumeClaimTemplates|storageClassName|^spec\.resources\.requests\.storage)")),
    Rule(Impact.MEDIUM, "another image", _UPDATE, None, _p(r"\.image$")),
    Rule(Impact.MEDIUM, "fewer or other resources for its pods", _UPDATE, WORKLOADS, _p(r"\.resources(\.|$)")),
    Rule(Impact.MEDIUM, "its pods are restarted", _UPDATE, WORKLOADS, _p(r"^spec\.(jobTemplate\.spec\.)?template(\.|$)")),
    Rule(Impact.MEDIUM, "another number of pods", _UPDATE, None, _p(r"^spec\.(replicas|minReplicas|maxReplicas)$")),
    Rule(Impact.MEDIUM, "traffic is routed in another way", _UPDATE, _kinds("Ingress", "HTTPRoute", "Gateway"), _p(r"^spec\.")),
    Rule(Impact.LOW, "labels or annotations", _UPDATE, None, _p(r"^metadata\.(labels|annotations)")),
    Rule(Impact.LOW, "configuration", _UPDATE),
)
# fmt: on

UNDO: tuple[tuple[str, frozenset[str] | None, Reversible], ...] = (
    (_DELETE, _kinds("PersistentVolume", "PersistentVolumeClaim", "Namespace", "CustomResourceDefinition"), "no"),
    (_DELETE, _kinds("StatefulSet", "Job", "Pod"), "partial"),
    (_DELETE, None, "yes"),
    (_RECREATE, _kinds("PersistentVolume", "PersistentVolumeClaim", "Namespace", "CustomResourceDefinition"), "no"),
    (_RECREATE, None, "partial"),
    (_CREATE, _kinds("Job", "Pod"), "partial"),
    (_CREATE, None, "yes"),
    (_UPDATE, _kinds("CustomResourceDefinition", "PersistentVolumeClaim"), "partial"),
    (_UPDATE, None, "yes"),
)


def assess(kind: ChangeType, ref: Ref, fields: Sequence[FieldChange]) -> tuple[Impact, tuple[str, ...], Reversible]:
    """The impact of a change, the reasons for it (those of the highest impact first), and whether it can be undone."""
    found: dict[str, Impact] = {}
    if kind == _UPDATE:
        for change in fields:
            # The first rule that matches a field speaks for it: the table is ordered from special to general.
            rule = next((rule for rule in RULES if _matches(rule, kind, ref, change)), None)
            if rule:
                found.setdefault(rule.reason, rule.impact)
    else:
        rule = next(rule for rule in RULES if rule.types == kind and (rule.kinds is None or ref.kind in rule.kinds))
        found[rule.reason] = rule.impact
    impact = max(found.values(), default=Impact.LOW)
    # A label that changes beside a pod's image is not why somebody looks twice.
    told = [reason for reason in found if found[reason] > Impact.LOW or impact == Impact.LOW]
    reasons = tuple(sorted(told, key=lambda reason: -found[reason]))
    undo = next(undo for types, kinds, undo in UNDO if types == kind and (kinds is None or ref.kind in kinds))
    return impact, reasons, undo


def _matches(rule: Rule, kind: ChangeType, ref: Ref, change: FieldChange) -> bool:
    return (
        rule.types == kind
        and (rule.kinds is None or ref.kind in rule.kinds)
        and (rule.path is None or rule.path.search(change.path) is not None)
        and (rule.test is None or rule.test(change))
    )


def privileges(body: Body) -> list[str]:
    """What a new workload asks for beyond the ordinary, in words: shown with its creation."""
    found: list[str] = []
    if body.get("kind") in WORKLOADS:
        _collect_privileges(body.get("spec"), found)
    return sorted(set(found))


def _collect_privileges(value: Any, found: list[str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "privileged" and inner is True:
                found.append("a privileged container")
            elif key in {"hostNetwork", "hostPID", "hostIPC"} and inner is True:
                found.append(f"uses the node's {key.removeprefix('host').lower()}")
            elif key == "hostPath" and isinstance(inner, dict):
                found.append("mounts a path of the node")
            else:
                _collect_privileges(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect_privileges(inner, found)
