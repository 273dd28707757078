"""The time of the fake forge. The test owns it: it goes on when something happens, and when it is told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final

START: Final = 1_767_312_000.0
"""2026-01-02T00:00:00Z: a day after the first commit of a `GitRepo`."""


class Clock:
    """Seconds since the epoch, whole ones in what the forge says, as forges do."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """The time, in seconds."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Let time pass. It never goes back."""
        assert seconds >= 0
        with self._lock:
            self._now += seconds
            return self._now

    def tick(self) -> str:
        """A second later, as forges write it: no two things happen at the same time unless a test wants them to."""
        return iso(self.advance(1))


def iso(seconds: float) -> str:
    """A time as forges write it: `2026-01-02T00:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """The other way round."""
    return datetime.fromisoformat(text).timestamp()
