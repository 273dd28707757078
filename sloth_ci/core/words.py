"""Small words for messages."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """`1 change`, `2 changes`, `1,234 changes`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
