"""Requests to one API server: the pool of connections, the patience, and the errors that a person can act on."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from sloth_ci import __version__
from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.words import plural
from sloth_ci.destinations.kubernetes.access import Access
from sloth_ci.destinations.kubernetes.dial import Dialer
from sloth_ci.destinations.kubernetes.faults import ApiFault, LoginError, fault_of, private_values
from sloth_ci.destinations.kubernetes.login import Identity
from sloth_ci.destinations.kubernetes.patience import Patience
from sloth_ci.destinations.kubernetes.pool import Line, Pool
from sloth_ci.destinations.kubernetes.proxy import is_loopback
from sloth_ci.destinations.kubernetes.rate import Rate
from sloth_ci.destinations.kubernetes.unreachable import explain
from sloth_ci.destinations.kubernetes.wire import Cut, Head, Wire

A = TypeVar("A")
B = TypeVar("B")

WORKERS: Final = 8
"""Threads of `map`, and connections that are kept alive."""
WATCH_GRACE: Final = 5.0
"""Seconds beyond its own end that a watch may be silent: the server ends it, or it is dead."""

_FLOW_CONTROL: Final = "x-kubernetes-pf-flowschema-uid"
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")


class Answer(NamedTuple):
    """A successful answer."""

    body: bytes
    warnings: tuple[str, ...]
    """What the server says beside it: deprecated versions, unknown fields."""


class Client:
    """Requests to one API server. Safe for many threads.

    Every method raises ApiFault (the server's answer of 400 and above), LoginError (it does not know us) and
    UnreachableError (no answer).
    """

    def __init__(self, access: Access, environ: Mapping[str, str]) -> None:
        """Connects to nothing yet. Raises UsageError for an address or certificates that cannot be read."""
        self._access = access
        self._dialer = Dialer.of(access.server, access.trust, access.proxy, environ)
        self._pool = Pool(self._dialer, access.login, WORKERS)
        self._patience = Patience()
        self._rate = Rate()
        self._watches: set[Watch] = set()
        self._lock = Lock()
        self._date: tuple[str, float] | None = None
        self.server = self._dialer.shown
        """For a person: without credentials."""
        # Compressing costs the server and us more than loopback saves; everywhere else it saves nine tenths of a list.
        gzip = "" if is_loopback(self._dialer.host) else "Accept-Encoding: gzip\r\n"
        fixed = "".join(f"{name}: {value}\r\n" for name, value in access.headers)
        self._fixed = f"Host: {self._dialer.authority}\r\nUser-Agent: sloth-ci/{__version__}\r\n{gzip}{fixed}"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 30.0,
        patient: bool = True,
    ) -> bytes:
        """The body of the answer. See `answer`."""
        return self.answer(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=timeout,
            patient=patient,
        ).body

    def json(self, method: str, path: str, **how: Any) -> Any:
        """The same, decoded."""
        body = self.call(method, path, **how)
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self.no_api_server() from None

    def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 30.0,
        patient: bool = True,
    ) -> Answer:
        """One request, until it is answered.

        `body`: bytes as they are, anything else as JSON. `timeout`: seconds without a word from the server.
        `patient`: what is likely to pass is tried again for a few seconds (see `Patience`). A PUT or PATCH that was
        cut off may have been carried out before it is repeated: a 409 then is about one's own write.
        """
        target = self._target(path, query)
        data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        lines = f"{method} {target} HTTP/1.1\r\n{self._fixed}Accept: {accept}\r\n"
        if body is not None:
            lines += f"Content-Type: {content_type}\r\nContent-Length: {len(data)}\r\n"
        elif method in {"POST", "PUT", "PATCH"}:
            lines += "Content-Length: 0\r\n"
        repeatable = method != "POST" or path.endswith("reviews") or bool(query and query.get("dryRun"))
        attempt = self._patience.start() if patient else None
        while True:
            try:
                head, answer = self._exchange(lines, data, timeout, repeatable)
            except OSError as error:
                if attempt and repeatable and attempt.goes_on_unreached(error):
                    continue
                raise self._explained(error) from None
            if head.status < 300:
                self._patience.reached()
                return Answer(answer, _harmless(head.warnings, body))
            if head.status < 400:
                raise self.no_api_server()
            self._patience.reached()
            fault = self._fault(head, answer, body)
            if not (attempt and attempt.goes_on(fault)):
                raise fault

    def watch(self, path: str, query: Mapping[str, str], *, timeout: float) -> Watch:
        """The JSON lines of a watch, for at most `timeout` seconds.

        It ends quietly when the server ends it, when it is cut, and when it is closed. `watch` and `timeoutSeconds` are
        added to the query. Raises ApiFault at the start; a 410 can also come as an event of the type ERROR.
        """
        asked = {**query, "watch": "1", "timeoutSeconds": str(max(1, math.ceil(timeout)))}
        lines = f"GET {self._target(path, asked)} HTTP/1.1\r\n{self._fixed}Accept: application/json\r\n"
        try:
            wire = self._streaming(lines, timeout + WATCH_GRACE)
        except OSError as error:
            raise self._explained(error) from None
        watch = Watch(wire, self._watches.discard, time.monotonic() + timeout + WATCH_GRACE)
        self._watches.add(watch)
        return watch

    def map(self, function: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """Apply a function to all items, with 8 threads; the results are in order.

        After an error no further item is begun; when those that were are done, the error of the first of them is raised.
        """
        todo = list(items)
        if len(todo) < 2:
            return [function(item) for item in todo]
        results: list[Any] = [None] * len(todo)
        errors: list[tuple[int, BaseException]] = []
        places = itertools.count()

        def work() -> None:
            while not errors and (place := next(places)) < len(todo):
                try:
                    results[place] = function(todo[place])
                except BaseException as error:  # noqa: BLE001 (it is raised below)
                    errors.append((place, error))

        threads = [Thread(target=work, name=f"cluster-{n}") for n in range(min(WORKERS, len(todo)) - 1)]
        for thread in threads:
            thread.start()
        try:
            work()
        finally:
            for thread in threads:
                thread.join()
        if errors:
            raise min(errors, key=lambda found: found[0])[1]
        return results

    def now(self) -> float:
        """Unix seconds by the server's own clock: what its last answer said, and the time since then."""
        if self._date is None:
            with suppress(ApiFault):  # a refusal has a date, too
                self.call("GET", "/version")
        date, at = self._date or ("", 0.0)
        try:
            said = parsedate_to_datetime(date).timestamp()
        except ValueError:
            raise UnreachableError(
                f"{self.server} does not say what time it is", "something in between removes the Date header"
            ) from None
        return said + (time.monotonic() - at)

    def close(self) -> None:
        """Close all connections; watches end."""
        for watch in list(self._watches):
            watch.close()
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _target(self, path: str, query: Mapping[str, str] | None) -> str:
        target = self._dialer.prefix + path
        if query:
            target += "?" + _encoded(tuple(query.items()))
        if _UNSAFE.search(target):
            raise ValueError(f"not a path: {path!r}")
        return target

    def _exchange(self, lines: str, data: bytes, timeout: float, repeatable: bool) -> tuple[Head, bytes]:
        """One request and its answer, on a connection of the pool. Raises OSError, UnreachableError, UsageError."""
        self._rate.wait()
        while True:
            line, head = self._send(lines, data, timeout, fresh=False, repeatable=repeatable)
            try:
                body = line.wire.body()
            except BaseException as error:
                line.wire.close()
                if isinstance(error, Cut) and line.used and repeatable:
                    continue
                raise
            self._pool.put(line, keep=head.keeps_alive)
            if head.status != 401:
                return head, body
            self._renew(line.identity)

    def _send(
        self, lines: str, data: bytes, timeout: float, *, fresh: bool, repeatable: bool = True
    ) -> tuple[Line, Head]:
        """Send on a kept connection; on a new one where that was stale."""
        while True:
            line = self._pool.new() if fresh else self._pool.get(sure=not repeatable)
            try:
                line.wire.send(f"{lines}{line.header}\r\n".encode() + data, timeout)
                head = line.wire.head()
            except BaseException as error:
                line.wire.close()
                if line.used and repeatable and isinstance(error, ConnectionError | Cut):
                    continue
                raise
            if "date" in head.headers:  # what a proxy answers by itself may have none
                self._date = (head.headers["date"], time.monotonic())
            self._rate.heard(_FLOW_CONTROL in head.headers)
            return line, head

    def _streaming(self, lines: str, timeout: float) -> Wire:
        """A connection of its own whose answer has begun well. Raises OSError, SlothError."""
        while True:
            line, head = self._send(lines, b"", timeout, fresh=True)
            if head.status < 300:
                return line.wire
            try:
                answer = line.wire.body()
            finally:
                line.wire.close()
            if head.status == 401:
                self._renew(line.identity)
            elif head.status < 400:
                raise self.no_api_server()
            else:
                raise self._fault(head, answer, None)

    def _renew(self, refused: Identity) -> None:
        """Log in anew after a 401. Raises LoginError where that gives nothing new."""
        login = self._access.login
        if not login.renew(refused):
            who = f"the credentials of '{self._access.user}'" if self._access.user else "the credentials"
            raise LoginError(f"{self.server} does not accept {who} (401)", login.hint)

    def _fault(self, head: Head, answer: bytes, sent: object) -> ApiFault:
        private = private_values(_decoded(sent) if isinstance(sent, bytes) else sent)
        fault = fault_of(head.status, answer, retry_after=head.headers.get("retry-after"), private=private)
        if fault.code == 403 and "system:anonymous" in fault.message:
            fault.hint = self._access.login.hint
        return fault

    def _explained(self, error: OSError) -> UnreachableError:
        return explain(error, self._dialer, self._access.context)

    def no_api_server(self) -> UnreachableError:
        """The error for an answer that makes no sense."""
        return UnreachableError(
            f"{self.server} answers, but not as an API server does",
            "a login page or a proxy stands in between, or the server of the kubeconfig is another one",
        )


class Watch(Iterator[bytes]):
    """The lines of one watch. `close` may be called from any thread, and ends it."""

    def __init__(self, wire: Wire, ended: Callable[[Watch], None], deadline: float) -> None:
        self._wire = wire
        self._ended = ended
        self._deadline = deadline
        self._lines = self._read()
        self._lock = Lock()

    def __next__(self) -> bytes:
        with self._lock:
            return next(self._lines)

    def _read(self) -> Generator[bytes]:
        rest = bytearray()
        try:
            for piece in self._wire.pieces():
                rest += piece
                while (end := rest.find(b"\n")) >= 0:
                    line = bytes(rest[:end])
                    del rest[: end + 1]
                    if line.strip():
                        yield line
                if time.monotonic() > self._deadline:
                    return
        except OSError:
            return  # cut: whoever watches looks at what is there, and watches again
        finally:
            self._wire.close()
            self._ended(self)

    def close(self) -> None:
        """End it, and give the connection back."""
        self._wire.abort()
        with self._lock:
            self._lines.close()
        self._wire.close()
        self._ended(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _harmless(warnings: tuple[str, ...], sent: object) -> tuple[str, ...]:
    """A webhook may repeat in a warning what it was given."""
    if not warnings or not any(private_values(_decoded(sent) if isinstance(sent, bytes) else sent)):
        return warnings
    return (f"{plural(len(warnings), 'warning')} about a Secret, not shown: they may hold a value of it",)


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=256)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)
