"""From an address to a connection: TCP, a proxy in between where there is one, and TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final

from sloth_ci.core.errors import UsageError
from sloth_ci.destinations.kubernetes.proxy import Proxy, proxy_from_environment, split_address
from sloth_ci.destinations.kubernetes.tls import Certificate, Trust, tls_context
from sloth_ci.destinations.kubernetes.wire import Wire

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for each of: the TCP connection, the answer of a proxy, the TLS handshake."""


class ProxyRefused(OSError):
    """The proxy answers, and does not connect."""


class Dialer:
    """Makes connections to one server."""

    def __init__(self, url: str, trust: Trust, proxy: Proxy | None) -> None:
        parts = split_address(url, "the server of the cluster")
        if parts.scheme not in {"https", "http"}:
            raise UsageError("the server of the cluster is not an address", "it looks like https://host:port")
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        """Behind which the API is, as Rancher has it."""
        self.tls = parts.scheme == "https"
        self.proxy = proxy
        self._trust = trust

    @classmethod
    def of(cls, url: str, trust: Trust, proxy: Proxy | None, environ: Mapping[str, str]) -> Dialer:
        """With the proxy of the environment where no other is given. Raises UsageError."""
        dialer = cls(url, trust, proxy)
        if proxy is None:
            scheme = "https" if dialer.tls else "http"
            dialer.proxy = proxy_from_environment(scheme, dialer.host, dialer.port, environ)
        return dialer

    @property
    def shown(self) -> str:
        """The address without anything that could be a login."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    @property
    def name(self) -> str:
        """What has to be in the certificate."""
        return self._trust.server_name or self.host

    @property
    def authority(self) -> str:
        """For the Host header and CONNECT."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def context(self, certificate: Certificate | None) -> ssl.SSLContext | None:
        """For `dial`; None where the server speaks plain HTTP. Raises UsageError."""
        return tls_context(self._trust, certificate) if self.tls else None

    def dial(self, context: ssl.SSLContext | None) -> Wire:
        """Connect. Raises OSError."""
        near = (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)
        sock = socket.create_connection(near, CONNECT_TIMEOUT)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self.proxy:
                self._through(self.proxy, sock)
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=self.name)
        except BaseException:
            sock.close()
            raise
        return Wire(sock)

    def _through(self, proxy: Proxy, sock: socket.socket) -> None:
        wire = Wire(sock)
        login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        request = f"CONNECT {self.authority} HTTP/1.1\r\nHost: {self.authority}\r\n{login}\r\n"
        wire.send(request.encode(), CONNECT_TIMEOUT)
        status = wire.head().status
        if status != 200:
            raise ProxyRefused(f"the proxy {proxy.label} answers {status}")
