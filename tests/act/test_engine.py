"""The private Docker engine: shared by all who use it, gone with the last of them, and no trouble when one is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

import docker
from support.project import ROOT
from support.waiting import until

USE = """\
import os, docker
with docker.engine(os.environ) as engine:
    print(engine.address["DOCKER_HOST"], engine("info", "--format", "{{.ID}}"), flush=True)
    input()
"""


@pytest.fixture
def environ(engine_of_containers: docker.Docker, tmp_path: Path) -> dict[str, str]:
    """A machine where no engine answers, with a cache of its own."""
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("a private engine needs root and dockerd; the machine's own engine is used here")
    nobody = f"unix://{tmp_path}/nobody.sock"
    return {
        **os.environ,
        "DOCKER_HOST": nobody,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": f"{ROOT}/scripts",
    }


class User:
    """A process that uses the engine until it is told to end."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USE], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.host, self.engine = self._process.stdout.readline().split()

    def end(self, *, killed: bool = False) -> None:
        """Leave, or be killed without a word."""
        if killed:
            self._process.kill()
        self._process.communicate("" if killed else "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.end()


@pytest.fixture
def first(environ: dict[str, str]) -> Iterator[User]:
    """Who starts the engine."""
    with User(environ) as user:
        yield user


def _runs(host: str) -> bool:
    pid = Path(host.removeprefix("unix://")).parent / "dockerd.pid"
    return pid.exists() and Path("/proc", pid.read_text()).exists()


def test_the_last_user_ends_it(environ: dict[str, str], first: User) -> None:
    with User(environ) as second:
        assert (second.host, second.engine) == (first.host, first.engine)
        first.end()
        assert _runs(second.host)
    assert not _runs(second.host)


def test_what_a_killed_user_leaves_behind_serves_the_next(environ: dict[str, str], first: User) -> None:
    first.end(killed=True)
    assert _runs(first.host)
    with User(environ) as second:
        assert second.engine == first.engine
    assert not _runs(second.host)


def test_one_that_was_killed_itself_is_started_anew(environ: dict[str, str], first: User) -> None:
    first.end(killed=True)
    pid = (Path(first.host.removeprefix("unix://")).parent / "dockerd.pid").read_text()
    os.kill(int(pid), 9)
    until(lambda: not Path("/proc", pid).exists(), what="the engine is gone")
    with User(environ) as second:
        assert second.engine == first.engine, "its images are still there"
    assert not _runs(second.host)


def test_without_an_engine_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(docker.DockerError, match="make image"), docker.engine(environ):
        pass
