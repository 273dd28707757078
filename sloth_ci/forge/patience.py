"""Waiting for a forge: what may do better later is asked again, for a while, and a person is told why."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TypeVar

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Unclear

T = TypeVar("T")

PATIENCE = 180.0
"""Seconds that are waited, in all, for one thing to succeed. The usual pause of a forge's limit is a minute."""
_TRIES = 6
_WORTH_A_WORD = 4.0
"""Seconds of waiting that are said: a job that stands still without a word looks as if it hung."""


def sleep(seconds: float) -> bool:
    """Wait, and never ask for the end."""
    time.sleep(seconds)
    return False


class Refused(Exception):
    """One request was refused, or not answered."""

    def __init__(
        self,
        *,
        pause: Callable[[int, float], float | None],
        unclear: bool,
        in_short: str,
        error: Callable[[], ForgeError],
    ) -> None:
        """`pause` says after how many seconds the same may do better, by the attempt (from 0) and the time; None: never.

        `unclear`: it may have been done all the same. `in_short` is for whoever waits, `error` for whoever reads the end.
        """
        super().__init__(in_short)
        self.pause = pause
        self.unclear = unclear
        self.in_short = in_short
        self.error = error


class Patience:
    """How long is waited, on which clock, and who hears of it."""

    def __init__(
        self, notice: Callable[[str], None], pause: Callable[[float], bool], clock: Callable[[], float]
    ) -> None:
        """`pause` waits so many seconds and says whether the run is to end instead; `notice` hears of the longer ones."""
        self.notice = notice
        self.pause = pause
        self.clock = clock

    def ask(self, call: Callable[[], T], *, repeat: bool = True) -> T:
        """Do what may raise Refused until it succeeds. `repeat` says whether doing it twice does no harm.

        Raises the error of the last refusal.
        """
        until = self.clock() + PATIENCE
        for attempt in itertools.count():
            try:
                return call()
            except Refused as refused:
                no = refused
            now = self.clock()
            wait = no.pause(attempt, now)
            if wait is None or attempt >= _TRIES or now + wait > until or (no.unclear and not repeat):
                raise no.error() from None
            if self._waited(wait, no.in_short):
                raise no.error() from None
        raise AssertionError("count() does not end")

    def repeated(self, once: Callable[[], T]) -> T:
        """Do something that first looks what is there already, until the forge says clearly that it was done."""
        until = self.clock() + PATIENCE
        for attempt in itertools.count():
            try:
                return once()
            except Unclear as error:
                wait = 2.0**attempt
                if attempt >= _TRIES or self.clock() + wait > until or self._waited(wait, error.message):
                    raise
        raise AssertionError("count() does not end")

    def _waited(self, seconds: float, why: str) -> bool:
        """Wait, with a word where it takes long. Says whether the run is to end instead."""
        if seconds >= _WORTH_A_WORD:
            self.notice(f"{why}; trying again in {seconds:.0f} s")
        return self.pause(seconds)
