"""Opening repositories and asking them: clones in the cache and checkouts that are used in place."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import RenderError, RepositoryError, UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.tree import ChangedPath
from support.gitrepo import FIRST_COMMIT, GitRepo

Open = Callable[..., Repository]


@pytest.fixture
def upstream(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """Ten commits on `main`, each with another content of `app/a.yaml`; a branch, a tag."""
    repo = git_repo("upstream")
    for number in range(10):
        repo.commit(f"change {number}", {"app/a.yaml": f"n: {number}\n", "README.md": "x"})
    repo.git("tag", "-a", "v1", "-m", "one", "HEAD~3")
    repo.branch("feature/x", "HEAD~5")
    repo.commit("on the side", {"app/b.yaml": "b: 1\n"})
    repo.checkout("main")
    return repo


def shallow(upstream: GitRepo, path: Path, *extra: str) -> GitRepo:
    """A clone as `actions/checkout` makes it: one commit, HEAD detached."""
    upstream.git("clone", "--quiet", "--depth=1", *extra, f"file://{upstream.path}", str(path))
    clone = GitRepo(path)
    clone.checkout(clone.head)
    clone.git("branch", "--delete", "--force", "main")
    return clone


def everything_of(repo: GitRepo) -> str:
    """All that the user owns in a checkout: HEAD, branches, tags, tracking refs, index, files."""
    refs = repo.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes")
    return "\n".join(
        [repo.git("rev-parse", "HEAD"), refs, repo.git("status", "--porcelain"), repo.git("ls-files", "-s")]
    )


def test_a_clone_answers_about_its_remote(upstream: GitRepo, opened: Open) -> None:
    repo = opened(upstream.path)
    assert repo.default_branch() == "main"
    assert repo.branch_tip("main") == upstream.head
    assert repo.work_tree is None
    assert repo.resolve("HEAD") == upstream.head
    assert repo.resolve("v1") == upstream.sha("v1^{commit}")
    assert repo.resolve("refs/tags/v1") == upstream.sha("v1^{commit}")
    assert repo.resolve("origin/feature/x") == upstream.sha("feature/x")
    assert repo.resolve("main~2^") == upstream.sha("main~3")
    assert repo.resolve(upstream.sha("feature/x")[:9]) == upstream.sha("feature/x")
    assert repo.resolve(upstream.sha("main~9").upper()) == upstream.sha("main~9")


def test_what_the_remote_has_is_asked_once_and_again_on_fetch(upstream: GitRepo, opened: Open) -> None:
    repo = opened(upstream.path)
    old = repo.branch_tip("main")
    new = upstream.commit("more", {"app/a.yaml": "n: 99\n"})
    assert repo.branch_tip("main") == old
    repo.fetch("main")
    assert repo.branch_tip("main") == new
    assert [c.subject for c in repo.commits(old, "main")] == ["more"]


def test_unknown_names_come_with_the_nearest(upstream: GitRepo, opened: Open) -> None:
    repo = opened(upstream.path)
    with pytest.raises(UsageError, match="no branch 'mian'") as caught:
        repo.branch_tip("mian")
    assert caught.value.hint == "did you mean 'main'?"
    with pytest.raises(UsageError, match="no branch, tag or commit 'v2'") as caught:
        repo.resolve("v2")
    assert caught.value.hint == "did you mean 'v1'?"
    for name in ("f" * 40, "abcdef12", "main~99", "main:app", "--all", "a\nb", "", "refs/pull/1/head"):
        with pytest.raises(UsageError):
            repo.resolve(name)


def test_an_ambiguous_short_id_is_an_error(upstream: GitRepo, opened: Open) -> None:
    stream = "".join(f"commit refs/heads/many\ncommitter A <a@b> {number} +0000\ndata 1\nx\n" for number in range(1500))
    subprocess.run(["git", "-C", str(upstream.path), "fast-import", "--quiet"], input=stream.encode(), check=True)
    ids = sorted(upstream.git("rev-list", "many").split())
    double = next(a[:4] for a, b in itertools.pairwise(ids) if a[:4] == b[:4])
    repo = opened(upstream.path)
    repo.fetch()
    with pytest.raises(RepositoryError, match="could mean several"):
        repo.resolve(double)


def test_an_empty_repository(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = opened(git_repo("empty").path)
    with pytest.raises(RepositoryError, match="is empty"):
        repo.default_branch()
    with pytest.raises(UsageError):
        repo.branch_tip("main")


def test_paths_that_are_no_repository(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(GitError, match="not a Git repository"):
        opened(tmp_path / "plain").default_branch()
    with pytest.raises(GitError, match="does not exist") as caught:
        opened(tmp_path / "missing").default_branch()
    assert caught.value.unreachable


def test_a_bare_remote_with_a_space_relative_to_the_folder(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    upstream.clone_bare(tmp_path / "with space" / "r.git")
    for url in ("../with space/r.git", f"file://{tmp_path}/with%20space/r.git"):
        assert opened(url).branch_tip("main") == upstream.head


# --- a checkout that is used in place ----------------------------------------------------------------------------


def test_the_checkout_is_used_where_it_is_the_same_repository(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    bare = upstream.clone_bare(tmp_path / "bare.git")
    upstream.git("remote", "set-url", "origin", "git@GitHub.com:Company/Infra.git")
    for url in (".", upstream.path, "https://github.com/company/infra", "company/infra"):
        assert opened(url, cwd=upstream.path).work_tree == upstream.path
    assert opened(".", cwd=upstream.path / "app").work_tree == upstream.path
    assert opened(bare, cwd=upstream.path).work_tree is None
    assert opened("company/other", cwd=upstream.path).work_tree is None


def test_a_token_of_the_workflow_goes_with_its_own_url(upstream: GitRepo, opened: Open) -> None:
    upstream.git("remote", "add", "origin", "git@github.com:company/infra.git")
    token = Credentials(type="token", token="s3cret")
    repo = opened("https://github.com/company/infra", cwd=upstream.path, credentials=token)
    assert repo.remote is not None
    assert repo.remote.address.text == "https://github.com/company/infra"
    other = opened("https://github.com/company/infra", cwd=upstream.path)
    assert other.remote is not None
    assert other.remote.address.text == "git@github.com:company/infra.git"


def test_names_in_a_checkout_mean_what_git_means(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    upstream.clone_bare(tmp_path / "bare.git")
    ahead = upstream.commit("not pushed")
    repo = opened(cwd=upstream.path)
    assert repo.resolve("main") == ahead
    assert repo.resolve("HEAD") == repo.resolve("@") == ahead
    assert repo.resolve("origin/main") == upstream.sha("HEAD~1")
    assert repo.resolve("HEAD@{1}") == upstream.sha("HEAD~1")
    assert repo.branch_tip("main") == upstream.sha("HEAD~1")


def test_a_shallow_detached_checkout_is_deepened_as_far_as_needed(
    upstream: GitRepo, tmp_path: Path, opened: Open
) -> None:
    clone = shallow(upstream, tmp_path / "ci")
    before = everything_of(clone)
    repo = opened(cwd=clone.path)
    assert repo.work_tree == clone.path
    assert repo.branch_tip("main") == upstream.head
    assert repo.branch_tip("feature/x") == upstream.sha("feature/x")
    assert repo.fetcher.shallow
    assert repo.resolve(upstream.sha("HEAD~4")) == upstream.sha("HEAD~4")
    assert [c.path for c in repo.changed("feature/x", "HEAD")] == ["app/a.yaml", "app/b.yaml"]
    assert repo.merge_base("feature/x", "HEAD") == upstream.sha("HEAD~5")
    assert len(repo.commits(upstream.sha("HEAD~7"), "HEAD")) == 7
    assert repo.resolve("HEAD~9") == upstream.sha("HEAD~9")
    assert repo.is_ancestor(upstream.sha("HEAD~9"), "HEAD")
    assert not repo.is_ancestor("feature/x", "HEAD")
    assert everything_of(clone) == before


def test_a_short_id_below_the_cut_is_found(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    clone = shallow(upstream, tmp_path / "ci")
    assert opened(cwd=clone.path).resolve(upstream.sha("HEAD~8")[:10]) == upstream.sha("HEAD~8")


def test_a_local_commit_on_a_shallow_clone_is_deepened_too(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    clone = shallow(upstream, tmp_path / "ci")
    mine = clone.commit("only here", {"app/c.yaml": "c: 1\n"})
    repo = opened(cwd=clone.path)
    assert repo.resolve("HEAD~6") == upstream.sha("HEAD~5")
    assert repo.merge_base(mine, "feature/x") == upstream.sha("HEAD~5")


def test_a_first_parent_below_the_cut_is_no_first_commit(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    clone = shallow(upstream, tmp_path / "ci")
    repo = opened(cwd=clone.path)
    assert repo.commit("HEAD").parents == ()
    assert repo.first_parent("HEAD") == upstream.sha("HEAD~1")
    assert repo.first_parent(upstream.sha("HEAD~9")) is None


def test_a_shallow_checkout_without_a_remote_says_so(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    clone = shallow(upstream, tmp_path / "ci")
    clone.git("remote", "remove", "origin")
    with pytest.raises(GitError, match="cut off"):
        opened(cwd=clone.path).resolve("HEAD~2")


def test_a_pull_request_ref_is_fetched(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    upstream.git("update-ref", "refs/pull/7/merge", "feature/x")
    clone = shallow(upstream, tmp_path / "ci")
    assert opened(cwd=clone.path).resolve("refs/pull/7/merge") == upstream.sha("feature/x")


def test_a_checkout_of_another_user(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    clone = shallow(upstream, tmp_path / "ci")
    for owned in (clone, upstream):
        for folder, _, files in os.walk(owned.path):
            for name in ("", *files):
                os.lchown(Path(folder) / name, 1001, 1001)
    assert (
        "dubious ownership"
        in subprocess.run(["git", "-C", str(clone.path), "status"], capture_output=True, text=True, check=False).stderr
    )
    repo = opened(cwd=clone.path)
    assert repo.work_tree == clone.path
    assert repo.resolve("HEAD~3") == repo.resolve("main~3")
    assert opened(upstream.path).default_branch() == "main"


def test_inherited_git_variables_change_nothing(
    upstream: GitRepo, git_repo: Callable[..., GitRepo], opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = git_repo("other")
    other.commit("other", {"x": "1"})
    for name, value in (("DIR", other.path / ".git"), ("WORK_TREE", other.path), ("INDEX_FILE", "/nowhere/index")):
        monkeypatch.setenv(f"GIT_{name}", str(value))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='true'")
    repo = opened(cwd=upstream.path)
    monkeypatch.undo()
    assert repo.resolve("HEAD") == upstream.head
    assert opened(upstream.path).branch_tip("main") == upstream.head


def test_a_linked_work_tree_has_its_own_head(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    upstream.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "feature/x")
    repo = opened(cwd=tmp_path / "linked")
    assert repo.work_tree == tmp_path / "linked"
    assert repo.resolve("HEAD") == upstream.sha("feature/x")
    assert repo.branch_tip("main") == upstream.sha("main")
    assert opened(upstream.path, cwd=tmp_path / "linked").work_tree == tmp_path / "linked"


def test_no_hook_and_no_monitor_of_the_checkout_runs(upstream: GitRepo, tmp_path: Path, opened: Open) -> None:
    upstream.clone_bare(tmp_path / "bare.git")
    for name in ("pre-push", "reference-transaction", "post-checkout", "monitor"):
        upstream.write({f".git/hooks/{name}": f"#!/bin/sh\ntouch {tmp_path}/{name}-ran\n"})
        (upstream.path / ".git/hooks" / name).chmod(0o755)
    upstream.git("config", "core.fsmonitor", str(upstream.path / ".git/hooks/monitor"))
    repo = opened(cwd=upstream.path)
    repo.fetch()
    repo.changed("HEAD~1", "HEAD")
    repo.push_remote.push("HEAD:refs/heads/pushed")
    assert not list(tmp_path.glob("*-ran"))


# --- differences and history -------------------------------------------------------------------------------------


def test_changes_are_raw(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    base = repo.commit("1", {"a/keep": "1", "a/mod": "1", "a/gone": "same", "b/x": "1", "a/t": "1"})
    (repo.path / "a/t").unlink()
    (repo.path / "a/t").symlink_to("keep")
    head = repo.commit("2", {"a/mod": "2", "a/new\nname é": "same", "b/x": "2"}, delete=["a/gone"])
    reader = opened(cwd=repo.path)
    changed = reader.changed(base, head, "a/")
    assert [(c.status, c.path) for c in changed] == [
        ("D", "a/gone"),
        ("M", "a/mod"),
        ("A", "a/new\nname é"),
        ("T", "a/t"),
    ]
    same = repo.sha(f"{base}:a/gone")
    assert changed[0] == ChangedPath("D", "a/gone", same, None)
    assert changed[2].old_blob is None
    assert changed[2].new_blob == same
    assert reader.changed(base, base) == []


def test_pathspec_magic_is_no_magic(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    base = repo.commit("1", {"*/a": "1", "b/a": "1"})
    head = repo.commit("2", {"*/a": "2", "b/a": "2"})
    assert [c.path for c in opened(cwd=repo.path).changed(base, head, "*")] == ["*/a"]


def test_merge_conflicts_below_a_path(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    repo.commit("base", {"a/x": "1\n", "b/x": "1\n", "a/y": "1\n"})
    repo.branch("side")
    repo.commit("side", {"a/x": "2\n", "b/x": "2\n", "a/y": "2\n"})
    repo.checkout("main")
    repo.commit("main", {"a/x": "3\n", "b/x": "3\n"})
    reader = opened(cwd=repo.path)
    assert reader.merge_conflicts("main", "side") == ["a/x", "b/x"]
    assert reader.merge_conflicts("main", "side", "a") == ["a/x"]
    assert reader.merge_conflicts("main", "main~1") == []


def test_unrelated_histories(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    repo.commit("one", {"a": "1"})
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.commit("two", {"a": "2"})
    reader = opened(cwd=repo.path)
    assert reader.merge_base("main", "alone") is None
    assert reader.merge_conflicts("main", "alone") == ["a"]


def test_commits_first_parent_newest_first(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    base = repo.commit("base", {"a/x": "1"})
    repo.branch("side")
    side = repo.commit("side", {"b/x": "1"})
    repo.checkout("main")
    repo.commit("other", {"c/x": "1"})
    merge = repo.merge("side", "Merge side\n\nSloth-Reverts: one\nSloth-Reverts: two\nSloth-Environment: prod\n")
    reader = opened(cwd=repo.path)
    first, second = reader.commits(base, "main")
    assert (first.sha, first.subject, second.subject) == (merge, "Merge side", "other")
    assert first.parents == (second.sha, side)
    assert first.trailer("sloth-reverts") == ["one", "two"]
    assert (first.author, first.email, first.time) == ("Test", "test@example.com", FIRST_COMMIT + 60 * 4)
    assert [c.subject for c in reader.commits(None, "main", ["b"])] == ["Merge side"]
    assert [c.subject for c in reader.commits(None, "main", limit=1)] == ["Merge side"]
    assert reader.commits("main", "main") == []
    assert reader.commit(base[:12]).subject == "base"


# --- the cache -----------------------------------------------------------------------------------------------------


def damage_head(path: Path) -> None:
    (path / "HEAD").write_text("")


def damage_pack(path: Path) -> None:
    for pack in (path / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])


def damage_objects(path: Path) -> None:
    shutil.rmtree(path / "objects")
    (path / "objects" / "pack").mkdir(parents=True)


def damage_loose(path: Path) -> None:
    for file in (path / "objects").glob("??/*"):
        file.chmod(0o644)
        file.write_bytes(b"")


def damage_config(path: Path) -> None:
    (path / "config").write_text("[core\n")


@pytest.mark.parametrize("damage", [damage_head, damage_pack, damage_objects, damage_loose, damage_config])
@pytest.mark.parametrize("unpack_limit", ["1", "1000"])
def test_a_damaged_clone_is_made_again_with_a_notice(
    upstream: GitRepo,
    opened: Open,
    notices: list[str],
    damage: Callable[[Path], None],
    unpack_limit: str,
    home: Path,
) -> None:
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[fetch]\n\tunpackLimit = {unpack_limit}\n")
    first = opened(upstream.path)
    first.fetch()
    first.close()
    damage(first.git_dir)
    repo = opened(upstream.path)
    assert repo.resolve("v1~2") == upstream.sha("v1~2")
    entries = repo.tree("feature/x").entries()
    assert len(list(repo.read(entry.blob for entry in entries))) == 3
    assert len(repo.commits(None, "main")) == 10
    assert len(notices) <= 1
    if damage is not damage_loose and not (damage is damage_pack and unpack_limit == "1000"):
        assert "damaged" in notices[0]


def test_a_clone_damaged_while_it_is_open(upstream: GitRepo, opened: Open, notices: list[str]) -> None:
    repo = opened(upstream.path)
    tree = repo.tree("main")
    damage_objects(repo.git_dir)
    repo.objects.restart()
    assert dict(tree.read([e.blob for e in tree.entries()]))
    assert len(notices) == 1


_TWO = """
import os, sys
from pathlib import Path
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo.opening import open_repository
sys.stdin.readline()
repo = open_repository(RepositorySpec(url=sys.argv[1]), cwd=Path(sys.argv[2]), environ=os.environ, cache_dir=Path(sys.argv[3]))
print(repo.branch_tip("main"), len(repo.tree("feature/x").entries()))
"""


def test_two_processes_on_one_cache(upstream: GitRepo, tmp_path: Path, python: str) -> None:
    """Both start at once, on a cache that is not there yet."""
    command = [python, "-c", _TWO, str(upstream.path), str(tmp_path), str(tmp_path / "cache")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate()
        assert (out.split(), err) == ([upstream.head, "3"], "")


def test_threads_share_a_repository(upstream: GitRepo, opened: Open) -> None:
    repo = opened(upstream.path)
    wanted = {upstream.sha(f"main~{n}"): f"n: {9 - n}\n".encode() for n in range(9)}
    found: dict[str, bytes] = {}

    def read(sha: str) -> None:
        tree = repo.tree(sha, "app")
        found[sha] = next(tree.read([entry.blob for entry in tree.entries()]))[1]

    threads = [threading.Thread(target=read, args=(sha,)) for sha in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


def test_a_reader_that_was_killed_is_started_again(upstream: GitRepo, opened: Open) -> None:
    repo = opened(cwd=upstream.path)
    repo.resolve("HEAD")
    process = repo.objects._process
    assert process is not None
    assert os.getpgid(process.pid) != os.getpgrp()
    process.kill()
    process.wait()
    assert repo.resolve("HEAD~1") == upstream.sha("HEAD~1")


def test_git_that_is_missing_is_explained(upstream: GitRepo, opened: Open, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git is not installed") as caught:
        opened(upstream.path, environ={"PATH": str(tmp_path)})
    assert caught.value.hint is not None
    assert "apt-get install git" in caught.value.hint


def test_a_git_that_is_too_old_is_explained(upstream: GitRepo, opened: Open, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "git"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\ntest "$1" = --version && echo git version 2.30.2 && exit 0\nexit 129\n')
    script.chmod(0o755)
    with pytest.raises(UsageError, match=r"git 2\.30 is too old"):
        opened(upstream.path, environ={"PATH": f"{script.parent}:{os.environ['PATH']}"})


def test_a_missing_target_path(upstream: GitRepo, opened: Open) -> None:
    repo = opened(upstream.path)
    with pytest.raises(RenderError, match=r"no folder 'apps' in .* at main \("):
        repo.tree("main", "apps")
    with pytest.raises(RenderError, match="is not a folder"):
        repo.tree("main", "app/a.yaml")
    with pytest.raises(RenderError, match="leads out"):
        repo.tree("main", "app/../..")
    assert repo.tree("main", "apps", missing_ok=True).entries() == []
    assert repo.tree("main", "./app/").path == "app"


@pytest.mark.parametrize("lease", [None, "refs/heads/x:"])
def test_a_push_to_a_bundle_says_what_takes_pushes(
    upstream: GitRepo, opened: Open, tmp_path: Path, lease: str | None
) -> None:
    upstream.git("bundle", "create", "-q", str(tmp_path / "all.bundle"), "--all")
    repository = opened(tmp_path / "all.bundle")
    assert repository.remote
    with pytest.raises(GitError, match="it is a bundle, which is only read") as caught:
        repository.remote.push(f"{repository.resolve('main')}:refs/heads/x", lease=lease)
    assert "`git init --bare`" in (caught.value.hint or "")
