"""What was asked and answered."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """A request and what became of it."""

    method: str
    path: str
    """Below the API's root for REST (`/repos/acme/shop/pulls/1`, `/projects/1/merge_requests/1`), else as it was asked (`/acme/shop.git/info/refs`)."""
    query: str
    body: str
    """As text; empty for Git's packs, whose content is in `Record.pushed`."""
    login: str
    """Whose token it came with; empty without a token."""
    status: int
    """0 where the connection was closed without an answer."""
    agent: str = ""
    api: str = "rest"
    """`rest`, `graphql` or `git`."""
    json: Any = None
    """The body, where it is JSON."""


@dataclass
class Record:
    """Every exchange, in the order in which they ended."""

    exchanges: list[Exchange] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    """The content of every object that was pushed, and of every commit that was made through the API."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, exchange: Exchange) -> None:
        with self._lock:
            self.exchanges.append(exchange)

    def matching(self, method: str = "", path: str = "", *, api: str = "") -> list[Exchange]:
        """Those of a method and an API whose path has the regular expression `path` in it."""
        with self._lock:
            return [
                exchange
                for exchange in self.exchanges
                if method in ("", exchange.method) and api in ("", exchange.api) and re.search(path, exchange.path)
            ]

    def count(self, method: str = "", path: str = "", *, api: str = "") -> int:
        """How many there are."""
        return len(self.matching(method, path, api=api))

    def said(self) -> str:
        """All text that ever came in: paths, queries, bodies, and what was pushed. Credentials are in headers alone."""
        with self._lock:
            lines = [
                f"{exchange.method} {exchange.path}?{exchange.query}\n{exchange.agent}\n{exchange.body}"
                for exchange in self.exchanges
            ]
            return "\n".join([*lines, *self.pushed])
