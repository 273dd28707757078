"""What happens while a use-case runs, told to whoever shows it."""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["debug", "info", "warn", "error"]
ItemState = Literal["waiting", "applying", "applied", "progressing", "healthy", "failed", "deleting", "deleted"]
"""Where one object of a phase is. `applied`: the destination took it, and nobody has looked at its health."""


class Observer(Protocol):
    """Shows progress. Every text is already free of secrets; the observer neutralises control characters."""

    def log(self, level: Level, message: str) -> None:
        """One line for the reader (the Lua `log` and `print` end here too)."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A new step starts, or with an empty name none (`render`, `plan`, `back up`, `apply`, `health`, `prune`, ...); `total` is its number of items."""

    def advance(self, item: str) -> None:
        """One item of the phase is done."""

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        """Where one object of the phase is now, and why (`2 of 3 replicas are available`).

        Any thread may call it, and as often as it likes: what nobody could read is not shown. Of a reason of several
        lines the first one is. A phase forgets the objects of the one before it.
        """
