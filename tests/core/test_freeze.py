"""Freezes: when nothing is synced."""

from __future__ import annotations

from datetime import datetime

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.freeze import checked, frozen_until, lets_through, told
from sloth_ci.core.plan import Impact
from sloth_ci.core.workflow import FreezeSpec, read_table


def freeze(start: str, end: str, **more: str) -> FreezeSpec:
    return read_table({"from": start, "to": end, **more}, FreezeSpec, "freeze")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-27T15:59", None),
        ("2026-11-27T16:00", "2026-11-30T08:00"),
        ("2026-11-29T23:59", "2026-11-30T08:00"),
        ("2026-11-30T07:59", "2026-11-30T08:00"),
        ("2026-11-30T08:00", None),
    ],
)
def test_a_weekend_goes_over_the_end_of_the_week(now: str, until: str | None) -> None:
    found = frozen_until(freeze("Fri 16:00", "Monday 8:00"), datetime.fromisoformat(now))
    assert found == (until and datetime.fromisoformat(until))


@pytest.mark.parametrize(
    ("now", "frozen"),
    [("2026-12-19T23:59", False), ("2026-12-20T00:00", True), ("2027-01-02T23:59", True), ("2027-01-03T00:00", False)],
)
def test_from_one_date_to_another(now: str, frozen: bool) -> None:
    spec = freeze("2026-12-20", "2027-01-03 00:00")
    assert (frozen_until(spec, datetime.fromisoformat(now)) is not None) is frozen


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("Fri 16:00", "2026-12-20"),
        ("2026-12-20", "2026-12-20"),
        ("Fry 16:00", "Mon 08:00"),
        ("Fri 25:00", "Mon 08:00"),
        ("Fri 16:00", "Mon 08:70"),
        ("2026-13-01", "2026-12-20"),
        ("2026-12-20T00:00Z", "2026-12-21T00:00Z"),
        ("", ""),
        ("Wed 12:00", "Wed 12:00"),
        ("Sun 24:00", "Mon 00:00"),
    ],
)
def test_what_is_no_span_of_time_is_an_error(start: str, end: str) -> None:
    with pytest.raises(UsageError, match=r"^freeze: "):
        checked(freeze(start, end))


def test_a_small_plan_may_pass_where_the_freeze_says_so() -> None:
    spec = freeze("Fri 16:00", "Mon 08:00", below="medium")
    assert lets_through(spec, Impact.LOW)
    assert lets_through(spec, None)
    assert not lets_through(spec, Impact.MEDIUM)
    assert not lets_through(freeze("Fri 16:00", "Mon 08:00"), Impact.LOW)


def test_it_is_told_until_when_and_why() -> None:
    spec = freeze("Fri 16:00", "Mon 08:00", timezone="Europe/Berlin", reason="weekend")
    assert told(spec, datetime.fromisoformat("2026-11-30T08:00")) == (
        "frozen until Mon 2026-11-30 08:00 Europe/Berlin: weekend"
    )
