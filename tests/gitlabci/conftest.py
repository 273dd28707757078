"""gitlab-ci-local, which plays GitLab's runner: what the tests of the template need."""

from __future__ import annotations

from pathlib import Path

import pytest

import docker
import gitlab_ci_local
from support.containers import ENVIRON, engine_of_containers, helper_image, image, missing
from support.gitlabci import CiLocal

__all__ = ["ci_local", "ci_of_containers", "engine_of_containers", "helper_image", "image", "script"]

_SCRIPT = gitlab_ci_local.find(ENVIRON)


@pytest.fixture(scope="session")
def script() -> Path:
    """gitlab-ci-local itself."""
    if not _SCRIPT:
        missing(f"there is {gitlab_ci_local.lacks(ENVIRON)} for the tests; get it with `{gitlab_ci_local.MEND}`")
    return _SCRIPT


@pytest.fixture
def ci_local(script: Path, tmp_path: Path) -> CiLocal:
    """GitLab's runner with the shell executor, with sloth-ci of this work tree."""
    return CiLocal(script, tmp_path / "ci", path=ENVIRON["PATH"])


@pytest.fixture
def ci_of_containers(
    script: Path, tmp_path: Path, engine_of_containers: docker.Docker, image: str, helper_image: str
) -> CiLocal:
    """GitLab's runner with the Docker executor, with the image that is made of this work tree."""
    return CiLocal(
        script, tmp_path / "ci", path=ENVIRON["PATH"], docker=engine_of_containers, image=image, helper=helper_image
    )
