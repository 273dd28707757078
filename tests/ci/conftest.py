"""A repository on the fake GitHub, and its jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.ciworld import CiWorld
    from support.github import FakeGitHub


@pytest.fixture
def world(tmp_path: Path, fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> CiWorld:
    """A workflow that asks for one approval."""
    from support.ciworld import CiWorld

    return CiWorld(tmp_path, fake_github, git_repo("source"))
