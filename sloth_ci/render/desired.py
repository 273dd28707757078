"""The one way in: find out what the target path holds and hand it to who can render that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sloth_ci.core.errors import RenderError
from sloth_ci.core.workflow import RenderSpec
from sloth_ci.render.cache import Cache
from sloth_ci.render.detect import below_any, detect
from sloth_ci.render.plain import remembered, render_plain
from sloth_ci.render.result import Rendered
from sloth_ci.render.source import SYMLINK, SourceTree
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
    network: bool = True,
) -> Rendered:
    """The desired state of one revision.

    `namespace` is for namespaced objects that name none. `environ` says where the tools are; `timeout` is in seconds,
    for each run of a tool. Without `network`, what the workflow may fetch is not. Raises RenderFailed with everything that is wrong with the files, and RenderError when a
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
    if not network and spec.allow_remote_bases and _reads(tree, kind, spec, environment, namespace, environ) is None:
        raise RenderError(f"{tree.path or 'it'} may be rendered from what is fetched, and nothing is fetched here")
    if kind == "kustomize":
        # kustomize and helm import nothing heavy, but most revisions need neither.
        from sloth_ci.render.kustomize import render_kustomize

        return render_kustomize(tree, spec, namespace, cache, environ, timeout)
    if kind == "helm":
        from sloth_ci.render.helm import render_helm

        return render_helm(tree, spec, environment, namespace, cache, environ, timeout)
    return render_plain(tree, entries, forced, namespace, cache)


def reads(
    tree: SourceTree,
    spec: RenderSpec,
    *,
    environment: str | None,
    namespace: str | None,
    environ: Mapping[str, str],
) -> tuple[str, ...] | None:
    """The folders and files that a render of this tree would read, found without a run of any tool.

    None where only the render itself can tell, and where the same files need not give the same result. The whole revision is
    listed, once for all of its folders.
    """
    entries = [entry for entry in tree.at("").entries() if below_any(entry.path, (tree.path,))]
    kind = detect(entries, tree.path) if spec.type == "auto" else spec.type
    try:
        read = _reads(tree, kind, spec, environment, namespace, environ)
    except RenderError:
        return None
    linked = kind == "plain" and any(entry.mode == SYMLINK for entry in entries)
    return None if linked else read


def _reads(
    tree: SourceTree,
    kind: str,
    spec: RenderSpec,
    environment: str | None,
    namespace: str | None,
    environ: Mapping[str, str],
) -> tuple[str, ...] | None:
    if kind == "kustomize":
        from sloth_ci.render.kustomize import kustomize_reads

        return kustomize_reads(tree, spec, namespace, environ)
    if kind == "helm":
        from sloth_ci.render.helm import helm_reads

        return helm_reads(tree, spec, environment, namespace, environ)
    return (tree.path,)
