"""How long to try again what is likely to pass.

Throttling, leader changes of etcd, a webhook's pod that is just being replaced, an API server that restarts: within
seconds most of it is over. What lasts longer is for the retries of the sync.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Final

from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.wire import Cut

WINDOW: Final = 5.0
"""Seconds after the first failure in which it is tried again."""
THROTTLED_WINDOW: Final = 15.0
"""The same where the server says when to come back (429 with Retry-After)."""
REMEMBERED: Final = 10.0
"""Seconds in which nobody waits again for what just did not pass."""

_DELAYS: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
_WEBHOOK: Final = re.compile(r"webhook \"([^\"]*)\"|conversion webhook for ([^,:]*)")


class Patience:
    """Of one client. Safe for many threads."""

    def __init__(self) -> None:
        self._reached = False
        self._lasting: dict[str, float] = {}

    def start(self) -> Attempt:
        """For one request."""
        return Attempt(self)

    def reached(self) -> None:
        """The server answered: from now on, a connection that fails is a restart rather than a wrong address."""
        self._reached = True
        self._lasting.pop("unreachable", None)

    @property
    def may_return(self) -> bool:
        """Whether a server that does not answer was there before."""
        return self._reached

    def lasts(self, what: str) -> bool:
        """Whether somebody just waited for this in vain."""
        return time.monotonic() < self._lasting.get(what, 0.0)

    def remember(self, what: str) -> None:
        """Somebody waited for this in vain."""
        self._lasting[what] = time.monotonic() + REMEMBERED


class Attempt:
    """The retries of one request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._delays: Iterator[float] = iter(_DELAYS)
        self._first: float | None = None

    def goes_on(self, fault: ApiFault) -> bool:
        """Wait, and say whether to try again."""
        if not fault.transient:
            return False
        throttled = fault.code == 429 and fault.retry_after is not None
        return self._wait(_name(fault), THROTTLED_WINDOW if throttled else WINDOW, fault.retry_after or 0.0)

    def goes_on_unreached(self, error: OSError) -> bool:
        """The same for a server that does not answer.

        One that never did has a wrong address, unless it took the connection and cut it.
        """
        if not self._patience.may_return and not isinstance(error, Cut | ConnectionResetError | BrokenPipeError):
            return False
        return self._wait("unreachable", WINDOW, 0.0)

    def _wait(self, what: str, window: float, asked: float) -> bool:
        if self._patience.lasts(what):
            return False
        now = time.monotonic()
        if self._first is None:
            self._first = now
        delay = max(next(self._delays, _DELAYS[-1]), asked)
        if now + delay > self._first + window:
            self._patience.remember(what)
            return False
        time.sleep(delay)
        return True


def _name(fault: ApiFault) -> str:
    """What is out of order: a thousand requests that meet one dead webhook wait for it once."""
    if fault.code == 429:
        return f"429 {fault.details}"
    found = _WEBHOOK.search(fault.message)
    return f"{fault.code} {fault.reason} {(found[1] or found[2]) if found else ''}"
