"""Times in which nothing is synced: `Fri 16:00` to `Mon 08:00` of every week, or from one date to another.

Times are wall-clock times of the zone that an entry names; the caller says what time it is there.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sloth_ci.core.errors import UsageError
from sloth_ci.core.plan import Impact
from sloth_ci.core.workflow import FreezeSpec

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = re.compile(r"(?P<day>[A-Za-z]{3})[a-z]*\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})")
_WEEK = timedelta(days=7)

Moment = datetime | timedelta
"""A date and time, or the time since Monday 00:00."""


def checked(spec: FreezeSpec) -> tuple[Moment, Moment]:
    """Both ends of an entry. Raises UsageError where they cannot be read, or cannot be a span."""
    start, end = _moment(spec.start, "from"), _moment(spec.end, "to")
    if isinstance(start, datetime) != isinstance(end, datetime):
        raise UsageError(
            f"freeze: '{spec.start}' and '{spec.end}' are of two kinds", "give two dates, or two days of the week"
        )
    if isinstance(start, datetime) and isinstance(end, datetime) and end <= start:
        raise UsageError(f"freeze: '{spec.end}' is not after '{spec.start}'")
    if isinstance(start, timedelta) and isinstance(end, timedelta) and not (end - start) % _WEEK:
        raise UsageError(
            f"freeze: '{spec.start}' to '{spec.end}' is every minute of every week",
            "nothing would ever be synced: sloth-ci lock does that until somebody takes it back",
        )
    return start, end


def frozen_until(spec: FreezeSpec, now: datetime) -> datetime | None:
    """When a freeze that holds at `now` (a wall-clock time without a zone) ends; None where it does not hold."""
    start, end = checked(spec)
    if isinstance(start, datetime) and isinstance(end, datetime):
        return end if start <= now < end else None
    assert isinstance(start, timedelta)
    assert isinstance(end, timedelta)
    monday = datetime(now.year, now.month, now.day) - timedelta(days=now.weekday())  # noqa: DTZ001 (wall-clock time)
    length = (end - start) % _WEEK
    for week in (monday - _WEEK, monday):
        if week + start <= now < week + start + length:
            return week + start + length
    return None


def lets_through(spec: FreezeSpec, impact: Impact | None) -> bool:
    """Whether a plan of this impact may pass all the same."""
    return spec.below is not None and (impact is None or impact < Impact[spec.below.upper()])


def told(spec: FreezeSpec, until: datetime) -> str:
    """The freeze in words: `frozen until Mon 2026-11-30 08:00 Europe/Berlin: weekend`."""
    why = f": {spec.reason}" if spec.reason else ""
    return f"frozen until {until:%a %Y-%m-%d %H:%M} {spec.timezone}{why}"


def _moment(text: str, key: str) -> Moment:
    weekly = _WEEKLY.fullmatch(text.strip())
    if weekly:
        day, hour, minute = weekly["day"].lower(), int(weekly["hour"]), int(weekly["minute"])
        if day in _DAYS and hour <= 24 and minute < 60:
            return timedelta(days=_DAYS.index(day), hours=hour, minutes=minute)
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None:
            return moment
    raise UsageError(
        f"freeze: '{key}': cannot read '{text}'",
        'write a day of the week and a time, "Fri 16:00", or a date and time, "2026-12-20 00:00"; the zone is in `timezone`',
    )
