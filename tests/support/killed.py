"""Syncs and rollbacks in processes of their own that are killed at a chosen step.

`Victims` is for the tests. Run as a program, this file is the warm process that they are forked from: it reads the
settings of one run from each line of its input, and says in a line how that ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import msgspec

from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync
from support.world import Listener, Person, World


class Ended(NamedTuple):
    """How a run came to its end."""

    killed: bool
    passed: int
    """How many steps it passed; where it was killed, nobody knows, and it is 0."""
    errors: str
    """Its stderr."""


class Victims:
    """Runs of a sync or a rollback, one at a time. Their imports are done once for all of them."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._warm = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        world: World,
        workflow: WorkflowSpec,
        action: Literal["sync", "rollback"],
        step: int,
        *,
        requests: bool = False,
    ) -> Ended:
        """Run one until it has passed `step` steps, and kill it there; 0: never.

        Steps are the checkpoints of the engine; with `requests`, right before and right after each request that changes
        something in a cluster. A run that ends before is not killed. Raises AssertionError where it fails.
        """
        assert self._warm.stdin
        assert self._warm.stdout
        errors = world.folder / "killed.log"
        settings = {
            "root": str(world.root),
            "cache": str(world.folder / "cache"),
            "table": msgspec.to_builtins(workflow, enc_hook=float),
            "action": action,
            "step": step,
            "requests": requests,
            "environ": dict(os.environ),
            "errors": str(errors),
        }
        self._warm.stdin.write(json.dumps(settings) + "\n")
        self._warm.stdin.flush()
        code, passed = json.loads(self._warm.stdout.readline())
        told = errors.read_text()
        assert code in {0, -signal.SIGKILL}, f"step {step} ended with {code}: {told}"
        return Ended(code != 0, passed, told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._warm.communicate()
        assert self._warm.returncode == 0


def _watch_requests(step: Callable[[], None]) -> None:
    """Have `step` called around every request of this process that changes something in a cluster."""
    from sloth_ci.destinations.kubernetes.client import Client

    really = Client.call

    def call(self: Client, method: str, path: str, **more: Any) -> bytes:
        reads = method == "GET" or "dryRun" in (more.get("query") or {}) or "reviews" in path
        if reads:
            return really(self, method, path, **more)
        step()
        answer = really(self, method, path, **more)
        step()
        return answer

    Client.call = call  # type: ignore[method-assign]


def _carry_out(settings: dict[str, Any]) -> int:
    """Returns how many steps were passed."""
    passed = 0
    counting = threading.Lock()

    def step() -> None:
        nonlocal passed
        with counting:
            passed += 1
            if passed == settings["step"]:
                os.kill(os.getpid(), signal.SIGKILL)

    if settings["requests"]:
        _watch_requests(step)
    session = Session(
        root=Path(settings["root"]),
        environ=dict(os.environ),
        cache_dir=Path(settings["cache"]),
        observer=Listener(),
        gate=Person(),
        holder="victim",
        checkpoint=lambda name: None if settings["requests"] else step(),
    )
    workflow = read_table(settings["table"], WorkflowSpec, "workflow")
    try:
        if settings["action"] == "sync":
            sync(session, workflow)
        else:
            rollback(session, workflow, reason="killed on the way")
    finally:
        session.close()
    return passed


def _be_run(settings: dict[str, Any], result: int) -> None:
    """In the child: never returns."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(settings["environ"])
        with open(settings["errors"], "w") as errors:
            os.dup2(errors.fileno(), 2)
        os.write(result, str(_carry_out(settings)).encode())
        code = 0
    except BaseException:  # noqa: BLE001 (the parent reads it)
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def main() -> None:
    # The destination is imported where it is opened: once, here.
    import sloth_ci.destinations.kubernetes.destination  # noqa: F401

    for line in sys.stdin:
        settings = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _be_run(settings, writing)
        os.close(writing)
        with open(reading) as result:
            passed = result.read()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), int(passed or 0)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
