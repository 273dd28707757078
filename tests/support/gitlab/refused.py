"""What GitLab answers when it will not do something."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A status, and what is in `message` of the answer (or, of Grape's own errors, in `error`)."""

    def __init__(self, status: int, message: Any, *, key: str = "message", **more: str) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message
        self.body: dict[str, Any] = {key: message, **more}


def not_found(what: str = "") -> Refused:
    """In the words of lib/api/helpers.rb."""
    return Refused(404, f"404 {what} Not Found" if what else "404 Not Found")


def forbidden(why: str = "") -> Refused:
    """In the words of lib/api/helpers.rb."""
    return Refused(403, f"403 Forbidden - {why}" if why else "403 Forbidden")


def bad_request(why: str = "") -> Refused:
    """In the words of lib/api/helpers.rb."""
    return Refused(400, f"400 Bad request - {why}" if why else "400 Bad request")


def unauthorized() -> Refused:
    """In the words of lib/api/helpers.rb."""
    return Refused(401, "401 Unauthorized")


def no_such_route() -> Refused:
    """What comes of a path that this edition does not have."""
    return Refused(404, "404 Not Found", key="error")
