from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.render import DirectoryTree, candidates
from sloth_ci.render.listing import Listing, Outside
from sloth_ci.render.source import EXECUTABLE, FILE, SYMLINK
from support.gitrepo import GitRepo

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"


def test_a_folder_lists_what_git_would(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    (repo.path / "d").mkdir()
    (repo.path / "d" / "run.sh").write_text("x")
    (repo.path / "d" / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("d")
    repo.commit("all", {"a.yaml": POD, "a b\nc.yaml": "x", "d/é.yaml": "y", "empty": b""})
    listed = [line.split("\t") for line in repo.git("ls-tree", "-r", "-z", "HEAD").split("\0") if line]
    expected = [(path, about.split()[0], about.split()[2]) for about, path in listed]
    tree = DirectoryTree(repo.path)
    assert sorted(tuple(entry) for entry in tree.entries()) == sorted(expected)
    assert {e.path: e.mode for e in tree.entries()}["d/run.sh"] == EXECUTABLE
    assert [(e.path, e.mode) for e in tree.at("link").entries()] == []
    assert {e.path: e.mode for e in tree.entries()}["link"] == SYMLINK
    assert dict(tree.read([e.blob for e in tree.entries() if e.path == "link"])).popitem()[1] == b"d"


def test_files_that_are_gone_or_not_named_do_not_count(files: Any) -> None:
    tree = files({"a/x": "1", "a/y": "2", "b": "3"})
    named = DirectoryTree(tree.root, "", ["b", "a/x", "a/gone", "a"])
    assert [entry.path for entry in named.entries()] == ["a/x", "b"]
    assert [entry.path for entry in named.at("a").entries()] == ["a/x"]
    assert named.sizes([named.entries()[0].blob]) == {named.entries()[0].blob: 1}


def test_the_id_of_a_tree_names_its_content(files: Any) -> None:
    tree = files({"a": "1", "d/b": "2"})
    ids = {tree.tree_id, tree.at("d").tree_id}
    assert tree.at("").tree_id == tree.tree_id
    (tree.root / "a").chmod(0o755)
    ids.add(tree.at("").tree_id)
    (tree.root / "a").write_text("2")
    ids.add(tree.at("").tree_id)
    (tree.root / "a").rename(tree.root / "c")
    ids.add(tree.at("").tree_id)
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("d/f", "d/f"),
        ("l/f", "d/f"),
        ("d/up/d/f", "d/f"),
        ("chain", "d/f"),
        ("d/../d/./f", "d/f"),
        ("nowhere/x", "nowhere/x"),
        ("root/l/f", "d/f"),
    ],
)
def test_links_are_followed_like_a_file_system_would(files: Any, path: str, expected: str) -> None:
    tree = files(
        {
            "d/f": "1",
            "l": Path("d"),
            "d/up": Path(".."),
            "chain": Path("chain2"),
            "chain2": Path("l/f"),
            "root": Path("."),
        }
    )
    assert Listing(tree).resolve(path) == expected
    if (tree.root / path).exists():
        assert (tree.root / path).resolve() == (tree.root / expected).resolve()


@pytest.mark.parametrize("path", ["../x", "d/../../x", "abs", "out", "loop", "sneaky/x", "d/up/../x"])
def test_nothing_leads_out(files: Any, path: str) -> None:
    links = {
        "abs": "/etc",
        "out": "../x",
        "loop": "loop2",
        "loop2": "loop",
        "sneaky": "p/q/../../..",
        "p/q": "../d",
        "d/up": "..",
    }
    tree = files({"d/f": "1"} | {name: Path(target) for name, target in links.items()})
    with pytest.raises(Outside):
        Listing(tree).resolve(path)


def test_a_closure_has_what_links_need(files: Any) -> None:
    tree = files(
        {
            "a/x": "1",
            "a/l": Path("../b/m"),
            "b/m": Path("../c"),
            "b/other": "",
            "c/deep/y": "2",
            "a/out": Path("/etc"),
            "a/dead": Path("no"),
        }
    )
    listing = Listing(tree)
    assert sorted(listing.closure(["a"])) == ["a/dead", "a/l", "a/x", "b/m", "c/deep/y"]
    assert [e.mode for e in listing.below("a/x")] == [FILE]


def test_candidates_are_what_could_be_a_target_path(files: Any) -> None:
    tree = files(
        {
            "README.md": "",
            "ci.yaml": "jobs: {}\n",
            ".github/x.yaml": POD.format("x"),
            "chart/Chart.yaml": "name: c\n",
            "chart/charts/sub/Chart.yaml": "name: s\n",
            "chart/crds/x.yaml": POD.format("x"),
            "overlays/prod/kustomization.yaml": "resources: [../../base]\n",
            "overlays/prod/deep/kustomization.yaml": "resources: []\n",
            "base/kustomization.yaml": "resources: [x.yaml]\n",
            "base/x.yaml": POD.format("x"),
            "parts/kustomization.yaml": "kind: Component\n",
            "plain/a/x.yaml": POD.format("x"),
            "plain/x.yaml": POD.format("x"),
        }
    )
    assert candidates(tree) == ["base", "chart", "overlays/prod", "plain"]
    assert candidates(tree.at("plain/a")) == ["plain/a"]
    assert candidates(tree.at("nowhere")) == []


def test_a_root_can_be_a_candidate(files: Any) -> None:
    assert candidates(files({"x.yaml": POD.format("x"), "y/z.yaml": POD.format("z")})) == [""]
