"""Waiting for what will be true in a moment, with a deadline and no guess how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, timeout: float = 120.0, every: float = 0.05, what: str = "") -> T:
    """Ask until the answer is true, and return it.

    Args:
        condition: asked at least once, then every `every` seconds.
        timeout: seconds.
        every: seconds.
        what: what is waited for, for the message.

    Raises TimeoutError, with the last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:g} s still not: {what or condition} (the last answer: {answer!r})")
        time.sleep(every)
    return answer
