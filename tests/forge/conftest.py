"""What the tests of GitHub as a forge share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.github import FakeGitHub
from support.github_shop import Shop
from support.gitrepo import GitRepo


@pytest.fixture
def shop(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Shop:
    """`acme/shop` on a GitHub of the test's own."""
    return Shop(fake_github, git_repo())
