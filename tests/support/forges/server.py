"""The HTTP side of a fake forge: one origin for its APIs and for Git."""

from __future__ import annotations

import json
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Protocol

from support.forges.record import Exchange, Record
from support.forges.unhappy import Trouble
from support.githttp import read_body


class Fake(Protocol):
    """What the server needs of a fake."""

    record: Record

    def violation(self, words: str) -> None:
        """Note that something is wrong."""


class Server(ThreadingHTTPServer):
    """Listens on loopback, in threads."""

    daemon_threads = True
    # What comes in a burst has to wait, not to fail.
    request_queue_size = 128

    def __init__(self, said_by: Fake, port: int, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.said_by = said_by
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Answer from now on."""
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="fake-forge", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Answer no longer; whatever is late comes at once."""
        self.stopping.set()
        if self._thread:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        """A client that went away is no news. Anything else is a fault of the fake, which a test has to hear of."""
        if not isinstance(sys.exception(), OSError):
            self.said_by.violation(f"the fake failed: {traceback.format_exc()}")


class Asked(NamedTuple):
    """What is noted of a request."""

    api: str
    path: str
    query: str
    body: bytes
    login: str


class Handler(BaseHTTPRequestHandler):
    """Takes a request, and notes it before its answer goes out: who has the answer may look."""

    server: Server
    protocol_version = "HTTP/1.1"
    page = b"<html><body>Unicorn!</body></html>"
    """What comes instead of an answer."""
    _asked: Asked

    def do_GET(self) -> None:
        self.handle_request(read_body(self))

    def do_POST(self) -> None:
        self.handle_request(read_body(self))

    def do_HEAD(self) -> None:
        self.handle_request(read_body(self))

    def do_PATCH(self) -> None:
        self.handle_request(read_body(self))

    def do_PUT(self) -> None:
        self.handle_request(read_body(self))

    def do_DELETE(self) -> None:
        self.handle_request(read_body(self))

    def log_message(self, *args: object) -> None:
        """Say nothing: the tests look at the record."""

    def handle_request(self, body: bytes) -> None:
        """Answer it: call `came`, and then `send` or `hang_up`."""
        raise NotImplementedError

    def came(self, asked: Asked, trouble: Trouble[Any] | None) -> None:
        """Say what is to be noted of the request, and be late where that is its trouble."""
        self._asked = asked
        if trouble and trouble.fault == "slow":
            self.server.stopping.wait(trouble.seconds)

    def _note(self, status: int) -> None:
        asked = self._asked
        text = "" if asked.api == "git" else asked.body.decode(errors="replace")
        try:
            parsed = json.loads(text) if text else None
        except ValueError:
            parsed = None
        agent = self.headers.get("User-Agent", "")
        exchange = Exchange(self.command, asked.path, asked.query, text, asked.login, status, agent, asked.api, parsed)
        self.server.said_by.record.add(exchange)

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self._note(0)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status: int, headers: dict[str, str], content: bytes, fault: str) -> None:
        """Send an answer, or what a fault makes of it."""
        if fault == "lost":
            self.hang_up()
            return
        if fault == "garbage":
            status, content, headers = 200, self.page, {"Content-Type": "text/html"}
        self._note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)
        self.wfile.flush()
        if fault == "cut":
            self._cut()
