"""What GitHub answers on a bad day, set by a test for the next requests that match."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Fault = Literal[
    "secondary-limit",
    "rate-limit",
    "429",
    "500",
    "502",
    "503",
    "409",
    "422",
    "cut",
    "garbage",
    "slow",
    "closed",
    "lost",
    "empty",
]
"""`secondary-limit` and `rate-limit` are 403 with the headers and words of each. `cut`: the body ends before its length.
`garbage`: a page of HTML with status 200. `slow`: the answer comes, but not soon. `closed`: the connection is closed and
nothing was done. `lost`: it was done, and the connection is closed before the answer. `empty`: a list that is not up to date
yet and has nothing in it, as that of a commit's pull requests right after a push."""

_LIMITED: Final = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
_WORDS: Final[dict[str, tuple[int, str]]] = {
    "secondary-limit": (403, _LIMITED),
    "429": (429, _LIMITED),
    "rate-limit": (403, "API rate limit exceeded for installation."),
    "500": (500, "Server Error"),
    "502": (502, "Server Error"),
    "503": (503, "Service unavailable"),
    "409": (409, "Conflict"),
    "422": (422, "Validation Failed"),
}


@dataclass
class Trouble:
    """A fault for the next requests that match."""

    fault: Fault
    times: int
    method: str
    path: re.Pattern[str]
    retry_after: int | None
    seconds: float
    met: int = 0
    """How many requests it was given to."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by the first of them."""

    def matches(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and bool(self.path.search(path))  # fmt: skip

    def answer(self, reset: float) -> tuple[int, dict[str, str], Any] | None:
        """Status, headers and JSON; None where the fault is none of what is said."""
        if self.fault not in _WORDS:
            return None
        status, message = _WORDS[self.fault]
        body: dict[str, Any] = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.fault == "rate-limit":
            headers |= {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(reset))}
        if self.fault == "422":
            body["errors"] = [{"resource": "Unhappy", "field": "state", "code": "custom", "message": "not today"}]
        return status, headers, body


class Unhappy:
    """The troubles to come."""

    def __init__(self) -> None:
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: Fault,
        *,
        method: str = "",
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
        seconds: float = 5.0,
    ) -> Trouble:
        """Make the next `times` requests fail. `path` is a regular expression that is looked for.

        `seconds` is how late a slow answer is; `retry_after` is a header of an answer that has one.
        """
        if fault in ("secondary-limit", "429") and retry_after is None:
            retry_after = 60
        trouble = Trouble(fault, times, method, re.compile(path), retry_after, seconds)
        with self._lock:
            self._troubles.append(trouble)
        return trouble

    def next(self, method: str, path: str) -> Trouble | None:
        """The trouble that this request runs into, which is used up by it."""
        with self._lock:
            for trouble in self._troubles:
                if trouble.matches(method, path):
                    trouble.times -= 1
                    trouble.met += 1
                    trouble.arrived.set()
                    return trouble
            return None

    def clear(self) -> None:
        """No more of it."""
        with self._lock:
            self._troubles.clear()
