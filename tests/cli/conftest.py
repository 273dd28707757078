"""The command line as a user has it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.gitrepo import GitRepo
from support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def world(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> World:
    """A bare origin with one Deployment, and a checkout of it."""
    return World(tmp_path, git_repo)


@pytest.fixture
def sloth(world: World) -> Run:
    """`sloth("preview", ...)` in the checkout. Whatever happens, nobody sees a traceback."""

    def run(
        *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        done = subprocess.run(
            [sys.executable, "-m", "sloth_ci.cli", *arguments],
            cwd=cwd or world.root,
            env={**os.environ, "PYTHONPATH": path, "SLOTH_CACHE_DIR": str(world.folder / "cache"), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "a fault in sloth-ci" not in done.stderr
        return done

    return run
