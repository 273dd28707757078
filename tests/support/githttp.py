"""Git over HTTP on loopback: Git's own server program behind a small HTTP server, with a password if asked for."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit


class GitAnswer(NamedTuple):
    """What Git's server program says."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


class GitServer(ThreadingHTTPServer):
    """Serves every bare repository below `root` at its relative path."""

    daemon_threads = True

    def __init__(self, root: Path, user: str | None, password: str | None, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.root = root
        self.user = user
        self.password = password
        self.seen: list[str] = []
        """The users that logged in, one for each request that was let in."""

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"


@contextmanager
def serve(
    root: Path, *, user: str | None = None, password: str | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[GitServer]:
    """A server for the repositories below `root`. With a password, everybody has to give it (and `user`, if set)."""
    server = GitServer(root, user, password, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of a request. Git sends a large one in chunks."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def basic_login(headers: Message) -> tuple[str, str] | None:
    """The user and the password that a request comes with."""
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def run_backend(
    root: Path,
    method: str,
    target: str,
    headers: Message,
    body: bytes,
    user: str,
    *,
    hooks: Mapping[str, str] | None = None,
) -> GitAnswer:
    """Let `git http-backend` answer a request for `target` (path and query) in the folder `root`.

    `hooks` are variables for the hooks of the repository.
    """
    parts = urlsplit(target)
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.receivepack",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REQUEST_METHOD": method,
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "REMOTE_USER": user,
        "REMOTE_ADDR": "127.0.0.1",
        **(hooks or {}),
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    found = [
        (name, value) for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n")) if value
    ]
    status = next((int(value.split()[0]) for name, value in found if name == "Status"), 200)
    return GitAnswer(status, [(name, value) for name, value in found if name != "Status"], content)


class _Handler(BaseHTTPRequestHandler):
    server: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(read_body(self))

    def log_message(self, *args: object) -> None:
        """Say nothing: the tests look at `seen`."""

    def _answer(self, body: bytes) -> None:
        user = self._user()
        if user is None:
            self._send(GitAnswer(401, [("WWW-Authenticate", 'Basic realm="git"')], b""))
            return
        self.server.seen.append(user)
        self._send(run_backend(self.server.root, self.command, self.path, self.headers, body, user))

    def _user(self) -> str | None:
        """Who asks; None where the password is wrong or missing."""
        if self.server.password is None:
            return "anonymous"
        login = basic_login(self.headers)
        if login is None:
            return None
        user, password = login
        wanted = self.server.user or user
        return user if (user, password) == (wanted, self.server.password) else None

    def _send(self, answer: GitAnswer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)
