"""The fake GitHub on a bad day: each fault is what it says, for as many requests as it says, and no other ones."""

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

from support.github import FakeGitHub, Repository
from support.github.accounts import Token
from support.github.asking import ask
from support.gitrepo import GitRepo
from support.project import ROOT

COMMENTS = "/repos/acme/shop/issues/1/comments"


@pytest.fixture
def repo(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Repository:
    """`acme/shop` with one pull request."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    made = fake_github.repository("acme/shop", from_repo=git)
    made.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    made.open_pull("alice", "feature")
    return made


@pytest.fixture
def token(fake_github: FakeGitHub, repo: Repository) -> Token:
    return fake_github.github_token(repo)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("secondary-limit", 403, "secondary rate limit"),
        ("rate-limit", 403, "API rate limit exceeded"),
        ("429", 429, "secondary rate limit"),
        ("500", 500, "Server Error"),
        ("502", 502, "Server Error"),
        ("503", 503, "Service unavailable"),
        ("409", 409, "Conflict"),
        ("422", 422, "Validation Failed"),
    ],
)
def test_an_error_comes_as_often_as_it_is_wanted(
    fake_github: FakeGitHub, repo: Repository, token: Token, fault: Any, status: int, words: str
) -> None:
    trouble = fake_github.unhappy.add(fault, method="POST", path="/comments$", times=2, retry_after=7)
    body = {"body": "hello"}
    assert ask(fake_github, "GET", COMMENTS, token).status == 200
    for _ in range(2):
        said = ask(fake_github, "POST", COMMENTS, token, body)
        assert said.status == status
        assert words in said.body["message"]
        assert said.headers["retry-after"] == "7"
    assert repo.comments == {}
    assert ask(fake_github, "POST", COMMENTS, token, body).status == 201
    assert trouble.met == 2
    assert fake_github.record.count("POST", "/comments$") == 3


def test_the_primary_limit_says_when_it_ends(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fake_github.unhappy.add("rate-limit")
    said = ask(fake_github, "GET", COMMENTS, token)
    assert said.headers["x-ratelimit-remaining"] == "0"
    assert int(said.headers["x-ratelimit-reset"]) == int(fake_github.clock.now()) + 3600


def test_a_body_is_cut_short(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fake_github.unhappy.add("cut")
    with pytest.raises(http.client.IncompleteRead):
        ask(fake_github, "GET", "/repos/acme/shop", token)
    assert ask(fake_github, "GET", "/repos/acme/shop", token).status == 200


def test_a_page_comes_where_json_is_wanted(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fake_github.unhappy.add("garbage")
    with pytest.raises(json.JSONDecodeError):
        ask(fake_github, "GET", "/repos/acme/shop", token)


def test_a_list_may_be_behind(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    path = f"/repos/acme/shop/commits/{repo.head('feature')}"
    fake_github.unhappy.add("empty", times=2)
    assert ask(fake_github, "GET", f"{path}/pulls", token).body == []
    assert ask(fake_github, "GET", f"{path}/check-runs", token).body == {"total_count": 0, "check_runs": []}
    assert len(ask(fake_github, "GET", f"{path}/pulls", token).body) == 1


@pytest.mark.parametrize(("fault", "written"), [("closed", 0), ("lost", 1)])
def test_a_connection_ends_before_or_after_the_deed(
    fake_github: FakeGitHub, repo: Repository, token: Token, fault: Any, written: int
) -> None:
    fake_github.unhappy.add(fault, method="POST")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(fake_github, "POST", COMMENTS, token, {"body": "hello"})
    assert len(repo.comments) == written
    assert [exchange.status for exchange in fake_github.record.matching("POST")] == [0]


def test_a_slow_answer_is_later_than_the_clients_patience(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    fake_github.unhappy.add("slow", seconds=60)
    with pytest.raises(TimeoutError):
        ask(fake_github, "GET", "/repos/acme/shop", token, timeout=0.05)
    assert ask(fake_github, "GET", "/repos/acme/shop", token).status == 200


def test_a_slow_answer_does_not_hold_up_the_end(tmp_path: Path, descriptions: Path) -> None:
    with FakeGitHub(tmp_path / "other", descriptions) as fake:
        made = fake.repository("acme/shop")
        token = fake.github_token(made)
        trouble = fake.unhappy.add("slow", seconds=3600)
        said: list[int] = []
        asking = threading.Thread(target=lambda: said.append(ask(fake, "GET", "/rate_limit", token).status))
        asking.start()
        assert trouble.arrived.wait(120)
    asking.join()
    assert said == [200]


def test_it_runs_as_a_process_too(tmp_path: Path, descriptions: Path, git_repo: Callable[..., GitRepo]) -> None:
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    command = [sys.executable, "-m", "support.github", "--folder", str(tmp_path / "gh")]
    command += ["--descriptions", str(descriptions), "--repository", f"acme/shop={git.path}"]
    process = subprocess.Popen(command, cwd=ROOT / "tests", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        remote = f"{said['url']}/acme/shop.git".replace("http://", f"http://x:{said['tokens']['acme/shop']}@")
        assert git.git("ls-remote", remote, "refs/heads/main").split() == [git.head, "refs/heads/main"]
        connection = http.client.HTTPConnection(said["url"].removeprefix("http://"))
        connection.request("GET", "/api/v3/nothing", headers={"User-Agent": "test"})
        assert connection.getresponse().status == 501
        connection.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "no such operation" in errors


def test_git_has_bad_days_too(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fake_github.unhappy.add("503", path=r"\.git/")
    remote = repo.clone_url.replace("http://", f"http://x:{token.value}@")
    command = ["git", "ls-remote", remote]
    assert b"503" in subprocess.run(command, capture_output=True, check=False).stderr
    assert subprocess.run(command, capture_output=True, check=True).stdout.count(b"refs/heads/") == 2
