"""Connections to one server that are kept alive between requests."""

from __future__ import annotations

import ssl
import time
from threading import Lock
from typing import Final, NamedTuple

from sloth_ci.destinations.kubernetes.dial import Dialer
from sloth_ci.destinations.kubernetes.login import Identity, Login
from sloth_ci.destinations.kubernetes.tls import Certificate
from sloth_ci.destinations.kubernetes.wire import Wire

UNCHECKED: Final = 1.0
"""Seconds that a connection may have been idle to be used without a look at it."""


class Line(NamedTuple):
    """A connection, and who we are on it."""

    wire: Wire
    identity: Identity
    header: str
    used: bool
    """It was kept from an earlier request, so it may be stale."""


class Pool:
    """Keeps the connections that were given back, up to a number; who needs one more gets a new one."""

    def __init__(self, dialer: Dialer, login: Login, size: int) -> None:
        self._dialer = dialer
        self._login = login
        self._size = size
        self._idle: list[Wire] = []
        self._lock = Lock()
        self._certificate: Certificate | None = None
        self._context: ssl.SSLContext | None = None
        self._ready = False
        self._closed = False

    def get(self, *, sure: bool) -> Line:
        """A connection, the last used first. `sure`: look whether the server still holds it, however fresh it is.

        Raises OSError where a new one cannot be made, LoginError, UsageError.
        """
        identity = self._login.identity()
        if identity.certificate is self._certificate:
            while wire := self._pop():
                fresh = time.monotonic() - wire.idle_since < UNCHECKED
                if (fresh and not sure) or wire.is_open:
                    return Line(wire, identity, _header(identity), used=True)
                wire.close()
        return self._dialled(identity)

    def new(self) -> Line:
        """A connection of one's own. Raises as `get`."""
        return self._dialled(self._login.identity())

    def put(self, line: Line, *, keep: bool) -> None:
        """Give it back, when its answer was read to the end."""
        line.wire.idle_since = time.monotonic()
        with self._lock:
            if (
                keep
                and not self._closed
                and len(self._idle) < self._size
                and line.identity.certificate is self._certificate
            ):
                self._idle.append(line.wire)
                return
        line.wire.close()

    def close(self) -> None:
        """Close those that are idle; those that are in use are closed when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    def _pop(self) -> Wire | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _dialled(self, identity: Identity) -> Line:
        wire = self._dialer.dial(self._context_for(identity.certificate))
        return Line(wire, identity, _header(identity), used=False)

    def _context_for(self, certificate: Certificate | None) -> ssl.SSLContext | None:
        """One TLS context as long as the certificate is the same; connections of an older one are not used again."""
        with self._lock:
            if not self._ready or certificate is not self._certificate:
                self._context = self._dialer.context(certificate)
                self._certificate = certificate
                self._ready = True
                stale, self._idle = self._idle, []
            else:
                stale = []
            context = self._context
        for wire in stale:
            wire.close()
        return context


def _header(identity: Identity) -> str:
    return f"Authorization: {identity.authorization}\r\n" if identity.authorization else ""
