"""The guards of the harness hold, or every other test may be lying."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.gitrepo import GitRepo
from support.isolation import NetworkBlocked


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "registry.invalid"])
def test_a_socket_reaches_this_machine_only(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(NetworkBlocked, match=host):
        sock.connect((host, 443))


def test_a_socket_reaches_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_nothing_of_the_caller_is_visible(home: Path, tmp_path: Path) -> None:
    prefixes = ("CI", "GITHUB_", "GITLAB_", "SLOTH_", "KUBE", "GIT_DIR", "GIT_AUTHOR", "SSH_")
    assert [name for name in os.environ if name.startswith(prefixes)] == []
    assert list(home.iterdir()) == [home / ".gitconfig"]
    assert Path.home() == home
    assert Path(os.environ["XDG_CACHE_HOME"]).is_relative_to(home)


def test_each_test_has_a_home_of_its_own(home: Path) -> None:
    assert not (home / "left-by-another-test").exists()
    (home / "left-by-another-test").touch()


def test_git_knows_the_test_identity_alone(home: Path) -> None:
    shown = subprocess.run(
        ["git", "config", "--list", "--show-origin"], capture_output=True, text=True, check=True, cwd=home
    ).stdout
    assert {line.split("\t")[0] for line in shown.splitlines()} == {f"file:{home}/.gitconfig"}


def test_a_repository_tells_its_story(git_repo: Callable[..., GitRepo], tmp_path: Path) -> None:
    repo = git_repo()
    first = repo.commit("first", {"a.yaml": "a: 1\n", "dir/b.bin": b"\xff\r\n"})
    repo.branch("topic")
    repo.commit("second", delete=["a.yaml"])
    repo.checkout("main")
    merged = repo.merge("topic")
    origin = repo.clone_bare(tmp_path / "origin.git")

    assert repo.log() == ["Merge topic", "second", "first"]
    assert repo.files() == ["dir/b.bin"]
    assert repo.files(first) == ["a.yaml", "dir/b.bin"]
    assert repo.show("a.yaml", first) == "a: 1"
    assert repo.sha("origin/main") == merged
    assert (origin / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert (repo.path / "dir/b.bin").read_bytes() == b"\xff\r\n"


def test_the_same_story_has_the_same_shas(git_repo: Callable[..., GitRepo]) -> None:
    one, two = git_repo("one"), git_repo("two")
    assert one.commit("first", {"a": "1"}) == two.commit("first", {"a": "1"})
    assert one.commit("second", {"a": "2"}) == two.commit("second", {"a": "2"})


def test_a_failing_git_command_fails_the_test_in_gits_words(git_repo: Callable[..., GitRepo]) -> None:
    with pytest.raises(AssertionError, match=r"unknown revision|Needed a single revision"):
        git_repo().sha("nowhere")
