"""What several tests of a cluster need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.canary import WatchedWorld
from support.cluster import ControlPlane
from support.gitrepo import GitRepo


@pytest.fixture
def watched(
    tmp_path: Path,
    git_repo: Callable[..., GitRepo],
    control_plane: ControlPlane,
    namespace: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[WatchedWorld]:
    """A world whose destination is the test's namespace. At the end, nothing that it said may hold a Secret's value."""
    caplog.set_level(logging.DEBUG)
    world = WatchedWorld(tmp_path, git_repo, control_plane, namespace)
    yield world
    world.heard.texts += [*capfd.readouterr(), caplog.text]
    world.assert_silent()
