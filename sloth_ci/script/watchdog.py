"""The last resort against Lua that does not come back.

The instruction budget of `lua/jobs.lua` stops Lua code, but nothing can stop a C function that it called. Most of their
work is bounded in `lua/guard.lua`; a pattern that backtracks without end is not, and then the process ends with a message
instead of holding a runner for hours.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable


def end_process(seconds: float) -> None:
    """Say why, and end with the exit code of a usage error. Nothing is cleaned up: the thread in Lua cannot be stopped."""
    message = (
        f"error: the Lua script has been inside one built-in function for {seconds:.0f} s and cannot be stopped\n"
        "hint: look for a string function on very long text; the process ends here\n"
    )
    os.write(2, message.encode())
    sys.stdout.flush()
    os._exit(2)


class Watchdog:
    """Watches for a sign of life while Lua runs. `patience` in seconds."""

    def __init__(self, patience: float, expire: Callable[[float], None] = end_process) -> None:
        self._patience = patience
        self._expire = expire
        self._seen: float | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def alive(self) -> None:
        """Lua runs, and was just heard of."""
        self._seen = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="lua-watchdog", daemon=True)
            self._thread.start()

    def rest(self) -> None:
        """Lua does not run."""
        self._seen = None

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._patience / 4):
            seen = self._seen
            if seen is not None and time.monotonic() - seen > self._patience:
                self._expire(self._patience)
                return
