"""Plain sockets on loopback: a relay that counts and cuts connections, and a server that says one thing to everybody."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Self
from urllib.parse import urlsplit

from support.tlsserver import cut


class Relay:
    """Moves bytes to a server and back. With `connect`, it is an HTTP proxy that is asked to CONNECT first."""

    def __init__(self, server: str, *, connect: bool = False) -> None:
        url = urlsplit(server)
        assert url.hostname
        assert url.port
        self._upstream = (url.hostname, url.port)
        self._connect = connect
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{url.scheme}://127.0.0.1:{self.port}"
        self.accepted = 0
        """Connections there were."""
        self.moved = 0
        """Bytes that came from the server."""
        self.asked: list[str] = []
        """What a proxy was asked."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    @property
    def open(self) -> int:
        """Connections there are."""
        with self._lock:
            return len(self._open) // 2

    def cut(self) -> None:
        """End every connection; returns when the other side can know."""
        with self._lock:
            for sock in self._open:
                cut(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        cut(self._listener)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _count(self, data: bytes) -> None:
        with self._lock:
            self.moved += len(data)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # it is over
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(near,), name="relay")
            self._threads.append(thread)
            thread.start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._upstream) as far:
            with self._lock:
                self._open |= {near, far}
            try:
                if self._connect:
                    self.asked.append(near.recv(65536).decode())
                    near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_move, args=(far, near, self._count), name="relay")
                back.start()
                _move(near, far, len)
                back.join()
            finally:
                with self._lock:
                    self._open -= {near, far}


def _move(source: socket.socket, target: socket.socket, count: Callable[[bytes], object]) -> None:
    try:
        while data := source.recv(65536):
            count(data)
            target.sendall(data)
    except OSError:
        pass  # one side has gone: so does the other
    cut(source)
    cut(target)


@contextlib.contextmanager
def listening(answer: bytes | None = None) -> Iterator[socket.socket]:
    """A server that reads a little, says one thing and hangs up; without an answer, a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer or b""), name="listening")
        thread.start()
        try:
            yield listener
        finally:
            cut(listener)
            thread.join()


def _answer(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # it is over
        with near, contextlib.suppress(OSError):  # a client that has heard enough hangs up first
            near.recv(65536)
            near.sendall(answer)
            near.shutdown(socket.SHUT_WR)
