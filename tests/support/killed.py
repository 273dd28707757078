"""A sync or a rollback in a process of its own that is killed at a chosen step.

    python killed.py SETTINGS.json

SETTINGS: root, cache, table (of the workflow), action (sync or rollback), step (kill after this many checkpoints; 0 never);
with `requests`, the steps are instead those right before and right after each request that changes something in a cluster.
Prints the number of steps that were passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync
from support.world import Listener, Person


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


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    passed = 0
    counting = threading.Lock()

    def step() -> None:
        nonlocal passed
        with counting:
            passed += 1
            if passed == settings["step"]:
                os.kill(os.getpid(), signal.SIGKILL)

    if settings.get("requests"):
        _watch_requests(step)

    session = Session(
        root=Path(settings["root"]),
        environ=dict(os.environ),
        cache_dir=Path(settings["cache"]),
        observer=Listener(),
        gate=Person(),
        holder="victim",
        checkpoint=lambda name: None if settings.get("requests") else step(),
    )
    workflow = read_table(settings["table"], WorkflowSpec, "workflow")
    if settings["action"] == "sync":
        sync(session, workflow)
    else:
        rollback(session, workflow, reason="killed on the way")
    sys.stdout.write(f"{passed}\n")


if __name__ == "__main__":
    main()
