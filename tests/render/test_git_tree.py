"""Rendering from a real repository, without a work tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.render import DirectoryTree, SourceTree, candidates, load_bodies
from sloth_ci.repo import open_repository
from support.gitrepo import GitRepo

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"


@contextmanager
def opened(repo: GitRepo, tmp_path: Path) -> Iterator[Any]:
    spec = RepositorySpec(url=str(repo.path))
    with open_repository(spec, cwd=repo.path, environ=os.environ, cache_dir=tmp_path / "clones") as repository:
        yield repository


def test_a_revision_is_what_its_work_tree_is(git_repo: Callable[..., GitRepo], run: Any, tmp_path: Path) -> None:
    repo = git_repo()
    (repo.path / "k").mkdir()
    (repo.path / "k/link.yaml").symlink_to("../shared/x.yaml")
    (repo.path / "k/out.txt").symlink_to("/etc/passwd")
    files = {
        "k/a b\nc.yaml": POD.format("a") + "---\n" + POD.format("b"),
        "shared/x.yaml": POD.format("x"),
        "ci.yaml": "a: 1\n",
    }
    first = repo.commit("first", files | {"k/é.yaml": POD.format("e"), "k/\udcff.yaml": POD.format("f")})
    expected = run(DirectoryTree(repo.path, "k"), cache_dir=tmp_path / "other")
    second = repo.commit("second", {"k/d/new.yaml": POD.format("new")}, delete=["k/é.yaml"])
    with opened(repo, tmp_path) as repository:
        tree: SourceTree = repository.tree(first, "k")
        for _ in range(2):
            rendered = run(tree)
            assert rendered.digest == expected.digest
            assert [(m.ref, m.source) for m in rendered.manifests] == [(m.ref, m.source) for m in expected.manifests]
            load_bodies(rendered.manifests)
            assert [m.body for m in rendered.manifests] == [m.body for m in expected.manifests]
        assert [m.ref.name for m in run(repository.tree(second, "k")).manifests] == ["a", "b", "f", "new", "x"]
        assert run(repository.tree(second, "gone", missing_ok=True)).manifests == ()
        assert candidates(repository.tree(second)) == ["k", "shared"]


def test_kustomizations_reach_out_of_the_target_path(
    git_repo: Callable[..., GitRepo], run: Any, tmp_path: Path, kustomize: Path, programs: Any
) -> None:
    repo = git_repo()
    repo.commit("all", {"base/kustomization.yaml": "resources: [p.yaml]\n", "base/p.yaml": POD.format("p"), "over/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n"})  # fmt: skip
    with opened(repo, tmp_path) as repository:
        rendered = run(repository.tree("HEAD", "over"), path=programs([kustomize]))
    assert [(str(m.ref), str(m.source)) for m in rendered.manifests] == [("Pod/x-p", "base/p.yaml:1")]
    assert rendered.inputs == ("base", "over")


def test_a_submodule_is_named(git_repo: Callable[..., GitRepo], run: Any, tmp_path: Path) -> None:
    inner = git_repo("inner")
    inner.commit("inner", {"x.yaml": POD.format("inner")})
    repo = git_repo()
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    repo.commit("outer", {"a.yaml": POD.format("a")})
    with opened(repo, tmp_path) as repository:
        rendered = run(repository.tree("HEAD"))
    assert [str(m.ref) for m in rendered.manifests] == ["Pod/a"]
    assert rendered.warnings == ("sub is a submodule: what is in it is not read",)
    assert rendered.skipped == 1
