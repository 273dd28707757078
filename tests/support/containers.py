"""A Docker engine and the image of this work tree, for tests of both CI systems: fixtures that their conftest.py imports.

Where one is missing the tests are skipped and say so; in CI (CI=true) they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NoReturn

import pytest

import base_image
import docker
import make_image

# Read before the guards of the harness take it away: the engine's address, and how its builds reach the registries.
ENVIRON: Final = dict(os.environ)
_WITH_RSYNC: Final = "RUN apt-get update && apt-get install --yes --no-install-recommends rsync"


@pytest.fixture(scope="session")
def engine_of_containers() -> Iterator[docker.Docker]:
    """The Docker engine: the machine's, or a private one that ends with its last user."""
    try:
        with docker.engine(ENVIRON) as found:
            yield found
    except docker.DockerError as error:
        missing(error)


@pytest.fixture(scope="session")
def image(engine_of_containers: docker.Docker) -> str:
    """The image of this work tree; Docker's layer cache knows what has not changed."""
    try:
        return make_image.build(engine_of_containers, ENVIRON)
    except docker.DockerError as error:
        missing(error)


@pytest.fixture(scope="session")
def helper_image(engine_of_containers: docker.Docker) -> str:
    """An image with rsync, by which gitlab-ci-local gets a job's artifacts: ours has none."""
    name = "sloth-ci:with-rsync"
    try:
        base_image.ensure(engine_of_containers, ENVIRON)
        with docker.locked(docker.folder(ENVIRON) / "with-rsync.lock"):
            proxies = make_image.proxies(ENVIRON)
            recipe = f"FROM {base_image.name()}\n{_WITH_RSYNC}\n"
            engine_of_containers("build", "--quiet", "--network", "host", *proxies, "--tag", name, "-", stdin=recipe)
    except docker.DockerError as error:
        missing(error)
    return name


def missing(error: Exception | str) -> NoReturn:
    """Skip the test that needs it; in CI, fail it."""
    if ENVIRON.get("CI") == "true":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
