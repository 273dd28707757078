"""For whom the script runs: what a host function may know about the task that called it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sloth_ci.script.errors import Cancelled, TaskTimeout


@dataclass
class Context:
    """A run of a file, a task or a callback. `deadline` is on the monotonic clock, in seconds."""

    directory: Path
    """Where commands run."""
    task: str | None = None
    deadline: float | None = None
    timeout: float | None = None
    """What the deadline was made of, for messages."""
    cancel: threading.Event = field(default_factory=threading.Event)
    _stop_call: Callable[[], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def late(self) -> bool:
        """Whether the deadline is over."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def check(self) -> None:
        """Raise TaskTimeout after the deadline, and Cancelled when the run was stopped."""
        if self.cancel.is_set():
            raise self.cancelled()
        if self.late:
            raise self.timed_out()

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the deadline or a cancel. Raises as `check` does."""
        remaining = self.remaining
        self.cancel.wait(seconds if remaining is None else min(seconds, remaining))
        self.check()

    @contextmanager
    def calling(self, cancel: Callable[[int], None]) -> Iterator[None]:
        """While a call of the host runs in this thread: `cancel(thread)` it at the deadline, or when `stop` says so."""
        thread = threading.get_ident()
        with self._lock:
            self._stop_call = lambda: cancel(thread)
        timer = None
        if self.remaining is not None:
            timer = threading.Timer(self.remaining, self._stop_the_call)
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                self._stop_call = None

    def stop(self) -> None:
        """Stop what runs in this context."""
        self.cancel.set()
        self._stop_the_call()

    def _stop_the_call(self) -> None:
        with self._lock:
            if self._stop_call is not None:
                self._stop_call()

    def timed_out(self) -> TaskTimeout:
        """The error for a task that took too long."""
        name = f"task '{self.task}'" if self.task else "the script"
        return TaskTimeout(
            f"{name} timed out after {self.timeout or 0:g} s", "raise its timeout, or look at what it waits for"
        )

    def cancelled(self) -> Cancelled:
        """The error for a task whose run was stopped."""
        name = f"task '{self.task}'" if self.task else "the script"
        return Cancelled(f"{name} was stopped")
