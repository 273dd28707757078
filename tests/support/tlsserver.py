"""An HTTPS server on loopback with a certificate of the run's authority, which leaves nothing open when it stops."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import sys
import threading
from typing import Any

from support.pki import Authority


class TlsServer(http.server.ThreadingHTTPServer):
    """Serves in a thread per connection. Clients may show a certificate of the authority, and need none."""

    # Every connection's thread has ended when `stop` returns.
    daemon_threads = False
    block_on_close = True

    def __init__(self, authority: Authority, name: str, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_verify_locations(authority.files.certificate)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        super().__init__(("127.0.0.1", 0), handler)
        self._context.load_cert_chain(*authority.server(f"{name}-{self.server_port}"))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        """Set when the server stops: what waits on purpose waits for this."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=name, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        """Cut every connection, and wait until nobody works on one."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                cut(connection)
        self.server_close()
        self._thread.join()

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Here and not where connections are accepted: one slow handshake does not keep the others waiting.
        with self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as connection:
            with self._lock:
                self._open.add(connection)
            try:
                if not self.stopping.is_set():
                    connection.do_handshake()
                    super().finish_request(connection, client_address)
            finally:
                with self._lock:
                    self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients come and go, and some are cut off on purpose. Anything else is a fault of a handler.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def cut(connection: socket.socket) -> None:
    """End a connection that another thread may be using: that one finds it ended."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
