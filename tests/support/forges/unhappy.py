"""What a forge answers on a bad day, set by a test for the next requests that match."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

F = TypeVar("F", bound=str)


@dataclass
class Trouble(Generic[F]):
    """A fault for the next requests that match."""

    fault: F
    times: int
    method: str
    path: re.Pattern[str]
    retry_after: int | None
    seconds: float
    met: int = 0
    """How many requests it was given to."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by the first of them."""

    def matches(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and bool(self.path.search(path))  # fmt: skip


class Unhappy(Generic[F]):
    """The troubles to come."""

    def __init__(self, limits: Collection[F]) -> None:
        self._limits = limits
        """The faults that say when to come back."""
        self._troubles: list[Trouble[F]] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: F,
        *,
        method: str = "",
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
        seconds: float = 5.0,
    ) -> Trouble[F]:
        """Make the next `times` requests fail. `path` is a regular expression that is looked for.

        `seconds` is how late a slow answer is; `retry_after` is a header of an answer that has one.
        """
        if fault in self._limits and retry_after is None:
            retry_after = 60
        trouble = Trouble(fault, times, method, re.compile(path), retry_after, seconds)
        with self._lock:
            self._troubles.append(trouble)
        return trouble

    def next(self, method: str, path: str) -> Trouble[F] | None:
        """The trouble that this request runs into, which is used up by it."""
        with self._lock:
            for trouble in self._troubles:
                if trouble.matches(method, path):
                    trouble.times -= 1
                    trouble.met += 1
                    trouble.arrived.set()
                    return trouble
            return None

    def clear(self) -> None:
        """No more of it."""
        with self._lock:
            self._troubles.clear()
