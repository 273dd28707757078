"""Where every object of a phase is, for a table that is drawn a few times a second and told of far more often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sloth_ci.core.events import ItemState
from sloth_ci.report.layout import Glyphs, Row, pad, trim, width
from sloth_ci.report.outcome_view import seconds
from sloth_ci.report.text import cut, one_line, width_of

_COUNTED: tuple[ItemState, ...] = (
    "failed", "healthy", "applied", "deleted", "progressing", "applying", "deleting", "waiting",
)  # fmt: skip
MOVING: tuple[ItemState, ...] = ("progressing", "deleting", "applying")
DONE: tuple[ItemState, ...] = ("healthy", "deleted", "applied")
STYLES: dict[ItemState, str] = {
    "failed": "bad",
    "healthy": "good",
    "applied": "good",
    "deleted": "dim",
    "progressing": "warn",
    "applying": "path",
    "deleting": "path",
    "waiting": "dim",
}
_WORD = max(map(len, _COUNTED))
_LONG = 10.0
"""Seconds in one state from which on a row says how many they are."""


class Item(NamedTuple):
    """One object: its state, why, and since when."""

    ref: str
    state: ItemState
    detail: str
    since: float


class Board:
    """The objects of one phase by their state. Safe for many threads; what is told costs the same however many there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, ItemState] = {}
        self._items: dict[ItemState, dict[str, Item]] = {state: {} for state in _COUNTED}

    def __len__(self) -> int:
        return len(self._states)

    def put(self, ref: str, state: ItemState, detail: str, now: float) -> ItemState | None:
        """Take note; gives back the state that the object was in before. In each state the longest there come first."""
        with self._lock:
            before = self._states.get(ref)
            items = self._items[state]
            if before == state:
                items[ref] = items[ref]._replace(detail=detail)
            else:
                if before is not None:
                    del self._items[before][ref]
                self._states[ref] = state
                items[ref] = Item(ref, state, detail, now)
            return before

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._states.clear()
            for items in self._items.values():
                items.clear()

    def longest(self, state: ItemState, count: int | None = None) -> list[Item]:
        """Those of one state, the longest there first."""
        with self._lock:
            return list(islice(self._items[state].values(), count))

    def newest(self, state: ItemState, count: int) -> list[Item]:
        """Those of one state, the last to come first."""
        with self._lock:
            return list(islice(reversed(self._items[state].values()), count))

    def count(self, state: ItemState) -> int:
        """How many are in a state."""
        return len(self._items[state])

    def chosen(self, count: int) -> list[Item]:
        """So many at most: what failed, what is under way, what was done last."""
        chosen = self.longest("failed", count)
        for state in MOVING:
            chosen += self.longest(state, count - len(chosen))
        done = [item for state in DONE for item in self.newest(state, count - len(chosen))]
        return chosen + sorted(done, key=lambda item: -item.since)[: count - len(chosen)]

    def summary(self, total: int | None) -> Iterator[tuple[str, str]]:
        """`3 failed`, `12 healthy`, `5 waiting`, each with its style. `total` counts those that nobody has told of yet."""
        for state in _COUNTED:
            count = self.count(state)
            if state == "waiting":
                count = max(count, (total or 0) - len(self._states) + count)
            if count:
                yield f"{count:,} {state}", STYLES[state]


def board_rows(
    board: Board, total: int | None, now: float, columns: int, lines: int, glyphs: Glyphs, spinner: str
) -> Iterator[Row]:
    """The table in at most `lines` rows, none wider than `columns`; the counts are the last of them."""
    items = board.chosen(max(lines - 1, 0))
    refs = [one_line(item.ref, 253) for item in items]
    names = min(max(map(width_of, refs), default=0), columns * 45 // 100)
    for item, ref in zip(items, refs, strict=True):
        yield _item_row(item, cut(ref, names, glyphs.ellipsis), names, now, columns, glyphs, spinner)
    counts: Row = []
    for text, style in board.summary(total):
        counts += [*([(", ", "dim")] if counts else []), (text, style)]
    yield trim([("  ", "text"), *counts], columns, glyphs.ellipsis)


def reason_of(detail: str) -> str:
    """The first line of a reason, for where there is room for one."""
    return one_line(detail.split("\n", 1)[0])


def _item_row(item: Item, ref: str, names: int, now: float, columns: int, glyphs: Glyphs, spinner: str) -> Row:
    style = STYLES[item.state]
    mark = {"failed": glyphs.cross, "healthy": glyphs.check, "applied": glyphs.check, "deleted": glyphs.check}
    row: Row = [("  ", "text"), *pad([(mark.get(item.state, spinner), style)], width_of(glyphs.check)), (" ", "text")]
    row += [*pad([(ref, "text")], names), ("  ", "text"), (f"{item.state:<{_WORD}}", style)]
    took = now - item.since
    time = seconds(took) if item.state in MOVING and took >= _LONG else ""
    room = columns - width(row) - 2 - (len(time) + 2 if time else 0)
    if item.detail and room > 0:
        row += [("  ", "text"), (cut(reason_of(item.detail), room, glyphs.ellipsis), "dim")]
    if time:
        row = [*pad(row, columns - len(time)), (time, "dim")]
    return trim(row, columns, glyphs.ellipsis)
