"""The one way in: find out what the target path holds and hand it to who can render that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sloth_ci.core.workflow import RenderSpec
from sloth_ci.render.cache import Cache
from sloth_ci.render.detect import detect
from sloth_ci.render.plain import remembered, render_plain
from sloth_ci.render.result import Rendered
from sloth_ci.render.source import SourceTree
from sloth_ci.render.tools import TIMEOUT


def render(
    tree: SourceTree,
    spec: RenderSpec,
    *,
    environment: str | None,
    namespace: str | None,
    cache_dir: Path,
    environ: Mapping[str, str],
    timeout: float = TIMEOUT,
) -> Rendered:
    """The desired state of one revision.

    `namespace` is for namespaced objects that name none. `environ` says where the tools are; `timeout` is in seconds,
    for each run of a tool. Raises RenderFailed with everything that is wrong with the files, and RenderError when a
    tool is missing.
    """
    cache = Cache(cache_dir)
    forced = spec.type == "plain"
    if spec.type in ("auto", "plain"):
        known = remembered(tree, forced, namespace, cache)
        if known is not None:
            return known
    entries = tree.entries()
    kind = detect(entries, tree.path) if spec.type == "auto" else spec.type
    if kind == "kustomize":
        # kustomize and helm import nothing heavy, but most revisions need neither.
        from sloth_ci.render.kustomize import render_kustomize

        return render_kustomize(tree, spec, namespace, cache, environ, timeout)
    if kind == "helm":
        from sloth_ci.render.helm import render_helm

        return render_helm(tree, spec, environment, namespace, cache, environ, timeout)
    return render_plain(tree, entries, forced, namespace, cache)
