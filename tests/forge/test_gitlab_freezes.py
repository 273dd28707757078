"""Deploy freezes: looked at now, in their own time zone, and never passed over in silence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sloth_ci.core.errors import ForgeError
from support.gitlab_shop import Lab


def at(lab: Lab, moment: str) -> None:
    lab.fake.clock.advance(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() - lab.fake.clock.now())


@pytest.mark.parametrize(
    ("moment", "zone", "until"),
    [
        ("2026-11-27T22:59:59", "UTC", None),
        ("2026-11-27T23:00:00", "UTC", "2026-11-30 07:00 UTC"),
        ("2026-11-29T12:00:00", "UTC", "2026-11-30 07:00 UTC"),
        ("2026-11-30T07:00:00", "UTC", "2026-11-30 07:00 UTC"),
        ("2026-11-30T07:00:01", "UTC", None),
        ("2026-11-27T21:59:59", "Europe/Berlin", None),
        ("2026-11-27T22:00:00", "Europe/Berlin", "2026-11-30 07:00 Europe/Berlin"),
        ("2026-11-30T06:00:01", "Europe/Berlin", None),
        ("2027-03-28T04:30:00", "Europe/Berlin", "2027-03-29 07:00 Europe/Berlin"),
    ],
)
def test_a_weekend(lab: Lab, moment: str, zone: str, until: str | None) -> None:
    lab.project.freeze("0 23 * * 5", "0 7 * * 1", zone)
    at(lab, moment)
    expected = until and f"frozen until {until} by the project's freeze period"
    assert lab.forge().frozen() == expected


def test_no_freeze_at_all(lab: Lab) -> None:
    assert lab.forge().frozen() is None


def test_of_two_the_one_that_lasts_longer(lab: Lab) -> None:
    lab.project.freeze("0 8 * * *", "0 9 * * *")
    lab.project.freeze("0 8 * * *", "0 20 * * *")
    at(lab, "2026-11-27T08:30:00")
    assert lab.forge().frozen() == "frozen until 2026-11-27 20:00 UTC by the project's freeze period"


@pytest.mark.parametrize(
    ("start", "zone", "words"),
    [
        ("0 23 * * 5", "Mars/Base", "the time zone 'Mars/Base' of the project's freeze period cannot be read"),
        ("0 23 * * 5", "../etc/passwd", "the time zone '../etc/passwd'"),
        ("whenever", "UTC", "freeze period from 'whenever' to '0 7 \\* \\* 1' cannot be read"),
        ("0 0 31 2 *", "UTC", "freeze period from '0 0 31 2 \\*'"),
    ],
)
def test_one_that_cannot_be_read_holds(lab: Lab, start: str, zone: str, words: str) -> None:
    lab.project.freeze(start, "0 7 * * 1", zone)
    with pytest.raises(ForgeError, match=words) as caught:
        lab.forge().frozen()
    assert "Deploy freezes" in (caught.value.hint or "")


def test_without_a_token_the_pipelines_own_variable_says_it(lab: Lab) -> None:
    lab.project.freeze("0 0 * * *", "59 23 * * *")
    job = lab.project.job()
    assert lab.forge(None, job=job).frozen() is None
    said = lab.forge(None, job=job, environ={"CI_DEPLOY_FREEZE": "true"}).frozen()
    assert said == "frozen by the project's freeze period when this pipeline was made: make a new one when it is over"
    assert lab.asked() == []


def test_the_variable_holds_with_a_token_too(lab: Lab) -> None:
    assert (lab.forge(environ={"CI_DEPLOY_FREEZE": "true"}).frozen() or "").startswith("frozen by the project's")


def test_a_token_that_may_not_read_them_is_an_error(lab: Lab) -> None:
    with pytest.raises(ForgeError, match="cannot read the freeze periods") as caught:
        lab.forge(token=lab.fake.project_token(lab.project, "guest")).frozen()
    assert "SLOTH_TOKEN" in (caught.value.hint or "")
