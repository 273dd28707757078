"""What is never deleted because it is gone from Git, or only where it says so itself."""

from __future__ import annotations

from sloth_ci.core.objects import Body, Ref

PRUNE = "sloth-ci/prune"
"""Annotation: `"false"` keeps an object that is no longer in Git; `"true"` lets one of `GUARDED` go."""

GUARDED = frozenset(
    {
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
    }
)
"""Group and kind of what takes more with it in a cluster than itself: contents, instances, data."""

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})


def why_kept(ref: Ref, body: Body, *, running: bool) -> str | None:
    """Why an object that is no longer in Git stays, in words; None where it is deleted.

    `running`: the destination is a cluster, where deleting cascades.
    """
    said = (body.get("metadata", {}).get("annotations") or {}).get(PRUNE)
    if said == "false":
        return f'it says {PRUNE}: "false"'
    if not running:
        return None
    if ref.kind == "Namespace" and ref.group == "" and ref.name in SYSTEM_NAMESPACES:
        return "it is a namespace of the system"
    if (ref.group, ref.kind) in GUARDED and said != "true":
        return f'a {ref.kind} is deleted only where it says {PRUNE}: "true"'
    return None
