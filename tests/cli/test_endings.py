"""How a command ends that does not come to its end: what is left to do is said, and only where something is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sloth_ci.core.errors import Interrupted
from sloth_ci.options import running
from sloth_ci.startup import Options
from support.world import World

LUA = """
gitops.workflow({ name = "shop", repo = ".", branch = "main", target_path = "k8s", destination = { directory = "live" } })
"""


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """In the checkout."""
    (world.root / "sloth.lua").write_text(LUA)
    monkeypatch.chdir(world.root)
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(world.folder / "cache"))
    return world


@pytest.mark.parametrize(
    ("steps", "hint"),
    [
        ((), None),
        (("backed up",), "the next sync goes on from here"),
        (("backed up", "applied", "recorded"), None),
        (("backed up", "recorded", "backed up"), "the next sync goes on from here"),
    ],
)
@pytest.mark.usefixtures("here")
def test_ctrl_c_says_what_is_left_to_do(steps: tuple[str, ...], hint: str | None) -> None:
    def work() -> None:
        with running(Options()) as (run, _):
            for step in steps:
                run.session.checkpoint(step)
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        work()
    assert caught.value.message == "stopped"
    assert caught.value.hint == hint


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [("preview",), ("preview", "--format", "json"), ("status",), ("run",)])
def test_a_full_disk_is_named_and_no_fault_of_ours(arguments: tuple[str, ...]) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sloth_ci.cli", *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "Exception ignored" not in done.stderr
