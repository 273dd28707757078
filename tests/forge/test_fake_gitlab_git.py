"""The fake GitLab's Git: real pushes, real refusals, and commits through the API that are made only where one thinks."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gitlab import FakeGitLab, Project
from support.gitlab.accounts import AnyLevel, Token
from support.gitlab.asking import Said, ask
from support.gitrepo import GitRepo


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/web/shop`, where alice is a developer and carol is a maintainer."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n", "old.yaml": "a: 1\n"})
    made = fake_gitlab.project("acme/web/shop", from_repo=git)
    made.allow("alice", "developer")
    made.allow("carol", "maintainer")
    return made


def remote(project: Project, token: Token) -> str:
    """The address of a project, with the token as a runner has it."""
    user = "gitlab-ci-token" if token.kind == "job" else "oauth2"
    return project.clone_url.replace("http://", f"http://{user}:{token.value}@")


def clone(project: Project, token: Token, folder: Path) -> GitRepo:
    subprocess.run(["git", "clone", "--quiet", remote(project, token), str(folder)], check=True, capture_output=True)
    return GitRepo(folder)


def push(git: GitRepo, refspec: str = "HEAD:main", *options: str) -> tuple[int, str]:
    done = subprocess.run(
        ["git", "-C", str(git.path), "push", *options, "origin", refspec], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


# --- Git


def test_a_push_moves_the_branch_and_the_merge_request(
    fake_gitlab: FakeGitLab, project: Project, tmp_path: Path
) -> None:
    git = clone(project, fake_gitlab.token("alice"), tmp_path / "clone")
    git.branch("feature")
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    assert push(git, "feature")[0] == 0
    pull = project.open_pull("alice", "feature")
    sha = git.commit("canary in a message", {"web.yaml": "replicas: 3\n"})
    assert push(git, "feature")[0] == 0
    assert pull.head == sha
    assert [(made.login, made.ref, made.commits) for made in project.pushes] == [
        ("alice", "refs/heads/feature", 1),
        ("alice", "refs/heads/feature", 1),
    ]
    assert "canary in a message" in fake_gitlab.everything_said()
    assert "replicas: 1" not in fake_gitlab.everything_said()
    git.git("fetch", "--quiet", "origin", "refs/merge-requests/1/head")
    assert git.sha("FETCH_HEAD") == sha
    made = project.pipeline("merge_request_event", pull=pull)
    git.git("fetch", "--quiet", "origin", f"refs/pipelines/{made.id}")
    assert git.sha("FETCH_HEAD") == sha
    assert "You are not allowed" in push(git, "HEAD~:refs/merge-requests/1/head", "--force")[1]


@pytest.mark.parametrize(
    ("level", "scopes", "words"),
    [
        ("developer", ("api",), ""),
        ("developer", ("write_repository",), ""),
        ("developer", ("read_repository",), "You are not allowed to upload code."),
        ("reporter", ("api",), "You are not allowed to push code to this project."),
        ("guest", ("api",), "You are not allowed to push code to this project."),
    ],
)
def test_a_push_needs_the_level_and_the_scope(
    fake_gitlab: FakeGitLab, project: Project, tmp_path: Path, level: AnyLevel, scopes: tuple[str, ...], words: str
) -> None:
    git = clone(project, fake_gitlab.token("carol"), tmp_path / "clone")
    git.git("remote", "set-url", "origin", remote(project, fake_gitlab.project_token(project, level, *scopes)))
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    status, said = push(git, "HEAD:other")
    assert (status == 0) is (not words)
    assert words in said


def test_a_stranger_sees_no_project(fake_gitlab: FakeGitLab, project: Project) -> None:
    def listed(url: str) -> str:
        return subprocess.run(["git", "ls-remote", url], capture_output=True, text=True, check=False).stderr

    assert "could not be found" in listed(remote(project, fake_gitlab.token("mallory")))
    assert "Authentication failed" in listed(project.clone_url.replace("http://", "http://oauth2:glpat-wrong@"))
    project.visibility = "public"
    assert not listed(project.clone_url)
    project.visibility = "private"
    project.allow("eve", "guest")
    assert "not allowed to download code" in listed(remote(project, fake_gitlab.token("eve")))


def test_a_job_pushes_where_the_project_lets_it(fake_gitlab: FakeGitLab, project: Project, tmp_path: Path) -> None:
    job = project.job(project.pipeline(login="alice"))
    git = clone(project, project.job_token(job), tmp_path / "clone")
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    status, said = push(git, "HEAD:rendered")
    assert (status != 0, "You are not allowed to upload code." in said) == (True, True)
    project.job_token_may_push = True
    assert push(git, "HEAD:rendered")[0] == 0
    project.protect("rendered")
    git.commit("more", {"web.yaml": "replicas: 3\n"})
    assert "protected branches" in push(git, "HEAD:rendered")[1]
    other = fake_gitlab.project("acme/other", from_path=project.path)
    other.allow("alice", "maintainer")
    git.git("remote", "set-url", "origin", remote(other, project.job_token(job)))
    assert "Authentication by CI/CD job token not allowed from shop to other." in push(git, "HEAD:rendered")[1]
    project.finish(job)
    git.git("remote", "set-url", "origin", remote(project, project.job_token(job)))
    assert "Authentication failed" in push(git, "HEAD:rendered")[1]


@pytest.mark.parametrize(
    ("rule", "login", "words"),
    [
        ({"push": "maintainer"}, "alice", "You are not allowed to push code to protected branches on this project."),
        ({"push": "maintainer"}, "carol", ""),
        ({"push": "developer"}, "alice", ""),
        ({"push": "none"}, "carol", "You are not allowed to push code to protected branches on this project."),
        ({"push": "none", "branch": "ma*"}, "carol", "not allowed to push code to protected branches"),
        ({"push": "none", "branch": "release/*"}, "carol", ""),
    ],
)
def test_a_protected_branch_takes_only_the_pushes_of_some(
    fake_gitlab: FakeGitLab, project: Project, tmp_path: Path, rule: dict[str, Any], login: str, words: str
) -> None:
    project.protect(**rule)
    before = project.head()
    git = clone(project, fake_gitlab.token(login), tmp_path / "clone")
    sha = git.commit("more", {"web.yaml": "replicas: 2\n"})
    status, said = push(git)
    assert (status == 0) is (not words)
    assert project.head() == (before if words else sha)
    assert (f"remote: GitLab: {words}" if words.startswith("You") else words) in said
    assert push(git, "HEAD:elsewhere")[0] == 0


def test_a_protected_branch_goes_neither_back_nor_away(
    fake_gitlab: FakeGitLab, project: Project, tmp_path: Path
) -> None:
    rule = project.protect("keep", push="developer")
    project.commit("alice", "keep", {"web.yaml": "replicas: 7\n"})
    git = clone(project, fake_gitlab.token("alice"), tmp_path / "clone")
    git.commit("aside", {"web.yaml": "replicas: 8\n"})
    assert "not allowed to force push" in push(git, "HEAD:keep", "--force")[1]
    assert "only delete protected branches using the web interface" in push(git, ":keep")[1]
    assert "default branch of a project cannot be deleted" in push(git, ":main")[1]
    rule.force = True
    assert push(git, "HEAD:keep", "--force")[0] == 0


# --- commits through the API


def _commit(fake: FakeGitLab, project: Project, token: Token, **more: Any) -> Said:
    change = {"action": "update", "file_path": "web.yaml", "content": "replicas: 2\n"}
    body = {"branch": "main", "commit_message": "canary", "actions": [change], **more}
    return ask(fake, "POST", f"/projects/{project.id}/repository/commits", token, body)


def test_several_files_are_one_commit(fake_gitlab: FakeGitLab, project: Project) -> None:
    alice = fake_gitlab.token("alice")
    before = project.head()
    actions = [
        {"action": "create", "file_path": "new", "content": base64.b64encode(b"\x00").decode(), "encoding": "base64"},
        {"action": "update", "file_path": "web.yaml", "content": "replicas: 2\n"},
        {"action": "move", "file_path": "moved.yaml", "previous_path": "old.yaml"},
    ]
    made = _commit(fake_gitlab, project, alice, branch="next", start_sha=before, actions=actions)
    assert (made.status, made.body["parent_ids"], made.body["committer_name"]) == (201, [before], "Alice")
    assert project.head("next") == made.body["id"]
    assert {name: project.git.file("next", name) for name in ("new", "web.yaml", "moved.yaml", "old.yaml")} == {
        "new": b"\x00",
        "web.yaml": b"replicas: 2\n",
        "moved.yaml": b"a: 1\n",
        "old.yaml": None,
    }
    assert "canary" in fake_gitlab.everything_said()
    assert project.head() == before
    by = {"author_name": "Sloth", "author_email": "sloth@shop.example"}
    assert _commit(fake_gitlab, project, alice, **by).body["author_name"] == "Sloth"


def test_a_commit_is_not_made_where_somebody_was_first(fake_gitlab: FakeGitLab, project: Project) -> None:
    alice = fake_gitlab.token("alice")
    seen = project.git.last_commit("main", "web.yaml")
    path = f"/projects/{project.id}/repository/files/web.yaml?ref=main"
    assert ask(fake_gitlab, "GET", path, alice).body["last_commit_id"] == seen
    project.commit("carol", "main", {"other": "x"})
    change = {"action": "update", "file_path": "web.yaml", "content": "replicas: 5\n", "last_commit_id": seen}
    assert _commit(fake_gitlab, project, alice, actions=[change]).status == 201
    said = _commit(fake_gitlab, project, alice, actions=[change | {"content": "replicas: 6\n"}])
    assert (said.status, said.body["message"]) == (
        400,
        "The file has changed since you started editing it: web.yaml",
    )
    assert project.git.file("main", "web.yaml") == b"replicas: 5\n"


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"start_sha": "HEAD"}, 400, "A branch called 'main' already exists"),
        ({"branch": "next", "start_branch": "main"}, 201, ""),
        ({"branch": "next"}, 400, "when you are on a branch"),
        ({"branch": "next", "start_sha": "0" * 40}, 400, "Cannot find start_sha"),
        ({"branch": "next", "start_sha": "abc"}, 400, "Invalid start_sha"),
        ({"branch": "next", "start_sha": "HEAD", "start_branch": "main"}, 400, "mutually exclusive"),
        ({"actions": [{"action": "create", "file_path": "web.yaml", "content": ""}]}, 400, "already exists"),
        ({"actions": [{"action": "delete", "file_path": "nothing"}]}, 400, "doesn't exist"),
        ({"actions": [{"action": "create", "file_path": "../x", "content": ""}]}, 400, "traversal"),
        ({"actions": []}, 400, "actions is empty"),
        ({"branch": "shut"}, 403, "403 Forbidden - You are not allowed to push into this branch"),
    ],
)
def test_a_commit_is_refused_with_a_reason(
    fake_gitlab: FakeGitLab, project: Project, more: dict[str, Any], status: int, words: str
) -> None:
    project.commit("carol", "shut", {"x": "y"})
    project.protect("shut")
    given = more | ({"start_sha": project.head()} if more.get("start_sha") == "HEAD" else {})
    said = _commit(fake_gitlab, project, fake_gitlab.token("alice"), **given)
    assert said.status == status
    assert words in str(said.body)


def test_a_revert_is_tried_before_it_is_made(fake_gitlab: FakeGitLab, project: Project) -> None:
    alice = fake_gitlab.token("alice")
    project.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    merged = project.open_pull("alice", "feature").merge("carol")
    project.commit("carol", "main", {"other": "x"})
    project.git.set_ref("refs/heads/undo", project.head())
    path = f"/projects/{project.id}/repository/commits/{merged}/revert"
    assert ask(fake_gitlab, "POST", path, alice, {"branch": "undo", "dry_run": True}).body == {"dry_run": "success"}
    assert project.head("undo") == project.head()
    made = ask(fake_gitlab, "POST", path, alice, {"branch": "undo"})
    assert (made.status, made.body["parent_ids"]) == (201, [project.head()])
    assert made.body["title"].startswith('Revert "Merge branch')
    assert project.git.file("undo", "web.yaml") == b"replicas: 1\n"
    assert project.git.file("undo", "other") == b"x"
    again = ask(fake_gitlab, "POST", path, alice, {"branch": "undo"})
    assert (again.status, again.body["error_code"]) == (400, "empty")
    project.commit("carol", "main", {"web.yaml": "replicas: 50\n"})
    said = ask(fake_gitlab, "POST", path, alice, {"branch": "main", "dry_run": True})
    assert (said.status, said.body["error_code"]) == (400, "conflict")
    assert "Sorry, we cannot revert this commit automatically." in said.body["message"]
    assert ask(fake_gitlab, "POST", path, alice, {"branch": "nothing"}).status == 404


def test_branches_come_and_go(fake_gitlab: FakeGitLab, project: Project) -> None:
    alice = fake_gitlab.token("alice")
    path = f"/projects/{project.id}/repository/branches"
    assert ask(fake_gitlab, "POST", path, alice, {"branch": "a/b", "ref": "main"}).status == 201
    assert ask(fake_gitlab, "POST", path, alice, {"branch": "a/b", "ref": "main"}).status == 400
    assert ask(fake_gitlab, "POST", path, alice, {"branch": "x", "ref": "nothing"}).status == 400
    project.protect("main", push="maintainer", merge="developer")
    seen = ask(fake_gitlab, "GET", f"{path}/main", alice).body
    assert {name: seen[name] for name in ("protected", "default", "can_push", "developers_can_merge")} == {
        "protected": True,
        "default": True,
        "can_push": False,
        "developers_can_merge": True,
    }
    assert [one["name"] for one in ask(fake_gitlab, "GET", f"{path}?search=^a", alice).body] == ["a/b"]
    assert ask(fake_gitlab, "DELETE", f"{path}/a%2Fb", alice).status == 204
    assert ask(fake_gitlab, "GET", f"{path}/a%2Fb", alice).body == {"message": "404 Branch Not Found"}
    assert ask(fake_gitlab, "DELETE", f"{path}/main", alice).status == 405
