"""Which objects an object names: what has to be there before it, and what breaks when one of them goes.

Source: the fields of the built-in types that hold the name of another object (Kubernetes API reference), and of the
Gateway API. Only what is written is read: labels that select are a matter of `dependents_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.podspec import POD_SPECS
from sloth_ci.core.scope import defined_by

Found = Iterator[tuple[str, str, Any, Any]]
"""Group, kind, namespace (None: the referring object's own; empty: none), name; anything may be missing or malformed."""


def ref_of(body: Body) -> Ref:
    """The identity that a body declares."""
    metadata = body["metadata"]
    return Ref(group_of(body), body["kind"], metadata.get("namespace") or "", metadata["name"])


def group_of(body: Mapping[str, Any]) -> str:
    """The API group of an `apiVersion`."""
    return str(body.get("apiVersion") or "").rpartition("/")[0]


def references(body: Body) -> set[Ref]:
    """The objects that a body names. The CRD of a custom resource is not among them: its name cannot be told from it."""
    own = ref_of(body)
    found = _found(body, own)
    refs = {
        Ref(group, kind, own.namespace if namespace is None else namespace, name)
        for group, kind, namespace, name in found
        if isinstance(name, str) and name and (namespace is None or isinstance(namespace, str))
    }
    refs.discard(own)
    return refs


def dependents_of(deleted: Mapping[Ref, Body], kept: Iterable[Body]) -> dict[Ref, list[Ref]]:
    """For each deleted object, those of the kept ones that need it; only where there are any, in order.

    Beside those that name it: what is in a deleted namespace, the resources of a deleted CRD, and the Services whose
    pods a deleted workload makes.
    """
    definitions = {(scope.group, scope.kind): ref for ref, body in deleted.items() if (scope := defined_by(body))}
    namespaces = {ref.name: ref for ref in deleted if (ref.group, ref.kind) == ("", "Namespace")}
    labelled = [(ref, labels) for ref, body in deleted.items() if (labels := _pod_labels(ref, body))]
    result: dict[Ref, set[Ref]] = {}
    for body in kept:
        own = ref_of(body)
        if own in deleted:
            continue
        needed = {ref for ref in references(body) if ref in deleted}
        if (own.group, own.kind) in definitions:
            needed.add(definitions[own.group, own.kind])
        if own.namespace in namespaces:
            needed.add(namespaces[own.namespace])
        if (own.group, own.kind) == ("", "Service"):
            selector = _map(body, "spec.selector")
            needed |= {
                ref
                for ref, labels in labelled
                if selector and ref.namespace == own.namespace and selector.items() <= labels.items()
            }
        for ref in needed:
            result.setdefault(ref, set()).add(own)
    return {ref: sorted(result[ref]) for ref in sorted(result)}


def _found(body: Body, own: Ref) -> Found:
    pods = POD_SPECS.get((own.group, own.kind))
    if pods:
        yield from _of_pods(_map(body, pods))
    read = _READERS.get((own.group, own.kind))
    if read:
        yield from read(body)


def _of_pods(spec: Mapping[str, Any]) -> Found:
    for volume in _maps(spec.get("volumes")):
        yield from _of_source(volume)
        yield "", "PersistentVolumeClaim", None, _map(volume, "persistentVolumeClaim").get("claimName")
        yield "", "Secret", None, _map(volume, "secret").get("secretName")
        yield "", "Secret", None, _map(volume, "csi.nodePublishSecretRef").get("name")
        for source in _maps(_map(volume, "projected").get("sources")):
            yield from _of_source(source)
            yield "", "Secret", None, _map(source, "secret").get("name")
    for containers in ("initContainers", "containers", "ephemeralContainers"):
        for container in _maps(spec.get(containers)):
            for source in _maps(container.get("envFrom")):
                yield "", "ConfigMap", None, _map(source, "configMapRef").get("name")
                yield "", "Secret", None, _map(source, "secretRef").get("name")
            for variable in _maps(container.get("env")):
                yield "", "ConfigMap", None, _map(variable, "valueFrom.configMapKeyRef").get("name")
                yield "", "Secret", None, _map(variable, "valueFrom.secretKeyRef").get("name")
    for secret in _maps(spec.get("imagePullSecrets")):
        yield "", "Secret", None, secret.get("name")
    for claim in _maps(spec.get("resourceClaims")):
        yield "resource.k8s.io", "ResourceClaim", None, claim.get("resourceClaimName")
        yield "resource.k8s.io", "ResourceClaimTemplate", None, claim.get("resourceClaimTemplateName")
    yield "", "ServiceAccount", None, spec.get("serviceAccountName") or spec.get("serviceAccount")
    yield "scheduling.k8s.io", "PriorityClass", "", spec.get("priorityClassName")
    yield "node.k8s.io", "RuntimeClass", "", spec.get("runtimeClassName")


def _of_source(source: Mapping[str, Any]) -> Found:
    yield "", "ConfigMap", None, _map(source, "configMap").get("name")


def _of_stateful_set(body: Body) -> Found:
    yield "", "Service", None, _map(body, "spec").get("serviceName")
    for claim in _maps(_map(body, "spec").get("volumeClaimTemplates")):
        yield "storage.k8s.io", "StorageClass", "", _map(claim, "spec").get("storageClassName")


def _of_ingress(body: Body) -> Found:
    spec = _map(body, "spec")
    yield "networking.k8s.io", "IngressClass", "", spec.get("ingressClassName")
    yield "", "Service", None, _map(spec, "defaultBackend.service").get("name")
    for tls in _maps(spec.get("tls")):
        yield "", "Secret", None, tls.get("secretName")
    for rule in _maps(spec.get("rules")):
        for path in _maps(_map(rule, "http").get("paths")):
            yield "", "Service", None, _map(path, "backend.service").get("name")


def _of_binding(body: Body) -> Found:
    role = _map(body, "roleRef")
    namespace = None if role.get("kind") == "Role" else ""
    yield "rbac.authorization.k8s.io", str(role.get("kind")), namespace, role.get("name")
    for subject in _maps(body.get("subjects")):
        if subject.get("kind") == "ServiceAccount":
            yield "", "ServiceAccount", subject.get("namespace"), subject.get("name")


def _of_autoscaler(body: Body) -> Found:
    target = _map(body, "spec.scaleTargetRef")
    yield group_of(target), str(target.get("kind")), None, target.get("name")


def _of_service_account(body: Body) -> Found:
    for field in ("secrets", "imagePullSecrets"):
        for secret in _maps(body.get(field)):
            yield "", "Secret", None, secret.get("name")


def _of_claim(body: Body) -> Found:
    yield "", "PersistentVolume", "", _map(body, "spec").get("volumeName")
    yield from _of_volume(body)


def _of_volume(body: Body) -> Found:
    yield "storage.k8s.io", "StorageClass", "", _map(body, "spec").get("storageClassName")


def _of_webhooks(body: Body) -> Found:
    for webhook in _maps(body.get("webhooks")):
        service = _map(webhook, "clientConfig.service")
        yield "", "Service", service.get("namespace"), service.get("name")


def _of_api_service(body: Body) -> Found:
    service = _map(body, "spec.service")
    yield "", "Service", service.get("namespace"), service.get("name")


def _of_definition(body: Body) -> Found:
    service = _map(body, "spec.conversion.webhook.clientConfig.service")
    yield "", "Service", service.get("namespace"), service.get("name")


def _of_policy_binding(body: Body) -> Found:
    kind = str(body["kind"]).removesuffix("Binding")
    yield "admissionregistration.k8s.io", kind, "", _map(body, "spec").get("policyName")


def _of_gateway(body: Body) -> Found:
    yield "gateway.networking.k8s.io", "GatewayClass", "", _map(body, "spec").get("gatewayClassName")
    for listener in _maps(_map(body, "spec").get("listeners")):
        for certificate in _maps(_map(listener, "tls").get("certificateRefs")):
            yield (
                certificate.get("group") or "",
                certificate.get("kind") or "Secret",
                certificate.get("namespace"),
                certificate.get("name"),
            )


def _of_route(body: Body) -> Found:
    spec = _map(body, "spec")
    for parent in _maps(spec.get("parentRefs")):
        group = parent.get("group", "gateway.networking.k8s.io")
        yield group, parent.get("kind") or "Gateway", parent.get("namespace"), parent.get("name")
    for rule in _maps(spec.get("rules")):
        for backend in _maps(rule.get("backendRefs")):
            yield (
                backend.get("group") or "",
                backend.get("kind") or "Service",
                backend.get("namespace"),
                backend.get("name"),
            )


_READERS: Mapping[tuple[str, str], Callable[[Body], Found]] = {
    ("", "PersistentVolume"): _of_volume,
    ("", "PersistentVolumeClaim"): _of_claim,
    ("", "ServiceAccount"): _of_service_account,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): _of_policy_binding,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _of_webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _of_policy_binding,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _of_webhooks,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _of_definition,
    ("apiregistration.k8s.io", "APIService"): _of_api_service,
    ("apps", "StatefulSet"): _of_stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _of_autoscaler,
    ("gateway.networking.k8s.io", "GRPCRoute"): _of_route,
    ("gateway.networking.k8s.io", "Gateway"): _of_gateway,
    ("gateway.networking.k8s.io", "HTTPRoute"): _of_route,
    ("gateway.networking.k8s.io", "TCPRoute"): _of_route,
    ("gateway.networking.k8s.io", "TLSRoute"): _of_route,
    ("networking.k8s.io", "Ingress"): _of_ingress,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _of_binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): _of_binding,
}


def _pod_labels(ref: Ref, body: Body) -> Mapping[str, Any]:
    pods = POD_SPECS.get((ref.group, ref.kind))
    if not pods:
        return {}
    return _map(body, pods.removesuffix("spec") + "metadata.labels")


def _map(value: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The map at a dotted path; an empty one where there is none."""
    current: Any = value
    for key in path.split("."):
        current = current.get(key) if isinstance(current, Mapping) else None
    return current if isinstance(current, Mapping) else {}


def _maps(value: Any) -> Iterator[Mapping[str, Any]]:
    """The maps of a list; nothing where it is no list."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))
