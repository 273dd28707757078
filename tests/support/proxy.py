"""Proxies in front of the API server: one that is far away, and one that fails as it is told to.

`DelayProxy` moves bytes, so TLS and client certificates pass through it. `FaultProxy` reads requests: it ends TLS with a
certificate of the run's authority, and tells the API server who asked as an aggregating proxy does.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import http.server
import itertools
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self, cast
from urllib.parse import parse_qsl, urlsplit

from support.cluster import ControlPlane
from support.tlsserver import TlsServer, cut

Fault = Literal["429", "500", "503", "410", "cut-before", "cut-within", "cut-after", "hang"]
"""What can happen to a request: an answer with this code (to a watch, 410 is an event of the stream); a connection that is
cut before the server has the request, within its answer, or after the server answered and before the client hears of it; no
answer as long as the proxy lives."""
COMMON: Final[Sequence[Fault]] = ("429", "500", "cut-before", "cut-within", "cut-after")

_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
_REASONS: Final = {
    410: ("Expired", "too old resource version"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "an error on the server has prevented the request from succeeding"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
}


class DelayProxy:
    """Moves bytes between clients and a server, late: a question and its answer take `round_trip` seconds longer."""

    def __init__(self, server: str, *, round_trip: float) -> None:
        """Listen on loopback, in a thread. `server` is an https URL."""
        self._upstream = urlsplit(server)
        self._round_trip = round_trip
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="delay-proxy", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            await asyncio.sleep(self._round_trip)  # to a server that far away, connecting takes one, too
            far, far_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._move(reader, far_writer))
                both.create_task(self._move(far, writer))
        except (ExceptionGroup, OSError, asyncio.CancelledError):
            pass  # one side has gone: so does the other
        finally:
            for each in writers:
                each.transport.abort()

    async def _move(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)

        async def deliver() -> None:
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(due - self._loop.time())
                if not data:
                    target.write_eof()
                    return
                target.write(data)
                await target.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            data = b"first"
            while data:
                data = await source.read(1 << 16)
                await on_the_way.put((self._loop.time() + self._round_trip / 2, data))
            await delivery
        finally:
            delivery.cancel()


class Call(NamedTuple):
    """A request that reached the proxy."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    nth: int
    """How many requests with this method and path there were, with this one."""

    @property
    def watch(self) -> bool:
        """Whether it asks for a stream of events."""
        return self.query.get("watch") in {"1", "true"}


Chooser = Callable[[Call], Fault | None]


def share(rate: float, *, seed: int = 0, faults: Sequence[Fault] = COMMON) -> Chooser:
    """A chooser that lets this share of requests fail, with each of the faults in turn: none is left out by chance.

    Which requests fail depends on their method, path and number alone, not on what other threads ask meanwhile.
    """
    turn = itertools.cycle(faults)

    def choose(call: Call) -> Fault | None:
        digest = hashlib.sha256(f"{seed} {call.method} {call.path} {call.nth}".encode()).digest()
        return next(turn) if int.from_bytes(digest[:8]) < rate * 2**64 else None

    return choose


