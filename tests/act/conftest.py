"""act, which plays GitHub's runner: what the tests of the container action need."""

from __future__ import annotations

from pathlib import Path

import pytest

import base_image
import docker
from support.act import Act
from support.containers import engine_of_containers, image

__all__ = ["act", "engine_of_containers", "image"]


@pytest.fixture
def act(engine_of_containers: docker.Docker, image: str, tmp_path: Path) -> Act:
    """GitHub's runner, for workflows that say `uses: sloth-runner/gitops@v1`."""
    return Act(engine_of_containers, image, base_image.name(), tmp_path / "act")
