"""What an API server says when it says no.

It answers with a `Status` object (k8s.io/apimachinery `metav1.Status`). Whatever else comes back, from a proxy in
between or from a login page, is not ours to show: it may repeat what was sent.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from sloth_ci.core.errors import ApplyError, UnreachableError
from sloth_ci.core.secrets import OPEN_FIELDS

_LONGEST: Final = 2000
_SHORTEST_SECRET: Final = 4
_SHORTEST_LINE: Final = 8
# What the server could not decode, it used to quote: "error found in #10 byte of ...|...|..., bigger context ...|...|..."
_QUOTED_BODY: Final = re.compile(r"(, )?error found in #\d+ byte of .*", re.DOTALL)

_TRANSIENT_CODES: Final = frozenset({429, 500, 502, 503, 504})
# Answered as 500, and about the manifest all the same: a server-side apply that does not fit the schema.
_MISFITS: Final = ("failed to create typed patch object", "failed to convert new object")
_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Cause(NamedTuple):
    """One of the reasons of a fault: `FieldManagerConflict`, `FieldValueInvalid`, ... and the field that it is about."""

    reason: str
    field: str
    message: str


class ApiFault(ApplyError):
    """The server's answer of 400 and above. The message is one line and safe to show."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        causes: tuple[Cause, ...] = (),
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.reason = reason
        self.causes = causes
        self.details: Mapping[str, Any] = details or {}
        """`name`, `group`, `kind`, `uid` of what the request was about, as far as the server said."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait before another try."""

    @property
    def transient(self) -> bool:
        """Whether the same request may well be answered differently in a while."""
        if self.code in _TRANSIENT_CODES:
            return not self.is_misfit
        # Two requests counted against one quota at the same time: the server asks for another try.
        return self.code == 409 and "resourcequotas" in self.message and not self.causes

    @property
    def is_misfit(self) -> bool:
        """Whether the object does not fit its schema, however the server puts it."""
        return self.code == 422 or self.message.startswith(_MISFITS)

    def unreachable(self) -> UnreachableError:
        """The same for callers that only ask whether trying again may help."""
        return UnreachableError(self.message, self.hint)


class LoginError(UnreachableError):
    """The server does not accept the credentials, or there is no way to get any."""


def fault_of(code: int, body: bytes, *, retry_after: str | None = None, private: Iterable[str] = ()) -> ApiFault:
    """Read an answer of 400 and above.

    `private` are the secret values that were sent: an admission webhook may repeat them in its refusal.
    """
    status = _status(body)
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    secrets = sorted({value for value in private if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)
    reason = _text(status.get("reason")) or _REASONS.get(code, "Unknown")
    message = _shown(_text(status.get("message")), secrets)
    found = details.get("causes")
    causes = tuple(
        Cause(_text(item.get("reason")), _text(item.get("field")), _shown(_text(item.get("message")), secrets))
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, dict)
    )
    return ApiFault(
        code,
        reason,
        message or f"the server answers {code} {reason}",
        causes=causes,
        details={key: value for key, value in details.items() if key != "causes"},
        retry_after=_seconds(retry_after, details.get("retryAfterSeconds")),
    )


def private_values(body: object) -> Iterator[str]:
    """Every value of a Secret, as it was sent and decoded."""
    if not isinstance(body, Mapping) or body.get("kind") != "Secret":
        return
    for field in body.keys() - OPEN_FIELDS:
        for value in _leaves(body[field]):
            yield from _quoted(value)
            if field == "data":
                for plain in _decoded(value):
                    yield from _quoted(plain)


def _leaves(value: object) -> Iterator[str]:
    """Also of what should not be there: the server quotes a number or a map where it wanted a string."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _quoted(value: str) -> Iterator[str]:
    """A value as it is, in the quotes of JSON, and line by line, as other quotes leave it."""
    yield value
    quoted = msgspec.json.encode(value).decode()[1:-1]
    if quoted != value:
        yield quoted
        yield from (line for line in value.splitlines() if len(line) >= _SHORTEST_LINE)


def _decoded(value: str) -> Iterator[str]:
    try:
        yield b64decode(value, validate=True).decode()
    except (NotBase64, ValueError):
        return


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _shown(message: str, secrets: Iterable[str]) -> str:
    """One line of reasonable length without anything secret."""
    message = _QUOTED_BODY.sub("", message)
    for value in secrets:
        message = message.replace(value, "(secret)")
    message = " ".join(message.split())
    if len(message) <= _LONGEST:
        return message
    # The end says what is wrong with the value that fills the middle.
    half = _LONGEST // 2
    return f"{message[:half]} … {message[-half:]}"


def _seconds(header: str | None, field: object) -> float | None:
    """How long to wait, from the header (seconds; a date is not sent by API servers) or the Status."""
    if header is not None and header.strip().isdigit():
        return float(header)
    return float(field) if isinstance(field, int) and not isinstance(field, bool) and field > 0 else None
