"""Plans, outcomes and progress on a terminal; the same as plain text where there is none.

The only place that knows rich, and it asks for it only when there is colour or movement to show.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TextIO

from sloth_ci.core.events import Level
from sloth_ci.core.outcome import Outcome
from sloth_ci.core.plan import Plan
from sloth_ci.report.layout import ASCII, UNICODE, Glyphs, Row, plain, safe
from sloth_ci.report.outcome_view import history_rows, outcome_rows, seconds, status_rows
from sloth_ci.report.plan_view import Detail, plan_rows
from sloth_ci.report.text import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

# Only the terminal's own eight colours: its owner chose them to be readable on the background.
THEME = {
    "text": "",
    "strong": "bold",
    "dim": "dim",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "old": "red",
    "new": "green",
    "path": "cyan",
    "create": "green",
    "update": "yellow",
    "recreate": "magenta",
    "delete": "red",
    "low": "cyan",
    "medium": "yellow",
    "high": "red",
    "critical": "bold magenta",
}
_PLAIN_WIDTH = 120


class Screen(NamedTuple):
    """What a stream can show."""

    file: TextIO
    width: int
    colour: bool
    moving: bool
    glyphs: Glyphs

    @property
    def columns(self) -> int:
        """Columns to lay out for: some are kept free where an arrow takes two and an ellipsis three."""
        return self.width if self.glyphs.unicode else self.width - 6

    def show(self, rows: Iterable[Row]) -> None:
        """Write rows, in one piece."""
        if self.colour:
            console = console_of(self)
            with console.capture() as capture:
                for row in rows:
                    console.print(_styled(row, self.glyphs), soft_wrap=True)
            text = capture.get()
        else:
            text = plain(rows, self.width, unicode=self.glyphs.unicode)
        self.file.write(text)
        self.file.flush()


def screen_of(
    file: TextIO, *, width: int | None = None, colour: bool | None = None, environ: Mapping[str, str] | None = None
) -> Screen:
    """What `file` can show: asked of the stream and of NO_COLOR, FORCE_COLOR, TERM and COLUMNS, unless it is given."""
    env = os.environ if environ is None else environ
    tty = file.isatty()
    dumb = env.get("TERM") == "dumb"
    if colour is None:
        colour = not env.get("NO_COLOR") and (bool(env.get("FORCE_COLOR")) or (tty and not dumb))
    return Screen(
        file=file,
        width=width or _width(file, env, tty=tty),
        colour=colour,
        moving=tty and not dumb,
        glyphs=UNICODE if _can_encode(file) else ASCII,
    )


def _width(file: TextIO, environ: Mapping[str, str], *, tty: bool) -> int:
    said = environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    if tty:
        try:
            return os.get_terminal_size(file.fileno()).columns or 80
        except OSError:
            return 80
    return _PLAIN_WIDTH


def _can_encode(file: TextIO) -> bool:
    try:
        "".join(glyph for glyph in UNICODE if isinstance(glyph, str)).encode(getattr(file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console_of(screen: Screen) -> Console:
    """A rich console that adds nothing of its own: no markup, no highlighting, no wrapping."""
    from rich.console import Console

    return Console(
        file=screen.file,
        width=screen.width,
        force_terminal=screen.colour,
        color_system="standard" if screen.colour else None,
        no_color=not screen.colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _styled(row: Row, glyphs: Glyphs) -> Text:
    from rich.text import Text

    line = "".join(text for text, _ in row)
    if safe(line, unicode=glyphs.unicode) != line:
        # Something in it had to be made harmless, which may reach over several spans: colour is not worth the risk.
        return Text(safe(line, unicode=glyphs.unicode), end="")
    styled = Text(end="")
    for text, style in row:
        styled.append(text, " ".join(filter(None, (THEME[word] for word in style.split()))))
    return styled


def show_plan(
    plan: Plan,
    *,
    file: TextIO | None = None,
    width: int | None = None,
    colour: bool | None = None,
    detail: Detail = "auto",
    environ: Mapping[str, str] | None = None,
) -> None:
    """Show one plan. `detail="full"` adds every field of every change; without it, a large plan stays readable."""
    screen = screen_of(file or sys.stdout, width=width, colour=colour, environ=environ)
    screen.show(plan_rows(plan, screen.columns, detail, screen.glyphs))


def show_outcome(
    outcome: Outcome,
    *,
    file: TextIO | None = None,
    width: int | None = None,
    colour: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Show what became of a sync or a rollback."""
    screen = screen_of(file or sys.stdout, width=width, colour=colour, environ=environ)
    screen.show(outcome_rows(outcome, screen.columns, screen.glyphs))


