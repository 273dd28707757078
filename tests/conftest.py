"""Guards that every test runs under, and the fixtures that every package may use.

A test sees the same machine everywhere: an empty home, no Git configuration but ours, no cluster, no CI, and no network
but loopback. What the harness itself takes from the caller's environment is read here, before it is gone:

    CI=true                     a missing engine is a failure, not a skip
    SLOTH_TEST_DATA             a folder with git bundles of real repositories, and GitLab's description of its API
    SLOTH_TEST_KUBECTL, ...     another engine than the pinned one (see scripts/engines.py)
    SLOTH_TEST_DESCRIPTIONS     a folder with GitHub's descriptions of its API (see scripts/descriptions.py)
    KUBEBUILDER_ASSETS          a folder with another control plane
"""

from __future__ import annotations

import itertools
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import pytest

import descriptions as api_descriptions
import engines
from support.cluster import PARTS, ControlPlane
from support.gitrepo import GitRepo
from support.isolation import block_network, isolate_environment, move_home

if TYPE_CHECKING:
    from sloth_ci.destinations.kubernetes.cluster import Cluster
    from support.github import FakeGitHub
    from support.gitlab import FakeGitLab

IN_CI = os.environ.get("CI") == "true"
DATA = os.environ.get("SLOTH_TEST_DATA")
ENGINES = {name: engines.find(name, os.environ) for name in engines.NAMES}
DESCRIPTIONS = api_descriptions.find(os.environ)

# No deadline: a busy machine is no bug. In CI the examples are the same in every run, so that a red run can be repeated.
hypothesis.settings.register_profile("sloth", deadline=None, derandomize=IN_CI)
hypothesis.settings.load_profile("sloth")

_homes = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The guards, before any other fixture of the session."""
    base = tmp_path_factory.mktemp("isolated")
    temporary = base / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "home")
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr(tempfile, "tempdir", str(temporary))
        block_network(patch)
        yield base


@pytest.fixture(autouse=True)
def _isolated_test(_isolated_session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home for each test, so that none finds what another left."""
    move_home(monkeypatch, _isolated_session / f"home-{next(_homes)}")


@pytest.fixture
def home() -> Path:
    """The home folder of this test."""
    return Path(os.environ["HOME"])


@pytest.fixture
def git_repo(tmp_path: Path) -> Callable[..., GitRepo]:
    """Make a repository in the test's folder: `git_repo()`, or `git_repo("name")` where there are several."""

    def make(name: str = "repo") -> GitRepo:
        return GitRepo(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """The pinned kubectl."""
    return _engine("kubectl")


@pytest.fixture(scope="session")
def kustomize() -> Path:
    """The pinned kustomize."""
    return _engine("kustomize")


@pytest.fixture(scope="session")
def helm() -> Path:
    """The pinned helm."""
    return _engine("helm")


@pytest.fixture(scope="session")
def engine() -> Callable[[str], Path]:
    """Find an engine by its name; the test is skipped (in CI: fails) where it is missing."""
    return _engine


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane, one for all workers of the test run. It is shared: work in a `namespace` of your own."""
    engines_found = {name: _engine(name) for name in PARTS}
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with ControlPlane.shared(base / "control-plane", engines_found, _engine("kubectl")) as plane:
        yield plane


@pytest.fixture(scope="module")
def own_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this module's own, to restart its API server or to break an API group: a few seconds more."""
    engines_found = {name: _engine(name) for name in PARTS}
    with ControlPlane.start(tmp_path_factory.mktemp("cp"), engines_found, _engine("kubectl")) as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A fresh namespace of `control_plane`. It is left behind: deleting one takes seconds, and all goes with the run."""
    return control_plane.namespace(f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str) -> Iterator[Cluster]:
    """The control plane as the product sees it: as its administrator, with `namespace` as the default."""
    from sloth_ci.core.workflow import DestinationSpec
    from sloth_ci.destinations.kubernetes.cluster import connect

    spec = DestinationSpec(kubeconfig=str(control_plane.admin), context="test", namespace=namespace)
    connected = connect(spec, control_plane.folder, os.environ)
    yield connected
    connected.client.close()


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The folder with the git bundles of real repositories, which are no part of this project."""
    if not DATA:
        pytest.skip("SLOTH_TEST_DATA names no folder with kube-prometheus.bundle and microservices-demo.bundle")
    return Path(DATA).absolute()


@pytest.fixture(scope="session")
def descriptions() -> Path:
    """The folder with what GitHub says about its API."""
    if not DESCRIPTIONS:
        _missing(f"there is no description of GitHub's API; get it with `{api_descriptions.MEND}`")
    return DESCRIPTIONS


@pytest.fixture
def fake_github(tmp_path: Path, descriptions: Path) -> Iterator[FakeGitHub]:
    """A GitHub of the test's own. At the end of the test nobody may have said what GitHub would not understand."""
    from support.github import FakeGitHub

    with FakeGitHub(tmp_path / "github", descriptions) as fake:
        yield fake
    fake.check()


@pytest.fixture(scope="session")
def gitlab_description() -> Path:
    """GitLab's description of its API, which is no part of this project."""
    place = Path(DATA or "", "gitlab-openapi.json").absolute()
    if not DATA or not place.is_file():
        pytest.skip("SLOTH_TEST_DATA names no folder with gitlab-openapi.json")
    return place


@pytest.fixture
def fake_gitlab(tmp_path: Path, gitlab_description: Path) -> Iterator[FakeGitLab]:
    """A GitLab of the test's own. At the end of the test nobody may have said what GitLab would not understand."""
    from support.gitlab import FakeGitLab

    with FakeGitLab(tmp_path / "gitlab", gitlab_description) as fake:
        yield fake
    fake.check()


def _engine(name: str) -> Path:
    path = ENGINES[name]
    if not path:
        _missing(f"there is no {name} for the tests; get it with `{engines.MEND}`")
    return path


def _missing(reason: str) -> NoReturn:
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
