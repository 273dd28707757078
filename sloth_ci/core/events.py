"""What happens while a use-case runs, told to whoever shows it."""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["debug", "info", "warn", "error"]


class Observer(Protocol):
    """Shows progress. Every text is already free of secrets; the observer neutralises control characters."""

    def log(self, level: Level, message: str) -> None:
        """One line for the reader (the Lua `log` and `print` end here too)."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A new step starts, or with an empty name none (`render`, `plan`, `back up`, `apply`, `health`, `prune`, ...); `total` is its number of items."""

    def advance(self, item: str) -> None:
        """One item of the phase is done."""
