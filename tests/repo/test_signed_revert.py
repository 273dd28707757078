"""Reverts that the forge commits, so that they are signed; and when they are pushed all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.portable import portable_changes
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.revert import Revert, revert
from support.github.bare import WEB
from support.gitrepo import GitRepo
from support.signer import Signer, protected

Open = Callable[..., Repository]
TRAILERS = {"Sloth-Environment": "production", "Sloth-Plan": "sha256:abc"}


class Project:
    """A remote, a work tree to push from, and the forge of the remote."""

    def __init__(self, repo: GitRepo, bare: Path) -> None:
        self.repo = repo
        self.bare = bare
        self.signer = Signer(bare)
        self.good = repo.head

    def push(self, message: str, files: dict[str, str | bytes], delete: tuple[str, ...] = ()) -> str:
        sha = self.repo.commit(message, files, delete)
        self.repo.git("push", "--quiet", "origin", "HEAD")
        return sha

    def undo(self, repository: Repository, *commits: str) -> Revert:
        return revert(
            repository,
            "main",
            commits,
            restore_from=self.good,
            paths=("k8s",),
            message="Revert it [skip ci]\n\nunhealthy",
            trailers=TRAILERS,
            committer=self.signer.commit,
        )

    def at(self, revision: str, form: str = "%H") -> str:
        self.repo.git("fetch", "--quiet", "--prune", "origin")
        return self.repo.git("log", "-1", f"--format={form}", f"origin/{revision}")


@pytest.fixture
def project(git_repo: Callable[..., GitRepo], tmp_path: Path) -> Project:
    repo = git_repo()
    repo.commit("start", {"k8s/app.yaml": "a\nb\n", "k8s/old.yaml": "old\n", "src/main.py": "1\n"})
    return Project(repo, repo.clone_bare(tmp_path / "origin.git"))


@pytest.mark.parametrize("reused", [False, True])
def test_the_forge_commits_what_was_computed(project: Project, opened: Open, reused: bool) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "BAD\nb\n", "k8s/new ä.yaml": "n\n"}, delete=("k8s/old.yaml",))
    repository = opened(cwd=project.repo.path) if reused else opened(project.bare)
    result = project.undo(repository, bad)
    assert (result.status, result.method) == ("pushed", "revert")
    assert project.at("main") == result.commit == repository.branch_tip("main")
    assert project.at("main~1") == bad
    assert project.at("main", "%cn <%ce>") == "{} <{}>".format(*WEB)
    assert project.repo.sha("origin/main^{tree}") == project.repo.sha(f"{project.good}^{{tree}}")
    [(branch, message, files)] = project.signer.commits
    assert branch == "main"
    assert files == {"k8s/app.yaml": b"a\nb\n", "k8s/old.yaml": b"old\n", "k8s/new ä.yaml": None}
    assert message == (
        f"Revert it (skip ci)\n\nunhealthy\n\nSloth-Reverts: {bad}\nSloth-Environment: production\nSloth-Plan: sha256:abc\n"
    )


def test_a_second_call_does_nothing(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    first = project.undo(opened(project.bare), bad)
    second = project.undo(opened(project.bare), bad)
    assert (second.status, second.commit) == ("already", first.commit)
    assert len(project.signer.commits) == 1


def test_a_branch_that_moves_meanwhile_is_computed_anew(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    races = iter(["race 1", "race 2"])

    def race() -> None:
        for name in races:
            project.push(name, {"src/main.py": f"{name}\n"})
            return

    project.signer.before = race
    result = project.undo(opened(project.bare), bad)
    assert result.status == "pushed"
    project.repo.git("fetch", "--quiet", "origin")
    assert project.repo.log("origin/main") == ["Revert it (skip ci)", "race 2", "race 1", "bad", "start"]
    assert project.repo.show("src/main.py", "origin/main") == "race 2"


def test_a_protected_branch_gets_a_branch_for_a_pull_request(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.signer.fails = [protected()]
    result = project.undo(opened(project.bare), bad)
    assert (result.status, result.branch) == ("branch", f"sloth/revert-{bad[:10]}")
    assert "through a pull request" in result.message
    assert project.at("main") == bad
    assert project.at(result.branch) == result.commit
    again = project.undo(opened(project.bare), bad)
    assert (again.status, again.commit) == ("branch", result.commit)


def test_a_forge_that_is_down_does_not_keep_the_revert_from_git(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.signer.fails = [ForgeError("cannot commit to main: GitHub does not answer")]
    result = project.undo(opened(project.bare), bad)
    assert result.status == "pushed"
    assert "which is not signed (cannot commit to main: GitHub does not answer)" in result.message
    assert project.at("main") == result.commit
    assert project.repo.show("k8s/app.yaml", "origin/main") == "a\nb"


def test_a_commit_whose_answer_was_lost_is_not_made_twice(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.signer.lost = True
    result = project.undo(opened(project.bare), bad)
    assert (result.status, result.commit) == ("already", project.at("main"))
    assert project.repo.log("origin/main") == ["Revert it (skip ci)", "bad", "start"]


def test_another_tree_than_the_one_that_was_computed_is_an_error(project: Project, opened: Open) -> None:
    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    project.signer.spoil = {"k8s/app.yaml": b"something else\n"}
    with pytest.raises(GitError, match="holds other files than were sent"):
        project.undo(opened(project.bare), bad)


def _executable(project: Project) -> str:
    (project.repo.path / "k8s/run.sh").write_text("#!/bin/sh\n")
    (project.repo.path / "k8s/run.sh").chmod(0o755)
    return project.push("bad", {})


def _mode(project: Project) -> str:
    (project.repo.path / "k8s/app.yaml").chmod(0o755)
    return project.push("bad", {})


def _link(project: Project) -> str:
    (project.repo.path / "k8s/link.yaml").symlink_to("app.yaml")
    return project.push("bad", {})


def _folder_for_a_file(project: Project) -> str:
    return project.push("bad", {"k8s/old.yaml/x.yaml": "x\n"}) if _gone(project.repo.path / "k8s/old.yaml") else ""


def _no_utf_8(project: Project) -> str:
    with open(bytes(project.repo.path) + b"/k8s/\xff.yaml", "wb") as file:
        file.write(b"x\n")
    return project.push("bad", {})


def _gone(path: Path) -> bool:
    path.unlink()
    return True


@pytest.mark.parametrize("bring", [_executable, _mode, _link, _folder_for_a_file, _no_utf_8])
def test_what_the_api_cannot_commit_is_pushed(project: Project, opened: Open, bring: Callable[[Project], str]) -> None:
    bad = bring(project)
    result = project.undo(opened(project.bare), bad)
    assert result.status == "pushed"
    assert project.signer.commits == []
    assert project.at("main") == result.commit
    assert project.repo.sha("origin/main^{tree}") == project.repo.sha(f"{project.good}^{{tree}}")


def test_very_much_at_once_is_pushed(project: Project, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from sloth_ci.repo import portable

    bad = project.push("bad", {"k8s/app.yaml": "bad\n"})
    monkeypatch.setattr(portable, "_LIMIT", 3)
    assert project.undo(opened(project.bare), bad).status == "pushed"
    assert project.signer.commits == []


def test_binary_content_comes_through(project: Project, opened: Open) -> None:
    data = bytes(range(256))
    project.good = project.push("logo", {"k8s/logo.png": data})
    bad = project.push("bad", {"k8s/logo.png": b"\0"})
    assert project.undo(opened(project.bare), bad).status == "pushed"
    project.repo.git("fetch", "--quiet", "origin")
    shown = subprocess.run(
        ["git", "-C", str(project.repo.path), "show", "origin/main:k8s/logo.png"], check=True, capture_output=True
    )
    assert shown.stdout == data


def test_equal_commits_differ_in_nothing(project: Project, opened: Open) -> None:
    assert portable_changes(opened(project.bare), project.good, project.good) == {}
