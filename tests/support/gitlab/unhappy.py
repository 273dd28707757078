"""What GitLab answers on a bad day, set by a test for the next requests that match."""

from __future__ import annotations

from typing import Any, Final, Literal

from support.forges.unhappy import Trouble

Fault = Literal[
    "429", "401", "403", "404", "409", "400", "500", "502", "503", "locked", "cut", "garbage", "slow", "closed", "lost", "empty"
]  # fmt: skip
"""`429` comes with Retry-After and the RateLimit headers. `locked`: the 409 of a commit status that somebody else writes
right now. `502` and `503` are pages of HTML, as a proxy answers. `cut`: the body ends before its length. `garbage`: a page
of HTML with status 200. `slow`: the answer comes, but not soon. `closed`: the connection is closed and nothing was done.
`lost`: it was done, and the connection is closed before the answer. `empty`: a list has nothing in it yet."""

LIMITS: Final[tuple[Fault, ...]] = ("429",)

_WORDS: Final[dict[str, tuple[int, Any]]] = {
    # Rack::Attack says this, as text: config/initializers/rack_attack.rb.
    "429": (429, "Retry later\n"),
    "400": (400, {"message": "400 Bad request"}),
    "401": (401, {"message": "401 Unauthorized"}),
    "403": (403, {"message": "403 Forbidden"}),
    "404": (404, {"message": "404 Not Found"}),
    "409": (409, {"message": "409 Conflict"}),
    # app/services/ci/create_commit_status_service.rb
    "locked": (409, {"message": "Another update to this commit status is in progress"}),
    "500": (500, {"message": "500 Internal Server Error"}),
    "502": (502, "<html><head><title>502</title></head><body>GitLab is not responding</body></html>\n"),
    "503": (503, "<html><head><title>503</title></head><body>GitLab is not available</body></html>\n"),
}


def answer(trouble: Trouble[Fault], now: float) -> tuple[int, dict[str, str], Any] | None:
    """Status, headers and JSON, or text; None where the fault is none of what is said."""
    if trouble.fault not in _WORDS:
        return None
    status, body = _WORDS[trouble.fault]
    headers: dict[str, str] = {}
    if isinstance(body, str):
        headers["Content-Type"] = "text/html" if body.startswith("<") else "text/plain"
    if trouble.retry_after is not None:
        headers["Retry-After"] = str(trouble.retry_after)
    if trouble.fault == "429":
        reset = str(int(now) + (trouble.retry_after or 0))
        headers |= {"RateLimit-Limit": "600", "RateLimit-Observed": "601", "RateLimit-Remaining": "0"}
        headers |= {"RateLimit-Name": "throttle_authenticated_api", "RateLimit-Reset": reset}
    return status, headers, body
