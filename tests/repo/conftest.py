"""What the tests of Git share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sloth_ci.core.workflow import Credentials, RepositorySpec
from sloth_ci.repo.opening import open_repository
from sloth_ci.repo.repository import Repository

Open = Callable[..., Repository]


@pytest.fixture
def notices() -> list[str]:
    """What `open_repository` told the person."""
    return []


@pytest.fixture
def opened(tmp_path: Path, notices: list[str]) -> Iterator[Open]:
    """Open a repository as a run would; it is closed at the end."""
    repositories = []
    (tmp_path / "elsewhere").mkdir()

    def make(
        url: str | Path = ".",
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        submodules: bool = False,
    ) -> Repository:
        repository = open_repository(
            RepositorySpec(url=str(url), credentials=credentials, submodules=submodules),
            cwd=cwd or tmp_path / "elsewhere",
            environ={**os.environ, **(environ or {})},
            cache_dir=tmp_path / "cache",
            notice=notices.append,
        )
        repositories.append(repository)
        return repository

    yield make
    for repository in repositories:
        repository.close()


@pytest.fixture
def python() -> str:
    """The interpreter, for tests that need a second process of ours."""
    return sys.executable
