"""Which kind of thing a folder is, and which folders of a repository look deployable."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable, Sequence

from sloth_ci.render.result import RenderKind
from sloth_ci.render.source import EXECUTABLE, FILE, SourceEntry, SourceTree

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""In the order in which kustomize looks for them."""

CHART_FILE = "Chart.yaml"
MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")

_VERSION = re.compile(rb"^apiVersion: *\S", re.MULTILINE)
_KIND = re.compile(rb"^kind: *\S", re.MULTILINE)
_COMPONENT = re.compile(rb"^kind: *Component\b", re.MULTILINE)
_SAMPLE_BYTES = 65536


def detect(entries: Sequence[SourceEntry], folder: str) -> RenderKind:
    """What is in the folder itself decides."""
    names = {entry.path for entry in entries if posixpath.dirname(entry.path) == folder}
    if not names.isdisjoint(posixpath.join(folder, name) for name in KUSTOMIZATION_FILES):
        return "kustomize"
    return "helm" if posixpath.join(folder, CHART_FILE) in names else "plain"


def hidden(path: str, folder: str) -> bool:
    """Whether a name on the way from the folder to the path starts with a dot: `.github`, `.gitlab-ci.yml`."""
    return "/." in f"/{path[len(folder) :].lstrip('/')}"


def below_any(path: str, folders: Container[str]) -> bool:
    """Whether a path is in one of the folders. Best asked of a set."""
    cut = path.rfind("/")
    while cut >= 0:
        if path[:cut] in folders:
            return True
        cut = path.rfind("/", 0, cut)
    return "" in folders


def candidates(tree: SourceTree) -> list[str]:
    """Folders that look as if they could be a target path, the highest of each kind, sorted.

    A guess from names and from lines of files, for a hint: nothing is parsed or run.
    """
    entries = [e for e in tree.entries() if e.mode in (FILE, EXECUTABLE) and not hidden(e.path, tree.path)]
    charts = set(outermost(_folder(entry) for entry in entries if posixpath.basename(entry.path) == CHART_FILE))
    entries = [entry for entry in entries if not below_any(entry.path, charts)]
    kustomizations = [entry for entry in entries if posixpath.basename(entry.path) in KUSTOMIZATION_FILES]
    names = {entry.path for entry in kustomizations}
    others = [entry for entry in entries if entry.path.endswith(MANIFEST_SUFFIXES) and entry.path not in names]
    sizes = tree.sizes({entry.blob for entry in (*others, *kustomizations)})
    content = dict(tree.read({blob for blob, size in sizes.items() if size <= _SAMPLE_BYTES}))
    roots = {_folder(entry) for entry in kustomizations if not _COMPONENT.search(content.get(entry.blob, b""))}
    plain = {_folder(entry) for entry in others if _looks_like_object(content.get(entry.blob, b""))}
    return sorted({*charts, *outermost(roots), *(f for f in outermost(plain) if not below_any(f"{f}/", roots))})


def _folder(entry: SourceEntry) -> str:
    return posixpath.dirname(entry.path)


def _looks_like_object(data: bytes) -> bool:
    return bool(_VERSION.search(data) and _KIND.search(data))


def outermost(folders: Iterable[str]) -> list[str]:
    """Those that are in none of the others, sorted."""
    top: set[str] = set()
    for folder in sorted(set(folders)):
        if folder == "" or not below_any(folder, top):
            top.add(folder)
    return sorted(top)
