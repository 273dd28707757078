"""The fake GitLab on a bad day: each fault is what it says, for as many requests as it says, and no other ones."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gitlab import FakeGitLab, Project
from support.gitlab.accounts import Token
from support.gitlab.asking import ask
from support.gitrepo import GitRepo
from support.project import ROOT

NOTES = "/projects/acme%2Fshop/merge_requests/1/notes"


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/shop` with one merge request."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    made = fake_gitlab.project("acme/shop", from_repo=git)
    made.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    made.open_pull("alice", "feature")
    return made


@pytest.fixture
def token(fake_gitlab: FakeGitLab, project: Project) -> Token:
    return fake_gitlab.project_token(project)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("429", 429, "Retry later"),
        ("403", 403, "403 Forbidden"),
        ("401", 401, "401 Unauthorized"),
        ("409", 409, "409 Conflict"),
        ("locked", 409, "Another update to this commit status is in progress"),
        ("500", 500, "500 Internal Server Error"),
        ("502", 502, "<html>"),
        ("503", 503, "<html>"),
    ],
)
def test_an_error_comes_as_often_as_it_is_wanted(
    fake_gitlab: FakeGitLab, project: Project, token: Token, fault: Any, status: int, words: str
) -> None:
    trouble = fake_gitlab.unhappy.add(fault, method="POST", path="/notes$", times=2, retry_after=7)
    body = {"body": "hello"}
    assert ask(fake_gitlab, "GET", NOTES, token).status == 200
    for _ in range(2):
        said = ask(fake_gitlab, "POST", NOTES, token, body)
        assert said.status == status
        assert words in str(said.body)
        assert said.headers["retry-after"] == "7"
    assert project.notes == {}
    assert ask(fake_gitlab, "POST", NOTES, token, body).status == 201
    assert trouble.met == 2
    assert fake_gitlab.record.count("POST", "/notes$") == 3


def test_a_limit_says_when_it_ends(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    fake_gitlab.unhappy.add("429")
    said = ask(fake_gitlab, "GET", NOTES, token)
    assert (said.headers["ratelimit-remaining"], said.headers["retry-after"]) == ("0", "60")
    assert int(said.headers["ratelimit-reset"]) == int(fake_gitlab.clock.now()) + 60


def test_a_job_may_be_refused_its_notes(fake_gitlab: FakeGitLab, project: Project) -> None:
    fake_gitlab.unhappy.add("403", path="/notes")
    given = project.job_token()
    assert ask(fake_gitlab, "GET", NOTES, given).status == 403
    project.allow("alice", "developer")
    assert ask(fake_gitlab, "GET", NOTES, given).status == 200


def test_a_body_is_cut_short(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    fake_gitlab.unhappy.add("cut")
    with pytest.raises(http.client.IncompleteRead):
        ask(fake_gitlab, "GET", "/user", token)
    assert ask(fake_gitlab, "GET", "/user", token).status == 200


def test_a_page_comes_where_json_is_wanted(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    fake_gitlab.unhappy.add("garbage")
    said = ask(fake_gitlab, "GET", "/user", token)
    assert (said.status, said.headers["content-type"]) == (200, "text/html")
    assert "<html>" in said.body


def test_a_list_may_be_behind(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    fake_gitlab.unhappy.add("empty")
    path = f"/projects/{project.id}/repository/commits/feature/merge_requests"
    assert ask(fake_gitlab, "GET", path, token).body == []
    assert len(ask(fake_gitlab, "GET", path, token).body) == 1


@pytest.mark.parametrize(("fault", "written"), [("closed", 0), ("lost", 1)])
def test_a_connection_ends_before_or_after_the_deed(
    fake_gitlab: FakeGitLab, project: Project, token: Token, fault: Any, written: int
) -> None:
    fake_gitlab.unhappy.add(fault, method="POST")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(fake_gitlab, "POST", NOTES, token, {"body": "hello"})
    assert len(project.notes) == written
    assert [exchange.status for exchange in fake_gitlab.record.matching("POST")] == [0]


def test_a_slow_answer_is_later_than_the_clients_patience(
    fake_gitlab: FakeGitLab, project: Project, token: Token
) -> None:
    fake_gitlab.unhappy.add("slow", seconds=60)
    with pytest.raises(TimeoutError):
        ask(fake_gitlab, "GET", "/user", token, timeout=0.05)
    assert ask(fake_gitlab, "GET", "/user", token).status == 200


def test_a_slow_answer_does_not_hold_up_the_end(tmp_path: Path, gitlab_description: Path) -> None:
    with FakeGitLab(tmp_path / "other", gitlab_description) as fake:
        token = fake.token("alice")
        trouble = fake.unhappy.add("slow", seconds=3600)
        said: list[int] = []
        asking = threading.Thread(target=lambda: said.append(ask(fake, "GET", "/user", token).status))
        asking.start()
        assert trouble.arrived.wait(120)
    asking.join()
    assert said == [200]


def test_no_credential_is_in_what_was_said(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    ask(fake_gitlab, "POST", NOTES, token, {"body": "canary"})
    subprocess.run(
        ["git", "ls-remote", project.clone_url.replace("http://", f"http://oauth2:{token.value}@")],
        check=True,
        capture_output=True,
    )
    assert "canary" in fake_gitlab.everything_said()
    assert token.value not in fake_gitlab.everything_said()
    assert token.value not in repr(token)


def test_it_runs_as_a_process_too(tmp_path: Path, gitlab_description: Path, git_repo: Callable[..., GitRepo]) -> None:
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    command = [sys.executable, "-m", "support.gitlab", "--folder", str(tmp_path / "gl")]
    command += ["--description", str(gitlab_description), "--project", f"acme/shop={git.path}"]
    process = subprocess.Popen(command, cwd=ROOT / "tests", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        shop = said["projects"]["acme/shop"]
        remote = f"{said['url']}/acme/shop.git".replace("http://", f"http://gitlab-ci-token:{shop['job_token']}@")
        assert git.git("ls-remote", remote, "refs/heads/main").split() == [git.head, "refs/heads/main"]
        connection = http.client.HTTPConnection(said["url"].removeprefix("http://"))
        connection.request("GET", f"/api/v4/projects/{shop['id']}", headers={"PRIVATE-TOKEN": shop["token"]})
        assert json.loads(connection.getresponse().read())["path_with_namespace"] == "acme/shop"
        connection.request("GET", "/api/v4/nothing")
        assert connection.getresponse().status == 501
        connection.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "no such operation" in errors


def test_git_has_bad_days_too(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    fake_gitlab.unhappy.add("503", path=r"\.git/")
    remote = project.clone_url.replace("http://", f"http://oauth2:{token.value}@")
    command = ["git", "ls-remote", remote]
    assert b"503" in subprocess.run(command, capture_output=True, check=False).stderr
    assert subprocess.run(command, capture_output=True, check=True).stdout.count(b"refs/heads/") == 2
