"""The objects of a wait, and when they are looked at again."""

from __future__ import annotations

import time
from typing import Final

from sloth_ci.core.health import Verdict
from sloth_ci.core.hooks import hook_phases
from sloth_ci.core.objects import Body, Ref
from sloth_ci.destinations.kubernetes.discovery import Resource

LOOK: Final = 0.5
"""Seconds after which everything is looked at, whether or not something happened."""
_REST: Final = 4
"""Between two rounds over all objects, at least so many times as long as a round takes."""


class Waited:
    """One object that is waited for."""

    __slots__ = ("body", "ref", "resource", "retried", "uid", "verdict")

    def __init__(self, ref: Ref, uid: str) -> None:
        self.ref = ref
        self.uid = uid
        self.resource: Resource | None = None
        self.body: Body | None = None
        self.verdict: Verdict | None = None
        self.retried = False
        """It failed, and something is still trying."""

    @property
    def is_settled(self) -> bool:
        """Whether waiting longer changes nothing, as far as one can know."""
        if self.verdict is None:
            return False
        if self.verdict.state == "suspended":
            return self.body is None or hook_phases(self.body) is None
        return self.verdict.state in {"healthy", "failed"}

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be."""
        return self.verdict is not None and self.verdict.state != "failed" and self.is_settled


class Round:
    """When all open objects are judged again: soon after there is a reason, but thousands of them not for each pod."""

    def __init__(self) -> None:
        self._wanted = True
        self._ended = time.monotonic()
        self._took = 0.0

    def want(self) -> None:
        """There is a reason."""
        self._wanted = True

    def left(self) -> float:
        """Seconds until it is time."""
        pause = max(0.0 if self._wanted else LOOK, _REST * self._took)
        return max(0.0, self._ended + pause - time.monotonic())

    def __enter__(self) -> None:
        self._wanted = False
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._ended = time.monotonic()
        self._took = self._ended - self._began
