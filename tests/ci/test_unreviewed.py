"""A kubeconfig says which programs are run: what a request has put into the work tree is none of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.ci.worktree import RequestTree
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.core.yaml import dump
from sloth_ci.repo import open_repository
from support.bodies import deployment
from support.ciworld import CiWorld, Request
from support.gitrepo import GitRepo

WEB = {"k8s/web.yaml": dump(deployment(image="web:2"))}


def kubeconfig(command: str, *args: str) -> str:
    """One whose credential plugin is run before anything is asked of its server, which nobody serves."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command,
        "args": args,
        "interactiveMode": "Never",
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "test", "user": {"exec": plugin}}],
        }
    )


def on_cluster(world: CiWorld, kubeconfig: str, files: dict[str, str | bytes | None]) -> None:
    """Let main deploy to a cluster by a kubeconfig."""
    lua = world.git("show", "main:sloth.lua")
    lua = lua.replace('branch = "rendered/production"', f'kubeconfig = "{kubeconfig}"')
    world.repo.commit("alice", "main", {"sloth.lua": lua, **files})


@pytest.fixture
def marker(world: CiWorld) -> Path:
    return world.folder / "ran"


def request(world: CiWorld, files: dict[str, str | bytes | None]) -> Request:
    world.repo.commit("alice", "feature", {**WEB, **files})
    pull: Request = world.open("alice", "feature")
    return pull


def test_a_kubeconfig_that_a_request_changes_is_not_read(world: CiWorld, marker: Path) -> None:
    on_cluster(world, "deploy/kubeconfig", {"deploy/kubeconfig": kubeconfig("true")})
    job = world.preview(request(world, {"deploy/kubeconfig": kubeconfig("touch", str(marker))}))
    assert "deploy/kubeconfig is not as the base branch has it" in job.log
    assert job.code == 2, job.log
    assert not marker.exists()


def test_a_kubeconfig_that_a_request_brings_is_not_read(world: CiWorld, marker: Path) -> None:
    on_cluster(world, "kubeconfig", {})
    job = world.preview(request(world, {"kubeconfig": kubeconfig("touch", str(marker))}))
    assert "is not as the base branch has it" in job.log
    assert not marker.exists()


@pytest.mark.parametrize(
    ("command", "args", "told"),
    [
        ("./login.sh", (), "is in the work tree of a change under review"),
        ("sh", ("deploy/login.sh",), "the credential plugin 'sh' ended with"),
    ],
    ids=["by its path", "by a shell"],
)
def test_a_program_of_the_work_tree_is_not_run(
    world: CiWorld, marker: Path, command: str, args: tuple[str, ...], told: str
) -> None:
    """Not where it is unchanged, either: it may read what is beside it."""
    before = {
        "deploy/kubeconfig": kubeconfig(command, *args),
        "deploy/login.sh": ". deploy/more.sh\n",
        "deploy/more.sh": "",
    }
    on_cluster(world, "deploy/kubeconfig", dict(before))
    job = world.preview(request(world, {"deploy/more.sh": f"touch {marker}\n"}))
    assert told in job.log
    assert not marker.exists(), job.log


def test_an_unchanged_kubeconfig_is_read_and_its_program_runs_elsewhere(world: CiWorld, marker: Path) -> None:
    on_cluster(world, "deploy/kubeconfig", {"deploy/kubeconfig": kubeconfig("sh", "-c", f"pwd > {marker}")})
    job = world.preview(request(world, {}))
    assert "printed something that is not an ExecCredential" in job.log
    assert marker.read_text() == "/\n"


def test_a_request_that_is_closed_has_its_kubeconfig_not_read_either(world: CiWorld, marker: Path) -> None:
    """That job has the rights to deploy."""
    on_cluster(world, "deploy/kubeconfig", {"deploy/kubeconfig": kubeconfig("true")})
    pull = request(world, {"deploy/kubeconfig": kubeconfig("touch", str(marker))})
    world.preview(pull)
    pull.close("alice")
    job = world.closed(pull)
    assert not marker.exists(), job.log


def test_a_folder_of_the_work_tree_is_no_place_for_programs(checkout: GitRepo, tmp_path: Path) -> None:
    repository = open_repository(RepositorySpec(url="."), cwd=checkout.path, environ={}, cache_dir=tmp_path / "cache")
    top = checkout.path
    search = ["/usr/bin", str(top / "new"), str(top), "", str(top / "made"), str(top / "linked"), str(tmp_path)]
    kept = RequestTree(repository, repository.resolve("main")).without_own(os.pathsep.join(search))
    assert kept.split(os.pathsep) == ["/usr/bin", str(top / "made"), str(tmp_path)]
    repository.close()


@pytest.fixture
def checkout(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """A base branch with a file, and a request that is checked out."""
    repo = git_repo()
    repo.commit("base", {"kept/config": "1", "changed/config": "1", "real/config": "1"})
    repo.branch("feature")
    (repo.path / "linked").symlink_to("made")
    (repo.path / "out").symlink_to("/etc")
    other = git_repo("other")
    other.commit("first", {"config": "theirs"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "module")
    repo.commit("request", {"changed/config": "2", "new/config": "1"})
    repo.write({"made/config": "by the job", "kept/made": "by the job"})
    return repo


CASES = {
    "kept/config": (True, False),
    "changed/config": (True, True),
    "new/config": (True, True),
    "made/config": (False, False),
    "kept/made": (False, False),
    "linked/config": (True, True),
    "out/passwd": (True, True),
    "module/config": (True, True),
    "not/there": (False, False),
    "../elsewhere": (False, False),
}


@pytest.mark.parametrize("path", CASES)
def test_what_git_has_put_into_the_work_tree(checkout: GitRepo, tmp_path: Path, path: str) -> None:
    spec = RepositorySpec(url=".")
    repository = open_repository(spec, cwd=checkout.path, environ={}, cache_dir=tmp_path / "cache")
    tree = RequestTree(repository, repository.resolve("main"))
    place = str(checkout.path / path)
    assert (tree.holds(place), tree.changed(place)) == CASES[path]
    repository.close()
