"""Reverts on the remote's branch, seen from a clone in the cache, a checkout, and a repository without a remote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import RepositoryError, UsageError
from sloth_ci.repo.remote import Remote
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.revert import Revert, revert
from support.gitrepo import GitRepo

Open = Callable[..., Repository]
TRAILERS = {"Sloth-Environment": "production", "Sloth-Plan": "sha256:abc"}


class Project:
    """A bare remote and a work tree to push from."""

    def __init__(self, repo: GitRepo, bare: Path) -> None:
        self.repo = repo
        self.bare = bare

    def push(self, message: str, files: dict[str, str], delete: tuple[str, ...] = ()) -> str:
        sha = self.repo.commit(message, files, delete)
        self.repo.git("push", "--quiet", "origin", "HEAD")
        return sha

    def fetch(self) -> None:
        self.repo.git("fetch", "--quiet", "origin")

    def hook(self, name: str, text: str) -> None:
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def project(git_repo: Callable[..., GitRepo], tmp_path: Path) -> Project:
    repo = git_repo()
    repo.commit("start", {"k8s/app.yaml": "a\nb\nc\nd\ne\n", "src/main.py": "1\n"})
    return Project(repo, repo.clone_bare(tmp_path / "origin.git"))


def undo(
    repository: Repository, *commits: str, good: str, branch: str = "main", paths: tuple[str, ...] = ("k8s",)
) -> Revert:
    return revert(
        repository, branch, commits, restore_from=good, paths=paths, message="Revert it\n\nunhealthy", trailers=TRAILERS
    )


@pytest.mark.parametrize("reused", [False, True])
def test_one_commit_is_undone_and_what_came_later_stays(project: Project, opened: Open, reused: bool) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "BAD\nb\nc\nd\ne\n", "k8s/new.yaml": "n\n"})
    later = project.push("later", {"k8s/app.yaml": "BAD\nb\nc\nd\nE\n", "src/main.py": "2\n"})
    repository = opened(cwd=project.repo.path) if reused else opened(project.bare)
    result = undo(repository, bad, good=good)
    assert (result.status, result.method, result.branch) == ("pushed", "revert", "main")
    project.fetch()
    assert project.repo.sha("origin/main") == result.commit == repository.branch_tip("main")
    assert project.repo.sha("origin/main~1") == later
    assert project.repo.show("k8s/app.yaml", "origin/main") == "a\nb\nc\nd\nE"
    assert project.repo.files("origin/main") == ["k8s/app.yaml", "src/main.py"]
    body = project.repo.git("log", "-1", "--format=%B", "origin/main")
    assert body == (
        f"Revert it\n\nunhealthy\n\nSloth-Reverts: {bad}\nSloth-Environment: production\nSloth-Plan: sha256:abc"
    )
    assert project.repo.head == later
    assert project.repo.git("status", "--porcelain") == ""


def test_a_second_call_does_nothing(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    first = undo(opened(project.bare), bad, good=good)
    second = undo(opened(project.bare), bad, good=good)
    assert (second.status, second.commit) == ("already", first.commit)
    project.fetch()
    assert project.repo.log("origin/main") == ["Revert it", "bad", "start"]


def test_several_commits_in_one(project: Project, opened: Open) -> None:
    good = project.repo.head
    shas = [project.push(f"bad {n}", {"k8s/app.yaml": f"{n}\nb\nc\nd\ne\n"}) for n in range(3)]
    result = undo(opened(project.bare), *reversed(shas), good=good)
    assert (result.status, result.method) == ("pushed", "revert")
    project.fetch()
    assert project.repo.sha("origin/main^{tree}") == project.repo.sha(f"{good}^{{tree}}")
    assert project.repo.git("log", "-1", "--format=%(trailers:key=Sloth-Reverts,valueonly)", "origin/main").split() == [
        *reversed(shas)
    ]


@pytest.mark.parametrize("squash", [False, True])
def test_a_merge_is_undone_against_its_first_parent(project: Project, opened: Open, squash: bool) -> None:
    repo = project.repo
    repo.branch("side")
    repo.commit("side 1", {"k8s/app.yaml": "side\n"})
    repo.commit("side 2", {"k8s/more.yaml": "more\n"})
    repo.checkout("main")
    good = project.push("other", {"src/main.py": "3\n"})
    merge = repo.merge("side", squash=squash)
    repo.git("push", "--quiet", "origin", "main")
    result = undo(opened(project.bare), merge, good=good)
    assert (result.status, result.method) == ("pushed", "revert")
    project.fetch()
    assert repo.sha("origin/main^{tree}") == repo.sha(f"{good}^{{tree}}")


def test_a_conflict_restores_the_paths_and_nothing_else(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "1\n", "k8s/sub/x.yaml": "x\n", "src/main.py": "bad\n"})
    project.push("on top of it", {"k8s/app.yaml": "2\n", "src/main.py": "better\n"})
    result = undo(opened(project.bare), bad, good=good)
    assert (result.status, result.method) == ("pushed", "restore")
    project.fetch()
    assert project.repo.sha("origin/main:k8s") == project.repo.sha(f"{good}:k8s")
    assert project.repo.show("src/main.py", "origin/main") == "better"


def test_a_restore_of_a_file_and_of_what_was_not_there(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "1\n", "values.yaml": "v\n"})
    project.push("more", {"k8s/app.yaml": "2\n"})
    result = undo(opened(project.bare), bad, good=good, paths=("k8s/app.yaml", "values.yaml"))
    assert (result.status, result.method) == ("pushed", "restore")
    project.fetch()
    assert project.repo.files("origin/main") == ["k8s/app.yaml", "src/main.py"]
    assert project.repo.sha("origin/main^{tree}") == project.repo.sha(f"{good}^{{tree}}")


def test_a_revert_that_changes_nothing_is_not_pushed(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    back = project.push("somebody put it back by hand", {"k8s/app.yaml": "a\nb\nc\nd\ne\n"})
    result = undo(opened(project.bare), bad, good=good)
    assert (result.status, result.commit) == ("nothing", None)
    project.fetch()
    assert project.repo.sha("origin/main") == back


def test_a_commit_that_a_force_push_took_away(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    opened(project.bare).fetch("main")
    project.repo.git("reset", "--quiet", "--hard", good)
    project.repo.git("push", "--quiet", "--force", "origin", "main")
    result = undo(opened(project.bare), bad, good=good)
    assert result.status == "nothing"
    assert undo(opened(project.bare), "f" * 40, good=good).status == "nothing"


def test_the_first_commit_of_all(project: Project, opened: Open) -> None:
    first = project.repo.sha("HEAD")
    project.push("later", {"src/other.py": "x\n"})
    result = undo(opened(project.bare), first, good=first)
    assert (result.status, result.method) == ("pushed", "revert")
    project.fetch()
    assert project.repo.files("origin/main") == ["src/other.py"]


def test_below_the_cut_of_a_shallow_checkout(project: Project, opened: Open, tmp_path: Path) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.repo.git("clone", "--quiet", "--depth=1", f"file://{project.bare}", str(tmp_path / "ci"))
    result = undo(opened(cwd=tmp_path / "ci"), bad, good=good)
    assert (result.status, result.method) == ("pushed", "revert")
    project.fetch()
    assert project.repo.sha("origin/main^{tree}") == project.repo.sha(f"{good}^{{tree}}")


def test_a_branch_that_moves_meanwhile(project: Project, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody pushes between the computation and the push; twice."""
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    push, pushes = Remote.push, []

    def racing(self: Remote, refspec: str, *, lease: str | None = None) -> None:
        pushes.append(refspec)
        if len(pushes) <= 2:
            project.push(f"race {len(pushes)}", {"src/main.py": f"race {len(pushes)}\n"})
        push(self, refspec, lease=lease)

    monkeypatch.setattr(Remote, "push", racing)
    result = undo(opened(project.bare), bad, good=good)
    assert result.status == "pushed"
    assert len(pushes) == 3
    project.fetch()
    assert project.repo.log("origin/main") == ["Revert it", "race 2", "race 1", "bad", "start"]
    assert project.repo.show("src/main.py", "origin/main") == "race 2"