class FaultProxy:
    """An API server that is not always there.

    What happens to a request is decided by `choose`, which may be replaced at any time. A user of the control plane is
    the same user here, by certificate or token: `plane.kubeconfig(..., server=proxy.url)`.
    """

    def __init__(self, plane: ControlPlane, choose: Chooser | None = None, *, retry_after: int = 1) -> None:
        """Listen on loopback. `retry_after` is said, in seconds, with 429 and 503."""
        self.choose: Chooser = choose or (lambda call: None)
        self.retry_after = retry_after
        self.calls: list[Call] = []
        """Every request, in the order in which they came."""
        self.delivered: Counter[Fault] = Counter()
        """The faults that happened."""
        self._plane = plane
        self._lock = threading.Lock()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._watches: dict[_Handler, socket.socket] = {}
        self._server = TlsServer(plane.authority, "fault-proxy", cast("type[_Handler]", self._handler))
        self.url = self._server.url

    def counts(self) -> Counter[tuple[str, str]]:
        """How often each (method, path) was asked for."""
        with self._lock:
            return Counter(self._seen)

    @property
    def watches(self) -> int:
        """How many watches are open."""
        with self._lock:
            return len(self._watches)

    def drop_watches(self) -> int:
        """Cut every open watch; returns how many there were."""
        return self._end_watches(expired=False)

    def expire_watches(self) -> int:
        """End every open watch with a 410 event; returns how many there were."""
        return self._end_watches(expired=True)

    def stop(self) -> None:
        """Cut every connection."""
        self.drop_watches()
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def decide(self, method: str, target: str) -> tuple[Call, Fault | None]:
        """Note a request, and say what becomes of it."""
        url = urlsplit(target)
        with self._lock:
            self._seen[method, url.path] += 1
            call = Call(method, url.path, dict(parse_qsl(url.query)), self._seen[method, url.path])
            self.calls.append(call)
        fault = self.choose(call)
        if fault:
            with self._lock:
                self.delivered[fault] += 1
        return call, fault

    def upstream(self, certificate: bool) -> http.client.HTTPSConnection:
        """A connection to the API server; with the certificate of a proxy that may say who asks."""
        url = urlsplit(self._plane.server)
        assert url.hostname
        pki = self._plane.folder / "pki"
        context = ssl.create_default_context(cafile=self._plane.authority.files.certificate)
        if certificate:
            context.load_cert_chain(pki / "front-proxy.crt", pki / "front-proxy.key")
        return http.client.HTTPSConnection(url.hostname, url.port, context=context)

    def hang(self) -> None:
        """Wait for the end."""
        self._server.stopping.wait()

    def opened(self, handler: _Handler, stream: socket.socket) -> None:
        """A watch has begun."""
        with self._lock:
            self._watches[handler] = stream

    def ended(self, handler: _Handler) -> None:
        """A watch has ended."""
        with self._lock:
            self._watches.pop(handler, None)

    def _end_watches(self, *, expired: bool) -> int:
        with self._lock:
            watches = dict(self._watches)
        for handler, stream in watches.items():
            handler.expired = expired
            handler.dropped = not expired
            cut(stream)
        return len(watches)

    def _handler(self, *args: Any) -> _Handler:
        return _Handler(self, *args)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and its connection to the API server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    expired = dropped = False

    def __init__(self, proxy: FaultProxy, *args: Any) -> None:
        self._proxy = proxy
        self._upstream: http.client.HTTPSConnection | None = None
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `FaultProxy.calls` has it."""

    def finish(self) -> None:
        if self._upstream:
            self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        call, fault = self._proxy.decide(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        if fault is None:
            self._forward(call, body, cut_within=False)
        elif fault == "410" and call.watch:
            self._begin({"Content-Type": "application/json"}, 200)
            self._expire()
        elif fault.isdigit():
            self._refuse(int(fault))
        elif fault == "cut-within":
            self._forward(call, body, cut_within=True)
        else:
            if fault == "hang":
                self._proxy.hang()
            elif fault == "cut-after":
                self._ask(body).read1(1)
            self._cut()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def _ask(self, body: bytes | None) -> http.client.HTTPResponse:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _HOP and not name.lower().startswith("x-remote-")
        }
        assert isinstance(self.connection, ssl.SSLSocket)
        certificate: Any = self.connection.getpeercert() or {}
        subject = [pair for group in certificate.get("subject", ()) for pair in group]
        if self._upstream is None:
            self._upstream = self._proxy.upstream(bool(subject))
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._upstream.putheader(name, value)
        for kind, value in subject:
            if kind in {"commonName", "organizationName"}:
                self._upstream.putheader("X-Remote-User" if kind == "commonName" else "X-Remote-Group", value)
        if body is not None or self.command in {"POST", "PUT", "PATCH"}:
            self._upstream.putheader("Content-Length", str(len(body or b"")))
        self._upstream.endheaders(body)
        return self._upstream.getresponse()

    def _forward(self, call: Call, body: bytes | None, *, cut_within: bool) -> None:
        try:
            answer = self._ask(body)
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if not (answer.chunked or call.watch):
                content = answer.read()
                self._begin({**headers, "Content-Length": str(len(content))}, answer.status)
                if cut_within:
                    self.wfile.write(content[: len(content) // 2])
                    self._cut()
                elif self.command != "HEAD":
                    self.wfile.write(content)
                return
            self._begin(headers, answer.status)
            self._stream(call, answer, cut_within=cut_within)
        except (OSError, http.client.HTTPException):
            self._cut()  # the API server or the client has gone: so does the other side

    def _stream(self, call: Call, answer: http.client.HTTPResponse, *, cut_within: bool) -> None:
        assert self._upstream
        if call.watch and self._upstream.sock:
            self._proxy.opened(self, self._upstream.sock)
        try:
            while data := answer.read1(1 << 16):
                self._chunk(data)
                if cut_within:
                    self._cut()
                    return
        except (OSError, http.client.HTTPException):
            self.dropped = not self.expired
        finally:
            self._proxy.ended(self)
        if self.expired:
            self._expire()
        elif self.dropped:
            self._cut()
        else:
            self._chunk(b"")

    def _begin(self, headers: Mapping[str, str], status: int) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _refuse(self, code: int) -> None:
        content = json.dumps(_status(code)).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        if code in {429, 503}:
            headers["Retry-After"] = str(self._proxy.retry_after)
        self._begin(headers, code)
        self.wfile.write(content)

    def _expire(self) -> None:
        self._chunk(json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n")
        self._chunk(b"")
        self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        cut(self.connection)


def _status(code: int) -> dict[str, Any]:
    reason, message = _REASONS[code]
    kind = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure"}
    return {**kind, "code": code, "reason": reason, "message": message}
