"""How the server proves who it is, and how we do: TLS from what a kubeconfig says."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sloth_ci.core.errors import UsageError


@dataclass(frozen=True)
class Trust:
    """How the server proves who it is."""

    authorities: bytes | None = None
    """PEM. None: those of the machine."""
    insecure: bool = False
    server_name: str = ""
    """The name in its certificate, where it is not the one in the address."""


@dataclass(frozen=True, repr=False)
class Certificate:
    """A client's certificate chain and key, in PEM."""

    chain: bytes
    key: bytes


def tls_context(trust: Trust, certificate: Certificate | None) -> ssl.SSLContext:
    """Raises UsageError for authorities or a key pair that cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # From Python 3.13 on the default refuses certificates without an Authority Key Identifier, which many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.authorities is None:
        context.load_default_certs()
    else:
        _load_authorities(context, trust.authorities)
    if certificate is not None:
        _load_certificate(context, certificate)
    return context


def _load_authorities(context: ssl.SSLContext, authorities: bytes) -> None:
    problem = UsageError(
        "the certificate authority of the cluster cannot be read",
        "certificate-authority-data is base64 of a PEM file, certificate-authority the path of one",
    )
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise problem from None
    if not context.cert_store_stats()["x509"]:
        raise problem


def _load_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    def no_passphrase() -> str:
        raise UsageError("the client key has a passphrase", "write it without one into the kubeconfig")

    with _private_file(certificate.chain.rstrip() + b"\n" + certificate.key) as path:
        try:
            context.load_cert_chain(path, password=no_passphrase)
        except (ssl.SSLError, ValueError, OSError):
            raise UsageError(
                "the client certificate and its key cannot be read, or do not belong together",
                "client-certificate(-data) and client-key(-data) are PEM, and the key is that of the certificate",
            ) from None


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """A path that holds the content and that nobody else can open: `ssl` reads keys from files alone."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("sloth-ci", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()  # mode 0600
    try:
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/self/fd/"):
            os.unlink(path)
