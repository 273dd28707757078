"""HTTP/1.1 as an API server speaks it, on a socket that is already there.

`http.client` spends 150 µs of CPU on a small request, most of it in the parser of mail headers; this takes 60 µs. It
knows what is needed here and no more: one request at a time, bodies with a length, in chunks, or to the end.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

_PIECE: Final = 65536
_LONGEST_HEAD: Final = 256 * 1024


class BrokenAnswer(OSError):
    """What came is not HTTP."""


class Cut(OSError):
    """The connection ended before the answer did."""

    def __init__(self) -> None:
        super().__init__("the connection was closed before the answer was complete")


class Head(NamedTuple):
    """The beginning of an answer. Names of headers are in lower case; only of warnings there is more than one."""

    status: int
    headers: Mapping[str, str]
    warnings: tuple[str, ...]
    keeps_alive: bool


class Wire:
    """One connection. Not for two threads at once, but for `abort`."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self._head: Head | None = None
        self._aborted = False
        self.idle_since = 0.0
        """Monotonic seconds; for the pool."""

    def send(self, request: bytes, timeout: float) -> None:
        """Send one request. `timeout`: seconds that any wait for the other side may take, until the next call."""
        self._socket.settimeout(timeout)
        self._socket.sendall(request)

    def head(self) -> Head:
        """Read the beginning of the answer. Raises OSError."""
        while True:
            head = self._one_head()
            if head.status >= 200:  # 1xx only announce
                self._head = head
                return head

    def _one_head(self) -> Head:
        start = 0
        while (end := self._buffer.find(b"\r\n\r\n", start)) < 0:
            start = max(0, len(self._buffer) - 3)
            if start > _LONGEST_HEAD:
                raise BrokenAnswer("the answer is not HTTP: its headers have no end")
            self._fill()
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = lines[0].partition(" ")
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not rest[:3].isdigit():
            raise BrokenAnswer("the answer is not HTTP")
        headers: dict[str, str] = {}
        warnings: list[str] = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.lower()
            if name == "warning":
                warnings.append(_warning(value.strip()))
            else:
                headers[name] = value.strip()
        keeps_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Head(int(rest[:3]), headers, tuple(warnings), keeps_alive)

    def body(self) -> bytes:
        """The rest of the answer. Raises OSError."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The rest of the answer as it comes. Raises OSError."""
        head = self._head
        if head is None:
            raise ValueError("there is no answer to read")
        pieces = self._framed(head)
        encoding = head.headers.get("content-encoding", "identity").lower()
        if encoding == "gzip":
            pieces = _unpacked(pieces)
        elif encoding != "identity":
            raise BrokenAnswer(f"the answer comes as '{encoding}', which was not asked for")
        yield from pieces
        self._head = None

    def _framed(self, head: Head) -> Iterator[bytes]:
        if head.status in {204, 304}:
            return
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunks()
        elif (length := head.headers.get("content-length")) is not None:
            if not length.isdigit():
                raise BrokenAnswer("the answer is not HTTP: its length is no number")
            yield self._take(int(length))
        else:
            while not self._aborted:
                if self._buffer:
                    yield self._take(len(self._buffer))
                try:
                    self._fill()
                except Cut:
                    return

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = self._line().partition(b";")[0]
            try:
                length = int(size, 16)
            except ValueError:
                raise BrokenAnswer("the answer is not HTTP: a chunk without a length") from None
            if length == 0:
                break
            yield self._take(length)
            self._take(2)
        while self._line():  # trailers
            pass

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise BrokenAnswer("the answer is not HTTP: a line without an end")
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._fill()
        taken = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return taken

    def _fill(self) -> None:
        data = b""
        if not self._aborted:
            try:
                data = self._socket.recv(_PIECE)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise Cut from None
        if not data:
            raise Cut
        self._buffer += data

    @property
    def is_open(self) -> bool:
        """Whether the other side has not closed an idle connection, as far as this side has heard."""
        if self._buffer or self._head is not None:
            return False
        self._socket.setblocking(False)
        try:
            # On the plain socket: whatever there is to read on an idle connection is its end. (TLS 1.3 tickets come
            # before the first answer, and are read with it.)
            socket.socket.recv(self._socket, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def abort(self) -> None:
        """Wake a thread that waits for this connection: it finds it cut. May be called from any thread."""
        self._aborted = True
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # it was closed already

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def _warning(value: str) -> str:
    """The text of `299 - "text"` (RFC 7234, 5.5)."""
    _, _, rest = value.partition(" ")
    _, _, text = rest.partition(" ")
    return text.removeprefix('"').removesuffix('"').replace('\\"', '"').replace("\\\\", "\\")


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    gzip = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            yield gzip.decompress(piece)
        yield gzip.flush()
    except zlib.error:
        raise BrokenAnswer("the answer is broken: it is not gzip as it says") from None
    if not gzip.eof:
        raise BrokenAnswer("the answer is broken: its gzip has no end")
