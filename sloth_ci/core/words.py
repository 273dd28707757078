"""Small words for messages."""

from __future__ import annotations


def plural(count: int, noun: str, plural_form: str | None = None) -> str:
    """`1 change`, `3 changes`, `1,204 changes`."""
    return f"{count:,} {noun if count == 1 else plural_form or noun + 's'}"


def clip(text: str, limit: int) -> str:
    """Foreign text on one line: no control characters, runs of white space as one space, at most `limit` characters."""
    # Far more than `limit` may have to be thrown away, but not a gigabyte.
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 20 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def first_line(message: str) -> str:
    """What stands for the whole message where there is room for a line; what follows may be the output of a program."""
    return message.partition("\n")[0]


def add(message: str, words: str) -> str:
    """More words about a message: at the end of its first line, as what follows may be the output of a program."""
    first, newline, rest = message.partition("\n")
    return f"{first}; {words}{newline}{rest}"
