"""The examples of docs/lua.md: each is a whole workflow file, and runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.world import World, configmap

from .conftest import Run

TEXT = (Path(__file__).parents[2] / "docs/lua.md").read_text()
EXAMPLES = re.findall(r"^```lua\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def manifests(world: World) -> None:
    """What the examples deploy."""
    world.push("manifests", {"manifests/app.yaml": configmap("app", port="80")})


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_every_example_of_the_documentation_runs(world: World, sloth: Run, example: str) -> None:
    (world.root / "sloth.lua").write_text(example)
    done = sloth("run")
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_a_task_that_is_in_no_definition_runs_when_it_is_named(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(next(text for text in EXAMPLES if "strategies.canary({" in text))
    done = sloth("run", "--task", "release", "--param", "wait=0s")
    assert done.returncode == 0, done.stderr
    assert (world.root / "live/few").is_dir()
    assert (world.root / "live/all").is_dir()
