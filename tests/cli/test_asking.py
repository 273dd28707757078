"""What a person at a terminal is asked: the question stays on the screen, and only what needs an answer is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.bodies import deployment
from support.vt import Terminal, until
from support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]

LUA = """
local shop = gitops.workflow({
    name = "shop", repo = ".", branch = "main", target_path = "k8s", environment = "production",
    destination = { directory = "live" }, %s
})
"""
A_FRAME_OF_THE_SPINNER = 1.6
"""Seconds after which it would have been drawn: it starts after one."""


@contextmanager
def at_a_terminal(world: World, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """A command whose stdin and stderr are a terminal."""
    terminal = Terminal()
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-m", "sloth_ci.cli", *arguments],
        cwd=world.root,
        env={**os.environ, "PYTHONPATH": path, "SLOTH_CACHE_DIR": str(world.folder / "cache"), "TERM": "xterm"},
        stdin=terminal.file,
        stdout=subprocess.DEVNULL,
        stderr=terminal.file,
    ) as process:
        try:
            yield process, terminal
        finally:
            process.kill()
            process.wait()
            terminal.close()


@pytest.mark.parametrize(
    ("lua", "arguments", "question"),
    [
        (LUA % "approval_required = true", ("sync",), "Apply this plan ("),
        (LUA % "" + 'gitops.generate_diff(shop.workflow_id) log.info("Go on?") io.read()', ("run",), "Go on?"),
    ],
)
def test_nothing_draws_over_a_question(world: World, lua: str, arguments: tuple[str, ...], question: str) -> None:
    (world.root / "sloth.lua").write_text(lua)
    with at_a_terminal(world, *arguments) as (process, terminal):
        until(lambda: question in terminal.text)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(A_FRAME_OF_THE_SPINNER)
        assert question in terminal.seen()[-1]
        os.write(terminal.master, b"y\n")
        assert process.wait(300) == 0


def test_a_plan_below_from_impact_is_applied_without_a_question(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(LUA % 'approval = { from_impact = "high" }')
    assert sloth("sync").returncode == 0
    assert world.live()
    world.push("two", {"k8s/web.yaml": deployment(image="web:1", replicas=0)})
    refused = sloth("sync")
    assert refused.returncode == 5, "replicas to zero are of high impact"
    assert "needs an approval" in refused.stderr


def test_an_approval_that_is_no_digest_is_told_so(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(LUA % "approval_required = true")
    for command in (("sync",), ("run",)):
        done = sloth(*command, "--approve", "abc")
        assert done.returncode == 2
        assert "--approve abc: that is no digest" in done.stderr
