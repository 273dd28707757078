"""What happens while a use-case runs: logs, phases and the objects of a phase, on a terminal or in the log of a job."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self, TextIO

from sloth_ci.core.events import ItemState, Level
from sloth_ci.core.words import plural
from sloth_ci.report.board import DONE, MOVING, Board, board_rows, reason_of
from sloth_ci.report.layout import Row, trim
from sloth_ci.report.outcome_view import seconds
from sloth_ci.report.terminal import Drawing, screen_of
from sloth_ci.report.text import one_line, visible

_LEVELS: dict[Level, str] = {"debug": "dim", "info": "path", "warn": "warn", "error": "bad"}
_MARGIN = " " * 6
_FRAME = 1 / 8
_TOLD = 20
"""So many objects are named in one go in a log, and so many failures in one phase; of more, their number."""


class TerminalObserver:
    """Logs and progress on stderr, safe to call from many threads.

    A phase is shown only when it takes longer than `delay` seconds. On a terminal it is a spinner with a count, and a
    table of its objects where they are told of, drawn every `frame` seconds; it goes when the phase ends, and only what
    failed stays. Elsewhere it is plain lines: its start, one every `every` seconds while items get done, its end, one
    for an object that fails, and every `patience` seconds those that have not moved for so long.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        verbose: bool = False,
        environ: Mapping[str, str] | None = None,
        delay: float = 1.0,
        every: float = 10.0,
        patience: float = 30.0,
        frame: float = _FRAME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen_of(file or sys.stderr, environ=environ)
        self._verbose = verbose
        self._delay, self._every, self._patience, self._frame, self._clock = delay, every, patience, frame, clock
        self._lock = threading.RLock()
        """Held while anything is written. `item` does not wait for it on a terminal."""
        self._board = Board()
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._last = ""
        self._started = self._told = self._complained = 0.0
        self._announced = False
        self._failed: dict[str, float] = {}
        """When a line was written about the failure of an object."""
        self._silent = 0
        """Failures of the phase that got no line."""
        self._pauses = 0
        self._drawing: Drawing | None = None
        self._ticker: threading.Thread | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log(self, level: Level, message: str) -> None:
        """One line for the reader; further lines of the message are indented below it."""
        if level == "debug" and not self._verbose:
            return
        first, *more = message.expandtabs(4).rstrip("\n").split("\n")
        rows: list[Row] = [[(f"{level:<5} ", _LEVELS[level]), (visible(first), "text")]]
        rows += [[(_MARGIN, "text"), (visible(line), "text")] for line in more]
        with self._lock:
            self._write(rows)

    def phase(self, name: str, total: int | None = None) -> None:
        """A new step starts, and with it the one before it ends."""
        with self._lock:
            self._end_phase()
            self._name, self._total, self._done, self._last = one_line(name, 60), total, 0, ""
            self._started = self._told = self._complained = self._clock()
            self._announced = self._drawing is not None
            if not name:
                self._stop_drawing()
            elif self._ticker is None:
                self._stopped = threading.Event()
                self._ticker = threading.Thread(target=self._tick_on, args=(self._stopped,), daemon=True)
                self._ticker.start()

    def advance(self, item: str) -> None:
        """One item of the phase is done."""
        with self._lock:
            self._done += 1
            self._last = item
            if not self._screen.moving and self._announced and self._clock() - self._told >= self._every:
                self._told = self._clock()
                self._say(f"{self._name} {self._count()}")

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        """Where one object of the phase is now, and why."""
        before = self._board.put(ref, state, detail, self._clock())
        if self._screen.moving or state == before:
            return
        if state == "failed":
            self._tell_failure(ref, detail)
        elif state in DONE and ref in self._failed:
            with self._lock:
                if self._failed.pop(ref, None) is not None:
                    self._say(f"{one_line(ref)} {state} after all")

    def close(self) -> None:
        """Take the progress away. Nothing is shown by itself after this."""
        with self._lock:
            self._end_phase()
            self._name = ""
            self._stop_drawing()
            ticker, self._ticker = self._ticker, None
            self._stopped.set()
        if ticker is not None:
            ticker.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep still while somebody else writes to the terminal or asks a question."""
        with self._lock:
            self._pauses += 1
            self._stop_drawing()
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1

    # --- what shows itself ---

    def _tick_on(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._frame):
            with self._lock:
                if stopped.is_set():
                    return
                try:
                    self._tick()
                except (OSError, ValueError):
                    # The stream is gone. Whoever logs next meets the same where it can be handled.
                    return

    def _tick(self) -> None:
        now = self._clock()
        if not self._name or self._pauses or (not self._announced and now - self._started < self._delay):
            return
        first, self._announced = not self._announced, True
        if self._screen.moving:
            self._draw(now)
            return
        if first:
            self._say(f"{self._name} {self._count()}")
        if now - self._complained >= self._patience:
            self._complain(now)

    def _draw(self, now: float) -> None:
        if self._drawing is None:
            self._drawing = Drawing(self._screen)
        glyphs, (columns, lines) = self._screen.glyphs, self._screen.size()
        columns = columns if glyphs.unicode else columns - 6
        frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if glyphs.unicode else "|/-\\"
        spinner = frames[int(now / _FRAME) % len(frames)]
        objects = len(self._board) > 0
        head: Row = [(f"{spinner} ", "path"), (self._name, "strong"), (f" {self._count()}".rstrip(), "strong")]
        if self._last and not objects:
            head.append((f"  {one_line(self._last, 60)}", "dim"))
        head.append((f"  {seconds(now - self._started)}", "dim"))
        rows = [trim(head, columns, glyphs.ellipsis)]
        if objects:
            # The last line of a terminal stays free: what is written above pushes through it.
            rows += board_rows(self._board, self._total, now, columns, lines - 2, glyphs, spinner)
        self._drawing.draw(rows)

    def _complain(self, now: float) -> None:
        """Name those that have not moved for long, in one go for all."""
        stuck = [item for state in MOVING for item in self._board.longest(state) if now - item.since >= self._patience]
        if not stuck:
            return
        self._complained = now
        stuck.sort(key=lambda item: item.since)
        for item in stuck[:_TOLD]:
            reason = f": {reason_of(item.detail)}" if item.detail else ""
            self._say(f"{one_line(item.ref)} {item.state} for {seconds(now - item.since)}{reason}")
        if len(stuck) > _TOLD:
            self._say(f"and {plural(len(stuck) - _TOLD, 'more object')}")

    def _tell_failure(self, ref: str, detail: str) -> None:
        """One line, for a log. Not again for one that fails time and again, nor for a whole cluster that does."""
        with self._lock:
            now = self._clock()
            if now - self._failed.get(ref, -self._patience) < self._patience:
                return
            if len(self._failed) >= _TOLD and ref not in self._failed:
                self._silent += 1
                return
            self._failed[ref] = now
            self._write([_failure(ref, detail)])

    def _end_phase(self) -> None:
        if self._announced and self._name and self._screen.moving:
            failed = self._board.longest("failed")
            self._write([_failure(item.ref, item.detail) for item in failed[:_TOLD]])
            self._silent = max(0, len(failed) - _TOLD)
        if self._silent:
            self._write([[(_MARGIN, "text"), (f"and {plural(self._silent, 'more object')} failed", "bad")]])
        if self._announced and self._name and not self._screen.moving:
            took = seconds(self._clock() - self._started)
            ended = "done in" if self._done >= (self._total or 0) else "ended after"
            self._say(f"{self._name} {self._count()}".rstrip() + f" {ended} {took}")
        self._board.clear()
        self._failed.clear()
        self._silent = 0

    def _count(self) -> str:
        return f"{self._done:,}/{self._total:,}" if self._total else f"{self._done:,}" if self._done else ""

    def _say(self, text: str) -> None:
        """A quiet line."""
        self._write([[(f"{_MARGIN}{text}".rstrip(), "dim")]])

    def _write(self, rows: Sequence[Row]) -> None:
        if self._drawing is None:
            self._screen.show(rows)
        else:
            self._drawing.write(rows)

    def _stop_drawing(self) -> None:
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None


def _failure(ref: str, detail: str) -> Row:
    reason = f": {reason_of(detail)}" if detail else ""
    return [("error ", "bad"), (one_line(ref, 253), "strong"), (f" failed{reason}", "text")]
