"""Why there was no answer, in words: the client's exceptions have the cause somewhere inside, and a class for a name."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping

_USER = re.compile(r"//[^/@]*@")


def without_user(url: str) -> str:
    """An address as it may be shown: no user, no password."""
    return _USER.sub("//", url.rstrip("/"))


def silence(error: BaseException, url: str) -> str:
    """What became of a request to `url` that was not answered."""
    causes = list(_inside(error))
    if any(type(cause).__name__ == "ProxyError" for cause in causes):
        return f"the proxy on the way to {url} does not let it through"
    for kind, words in _KINDS.items():
        cause = next((cause for cause in causes if isinstance(cause, kind)), None)
        if cause is not None:
            return words.format(url=url, why=getattr(cause, "verify_message", ""))
    # requests' own exceptions are OSErrors, too, without a number.
    system = next((c.strerror for c in causes if isinstance(c, OSError) and c.errno and c.strerror), None)
    return f"{url} cannot be reached: {system or type(error).__name__}"


def is_untrusted(error: BaseException) -> bool:
    """Whether there was no answer because of the server's certificate: waiting does not help."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _inside(error))


_KINDS: Mapping[type[BaseException], str] = {
    socket.gaierror: "there is no host for {url}",
    ssl.SSLCertVerificationError: "the certificate of {url} is not trusted here: {why}",
    ssl.SSLError: "{url} speaks no TLS that we know",
    ConnectionRefusedError: "{url} refuses connections",
    TimeoutError: "{url} took too long",
    ConnectionResetError: "{url} closed the connection",
    BrokenPipeError: "{url} closed the connection",
}
"""The first that is found decides."""


def _inside(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it is made of."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
