"""A world for every test of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.gitrepo import GitRepo
from support.world import World


@pytest.fixture
def world(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> World:
    """A bare origin with one Deployment, and a checkout of it."""
    return World(tmp_path, git_repo)
