"""Which kinds live in a namespace, as far as it can be known without asking a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sloth_ci.core.objects import Body

Kind = tuple[str, str]
"""Group and kind: `("apps", "Deployment")`."""

CLUSTER_SCOPED: dict[str, frozenset[str]] = {
    group: frozenset(kinds.split())
    for group, kinds in {
        "": "ComponentStatus Namespace Node PersistentVolume",
        "admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding "
        "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
        "ValidatingWebhookConfiguration",
        "apiextensions.k8s.io": "CustomResourceDefinition",
        "apiregistration.k8s.io": "APIService",
        "authentication.k8s.io": "SelfSubjectReview TokenReview",
        "authorization.k8s.io": "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
        "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
        "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
        "internal.apiserver.k8s.io": "StorageVersion",
        "networking.k8s.io": "IPAddress IngressClass ServiceCIDR",
        "node.k8s.io": "RuntimeClass",
        "policy": "PodSecurityPolicy",
        "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
        "resource.k8s.io": "DeviceClass DeviceTaintRule ResourceSlice",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
        "storagemigration.k8s.io": "StorageVersionMigration",
        # Add-ons whose objects are often declared without their CRDs at hand.
        "cert-manager.io": "ClusterIssuer",
        "cilium.io": "CiliumClusterwideNetworkPolicy CiliumLoadBalancerIPPool CiliumNode",
        "external-secrets.io": "ClusterExternalSecret ClusterSecretStore",
        "gateway.networking.k8s.io": "GatewayClass",
        "karpenter.k8s.aws": "EC2NodeClass",
        "karpenter.sh": "NodeClaim NodePool",
        "kyverno.io": "ClusterCleanupPolicy ClusterPolicy",
        "snapshot.storage.k8s.io": "VolumeSnapshotClass VolumeSnapshotContent",
        "templates.gatekeeper.sh": "ConstraintTemplate",
    }.items()
}

_WHOLE_GROUPS = frozenset({"constraints.gatekeeper.sh"})
"""Groups that hold nothing but cluster-scoped kinds, made up by the user."""


class Scope(NamedTuple):
    """What a CustomResourceDefinition says of the kind it defines."""

    group: str
    kind: str
    namespaced: bool


def defined_by(body: Body) -> Scope | None:
    """The scope that a CustomResourceDefinition declares; None for any other object, and for a malformed one."""
    if body.get("kind") != "CustomResourceDefinition":
        return None
    spec: Any = body.get("spec")
    names = spec.get("names") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(names, Mapping):
        return None
    group, kind, scope = spec.get("group"), names.get("kind"), spec.get("scope")
    if isinstance(group, str) and isinstance(kind, str) and scope in ("Namespaced", "Cluster"):
        return Scope(group, kind, scope == "Namespaced")
    return None


def is_namespaced(group: str, kind: str, defined: Mapping[Kind, bool]) -> bool:
    """Whether objects of a kind live in a namespace.

    `defined` holds what the CRDs at hand say, and outweighs the built-in table. A kind that nobody knows counts as
    namespaced, as most custom resources are.
    """
    said = defined.get((group, kind))
    if said is not None:
        return said
    return group not in _WHOLE_GROUPS and kind not in CLUSTER_SCOPED.get(group, frozenset())


def may_be_cluster_scoped(group: str, kind: str) -> bool:
    """Whether a CRD that is not at hand could say that objects of a kind live in no namespace."""
    return not is_namespaced(group, kind, {}) or "." in group
