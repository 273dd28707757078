"""Deploy freezes of a project: GitLab tells a pipeline about them once, when it is made; they are looked at now."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ


class _Window(NamedTuple):
    until: datetime
    zone: str


class Freezes:
    """Those of a project. They are read once a run, and looked at by the clock each time."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def now(self) -> str | None:
        """The freeze that holds now, in words; None where none does. Raises ForgeError for one that cannot be read."""
        client = self._client
        found = [window for period in self._periods if (window := _window(period, client.clock())) is not None]
        if found:
            until, zone = max(found, key=lambda window: window.until.timestamp())
            return f"frozen until {until:%Y-%m-%d %H:%M} {zone} by the project's freeze period"
        if client.environ.get("CI_DEPLOY_FREEZE"):
            return "frozen by the project's freeze period when this pipeline was made: make a new one when it is over"
        return None

    @cached_property
    def _periods(self) -> list[Any]:
        """Empty where only the job's own token is there, which may not read them."""
        if not self._client.has_token:
            return []
        try:
            return self._client.pages("read the freeze periods", f"{self._client.here}/freeze_periods", READ)
        except Missing:
            return []


def _window(period: Any, now: float) -> _Window | None:
    """The window of a freeze period that is open now; as GitLab has it, both its ends belong to it."""
    from croniter import CroniterError, croniter

    zone = period["cron_timezone"] or "UTC"
    try:
        here = datetime.fromtimestamp(int(now), ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ForgeError(
            f"the time zone '{zone}' of the project's freeze period cannot be read, so it holds",
            "give the freeze period a zone by its name in the IANA database (Europe/Berlin), in Settings, CI/CD, Deploy freezes",
        ) from None
    try:
        start = datetime.fromtimestamp(croniter(period["freeze_start"], _after(here)).get_prev(float), here.tzinfo)
        until = datetime.fromtimestamp(croniter(period["freeze_end"], start).get_next(float), here.tzinfo)
    except (CroniterError, ValueError, KeyError):
        raise ForgeError(
            f"the project's freeze period from '{period['freeze_start']}' to '{period['freeze_end']}' cannot be read, so it holds",
            "write it with five fields of cron, in Settings, CI/CD, Deploy freezes",
        ) from None
    return _Window(until, zone) if start <= here <= until else None


def _after(moment: datetime) -> datetime:
    """The next second, so that the one before it is found."""
    return datetime.fromtimestamp(moment.timestamp() + 1, moment.tzinfo)
