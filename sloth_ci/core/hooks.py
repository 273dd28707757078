"""Objects that a sync runs rather than keeps: Argo CD's and Helm's hooks, read from their annotations.

Sources: Argo CD "Resource Hooks" and "Sync Waves", Helm "Chart Hooks" and Argo CD's mapping of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sloth_ci.core.objects import Body, Manifest

HookPhase = Literal["PreSync", "Sync", "PostSync", "SyncFail"]
_PHASES: tuple[HookPhase, ...] = ("PreSync", "Sync", "PostSync", "SyncFail")
HOOK = "argocd.argoproj.io/hook"
WAVE = "argocd.argoproj.io/sync-wave"
_HELM_HOOK = "helm.sh/hook"
_HELM_WEIGHT = "helm.sh/hook-weight"
DeletePolicy = Literal["BeforeHookCreation", "HookSucceeded", "HookFailed"]
_DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
_HELM_DELETE_POLICY = "helm.sh/hook-delete-policy"
_HELM_POLICIES: Mapping[str, DeletePolicy] = {
    "before-hook-creation": "BeforeHookCreation",
    "hook-succeeded": "HookSucceeded",
    "hook-failed": "HookFailed",
}
_HELM_PHASES: Mapping[str, HookPhase] = {
    "pre-install": "PreSync",
    "pre-upgrade": "PreSync",
    "post-install": "PostSync",
    "post-upgrade": "PostSync",
}


class Split(NamedTuple):
    """Manifests by what a sync does with them."""

    members: list[Manifest]
    hooks: list[tuple[HookPhase, Manifest]]
    skipped: list[Manifest]
    """Marked `Skip`, or a Helm hook of a phase that a sync does not have (tests, deletions)."""


def split(manifests: Sequence[Manifest]) -> Split:
    """Members, hooks (an object can be one in several phases), and what is neither."""
    members: list[Manifest] = []
    hooks: list[tuple[HookPhase, Manifest]] = []
    skipped: list[Manifest] = []
    for manifest in manifests:
        phases = hook_phases(manifest.body)
        if phases is None:
            members.append(manifest)
        elif phases:
            hooks += [(phase, manifest) for phase in phases]
        else:
            skipped.append(manifest)
    return Split(members, hooks, skipped)


def hook_phases(body: Body) -> list[HookPhase] | None:
    """The phases that an object is a hook of; none of them where it is to be skipped; None for an ordinary object."""
    annotations = body["metadata"].get("annotations") or {}
    said = annotations.get(HOOK)
    if isinstance(said, str):
        names = [name.strip() for name in said.split(",")]
        return [phase for phase in _PHASES if phase in names]
    helm = annotations.get(_HELM_HOOK)
    if isinstance(helm, str):
        if "crd-install" in helm:
            return None
        names = [name.strip() for name in helm.split(",")]
        return list(dict.fromkeys(_HELM_PHASES[name] for name in names if name in _HELM_PHASES))
    return None


def wave(body: Body) -> int:
    """The sync wave; 0 where none is said, or something that is no number."""
    annotations = body["metadata"].get("annotations") or {}
    said = annotations.get(WAVE, annotations.get(_HELM_WEIGHT, "0"))
    try:
        return int(str(said))
    except ValueError:
        return 0


def delete_policies(body: Body) -> frozenset[DeletePolicy]:
    """When a hook is deleted; where none is said that exists: before it is made the next time."""
    annotations = body["metadata"].get("annotations") or {}
    said = str(annotations.get(_DELETE_POLICY) or annotations.get(_HELM_DELETE_POLICY) or "")
    names = {name.strip() for name in said.split(",")}
    found = frozenset(policy for helm, policy in _HELM_POLICIES.items() if names & {helm, policy})
    return found or frozenset({"BeforeHookCreation"})
