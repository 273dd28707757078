"""Lines of styled text, laid out before anything knows how to draw them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sloth_ci.report.text import cut, visible, width_of, without_commands

Span = tuple[str, str]
"""A text and the name of its style."""

Row = list[Span]


class Glyphs(NamedTuple):
    """The characters that not every terminal can show."""

    arrow: str
    ellipsis: str
    dot: str
    bar: str
    cross: str
    check: str
    warning: str
    hint: str
    unicode: bool


UNICODE = Glyphs("→", "…", "·", "▌", "✗", "✓", "▲", "→", True)
ASCII = Glyphs("->", "...", "-", "|", "x", "ok", "!", "->", False)

_TO_ASCII = str.maketrans(
    {"→": "->", "…": "...", "·": "-", "▌": "|", "✗": "x", "✓": "ok", "▲": "!", "–": "-", "×": "x"}
)


def width(row: Sequence[Span]) -> int:
    """Columns of a row."""
    return sum(width_of(text) for text, _ in row)


def pad(row: Row, columns: int) -> Row:
    """The row, filled with spaces to so many columns."""
    missing = columns - width(row)
    return [*row, (" " * missing, "text")] if missing > 0 else row


def trim(row: Sequence[Span], columns: int, ellipsis: str = "…") -> Row:
    """The row, shortened from its end to so many columns."""
    if width(row) <= columns:
        return list(row)
    kept: Row = []
    used = 0
    for text, style in row:
        room = columns - used
        if width_of(text) > room or (width_of(text) == room and columns):
            return [*kept, (cut(text + ellipsis, room, ellipsis), style)]
        kept.append((text, style))
        used += width_of(text)
    return kept


def wrap(text: str, columns: int) -> Iterator[str]:
    """A text in lines of so many columns, broken between words; a longer word is broken where the line ends."""
    line = ""
    for word in text.split(" "):
        while width_of(word) > columns:
            if line:
                yield line
                line = ""
            head = cut(word, columns, "") or word[:1]
            yield head
            word = word[len(head) :]  # noqa: PLW2901 (what is left of it)
        if line and width_of(line) + 1 + width_of(word) > columns:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def plain(rows: Iterable[Row], columns: int, *, unicode: bool = True) -> str:
    """Rows as text without styles, inert for a runner that reads its log for commands."""
    lines = (safe("".join(text for text, _ in row).rstrip(), unicode=unicode) for row in rows)
    # Escapes of what is not ASCII can be longer than what the row was laid out for.
    return "".join((line if unicode else cut(line, columns, "...")) + "\n" for line in lines)


def safe(line: str, *, unicode: bool = True) -> str:
    """One line that no terminal and no runner takes for a command."""
    line = without_commands(visible(line.expandtabs(4)))
    return line if unicode else line.translate(_TO_ASCII).encode("ascii", "backslashreplace").decode("ascii")
