"""Markdown of a bounded size, put together from parts that are in as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from sloth_ci.core.words import plural
from sloth_ci.report.text import fenced, shorten, visible, without_commands

LIMIT = 60_000
"""Bytes of a comment: GitHub refuses one of more than 65,536 characters."""


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


class Parts:
    """Parts in order, as long as there is room, and a line that says what had none."""

    _SPARE = 120
    """Bytes that are kept for that line."""

    def __init__(self, room: int, title: str = "") -> None:
        self.room = room - self._SPARE
        self._title = title
        self._parts: list[str] = []
        self._missing: list[str] = []
        self.whole = self.add(title)
        """Whether nothing was left out."""

    def text(self) -> str:
        """All that is in; empty where there is nothing but a title."""
        if self._parts == [self._title] and not self._missing:
            return ""
        note = f"\nNot shown for lack of room: {', '.join(self._missing)}.\n" if self._missing else ""
        return "".join(self._parts) + (note if self.room + self._SPARE >= size(note) else "")

    def add(self, part: str) -> bool:
        """Take a part in where it has room."""
        fits = size(part) <= self.room
        if fits:
            self._parts.append(part)
            self.room -= size(part)
        return fits

    def add_all(self, items: Sequence[str], noun: str, nouns: str | None = None) -> None:
        """Items in order, until one has no room."""
        for index, item in enumerate(items):
            if not self.add(item):
                self.missing(len(items) - index, noun, nouns)
                return

    def missing(self, count: int, noun: str, nouns: str | None = None) -> None:
        """So many of something had no room."""
        self.whole = False
        self._missing.append(plural(count, noun, nouns))


def further_lines(message: str, limit: int, indent: str = "") -> str:
    """The lines of a reason after its first, as they are, in a fence; empty where there are none."""
    further = message.rstrip("\n").split("\n")[1:]
    if not further:
        return ""
    lines = [without_commands(visible(shorten(line, 300), keep="\t")) for line in further[:limit]]
    if len(further) > limit:
        lines.append(f"… {plural(len(further) - limit, 'more line')}")
    block = fenced("\n".join(lines), "text")
    return "\n\n" + "\n".join(indent + line for line in block.split("\n"))


def blocks(*texts: str) -> str:
    """Texts with one blank line between them."""
    return "\n\n".join(stripped for text in texts if (stripped := text.strip("\n"))) + "\n"
