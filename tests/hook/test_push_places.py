"""The places and states that a repository can be in when somebody pushes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.pushing import LUA, Pusher, configmap, is_running, until

NOTHING = "sloth-ci: nothing deployed changes"
IMAGE = "image 1 → 2"
MERGING = "sloth-ci: merging this into main changes production"


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    return Pusher(tmp_path)


def test_a_linked_worktree(pusher: Pusher, tmp_path: Path) -> None:
    """Its report goes to its own git directory."""
    place = tmp_path / "linked"
    pusher.checkout.git("worktree", "add", "-q", "-b", "feature", str(place))
    (place / "k8s/web.yaml").write_text(dump(deployment(image="web:2")))
    pusher.git("commit", "-qam", "image", cwd=place)
    push = pusher.push("origin", "feature", cwd=place)
    assert push.worked
    assert IMAGE in push.said
    assert (pusher.checkout.path / ".git/worktrees/linked/sloth-ci/push.txt").exists()
    assert not (pusher.checkout.path / ".git/sloth-ci").exists()


def test_worktrees_of_a_bare_repository(pusher: Pusher, tmp_path: Path) -> None:
    """`.bare` beside its work trees, with a `.git` file that names it: fetched by a refspec of its own."""
    project = tmp_path / "project"
    project.mkdir()
    pusher.git("clone", "-q", "--bare", str(pusher.origin), str(project / ".bare"), cwd=tmp_path)
    (project / ".git").write_text("gitdir: ./.bare\n")
    pusher.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*", cwd=project)
    pusher.git("fetch", "-q", cwd=project)
    pusher.git("worktree", "add", "-q", "-b", "feature", "feature", cwd=project)
    pusher.install(repository=project / "feature")
    (project / "feature/k8s/web.yaml").write_text(dump(deployment(image="web:2")))
    pusher.git("commit", "-qam", "image", cwd=project / "feature")
    for place in (project / "feature", project, project / ".bare"):
        push = pusher.push("origin", f"feature:from-{len(str(place))}", cwd=place)
        assert push.worked
        assert IMAGE in push.said, place


def test_a_git_directory_far_from_its_work_tree(pusher: Pusher, tmp_path: Path) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    away = tmp_path / "away.git"
    (pusher.checkout.path / ".git").rename(away)
    push = pusher.push(
        "origin", "feature", git=(f"--git-dir={away}", f"--work-tree={pusher.checkout.path}"), cwd=tmp_path
    )
    assert push.worked
    assert IMAGE in push.said
    relative = ("--git-dir=away.git", "--work-tree=shop")
    assert IMAGE in pusher.push("origin", "feature:other", git=relative, cwd=tmp_path).said


def test_from_an_editor_that_has_git_variables_set(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    env = {
        "GIT_DIR": ".git",
        "GIT_INDEX_FILE": ".git/index",
        "GIT_WORK_TREE": ".",
        "GIT_PREFIX": "k8s/",
        "GIT_EDITOR": "false",
    }
    push = pusher.push("origin", "feature", env=env)
    assert push.worked
    assert IMAGE in push.said
    assert IMAGE in pusher.push("origin", "feature:b", cwd=pusher.checkout.path / "k8s").said


def test_from_inside_a_submodule(pusher: Pusher, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    pusher.git("init", "-q", str(outer), cwd=tmp_path)
    pusher.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(pusher.origin), "inner", cwd=outer
    )
    inner = outer / "inner"
    pusher.install(repository=inner)
    pusher.git("checkout", "-q", "-b", "feature", cwd=inner)
    (inner / "k8s/web.yaml").write_text(dump(deployment(image="web:2")))
    pusher.git("commit", "-qam", "image", cwd=inner)
    push = pusher.push("origin", "feature", cwd=inner)
    assert push.worked
    assert IMAGE in push.said


def test_with_a_submodule_inside(pusher: Pusher, tmp_path: Path) -> None:
    library = tmp_path / "library"
    pusher.git("clone", "-q", str(pusher.origin), str(library), cwd=tmp_path)
    pusher.checkout.branch("feature")
    pusher.checkout.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "k8s/library")
    pusher.change()
    push = pusher.push("origin", "feature")
    assert push.worked
    assert IMAGE in push.said
    assert "is a submodule" in push.said


def test_a_sparse_checkout_without_the_manifests(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    pusher.checkout.git("sparse-checkout", "set", "docs")
    assert not (pusher.checkout.path / "k8s").exists()
    push = pusher.push("origin", "feature")
    assert push.worked
    assert IMAGE in push.said


def test_a_rebase_that_is_not_done(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    pusher.checkout.branch("other", "main")
    pusher.change("web:3")
    pusher.checkout.git("rebase", "feature", check=False)
    assert (pusher.checkout.path / ".git/rebase-merge").exists()
    push = pusher.push("origin", "feature")
    assert push.worked
    assert IMAGE in push.said
    assert IMAGE in pusher.run().said  # HEAD is detached, on top of feature


def test_windows_line_ends(pusher: Pusher) -> None:
    """Line ends are no change of an object, with a `.gitattributes` and without."""
    crlf = dump(deployment()).replace("\n", "\r\n")
    pusher.checkout.commit("crlf", {"k8s/web.yaml": crlf})
    assert b"\r\n" in (pusher.checkout.path / "k8s/web.yaml").read_bytes()
    assert pusher.push("origin", "main").ours.startswith(NOTHING)
    text = crlf.replace("web:1", "web:2")
    pusher.checkout.commit("attributes", {".gitattributes": "*.yaml text eol=crlf\n", "k8s/web.yaml": text})
    push = pusher.push("origin", "main")
    assert push.worked
    assert IMAGE in push.said


def test_a_lua_file_with_windows_line_ends(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua=(LUA % "").replace("\n", "\r\n"))
    pusher.change()
    assert IMAGE in pusher.push("origin", "main").said


@pytest.mark.parametrize("name", ["team/feature/x", "zweig-für-später", "分支", "-dash", "a@b"])
def test_names_of_branches(pusher: Pusher, name: str) -> None:
    pusher.checkout.git("checkout", "-q", "-b", "local")
    pusher.change()
    push = pusher.push("origin", f"HEAD:refs/heads/{name}")
    assert push.worked
    assert MERGING in push.said


def test_a_detached_head(pusher: Pusher) -> None:
    pusher.checkout.git("checkout", "-q", "--detach")
    pusher.change()
    push = pusher.push("origin", "HEAD:refs/heads/feature")
    assert push.worked
    assert IMAGE in push.said


def test_no_commit_in_common(pusher: Pusher) -> None:
    pusher.checkout.git("checkout", "-q", "--orphan", "other")
    pusher.change()
    push = pusher.push("origin", "other")
    assert "no preview" not in push.said
    assert MERGING in push.said
    assert "git_merge" in push.said


def test_a_default_branch_of_another_name(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path)
    pusher.git("branch", "-m", "main", "trunk", cwd=pusher.origin)
    pusher.checkout.git("fetch", "-q", "--prune")
    pusher.checkout.git("remote", "set-head", "origin", "trunk")
    pusher.checkout.branch("feature")
    pusher.change()
    assert "merging this into trunk changes production" in pusher.push("origin", "feature").said
    # Nobody has said what it is, and the branch here follows it.
    pusher.checkout.git("remote", "set-head", "origin", "--delete")
    pusher.checkout.git("branch", "-q", "--set-upstream-to=origin/trunk")
    assert "merging this into trunk changes production" in pusher.push("origin", "HEAD:b").said


def test_a_sha256_repository(tmp_path: Path) -> None:
    from support.gitrepo import GitRepo

    pusher = Pusher(tmp_path)
    place = tmp_path / "long"
    pusher.git("init", "-q", "--object-format=sha256", "-b", "main", str(place), cwd=tmp_path)
    repo = GitRepo(place)
    repo.commit("first", {"sloth.lua": LUA % "", "k8s/web.yaml": dump(deployment())})
    pusher.git("init", "-q", "--bare", "--object-format=sha256", "-b", "main", str(tmp_path / "long.git"), cwd=tmp_path)
    repo.git("remote", "add", "origin", str(tmp_path / "long.git"))
    pusher.install(repository=place)
    push = pusher.push("origin", "main", cwd=place)
    assert push.worked
    assert "1 created" in push.said
    repo.branch("feature")
    repo.commit("image", {"k8s/web.yaml": dump(deployment(image="web:2"))})
    push = pusher.push("origin", "feature", cwd=place)
    assert IMAGE in push.said
    assert pusher.push("origin", ":feature", cwd=place).worked


# --- what is not here


def test_a_main_that_was_never_fetched_is_no_fault(pusher: Pusher) -> None:
    """Git itself says what main is: a commit that somebody else pushed."""
    pusher.change()
    pusher.upstream("theirs", {"k8s/more.yaml": configmap("more", a="1")})
    push = pusher.push("--force", "origin", "main")
    assert push.worked
    assert "which is not here" in push.said
    assert "git fetch origin" in push.said
    assert len(push.ours.splitlines()) == 1


def test_a_shallow_clone(pusher: Pusher, tmp_path: Path) -> None:
    for number in range(3):
        pusher.checkout.commit(f"words {number}", {"README.md": f"{number}\n"})
    pusher.push("--no-verify", "origin", "main")
    place = tmp_path / "shallow"
    pusher.git("clone", "-q", "--depth=1", f"file://{pusher.origin}", str(place), cwd=tmp_path)
    pusher.install(repository=place)
    pusher.git("checkout", "-q", "-b", "feature", cwd=place)
    (place / "k8s/web.yaml").write_text(dump(deployment(image="web:2")))
    pusher.git("commit", "-qam", "image", cwd=place)
    assert IMAGE in pusher.push("origin", "feature", cwd=place).said
    # The branch that main has left meanwhile meets it in what was cut off.
    pusher.upstream("theirs", {"README.md": "theirs\n"})
    pusher.git("fetch", "-q", "--depth=1", "origin", "+main:refs/remotes/origin/main", cwd=place)
    push = pusher.push("origin", "feature:other", cwd=place)
    assert push.worked
    assert "no preview" in push.said
    assert "git fetch --unshallow origin" in push.said


def test_a_partial_clone_fetches_nothing(pusher: Pusher, tmp_path: Path) -> None:
    pusher.git("config", "uploadpack.allowFilter", "true", cwd=pusher.origin)
    pusher.checkout.commit("more", {"k8s/more.yaml": configmap("more", a="1")})
    pusher.push("--no-verify", "origin", "main")
    place = tmp_path / "partial"
    pusher.git(
        "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{pusher.origin}", str(place), cwd=tmp_path
    )
    pusher.install(repository=place)
    pusher.git("sparse-checkout", "set", "docs", cwd=place)
    pusher.git("checkout", "-q", "-b", "feature", cwd=place)
    missing = pusher.git("rev-list", "--objects", "--missing=print", "HEAD", cwd=place).count("?")
    assert missing
    pusher.git("commit", "-q", "--allow-empty", "-m", "words", cwd=place)
    assert pusher.push("origin", "feature:a", cwd=place).ours.startswith(NOTHING)  # which takes no look into any file
    (place / "k8s").mkdir()
    (place / "k8s/new.yaml").write_text(configmap("new", a="1"))
    pusher.git("add", "--sparse", "k8s/new.yaml", cwd=place)
    pusher.git("commit", "-qm", "new", cwd=place)
    push = pusher.push("origin", "feature", cwd=place)
    assert push.worked
    assert "no preview" in push.said
    assert "partial clone" in push.said
    assert "git fetch --refetch --no-filter origin" in push.said
    assert pusher.git("rev-list", "--objects", "--missing=print", "HEAD", cwd=place).count("?") == missing
    pusher.git("fetch", "-q", "--refetch", "--no-filter", "origin", cwd=place)
    assert "1 created" in pusher.push("origin", "feature:b", cwd=place).said


def test_nothing_is_fetched_and_nobody_is_asked(pusher: Pusher, tmp_path: Path) -> None:
    """The remote is away: what was seen of it last is enough."""
    pusher.checkout.branch("feature")
    pusher.change()
    pusher.origin.rename(tmp_path / "away.git")
    line = f"refs/heads/feature {pusher.checkout.head} refs/heads/feature {'0' * 40}\n"
    assert IMAGE in pusher.run("origin", str(pusher.origin), stdin=line).said


def test_a_remote_base_is_not_fetched(pusher: Pusher) -> None:
    kustomization = "resources: [web.yaml, 'https://git.example.com/acme/base?ref=v1']\n"
    lua = LUA % "render = { allow_remote_bases = true },"
    pusher.checkout.commit("remote", {"k8s/kustomization.yaml": kustomization, "sloth.lua": lua})
    assert pusher.push("--no-verify", "origin", "main").worked
    pusher.checkout.git("fetch", "-q")
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert push.codes == [0]
    assert "nothing is fetched here" in push.said


# --- ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_killed_in_the_middle_it_leaves_nothing_in_the_way(
    pusher: Pusher, tmp_path: Path, number: signal.Signals
) -> None:
    """The renderer hangs and the hook is ended: no lock and no half of a cache is left, and no temporary folder if it can help it."""
    slow = tmp_path / "bin/kustomize"
    slow.parent.mkdir()
    slow.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/starting\nmv {tmp_path}/starting {tmp_path}/started\nexec sleep 60\n"
    )
    slow.chmod(0o755)
    pusher.checkout.commit("kustomization", {"k8s/kustomization.yaml": "resources: [web.yaml]\n"})
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    line = f"HEAD {pusher.checkout.head} refs/heads/main {pusher.checkout.sha('origin/main')}\n"
    (tmp_path / "refs").write_text(line)
    with (tmp_path / "refs").open() as refs, (tmp_path / "said").open("w") as said:
        hook = subprocess.Popen(
            [sys.executable, "-m", "sloth_ci.cli", "hook", "run", "pre-push", "origin", str(pusher.origin)],
            cwd=pusher.checkout.path,
            env={
                **pusher.environ,
                "PATH": f"{slow.parent}{os.pathsep}{os.environ['PATH']}",
                "TMPDIR": str(temporary),
            },
            stdin=refs,
            stderr=said,
        )
        until((tmp_path / "started").exists)
        hook.send_signal(number)
        code = hook.wait(120)
    renderer = int((tmp_path / "started").read_text())
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
        os.kill(renderer, signal.SIGKILL)
    else:
        assert code == 130
        assert not list(temporary.iterdir())
        assert (tmp_path / "said").read_text() == "sloth-ci: stopped\n"
        until(lambda: not is_running(renderer))
    pusher.checkout.commit("plain", {"README.md": "words\n"}, delete=["k8s/kustomization.yaml"])
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert IMAGE in push.said
