"""What the tests of the forges share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.github import FakeGitHub
from support.github_shop import Shop
from support.gitlab import FakeGitLab
from support.gitlab_shop import Lab
from support.gitrepo import GitRepo


@pytest.fixture
def shop(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Shop:
    """`acme/shop` on a GitHub of the test's own."""
    return Shop(fake_github, git_repo())


@pytest.fixture
def lab(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Lab:
    """`acme/shop` on a GitLab of the test's own."""
    return Lab(fake_gitlab, git_repo())
