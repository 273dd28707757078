"""Which of the fields that are missing at a destination were removed there, and which are only new in Git."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from sloth_ci.core.plan import Change, Drift


def genuine(found: Sequence[Drift], intent: Sequence[Change] | None) -> tuple[Drift, ...]:
    """Drift without the fields that are not there because nobody has declared them so far.

    A destination cannot tell the two apart; what the revision changes against the one that was synced last can.
    `intent` is that, Git to Git; without it, nothing that is missing counts.
    """
    if intent is None:
        return tuple(drift for drift in found if drift.live is not UNSET)
    declared: dict[str, list[str]] = {}
    for change in intent:
        paths = [""] if change.type == "create" else [field.path for field in change.fields]
        declared.setdefault(str(change.ref), []).extend(paths)
    return tuple(
        drift
        for drift in found
        if drift.live is not UNSET or not any(_touch(drift.path, path) for path in declared.get(drift.resource, ()))
    )


def _touch(one: str, other: str) -> bool:
    """Whether one path is the other, or lies in it."""
    short, long = sorted((one, other), key=len)
    return not short or (long.startswith(short) and long[len(short) : len(short) + 1] in {"", ".", "[", " "})
