"""The HTTP side of the fake: one origin for REST, GraphQL and Git."""

from __future__ import annotations

import json
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from support.githttp import basic_login, read_body
from support.github import githost, rest
from support.github.accounts import Token
from support.github.call import Answer
from support.github.record import Exchange

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub

REST_ROOT: Final = "/api/v3"
GRAPHQL_ROOT: Final = "/api/graphql"


class Server(ThreadingHTTPServer):
    """Listens on loopback, in threads."""

    daemon_threads = True
    # What comes in a burst has to wait, not to fail.
    request_queue_size = 128

    def __init__(self, fake: FakeGitHub, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fake = fake
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Answer from now on."""
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="fake-github", daemon=True
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
            self.fake.violation(f"the fake failed: {traceback.format_exc()}")


class _Asked(NamedTuple):
    """What is noted of a request."""

    api: str
    path: str
    query: str
    body: bytes
    login: str


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    _asked: _Asked

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, *args: object) -> None:
        """Say nothing: the tests look at the record."""

    def _handle(self) -> None:
        fake = self.server.fake
        body = read_body(self)
        parts = urlsplit(self.path)
        token, known = self._token()
        api, path = "git", parts.path
        if path == GRAPHQL_ROOT:
            api = "graphql"
        elif path.startswith(f"{REST_ROOT}/"):
            api, path = "rest", path.removeprefix(REST_ROOT)
        self._asked = _Asked(api, path, parts.query, body, token.login if token else "")
        trouble = fake.unhappy.next(self.command, path)
        fault = trouble.fault if trouble else ""
        if trouble and fault == "slow":
            self.server.stopping.wait(trouble.seconds)
        refusal = trouble.answer(fake.clock.now() + 3600) if trouble else None
        if fault == "closed":
            self._hang_up()
        elif refusal:
            status, headers, content = refusal
            self._send_json(Answer(status, content, headers), "")
        elif api == "git":
            git = githost.answer(fake, self.command, self.path, self.headers, body, token)
            self._send(git.status, dict(git.headers), git.content, fault)
        else:
            said = self._api(api, path, parts.query, body, token, known=known)
            self._send_json(_emptied(said) if fault == "empty" else said, fault)

    def _api(self, api: str, path: str, query: str, body: bytes, token: Token | None, *, known: bool) -> Answer:
        fake = self.server.fake
        if not self.headers.get("User-Agent"):
            return Answer(403, {"message": "Request forbidden by administrative rules."})
        if not known:
            return Answer(401, {"message": "Bad credentials", "status": "401"})
        with fake.lock:
            if api == "graphql":
                return fake.graphql.answer(body, token)
            return rest.answer(fake, rest.Request(self.command, path, query, dict(self.headers.items()), body), token)

    def _token(self) -> tuple[Token | None, bool]:
        """Whose token a request comes with, and whether that is a good one; no token is a good one too."""
        header = self.headers.get("Authorization", "")
        login = basic_login(self.headers)
        value = login[1] if login else header.partition(" ")[2].strip()
        if not header:
            return None, True
        token = self.server.fake.tokens.get(value)
        return token, token is not None

    def _note(self, status: int) -> None:
        """Before the answer goes out: who has it may look."""
        asked = self._asked
        text = "" if asked.api == "git" else asked.body.decode(errors="replace")
        try:
            parsed = json.loads(text) if text else None
        except ValueError:
            parsed = None
        agent = self.headers.get("User-Agent", "")
        exchange = Exchange(self.command, asked.path, asked.query, text, asked.login, status, agent, asked.api, parsed)
        self.server.fake.record.add(exchange)

    def _hang_up(self) -> None:
        self._note(0)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send_json(self, answer: Answer, fault: str) -> None:
        now = int(self.server.fake.clock.now())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-RateLimit-Limit": "1000",
            "X-RateLimit-Remaining": "999",
            "X-RateLimit-Reset": str(now + 3600),
            "X-RateLimit-Used": "1",
            "X-RateLimit-Resource": "core",
            **answer.headers,
        }
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self._send(answer.status, headers, content, fault)

    def _send(self, status: int, headers: dict[str, str], content: bytes, fault: str) -> None:
        if fault == "lost":
            self._hang_up()
            return
        if fault == "garbage":
            status, content, headers = 200, b"<html><body>Unicorn!</body></html>", {"Content-Type": "text/html"}
        self._note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)
        self.wfile.flush()
        if fault == "cut":
            self._cut()


def _emptied(said: Answer) -> Answer:
    """A list without what is in it."""
    if isinstance(said.body, dict):
        body: Any = {key: [] if isinstance(value, list) else value for key, value in said.body.items()}
        return Answer(said.status, body | ({"total_count": 0} if "total_count" in body else {}))
    return Answer(said.status, [] if isinstance(said.body, list) else said.body)
