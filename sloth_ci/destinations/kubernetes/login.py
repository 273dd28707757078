"""Who we are to an API server: tokens, passwords, client certificates, and the ways to renew them."""

from __future__ import annotations

import time
from base64 import b64encode
from threading import Lock
from typing import Final, NamedTuple, Protocol

from sloth_ci.destinations.kubernetes.faults import LoginError
from sloth_ci.destinations.kubernetes.tls import Certificate

REREAD_AFTER: Final = 10.0
"""Seconds after which a file with a token is read again: kubelet rotates them."""


class Identity(NamedTuple):
    """What a request shows. Never printed."""

    authorization: str = ""
    """The value of the header."""
    certificate: Certificate | None = None

    def __repr__(self) -> str:
        return "Identity(...)"


class Login(Protocol):
    """A way to log in. Safe for many threads."""

    @property
    def hint(self) -> str:
        """What to do where the server does not accept it."""

    def identity(self) -> Identity:
        """What to show now. Raises LoginError where there is nothing to show."""

    def renew(self, refused: Identity) -> bool:
        """Whether `identity` gives something else now than what was refused. Raises LoginError."""


class StaticLogin:
    """What the kubeconfig says, for ever."""

    def __init__(self, identity: Identity, hint: str) -> None:
        self._identity = identity
        self.hint = hint

    def identity(self) -> Identity:
        return self._identity

    def renew(self, refused: Identity) -> bool:
        return refused != self._identity


class FileLogin:
    """A token in a file, which somebody else keeps fresh."""

    def __init__(self, path: str, certificate: Certificate | None = None, fallback: str = "") -> None:
        self._path = path
        self._certificate = certificate
        self._fallback = fallback
        self._lock = Lock()
        self._identity: Identity | None = None
        self._read_at = 0.0
        self.hint = f"the token in {path} has expired or belongs to another cluster"

    def identity(self) -> Identity:
        with self._lock:
            if self._identity is None or time.monotonic() - self._read_at > REREAD_AFTER:
                self._read()
            assert self._identity is not None
            return self._identity

    def renew(self, refused: Identity) -> bool:
        with self._lock:
            self._read()
            return self._identity != refused

    def _read(self) -> None:
        self._read_at = time.monotonic()
        try:
            with open(self._path, encoding="ascii", errors="replace") as file:
                token = file.read().strip()
        except OSError as error:
            if self._identity is not None:
                return  # it is being replaced: the old one may still do
            if not self._fallback:
                raise LoginError(f"the token file {self._path} cannot be read: {error.strerror}") from None
            token = self._fallback
        if not token and self._identity is None:
            raise LoginError(f"the token file {self._path} is empty")
        if token:
            self._identity = Identity(bearer(token, self._path), self._certificate)


def bearer(token: str, where: str) -> str:
    """The header of a token. Raises LoginError for what cannot be one."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise LoginError(f"the token of {where} is not a token: it has characters that no header may have")
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The header of a username and password."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