def test_a_branch_that_never_stands_still(project: Project, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    push = Remote.push

    def racing(self: Remote, refspec: str, *, lease: str | None = None) -> None:
        project.push("race", {})
        push(self, refspec, lease=lease)

    monkeypatch.setattr(Remote, "push", racing)
    with pytest.raises(RepositoryError, match="moved 5 times"):
        undo(opened(project.bare), bad, good=good)


def test_a_protected_branch_gets_a_branch_for_a_pull_request(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.hook(
        "pre-receive", "while read _ _ ref; do test $ref != refs/heads/main || { echo protected; exit 1; }; done"
    )
    result = undo(opened(project.bare), bad, good=good)
    assert (result.status, result.branch) == ("branch", f"sloth/revert-{bad[:10]}")
    assert "protected" in result.message
    project.fetch()
    assert project.repo.sha(f"origin/{result.branch}") == result.commit
    assert project.repo.sha(f"origin/{result.branch}~1") == project.repo.sha("origin/main") == bad
    again = undo(opened(project.bare), bad, good=good)
    assert (again.status, again.commit, again.branch) == ("branch", result.commit, result.branch)


def test_a_remote_that_refuses_everything(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.hook("pre-receive", "echo no >&2; exit 1")
    with pytest.raises(RepositoryError, match="pre-receive hook declined"):
        undo(opened(project.bare), bad, good=good)


def test_a_remote_that_is_away_queues_it(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    repository = opened(project.bare)
    repository.fetch("main")
    project.bare.rename(project.bare.with_suffix(".away"))
    result = undo(repository, bad, good=good)
    assert (result.status, result.commit) == ("queued", None)
    project.bare.with_suffix(".away").rename(project.bare)
    assert undo(repository, bad, good=good).status == "pushed"


def test_an_unknown_branch(project: Project, opened: Open) -> None:
    with pytest.raises(UsageError, match="no branch 'mian'"):
        undo(opened(project.bare), project.repo.head, good=project.repo.head, branch="mian")
    with pytest.raises(UsageError):
        undo(opened(project.bare), good=project.repo.head)


@pytest.mark.parametrize("reused", [False, True])
def test_the_branch_that_is_checked_out_in_a_clean_work_tree(
    git_repo: Callable[..., GitRepo], opened: Open, reused: bool
) -> None:
    """The repository of a laptop: no bare remote anywhere."""
    repo = git_repo()
    good = repo.commit("good", {"k8s/a.yaml": "1\n"})
    bad = repo.commit("bad", {"k8s/a.yaml": "2\n"})
    result = undo(opened(cwd=repo.path) if reused else opened(repo.path), bad, good=good)
    assert result.status == "pushed"
    assert repo.head == result.commit
    assert (repo.path / "k8s/a.yaml").read_text() == "1\n"
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize("reused", [False, True])
def test_work_in_progress_is_never_touched(git_repo: Callable[..., GitRepo], opened: Open, reused: bool) -> None:
    repo = git_repo()
    good = repo.commit("good", {"k8s/a.yaml": "1\n"})
    bad = repo.commit("bad", {"k8s/a.yaml": "2\n"})
    repo.write({"k8s/a.yaml": "in the middle of it\n"})
    result = undo(opened(cwd=repo.path) if reused else opened(repo.path), bad, good=good)
    assert result.status == "branch"
    assert repo.head == bad
    assert (repo.path / "k8s/a.yaml").read_text() == "in the middle of it\n"
    assert repo.show("k8s/a.yaml", result.branch) == "1"


def test_nothing_tells_the_ci_to_sleep(project: Project, opened: Open) -> None:
    good = project.repo.head
    bad = project.push("bad [skip ci]", {"k8s/app.yaml": "bad\n"})
    revert(
        opened(project.bare),
        "main",
        [bad],
        restore_from=good,
        paths=["k8s"],
        message='Revert "bad [skip ci][CI Skip]"\n\nskip-checks: true',
        trailers={"Sloth-Environment": "x\n[no ci]"},
    )
    project.fetch()
    body = project.repo.git("log", "-1", "--format=%B", "origin/main")
    assert body == f'Revert "bad (skip ci)(CI Skip)"\n\nSloth-Reverts: {bad}\nSloth-Environment: x (no ci)'


def test_the_identity_is_the_users_or_a_neutral_one(project: Project, opened: Open, home: Path) -> None:
    good = project.repo.head
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    (home / ".gitconfig").write_text("")
    result = undo(opened(project.bare), bad, good=good)
    project.fetch()
    assert project.repo.git("log", "-1", "--format=%an <%ae> %cn", "origin/main") == (
        "sloth-ci <sloth-ci@users.noreply.github.com> sloth-ci"
    )
    assert result.commit is not None
    environ = {"GIT_AUTHOR_NAME": "A Person", "GIT_AUTHOR_EMAIL": "a@example.com"}
    undo(opened(project.bare, environ=environ), result.commit, good=bad)
    project.fetch()
    assert project.repo.git("log", "-1", "--format=%an <%ae>", "origin/main") == "A Person <a@example.com>"
