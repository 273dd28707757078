"""A Docker engine, the image of this work tree, and act: what the tests of the container action need.

Where one is missing the tests are skipped and say so; in CI (CI=true) they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

import base_image
import docker
import make_image
from support.act import Act

# Read before the guards of the harness take it away: the engine's address, and how its builds reach the registries.
_ENVIRON = dict(os.environ)


@pytest.fixture(scope="session")
def engine_of_containers() -> Iterator[docker.Docker]:
    """The Docker engine: the machine's, or a private one that ends with its last user."""
    try:
        with docker.engine(_ENVIRON) as found:
            yield found
    except docker.DockerError as error:
        _missing(error)


@pytest.fixture(scope="session")
def image(engine_of_containers: docker.Docker) -> str:
    """The image of this work tree; Docker's layer cache knows what has not changed."""
    try:
        return make_image.build(engine_of_containers, _ENVIRON)
    except docker.DockerError as error:
        _missing(error)


@pytest.fixture
def act(engine_of_containers: docker.Docker, image: str, tmp_path: Path) -> Act:
    """GitHub's runner, for workflows that say `uses: sloth-runner/gitops@v1`."""
    return Act(engine_of_containers, image, base_image.name(), tmp_path / "act")


def _missing(error: docker.DockerError) -> NoReturn:
    if _ENVIRON.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
