"""Desired state: the target path of a revision becomes manifests.

    detect       what is there: plain files, a kustomization, a Helm chart
    plain        YAML and JSON files, read again only where they changed
    kustomize    through kustomize or kubectl
    helm         through `helm template`

`source` says what a revision has to offer, `result` what comes out of it.
"""

from __future__ import annotations

from sloth_ci.render.desired import reads, render
from sloth_ci.render.detect import candidates, detect
from sloth_ci.render.result import HOOKS_ARE_OBJECTS, Problem, Rendered, RenderFailed, load_bodies
from sloth_ci.render.source import DirectoryTree, SourceEntry, SourceTree

__all__ = [
    "HOOKS_ARE_OBJECTS",
    "DirectoryTree",
    "Problem",
    "RenderFailed",
    "Rendered",
    "SourceEntry",
    "SourceTree",
    "candidates",
    "detect",
    "load_bodies",
    "reads",
    "render",
]
