"""What GitHub answers on a bad day, set by a test for the next requests that match."""

from __future__ import annotations

from typing import Any, Final, Literal

from support.forges.unhappy import Trouble

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

LIMITS: Final[tuple[Fault, ...]] = ("secondary-limit", "429")


def answer(trouble: Trouble[Fault], reset: float) -> tuple[int, dict[str, str], Any] | None:
    """Status, headers and JSON; None where the fault is none of what is said."""
    if trouble.fault not in _WORDS:
        return None
    status, message = _WORDS[trouble.fault]
    body: dict[str, Any] = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    headers: dict[str, str] = {}
    if trouble.retry_after is not None:
        headers["Retry-After"] = str(trouble.retry_after)
    if trouble.fault == "rate-limit":
        headers |= {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(reset))}
    if trouble.fault == "422":
        body["errors"] = [{"resource": "Unhappy", "field": "state", "code": "custom", "message": "not today"}]
    return status, headers, body
