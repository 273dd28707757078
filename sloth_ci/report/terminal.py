"""Rows on a terminal; the same as plain text where there is none.

The only place that knows rich, and it asks for it only when there is colour or movement to show.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypedDict, Unpack

from sloth_ci.core.outcome import Outcome
from sloth_ci.core.plan import Plan
from sloth_ci.report.drift_view import drift_headline
from sloth_ci.report.layout import ASCII, UNICODE, Glyphs, Row, plain, safe
from sloth_ci.report.outcome_view import history_rows, outcome_rows, status_rows
from sloth_ci.report.plan_view import plan_rows
from sloth_ci.report.view import Detail

if TYPE_CHECKING:
    from rich.console import Console
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
_PLAIN_LINES = 24


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

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal at this moment, which may have been resized."""
        try:
            size = os.get_terminal_size(self.file.fileno())
        except OSError:
            return self.width, _PLAIN_LINES
        return min(self.width, size.columns or self.width), size.lines or _PLAIN_LINES

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


def console_of(screen: Screen, *, terminal: bool = False) -> Console:
    """A rich console that adds nothing of its own: no markup, no highlighting, no wrapping.

    With `terminal` it may move the cursor, in colour or without.
    """
    from rich.console import Console

    return Console(
        file=screen.file,
        width=screen.width,
        force_terminal=terminal or screen.colour,
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


class Drawing:
    """Rows at the bottom of a terminal that are drawn again and again, and that leave nothing behind.

    Not for several threads at once.
    """

    def __init__(self, screen: Screen) -> None:
        from rich.live import Live

        self._screen = screen
        self._console = console_of(screen, terminal=True)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def draw(self, rows: Iterable[Row]) -> None:
        """These rows instead of those before."""
        from rich.text import Text

        self._console.size = self._screen.size()
        text = Text("\n", no_wrap=True, overflow="crop").join(_styled(row, self._screen.glyphs) for row in rows)
        self._live.update(text, refresh=True)

    def write(self, rows: Iterable[Row]) -> None:
        """Rows that stay, above."""
        for row in rows:
            self._console.print(_styled(row, self._screen.glyphs), soft_wrap=True)

    def stop(self) -> None:
        """Take the rows away."""
        self._live.stop()


class Look(TypedDict, total=False):
    """Where something is shown and how; what is left out is asked of the stream and of the environment."""

    file: TextIO | None
    """None: stdout."""
    width: int | None
    colour: bool | None
    environ: Mapping[str, str] | None


def _screen(**look: Unpack[Look]) -> Screen:
    return screen_of(
        look.get("file") or sys.stdout,
        width=look.get("width"),
        colour=look.get("colour"),
        environ=look.get("environ"),
    )


def show_plan(plan: Plan, *, detail: Detail = "auto", **look: Unpack[Look]) -> None:
    """Show one plan. `detail="full"` adds every field of every change; without it, a large plan stays readable."""
    screen = _screen(**look)
    screen.show(plan_rows(plan, screen.columns, detail, screen.glyphs))


def show_drift(plan: Plan, *, detail: Detail = "auto", **look: Unpack[Look]) -> None:
    """Show the plan of what was synced last as what others did since."""
    screen = _screen(**look)
    screen.show(plan_rows(plan, screen.columns, detail, screen.glyphs, headline=drift_headline(plan)))


def show_outcome(outcome: Outcome, **look: Unpack[Look]) -> None:
    """Show what became of a sync or a rollback."""
    screen = _screen(**look)
    screen.show(outcome_rows(outcome, screen.columns, screen.glyphs))


def show_status(workflows: Sequence[Mapping[str, Any]], **look: Unpack[Look]) -> None:
    """Show workflows as `gitops.get_workflow_status` describes them, one a line."""
    screen = _screen(**look)
    screen.show(status_rows(workflows, screen.columns, screen.glyphs))


def show_history(syncs: Sequence[Mapping[str, Any]], **look: Unpack[Look]) -> None:
    """Show finished syncs, each as `last_sync_result` describes one, one a line."""
    screen = _screen(**look)
    screen.show(history_rows(syncs, screen.columns, screen.glyphs))
