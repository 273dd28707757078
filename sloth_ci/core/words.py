"""Small words for messages."""

from __future__ import annotations


def plural(count: int, noun: str, plural_form: str | None = None) -> str:
    """`1 change`, `3 changes`, `1,204 changes`."""
    return f"{count:,} {noun if count == 1 else plural_form or noun + 's'}"
