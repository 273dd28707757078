"""Why a server does not answer, in words that say what to do."""

from __future__ import annotations

import socket
import ssl

from sloth_ci.core.errors import UnreachableError
from sloth_ci.destinations.kubernetes.dial import Dialer, ProxyRefused
from sloth_ci.destinations.kubernetes.wire import BrokenAnswer, Cut

# OpenSSL's X509_V_ERR_... of a certificate that is checked against the wrong or no authority.
_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
_EXPIRED = 10
_NOT_YET_VALID = 9
_OTHER_NAME = frozenset({62, 64})


def explain(error: OSError, dialer: Dialer, context: str) -> UnreachableError:
    """Never shows credentials: addresses come from `dialer`, without a user."""
    server = dialer.shown
    of_context = f"the server of the context '{context}'"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, server, dialer.name)
    if isinstance(error, ssl.SSLError):
        if error.reason in {"WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST"}:
            return UnreachableError(f"{server} does not speak TLS", f"check {of_context}: http:// or another port?")
        return UnreachableError(f"no TLS connection to {server}: {_words(error.reason)}", f"check {of_context}")
    if isinstance(error, ProxyRefused):
        return UnreachableError(
            f"{server} cannot be reached: {error}", "check proxy-url of the kubeconfig, HTTPS_PROXY and NO_PROXY"
        )
    through = f" through the proxy {dialer.proxy.label}" if dialer.proxy else ""
    if isinstance(error, socket.gaierror):
        near = dialer.proxy.label if dialer.proxy else dialer.host
        return UnreachableError(
            f"{server} cannot be reached: there is no host {near}", f"check {of_context}, or connect to its network"
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(
            f"{server} does not answer{through} (timed out)",
            f"check that the cluster runs, and that this machine may connect to it: {of_context}",
        )
    if isinstance(error, Cut | ConnectionResetError | BrokenPipeError):
        return UnreachableError(f"{server} closed the connection{through} without a full answer", "try again")
    if isinstance(error, ConnectionRefusedError):
        return UnreachableError(
            f"{server} refuses connections{through}", f"check that the cluster runs, and {of_context}"
        )
    if isinstance(error, BrokenAnswer):
        return UnreachableError(f"{server}: {error}", f"check {of_context}, and what stands in between")
    return UnreachableError(f"{server} cannot be reached{through}: {error.strerror or type(error).__name__}", None)


def _untrusted(error: ssl.SSLCertVerificationError, server: str, name: str) -> UnreachableError:
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY:
        return UnreachableError(
            f"the certificate of {server} is not from the authority that the kubeconfig trusts",
            "the cluster was made anew, or something stands in between: renew certificate-authority(-data)",
        )
    if code in {_EXPIRED, _NOT_YET_VALID}:
        state = "has expired" if code == _EXPIRED else "is not valid yet"
        return UnreachableError(f"the certificate of {server} {state}", "renew it on the cluster; check the clocks")
    if code in _OTHER_NAME:
        return UnreachableError(
            f"the certificate of {server} is not for {name}",
            "use one of its names as server, or set tls-server-name in the kubeconfig",
        )
    return UnreachableError(f"the certificate of {server} cannot be verified: {error.verify_message}", None)


def _words(reason: str | None) -> str:
    return (reason or "it failed").replace("_", " ").lower()
