"""The ways in which Git comes to a commit: which index, which folder, in the middle of what."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.hook.staged import Unready, staged
from support.committing import LUA, Committing, config_map, deployment
from support.gitrepo import GitRepo

BASE = {"sloth.lua": LUA, "deploy/a.yaml": config_map(), "deploy/web.yaml": deployment()}
WRONG = deployment(field="replcas")
SAID = "deploy/web.yaml:6: Deployment/web: spec.replcas: unknown field, did you mean 'replicas'?"


@pytest.fixture
def shop(git_repo: Callable[..., GitRepo]) -> Committing:
    return Committing(git_repo(), BASE)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- which index ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [("-a",), ("--only", "deploy/web.yaml"), ("deploy/web.yaml",), ("-i", "deploy/web.yaml")]
)
def test_a_commit_with_an_index_of_its_own(shop: Committing, args: tuple[str, ...]) -> None:
    shop.repo.write({"deploy/web.yaml": WRONG})
    done = shop.commit(*args)
    assert not done.made
    assert done.lines[0] == SAID


def test_of_some_files_only_these_are_committed_and_checked(shop: Committing) -> None:
    shop.stage({"deploy/web.yaml": WRONG})
    shop.repo.write({"deploy/a.yaml": config_map("a", k="w")})
    assert shop.commit("deploy/a.yaml") == (True, "")
    assert not shop.commit().made


def test_an_amended_commit(shop: Committing) -> None:
    shop.stage({"deploy/web.yaml": WRONG})
    assert shop.commit("--no-verify").made
    assert shop.commit("--amend") == (True, ""), "what it had before is not looked at again"
    shop.stage({"deploy/b.yaml": "kind: [\n"})
    assert shop.commit("--amend").lines[0].startswith("deploy/b.yaml:2: ")


def test_the_first_commit_of_a_repository(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo())
    shop.stage({**BASE, "deploy/web.yaml": WRONG})
    assert shop.commit().lines[0] == SAID
    shop.stage(BASE)
    assert shop.commit() == (True, "")


def test_nothing_is_staged_in_a_new_repository(git_repo: Callable[..., GitRepo]) -> None:
    assert Committing(git_repo()).check() == (0, "")


def test_a_file_that_is_only_meant_to_be_added_is_not_staged(shop: Committing) -> None:
    shop.repo.write({"deploy/bad.yaml": "kind: [\n"})
    shop.repo.git("add", "--intent-to-add", "deploy/bad.yaml")
    shop.stage({"deploy/b.yaml": config_map("b")})
    assert shop.commit() == (True, "")


def test_a_part_of_a_file_is_staged(shop: Committing) -> None:
    shop.stage({"deploy/two.yaml": config_map("two")})
    shop.repo.write({"deploy/two.yaml": config_map("two") + "---\nkind: [\n"})
    assert shop.commit() == (True, "")


def test_neither_the_index_nor_the_work_tree_nor_a_ref_is_touched(shop: Committing) -> None:
    shop.stage({"deploy/b.yaml": config_map("b")})
    os.utime(shop.path / "deploy/a.yaml", (1, 1))  # Git would like to write down that it is as it was
    index, before = shop.path / ".git/index", shop.repo.git("for-each-ref")
    was = digest_of(index), index.stat().st_mtime_ns
    assert shop.check() == (0, "")
    assert (digest_of(index), index.stat().st_mtime_ns) == was
    assert shop.repo.git("for-each-ref") == before
    assert shop.repo.git("status", "--porcelain") == "A  deploy/b.yaml"


def test_what_is_written_down_is_the_same_each_time(shop: Committing) -> None:
    shop.stage({"deploy/b.yaml": config_map("b")})
    one, two = staged(os.environ, shop.path), staged(os.environ, shop.path)
    assert one == two
    assert one.bases == (shop.repo.head,)
    assert shop.repo.git("show", f"{one.commit}:deploy/b.yaml") == config_map("b").rstrip()


def test_another_process_that_holds_the_index_is_no_reason_to_wait(shop: Committing) -> None:
    shop.stage({"deploy/web.yaml": WRONG})
    (shop.path / ".git/index.lock").touch()
    code, said = shop.check()
    assert code == 4
    assert said.startswith(SAID)


@pytest.mark.parametrize(
    "setting", ["core.splitIndex=true", "index.version=4", "core.untrackedCache=true", "feature.manyFiles=true"]
)
def test_forms_of_the_index(git_repo: Callable[..., GitRepo], setting: str) -> None:
    shop = Committing(git_repo(), BASE)
    shop.repo.git("config", *setting.split("="))
    shop.repo.git("update-index", "--split-index" if "split" in setting else "--refresh")
    shop.stage({"deploy/web.yaml": WRONG})
    assert shop.commit().lines[0] == SAID


def test_a_repository_with_sha256(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> None:
    git_repo().git("init", "--quiet", "--object-format=sha256", "--initial-branch=main", str(tmp_path / "other"))
    shop = Committing(GitRepo(tmp_path / "other"), BASE)
    assert len(shop.repo.head) == 64
    shop.stage({"deploy/web.yaml": WRONG})
    assert shop.commit().lines[0] == SAID


def test_a_span_of_commits_as_the_pre_commit_framework_names_it(shop: Committing) -> None:
    before = shop.repo.head
    shop.stage({"deploy/web.yaml": WRONG})
    assert shop.commit("--no-verify").made
    assert shop.check() == (0, "")
    code, said = shop.check(environ={"PRE_COMMIT_FROM_REF": before, "PRE_COMMIT_TO_REF": "HEAD"})
    assert (code, said.splitlines()[0]) == (4, SAID)
    code, said = shop.check(environ={"PRE_COMMIT_FROM_REF": "--all", "PRE_COMMIT_TO_REF": "HEAD"})
    assert code == 0
    assert said.startswith("sloth-ci: nothing was checked: the revision '--all' starts with a dash")


# --- which folder --------------------------------------------------------------------------------------------------


def test_a_commit_from_a_folder_of_the_work_tree(shop: Committing) -> None:
    shop.stage({"deploy/web.yaml": WRONG})
    done = shop.commit(cwd=shop.path / "deploy")
    assert done.lines[0] == SAID
    code, said = shop.check(cwd=shop.path / "deploy")
    assert (code, said.splitlines()[0]) == (4, SAID)


def test_a_linked_worktree(shop: Committing, tmp_path: Path) -> None:
    shop.repo.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    (linked / "deploy/web.yaml").write_text(WRONG, encoding="utf-8")
    assert shop.git("commit", "--quiet", "-am", "x", cwd=linked).lines[0] == SAID
    shop.stage({"deploy/b.yaml": config_map("b")})
    assert shop.commit() == (True, ""), "the other work tree has its own index"


@pytest.mark.parametrize("relative", [False, True])
def test_a_repository_whose_git_folder_is_elsewhere(shop: Committing, tmp_path: Path, relative: bool) -> None:
    home = tmp_path / "home"
    (shop.path / ".git").rename(tmp_path / "dot.git")
    shop.path.rename(home)
    (home / "deploy/web.yaml").write_text(WRONG, encoding="utf-8")
    git_dir = "../dot.git" if relative else str(tmp_path / "dot.git")
    where = [f"--git-dir={git_dir}", "--work-tree=." if relative else f"--work-tree={home}"]
    done = shop.git(*where, "commit", "--quiet", "-am", "x", cwd=home)
    assert not done.made
    assert done.lines[0] == SAID
    environ = {"GIT_DIR": git_dir, "GIT_WORK_TREE": "." if relative else str(home)}
    done = shop.git("commit", "--quiet", "-am", "x", "--", "deploy/web.yaml", cwd=home, environ=environ)
    assert done.lines[0] == "fatal: paths 'deploy/web.yaml ...' with -a does not make sense"
    done = shop.git("commit", "--quiet", "-m", "x", "--", "deploy/web.yaml", cwd=home, environ=environ)
    assert done.lines[0] == SAID


def test_an_editor_that_sets_the_variables_of_another_repository(
    shop: Committing, git_repo: Callable[..., GitRepo]
) -> None:
    other = git_repo("other")
    other.commit("other", {"x": "y"})
    shop.stage({"deploy/web.yaml": WRONG})
    there = {
        "GIT_DIR": str(shop.path / ".git"),
        "GIT_WORK_TREE": str(shop.path),
        "GIT_INDEX_FILE": str(shop.path / ".git/index"),
    }
    code, said = shop.check(cwd=shop.path, environ={**there, "GIT_EDITOR": "false", "GIT_PREFIX": "deploy/"})
    assert (code, said.splitlines()[0]) == (4, SAID)
    assert shop.check(cwd=other.path)[0] == 0


def test_a_bare_repository_has_nothing_staged(shop: Committing, tmp_path: Path) -> None:
    bare = shop.repo.clone_bare(tmp_path / "bare.git")
    with pytest.raises(Unready, match="no work tree"):
        staged(os.environ, bare)


def test_a_submodule_and_the_repository_around_it(shop: Committing, git_repo: Callable[..., GitRepo]) -> None:
    around = Committing(git_repo("around"), {"sloth.lua": LUA, "deploy/x.yaml": config_map("x")})
    around.repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shop.path), "deploy/sub")
    assert around.commit() == (True, "")
    inside = around.path / "deploy/sub"
    hooks = Path(around.repo.git("-C", "deploy/sub", "rev-parse", "--path-format=absolute", "--git-path", "hooks"))
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-commit").write_bytes((shop.path / ".git/hooks/pre-commit").read_bytes())
    (hooks / "pre-commit").chmod(0o755)
    (inside / "deploy/web.yaml").write_text(WRONG, encoding="utf-8")
    assert around.git("commit", "--quiet", "-am", "x", cwd=inside).lines[0] == SAID
    assert around.git("commit", "--quiet", "--no-verify", "-am", "x", cwd=inside).made
    assert around.commit("-a") == (True, ""), "what is in a submodule is that repository's"


# --- in the middle of something ------------------------------------------------------------------------------------


@pytest.fixture
def parted(shop: Committing) -> Committing:
    """On main, with a branch `theirs` that changes the same line and brings a file that is wrong."""
    shop.repo.branch("theirs")
    shop.repo.git("checkout", "--quiet", "theirs")
    shop.repo.write({"deploy/a.yaml": config_map("a", k="theirs"), "deploy/web.yaml": WRONG})
    assert shop.commit("-a", "--no-verify").made
    shop.repo.checkout("main")
    shop.stage({"deploy/a.yaml": config_map("a", k="ours")})
    assert shop.commit().made
    return shop


@pytest.mark.parametrize("command", ["merge", "cherry-pick", "rebase"])
def test_files_that_are_not_merged_yet_are_told_and_block_nothing(parted: Committing, command: str) -> None:
    assert not parted.git(command, "theirs").made
    assert parted.check() == (0, "sloth-ci: nothing was checked: 1 file not merged yet\n")


def test_a_merge_is_not_held_to_what_the_other_side_has(parted: Committing) -> None:
    assert not parted.git("merge", "--quiet", "theirs").made
    parted.stage({"deploy/a.yaml": config_map("a", k="both")})
    assert parted.commit() == (True, "")


def test_a_merge_is_held_to_what_it_makes_of_both(parted: Committing) -> None:
    assert not parted.git("merge", "--quiet", "theirs").made
    parted.stage({"deploy/a.yaml": "kind: [\n"})
    assert parted.commit().lines[0].startswith("deploy/a.yaml:2: ")


def test_a_cherry_pick_that_goes_on(parted: Committing) -> None:
    assert not parted.git("cherry-pick", "theirs").made
    parted.stage({"deploy/a.yaml": config_map("a", k="both")})
    done = parted.git("cherry-pick", "--continue", environ={"GIT_EDITOR": "true"})
    assert not done.made
    assert SAID in done.lines


def test_a_rebase_with_a_detached_head(parted: Committing) -> None:
    parted.stage({"deploy/c.yaml": config_map("c")})
    assert parted.commit().made
    assert not parted.git("rebase", "--quiet", "theirs").made
    parted.stage({"deploy/a.yaml": config_map("a", k="both")})
    assert parted.git("rebase", "--continue", environ={"GIT_EDITOR": "true"}).made
    parted.stage({"deploy/bad.yaml": "kind: [\n"})
    assert not parted.commit().made


# --- what is here --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse_index", ["true", "false"])
def test_a_sparse_checkout(git_repo: Callable[..., GitRepo], sparse_index: str) -> None:
    elsewhere = {"elsewhere/deep/x.yaml": config_map("x"), "elsewhere/y.yaml": "kind: [\n"}
    shop = Committing(git_repo(), BASE | elsewhere)
    shop.repo.git("config", "index.sparse", sparse_index)
    shop.repo.git("sparse-checkout", "set", "--cone", "deploy")
    assert not (shop.path / "elsewhere").exists()
    shop.stage({"deploy/b.yaml": config_map("b")})
    assert shop.commit() == (True, "")
    shop.stage({"deploy/web.yaml": WRONG, "deploy/x.yaml": config_map("a")})
    assert [line.split(":")[0] for line in shop.commit().lines[:2]] == ["deploy/web.yaml", "deploy/x.yaml"]


def test_windows_line_ends(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.git("config", "core.autocrlf", "true")
    shop = Committing(repo, {name: text.replace("\n", "\r\n") for name, text in BASE.items()})
    assert b"\r" not in shop.repo.git("cat-file", "blob", "HEAD:deploy/web.yaml").encode()
    shop.stage({"deploy/b.yaml": config_map("b").replace("\n", "\r\n")})
    assert shop.commit().made
    shop.stage({"deploy/web.yaml": WRONG.replace("\n", "\r\n")})
    assert SAID in shop.commit().lines
    shop.repo.git("config", "core.autocrlf", "false")
    shop.stage({"deploy/web.yaml": WRONG.replace("\n", "\r\n"), "sloth.lua": LUA.replace("\n", "\r\n")})
    assert SAID in shop.commit().lines, "kept as they are"


def test_names_that_are_no_plain_words(shop: Committing) -> None:
    shop.stage({"deploy/a b.yaml": WRONG.replace("web", "b"), "deploy/ü\n.yaml": "kind: [\n"})
    done = shop.commit()
    assert done.lines[0].startswith("deploy/a b.yaml:6: Deployment/b: ")
    assert done.lines[1].startswith(r'"deploy/ü\n.yaml":2: ')


def test_a_partial_clone_fetches_nothing(shop: Committing, tmp_path: Path) -> None:
    bare = shop.repo.clone_bare(tmp_path / "bare.git")
    shop.repo.git("-C", str(bare), "config", "uploadpack.allowFilter", "true")
    folder = tmp_path / "partial"
    shop.repo.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{bare}", str(folder))
    partial = Committing(GitRepo(folder))
    partial.repo.git("sparse-checkout", "set", "--cone", "deploy")
    partial.repo.git("checkout", "--quiet", "main")
    bare.rename(tmp_path / "gone.git")
    partial.stage({"deploy/web.yaml": WRONG})
    assert partial.commit().lines[0] == SAID
