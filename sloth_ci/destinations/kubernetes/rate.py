"""A limit on requests for servers that have none of their own."""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

PER_SECOND: Final = 50.0
BURST: Final = 100.0


class Rate:
    """A token bucket that counts only while `limited`.

    Since 1.20, API Priority and Fairness protects a server better than any guess of ours, and its answers say so.
    """

    def __init__(self) -> None:
        self.limited = False
        self._lock = Lock()
        self._left = BURST
        self._at = time.monotonic()

    def wait(self) -> None:
        """Until one more request may be sent."""
        if not self.limited:
            return
        with self._lock:
            now = time.monotonic()
            self._left = min(BURST, self._left + (now - self._at) * PER_SECOND) - 1.0
            self._at = now
            delay = -self._left / PER_SECOND
        if delay > 0:
            time.sleep(delay)
