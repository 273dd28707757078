"""`http.get` of trusted code."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import IO, Any, Final
from urllib.parse import urlsplit

from sloth_ci.script.context import Context
from sloth_ci.script.errors import ScriptError

MAX_BODY: Final = 8 * 1024 * 1024
DEFAULT_TIMEOUT: Final = 30.0
_CHUNK: Final = 65536
_REDIRECTS: Final = (301, 302, 303, 307, 308)
# Not for another host than the one they were meant for.
_PRIVATE_HEADERS: Final = ("authorization", "cookie", "proxy-authorization", "private-token", "job-token")


def get(url: str, context: Context, *, headers: dict[str, str], timeout: float | None) -> dict[str, object]:
    """GET a URL. Returns `status, body, headers` (names in lower case) whatever the status is.

    Raises ScriptError for another scheme than http and https, a server that does not answer, and a body over 8 MiB.
    `timeout` in seconds is for each wait of the connection.
    """
    shown = _shown(url)
    _check_scheme(url, shown)
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _Redirects(),
        _Answers(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    limit = timeout or DEFAULT_TIMEOUT
    if context.remaining is not None:
        limit = min(limit, max(context.remaining, 0.001))
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme is checked)
        with opener.open(request, timeout=limit) as response:
            body = _read(response, context, shown)
            return {
                "status": response.status,
                "body": body.decode(errors="replace"),
                "headers": {name.lower(): value for name, value in response.headers.items()},
            }
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is a response, too
        context.check()
        reason = getattr(error, "reason", None) or error
        raise ScriptError(f"http.get: {shown}: {reason or type(error).__name__}") from None


def _read(response: http.client.HTTPResponse, context: Context, shown: str) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        context.check()
        body += chunk
        if len(body) > MAX_BODY:
            raise ScriptError(f"http.get: {shown}: the answer is larger than {MAX_BODY // 2**20} MiB")
    return bytes(body)


def _check_scheme(url: str, shown: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ScriptError(f"http.get: {shown}: only http and https")


def _shown(url: str) -> str:
    """The URL without a user, a password or a query: none of these belongs into a message."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        raise ScriptError("http.get: this is no URL") from None


class _Answers(urllib.request.HTTPErrorProcessor):
    """Any status is an answer; only redirects are followed."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        if response.code in _REDIRECTS:
            return super().http_response(request, response)
        return response

    https_response = http_response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects over http and https alone; what is private stays with its host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _check_scheme(newurl, _shown(newurl))
        except ScriptError:
            fp.close()
            raise
        again = super().redirect_request(req, fp, code, msg, headers, newurl)
        if again is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            for name in list(again.headers):
                if name.lower() in _PRIVATE_HEADERS:
                    again.remove_header(name)
        return again
