"""`sloth-ci drift`: what others changed at a destination since the last sync, from what it is now to what Git has."""

from __future__ import annotations

import pytest

from support.gitrepo import GitRepo
from support.world import World, configmap

from .conftest import Run

PLACES = {"directory": 'directory = "live"', "branch": 'branch = "rendered/prod"'}
NAMES = {"directory": "directory live", "branch": "branch rendered/prod"}


def edited(world: World, kind: str) -> None:
    """Somebody writes to the destination by hand."""
    if kind == "directory":
        files = [file for file in (world.root / "live").rglob("*.yaml") if "web:1" in file.read_text()]
        assert len(files) == 1
        files[0].write_text(files[0].read_text().replace("web:1", "web:drifted"))
        return
    other = world.folder / "other"
    world.checkout.git("clone", "-q", "-b", "rendered/prod", str(world.origin), str(other))
    (file,) = [file for file in other.rglob("*.yaml") if "web:1" in file.read_text()]
    GitRepo(other).commit("by hand", {str(file.relative_to(other)): file.read_text().replace("web:1", "web:drifted")})
    world.checkout.git("-C", str(other), "push", "-q", "origin", "HEAD:rendered/prod")


@pytest.mark.parametrize("kind", ["directory", "branch"])
def test_drift_has_a_headline_of_its_own_and_says_which_way_it_reads(world: World, sloth: Run, kind: str) -> None:
    world.push("two", {"k8s/prices.yaml": configmap("prices", apple="1")})
    (world.root / "sloth.lua").write_text(
        f'gitops.workflow({{ name = "shop", repo = ".", target_path = "k8s", destination = {{ {PLACES[kind]} }} }})'
    )
    assert sloth("sync").returncode == 0
    fine = sloth("drift", "--exit-code")
    assert (fine.returncode, fine.stdout.splitlines()[0]) == (0, f"no drift at {NAMES[kind]}: 2 objects as synced")
    edited(world, kind)
    # What has come to Git since is no drift.
    world.push("three", {"k8s/prices.yaml": configmap("prices", apple="2")})
    found = sloth("drift", "--exit-code")
    assert found.returncode == 20
    lines = found.stdout.splitlines()
    assert lines[0] == f"drift: 1 object at {NAMES[kind]} is not as synced · what it is now → what Git has"
    assert "image drifted → 1" in found.stdout
    assert "change to" not in found.stdout
