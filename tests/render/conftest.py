"""Folders of manifests, and a way to render them as a user's machine would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from sloth_ci.core.workflow import HelmSpec, RenderSpec
from sloth_ci.render import DirectoryTree, Rendered, SourceEntry, SourceTree, render


class Files(Protocol):
    """Writes files; a value of None makes no file, `Path` makes a symbolic link."""

    def __call__(self, files: Mapping[str, str | bytes | Path], path: str = "") -> DirectoryTree: ...


class Render(Protocol):
    """Renders a tree with the settings of a workflow."""

    def __call__(self, tree: SourceTree, **settings: Any) -> Rendered: ...


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Write files below `tmp_path/repo` and look at a folder of it."""

    def write(files: Mapping[str, str | bytes | Path], path: str = "") -> DirectoryTree:
        root = tmp_path / "repo"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            where = root / name
            where.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                where.symlink_to(content)
            else:
                where.write_bytes(content.encode() if isinstance(content, str) else content)
        return DirectoryTree(root, path)

    return write


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def run(cache_dir: Path) -> Render:
    """Render with an empty PATH, unless `path` names programs."""

    def call(tree: SourceTree, **settings: Any) -> Rendered:
        helm = {
            name: settings.pop(name) for name in HelmSpec.__struct_fields__ if name in settings and name != "namespace"
        }
        if "helm_namespace" in settings:
            helm["namespace"] = settings.pop("helm_namespace")
        spec = {name: settings.pop(name) for name in RenderSpec.__struct_fields__ if name in settings}
        options = {
            "environment": None,
            "namespace": None,
            "cache_dir": cache_dir,
            "environ": {"PATH": str(settings.pop("path", "/nonexistent"))},
            **settings,
        }
        return render(tree, RenderSpec(helm=HelmSpec(**helm), **spec), **options)

    return call


class Watched:
    """A tree that counts what is asked of it."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self.path = tree.path
        self.tree_id = tree.tree_id
        self.listed = 0
        self.reads: list[list[str]] = []
        """The blobs of each read."""

    def entries(self) -> Sequence[SourceEntry]:
        self.listed += 1
        return self.tree.entries()

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        self.reads.append(list(blobs))
        return self.tree.read(self.reads[-1])

    def sizes(self, blobs: Iterable[str]) -> Mapping[str, int]:
        return self.tree.sizes(blobs)

    def at(self, path: str) -> SourceTree:
        return self.tree.at(path)

    @property
    def blobs(self) -> int:
        return sum(map(len, self.reads))


@pytest.fixture
def watch() -> type[Watched]:
    """Wrap a tree, to see what is read of it."""
    return Watched


@pytest.fixture
def programs(tmp_path: Path) -> Callable[[Iterable[Path]], Path]:
    """A folder for PATH with some programs and nothing else."""

    def link(wanted: Iterable[Path]) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for program in wanted:
            os.symlink(program, folder / program.name)
        return folder

    return link
