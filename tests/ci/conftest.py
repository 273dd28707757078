"""A repository on each fake forge, and its jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.ciworld import CiWorld
    from support.ciworld_github import GitHubCi
    from support.ciworld_gitlab import GitLabCi
    from support.github import FakeGitHub
    from support.gitlab import FakeGitLab


@pytest.fixture
def github(tmp_path: Path, fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> GitHubCi:
    """A workflow that asks for one approval, on GitHub."""
    from support.ciworld_github import GitHubCi

    return GitHubCi(tmp_path, fake_github, git_repo("source"))


@pytest.fixture
def gitlab(tmp_path: Path, fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> GitLabCi:
    """The same on GitLab."""
    from support.ciworld_gitlab import GitLabCi

    return GitLabCi(tmp_path, fake_gitlab, git_repo("source"))


@pytest.fixture(params=["github", "gitlab"])
def world(request: pytest.FixtureRequest) -> CiWorld:
    """The same on each forge: what a test asks of it has to hold on both."""
    found: CiWorld = request.getfixturevalue(request.param)
    return found
