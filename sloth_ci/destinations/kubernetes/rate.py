"""A limit on requests for servers that have none of their own."""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

PER_SECOND: Final = 50.0
BURST: Final = 100.0


class Rate:
    """A token bucket for servers whose answers do not say that API Priority and Fairness is on.

    It protects a server better than any guess of ours. Until the first answer nothing is known, and nothing limited.
    """

    def __init__(self) -> None:
        self._limited = False
        self._settled = False
        self._lock = Lock()
        self._left = BURST
        self._at = time.monotonic()

    def heard(self, flow_control: bool) -> None:
        """Note an answer. One that says it settles it: those of a proxy in between never do."""
        if flow_control:
            self._settled = True
        self._limited = not self._settled

    def wait(self) -> None:
        """Until one more request may be sent."""
        if not self._limited:
            return
        with self._lock:
            now = time.monotonic()
            self._left = min(BURST, self._left + (now - self._at) * PER_SECOND) - 1.0
            self._at = now
            delay = -self._left / PER_SECOND
        if delay > 0:
            time.sleep(delay)
