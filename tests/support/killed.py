"""A sync or a rollback in a process of its own that is killed at a chosen step.

    python killed.py SETTINGS.json

SETTINGS: root, cache, table (of the workflow), action (sync or rollback), step (kill after this many checkpoints; 0 never).
Prints the number of checkpoints that were passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync
from support.world import Listener, Person


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    passed = 0

    def checkpoint(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == settings["step"]:
            os.kill(os.getpid(), signal.SIGKILL)

    session = Session(
        root=Path(settings["root"]),
        environ=dict(os.environ),
        cache_dir=Path(settings["cache"]),
        observer=Listener(),
        gate=Person(),
        holder="victim",
        checkpoint=checkpoint,
    )
    workflow = read_table(settings["table"], WorkflowSpec, "workflow")
    if settings["action"] == "sync":
        sync(session, workflow)
    else:
        rollback(session, workflow, reason="killed on the way")
    sys.stdout.write(f"{passed}\n")


if __name__ == "__main__":
    main()
