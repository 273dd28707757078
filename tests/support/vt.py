"""A pseudo-terminal, what a person would see on it, and a clock that stands still."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
import time
from collections.abc import Callable

_PART = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def until(condition: Callable[[], bool], within: float = 20) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal:
    """A real pseudo-terminal, read in the background."""

    def __init__(self, columns: int = 100, lines: int = 24) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.lines = lines
        self.file = os.fdopen(slave, "w", encoding="utf-8")
        self._bytes = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # Linux says EIO when the other end is closed
                return
            if not chunk:
                return
            self._bytes += chunk

    @property
    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")

    def seen(self) -> list[str]:
        """The lines of the scrollback and of the screen, as they are now."""
        return seen(self.text, self.lines)

    def close(self) -> str:
        self.file.close()
        self._thread.join(10)
        os.close(self.master)
        return self.text


def seen(text: str, height: int) -> list[str]:
    """What a stream of text leaves on a terminal of so many lines, with all that has scrolled away.

    Knows what is used: line ends, cursor up, erase line; colours and the visibility of the cursor change no text. A
    cursor does not go up beyond the screen, so that what is drawn too high leaves its traces here as on a terminal.
    Empty lines at the end are left out.
    """
    lines, row, column = [""], 0, 0
    for match in _PART.finditer(text):
        numbers, command, control, plain = match.groups()
        top = max(0, len(lines) - height)
        if plain:
            lines[row] = lines[row].ljust(column)[:column] + plain + lines[row][column + len(plain) :]
            column += len(plain)
        elif control == "\r":
            column = 0
        elif control == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row = max(top, row - int(numbers or 1))
        elif command == "K":
            assert numbers == "2"
            lines[row] = ""
        else:
            assert command, "what is this?"
            assert command in "mhl", f"{match[0]!r} is new here"
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.rstrip() for line in lines]
