"""Which HTTP proxy stands between us and a server: what the kubeconfig says, else what the environment says."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from sloth_ci.core.errors import UsageError


@dataclass(frozen=True, repr=False)
class Proxy:
    """An HTTP proxy that is asked to CONNECT."""

    host: str
    port: int
    authorization: str = ""

    @property
    def label(self) -> str:
        """For a person: without its password."""
        return f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(url: str, what: str) -> Proxy:
    """Read the address of a proxy. `what` names where it was written. Raises UsageError."""
    parts = split_address(url if "://" in url else f"http://{url}", what)
    if parts.scheme != "http":
        raise UsageError(f"{what}: a proxy of the kind '{parts.scheme}' is not supported", "use an http:// proxy")
    user = ""
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        user = "Basic " + b64encode(login.encode()).decode()
    return Proxy(parts.hostname or "", parts.port or 80, user)


def split_address(url: str, what: str) -> SplitResult:
    """Take an address to pieces, with a host and a port that is a number or none. Raises UsageError."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (it is read here so that it raises here)
    except ValueError:
        raise UsageError(f"{what} is not an address", "it looks like https://host:port") from None
    if not parts.hostname:
        raise UsageError(f"{what} is not an address", "it looks like https://host:port")
    return parts


def proxy_from_environment(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """What HTTPS_PROXY (HTTP_PROXY for http) and NO_PROXY say of a server, by the rules of Go's httpproxy, as in kubectl."""
    if is_loopback(host):
        return None
    variable = "HTTPS_PROXY" if scheme == "https" else "HTTP_PROXY"
    url = environ.get(variable) or environ.get(variable.lower()) or ""
    if not url or _is_excepted(host, port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return None
    return proxy_of(url, variable)


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    return any(_matches(item.strip().lower(), host.lower(), port) for item in exceptions.split(",") if item.strip())


def _matches(rule: str, host: str, port: int) -> bool:
    """One of NO_PROXY: `*`, an address, a network, a domain with all below it, or (`.x`, `*.x`) only what is below."""
    if rule == "*":
        return True
    if rule.count(":") == 1:  # more of them are an IPv6 address
        rule, _, wanted = rule.partition(":")
        if wanted != str(port):
            return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = rule.removeprefix("*").removeprefix(".")
        return host.endswith(f".{domain}") or (rule == domain and host == domain)
    try:
        return address in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False
