"""Reading and exporting the files of a revision."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import RenderError
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tree import show_path
from support.gitrepo import GitRepo

Open = Callable[..., Repository]

STRANGE = {
    "a b/c d.yaml": "space",
    "new\nline/x\ny.yaml": "newline",
    'tab\tquote"back\\slash': "specials",
    "-dash": "dash",
    "ünï/cödé.yaml": "unicode",
    "crlf": "a\r\nb\r\n",
    "empty": "",
    ".gitattributes": "crlf text eol=lf\nignored export-ignore\n",
    "ignored": "still here",
}


@pytest.fixture
def strange(git_repo: Callable[..., GitRepo]) -> GitRepo:
    repo = git_repo("strange")
    repo.git("config", "core.autocrlf", "false")
    repo.write(STRANGE)
    (repo.path / os.fsdecode(b"latin-\xe9")).write_bytes(b"\xff\x00")
    (repo.path / "run.sh").write_text("#!/bin/sh\n")
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("a b/c d.yaml")
    repo.commit("strange")
    return repo


def test_all_names_and_contents_survive(strange: GitRepo, opened: Open) -> None:
    tree = opened(cwd=strange.path).tree("HEAD")
    entries = {entry.path: entry for entry in tree.entries()}
    contents = dict(tree.read(entry.blob for entry in entries.values()))
    assert set(STRANGE) < set(entries)
    for name in set(STRANGE) - {"crlf"}:
        assert contents[entries[name].blob] == STRANGE[name].encode()
    latin = entries[os.fsdecode(b"latin-\xe9")]
    assert contents[latin.blob] == b"\xff\x00"
    assert tree.sizes([latin.blob, entries["empty"].blob]) == {latin.blob: 2, entries["empty"].blob: 0}
    assert (entries["run.sh"].mode, entries["link"].mode) == ("100755", "120000")
    assert tree.tree_id == strange.sha("HEAD^{tree}")
    assert tree.revision == strange.head


def test_a_folder_lists_paths_from_the_root(strange: GitRepo, opened: Open) -> None:
    repo = opened(cwd=strange.path)
    tree = repo.tree("HEAD", "new\nline")
    assert [entry.path for entry in tree.entries()] == ["new\nline/x\ny.yaml"]
    assert tree.tree_id == strange.sha("HEAD:new\nline")
    assert repo.tree("HEAD", "no\nsuch", missing_ok=True).entries() == []


def test_an_export_is_byte_for_byte_what_the_repository_holds(strange: GitRepo, opened: Open, tmp_path: Path) -> None:
    tree = opened(cwd=strange.path).tree("HEAD")
    tree.export(tmp_path / "out")
    for entry in tree.entries():
        place = tmp_path / "out" / entry.path
        if entry.mode == "120000":
            assert os.readlink(place) == "a b/c d.yaml"
        else:
            assert [place.read_bytes()] == [data for _, data in tree.read([entry.blob])]
            assert os.access(place, os.X_OK) == (entry.mode == "100755")


def test_an_export_of_some_folders(strange: GitRepo, opened: Open, tmp_path: Path) -> None:
    opened(cwd=strange.path).tree("HEAD").export(tmp_path / "out", ["./a b/", "empty"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a b", "empty"]


@pytest.mark.parametrize(
    "links",
    [
        {"x/out": "/etc/passwd"},
        {"x/out": "../../secret"},
        {"x/out": "../.."},
        {"d": ".", "a/b/out": "../../d/../up"},
        {"one": "two/..", "two": "x/..", "x": "..", "zero": "one"},
    ],
)
def test_a_symlink_out_of_the_tree_is_refused_with_its_path(
    git_repo: Callable[..., GitRepo], opened: Open, tmp_path: Path, links: dict[str, str]
) -> None:
    repo = git_repo()
    repo.write({"x/file" if "x" not in links else "y": "1"})
    for name, target in links.items():
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.path / name).symlink_to(target)
    repo.commit("links")
    with pytest.raises(RenderError, match="is a symlink that leads out of the repository"):
        opened(cwd=repo.path).tree("HEAD").export(tmp_path / "out")


def test_symlinks_inside_the_tree_work(git_repo: Callable[..., GitRepo], opened: Open, tmp_path: Path) -> None:
    repo = git_repo()
    repo.write({"base/deep/file": "1"})
    (repo.path / "envs").mkdir()
    for name, target in {
        "envs/prod": "../base",
        "envs/again": "prod/deep/../../base/deep",
        "dangling": "nowhere",
        "circle": "circle",
    }.items():
        (repo.path / name).symlink_to(target)
    repo.commit("links")
    opened(cwd=repo.path).tree("HEAD").export(tmp_path / "out")
    assert (tmp_path / "out/envs/again/file").read_text() == "1"
    assert (tmp_path / "out/envs/prod/deep/file").read_text() == "1"


@pytest.mark.parametrize("name", ["..", ".git", ".GIT"])
def test_a_handmade_tree_cannot_write_elsewhere(
    git_repo: Callable[..., GitRepo], opened: Open, tmp_path: Path, name: str
) -> None:
    repo = git_repo()
    repo.commit("1", {"hooks": "evil"})
    inner = subprocess.run(
        ["git", "-C", str(repo.path), "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        input=f"40000 {name}\0".encode() + bytes.fromhex(repo.sha("HEAD^{tree}")),
        capture_output=True,
        check=True,
    )
    commit = repo.git("commit-tree", "-m", "bad", inner.stdout.decode().strip())
    with pytest.raises(RenderError, match="a name that no repository should hold"):
        opened(cwd=repo.path).tree(commit).export(tmp_path / "out" / "deep")
    assert not list(tmp_path.rglob("hooks/hooks"))
    assert not (tmp_path / "out" / "hooks").exists()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a b/ü.yaml", "a b/ü.yaml"),
        ("a\nb", '"a\\nb"'),
        (os.fsdecode(b"\xe9\x1b[31m"), '"\\xe9\\x1b[31m"'),
    ],
)
def test_paths_are_shown_on_one_line(path: str, shown: str) -> None:
    assert show_path(path) == shown


# --- submodules ----------------------------------------------------------------------------------------------------


@pytest.fixture
def nested(git_repo: Callable[..., GitRepo]) -> tuple[GitRepo, GitRepo]:
    """A repository with another one as its submodule, which moved on since."""
    inner, outer = git_repo("inner"), git_repo("outer")
    inner.commit("one", {"base/a.yaml": "a: 1\n"})
    outer.commit("outer", {"own.yaml": "o: 1\n"})
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", "../inner", "vendor/in ner")
    outer.commit("submodule")
    inner.commit("two", {"base/a.yaml": "a: 2\n"})
    return inner, outer


def test_submodules_are_read_where_they_are_wanted(
    nested: tuple[GitRepo, GitRepo], opened: Open, tmp_path: Path
) -> None:
    _, outer = nested
    tree = opened(outer.path, submodules=True).tree("main", "vendor")
    assert [entry.path for entry in tree.entries()] == ["vendor/in ner/base/a.yaml"]
    blob = tree.entries()[0].blob
    assert dict(tree.read([blob])) == {blob: b"a: 1\n"}
    assert tree.sizes([blob]) == {blob: 5}
    tree.export(tmp_path / "out")
    assert (tmp_path / "out/vendor/in ner/base/a.yaml").read_text() == "a: 1\n"


def test_submodules_are_left_alone_where_not(nested: tuple[GitRepo, GitRepo], opened: Open, tmp_path: Path) -> None:
    _, outer = nested
    tree = opened(cwd=outer.path).tree("HEAD", "vendor")
    assert [(entry.path, entry.mode) for entry in tree.entries()] == [("vendor/in ner", "160000")]
    tree.export(tmp_path / "out")
    assert list((tmp_path / "out/vendor/in ner").iterdir()) == []


def test_a_submodule_that_gitmodules_does_not_name(nested: tuple[GitRepo, GitRepo], opened: Open) -> None:
    _, outer = nested
    outer.commit("forgotten", delete=[".gitmodules"])
    with pytest.raises(RenderError, match=r"submodule vendor/in ner at .* is not in \.gitmodules"):
        opened(cwd=outer.path, submodules=True).tree("HEAD").entries()


def test_five_thousand_entries_are_quick_to_list(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    repo.commit("many", {f"apps/{n % 50}/m{n}.yaml": f"n: {n}\n" for n in range(5000)})
    tree = opened(cwd=repo.path).tree("HEAD")
    entries = tree.entries()
    assert len(entries) == 5000
    assert len(dict(tree.read(entry.blob for entry in entries))) == 5000
