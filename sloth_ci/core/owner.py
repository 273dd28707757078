"""Who else claims an object: the marks that other deployment tools leave on what they manage."""

from __future__ import annotations

from sloth_ci.core.objects import Body


def owner_of(body: Body) -> str | None:
    """The tool that owns the object, in words, or None.

    Sources: Argo CD "Resource Tracking", Flux "Kustomization" and "HelmRelease" labels, Helm's adoption annotations.
    """
    metadata = body.get("metadata", {})
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    if "argocd.argoproj.io/tracking-id" in annotations:
        return f"Argo CD application '{str(annotations['argocd.argoproj.io/tracking-id']).split(':')[0]}'"
    if "argocd.argoproj.io/instance" in labels:
        return f"Argo CD application '{labels['argocd.argoproj.io/instance']}'"
    for kind, prefix in (("Kustomization", "kustomize"), ("HelmRelease", "helm")):
        name = labels.get(f"{prefix}.toolkit.fluxcd.io/name")
        if name:
            return f"Flux {kind} '{labels.get(f'{prefix}.toolkit.fluxcd.io/namespace', '')}/{name}'"
    if "meta.helm.sh/release-name" in annotations:
        return f"Helm release '{annotations['meta.helm.sh/release-name']}'"
    return None