def show_status(
    workflows: Sequence[Mapping[str, Any]],
    *,
    file: TextIO | None = None,
    width: int | None = None,
    colour: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Show workflows as `gitops.get_workflow_status` describes them, one a line."""
    screen = screen_of(file or sys.stdout, width=width, colour=colour, environ=environ)
    screen.show(status_rows(workflows, screen.columns, screen.glyphs))


def show_history(
    syncs: Sequence[Mapping[str, Any]],
    *,
    file: TextIO | None = None,
    width: int | None = None,
    colour: bool | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Show finished syncs, each as `last_sync_result` describes one, one a line."""
    screen = screen_of(file or sys.stdout, width=width, colour=colour, environ=environ)
    screen.show(history_rows(syncs, screen.columns, screen.glyphs))


_LEVELS: dict[Level, str] = {"debug": "dim", "info": "path", "warn": "warn", "error": "bad"}


class TerminalObserver:
    """Logs and progress on stderr, safe to call from many threads.

    A phase is shown only when it takes longer than `delay` seconds: as a spinner with a count on a terminal, as plain
    lines elsewhere (its start, one line every `every` seconds while items get done, its end).
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        verbose: bool = False,
        environ: Mapping[str, str] | None = None,
        delay: float = 1.0,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen_of(file or sys.stderr, environ=environ)
        self._verbose = verbose
        self._delay, self._every, self._clock = delay, every, clock
        self._lock = threading.RLock()
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._started = self._told = 0.0
        self._announced = False
        self._timer: threading.Timer | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None

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
        rows += [[("      ", "text"), (visible(line), "text")] for line in more]
        with self._lock:
            self._write(rows)

    def phase(self, name: str, total: int | None = None) -> None:
        """A new step starts, and with it the one before it ends."""
        with self._lock:
            self._end_phase()
            self._name, self._total, self._done = one_line(name, 60), total, 0
            self._started = self._told = self._clock()
            self._announced = False
            if self._progress is not None and self._task is not None:
                self._progress.reset(self._task)
                self._update()
                return
            timer = threading.Timer(self._delay, self._announce, args=(self._name, self._started))
            timer.daemon = True
            self._timer = timer
            timer.start()

    def advance(self, item: str) -> None:
        """One item of the phase is done."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._update(item)
            elif self._announced and self._clock() - self._told >= self._every:
                self._told = self._clock()
                self._write([[(f"      {self._name} {self._count()}", "dim")]])

    def close(self) -> None:
        """Take the progress away. Nothing is shown by itself after this."""
        with self._lock:
            self._end_phase()
            self._name = ""
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep still while somebody else writes to the terminal or asks a question."""
        with self._lock:
            moving = self._progress is not None
            self._stop()
        try:
            yield
        finally:
            with self._lock:
                if moving and self._name:
                    self._start()

    def _announce(self, name: str, started: float) -> None:
        """The phase has taken long enough to be worth a word."""
        with self._lock:
            if not self._name or (name, started) != (self._name, self._started) or self._announced:
                return
            self._announced = True
            if self._screen.moving:
                self._start()
            else:
                self._write([[(f"      {self._name} {self._count()}".rstrip(), "dim")]])

    def _end_phase(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._announced and self._progress is None and self._name and not self._screen.moving:
            took = seconds(self._clock() - self._started)
            ended = "done in" if self._done >= (self._total or 0) else "ended after"
            self._write([[(f"      {self._name} {self._count()}".rstrip() + f" {ended} {took}", "dim")]])

    def _count(self) -> str:
        return f"{self._done:,}/{self._total:,}" if self._total else f"{self._done:,}" if self._done else ""

    def _write(self, rows: Sequence[Row]) -> None:
        if self._progress is None:
            self._screen.show(rows)
            return
        for row in rows:
            self._progress.console.print(_styled(row, self._screen.glyphs), soft_wrap=True)

    def _start(self) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn("dots" if self._screen.glyphs.unicode else "line"),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[count]}", markup=False, style="bold"),
            TextColumn("{task.fields[item]}", markup=False, style="dim"),
            TimeElapsedColumn(),
            console=console_of(self._screen),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(self._name, total=None, count=self._count(), item="")
        self._progress.start()

    def _update(self, item: str = "") -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task,
                description=safe(self._name, unicode=self._screen.glyphs.unicode),
                count=self._count(),
                item=safe(one_line(item, 60), unicode=self._screen.glyphs.unicode),
            )

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress, self._task = None, None
