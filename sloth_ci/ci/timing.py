"""Where the time of a job goes: an observer that keeps a clock beside another one."""

from __future__ import annotations

import time
from collections.abc import Callable

from sloth_ci.core.events import ItemState, Level, Observer


class Timed:
    """Passes everything on, and knows how many seconds each phase took."""

    def __init__(self, observer: Observer, clock: Callable[[], float] = time.monotonic) -> None:
        self._observer, self._clock = observer, clock
        self._started = self._since = clock()
        self._phase = ""
        self._seconds: dict[str, float] = {}

    def log(self, level: Level, message: str) -> None:
        self._observer.log(level, message)

    def phase(self, name: str, total: int | None = None) -> None:
        self._turn(name)
        self._observer.phase(name, total)

    def advance(self, item: str) -> None:
        self._observer.advance(item)

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        self._observer.item(ref, state, detail)

    def told(self) -> str:
        """`took 3.1 s: render 0.4 s, compare 1.2 s, other 1.5 s`; a phase of several workflows is counted once."""
        self._turn("")
        whole = self._clock() - self._started
        phases = {name: seconds for name, seconds in self._seconds.items() if name}
        rest = whole - sum(phases.values())
        return f"took {whole:.1f} s: " + ", ".join(
            f"{name} {took:.2f} s" for name, took in (*phases.items(), ("other", rest))
        )

    def _turn(self, name: str) -> None:
        now = self._clock()
        # Phases that name a revision or an object are one phase to whoever asks where the time went.
        key = self._phase.partition(" ")[0] if self._phase.startswith("render ") else self._phase
        self._seconds[key] = self._seconds.get(key, 0.0) + now - self._since
        self._phase, self._since = name, now
