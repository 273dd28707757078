"""Servers that cannot be reached, say why, and what to do about it; and proxies in between."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from sloth_ci.core.errors import UnreachableError
from sloth_ci.destinations.kubernetes import patience
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.proxy import proxy_from_environment
from support.access import SECRET, connected, one_context, token_of, who, write
from support.cluster import ControlPlane
from support.pki import Authority
from support.tcp import Relay, listening


def test_a_stranger_as_server(control_plane: ControlPlane, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").files.certificate
    config = write(tmp_path / "config", one_context(control_plane, {}, certificate_authority=str(stranger)))
    assert "not from the authority" in _unreachable(config).message
    write(config, one_context(control_plane, {}, certificate_authority=None))
    assert "not from the authority" in _unreachable(config).message, "and not from those of this machine"
    write(config, one_context(control_plane, {}, certificate_authority=None, insecure_skip_tls_verify=True))
    with connected(config) as cluster:
        assert cluster.discovery.server_version


def test_the_name_in_the_certificate(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = write(tmp_path / "config", one_context(control_plane, {}, tls_server_name="other.example.com"))
    error = _unreachable(config)
    assert "is not for other.example.com" in error.message
    assert "tls-server-name" in (error.hint or "")
    write(config, one_context(control_plane, {}, tls_server_name="localhost"))
    with connected(config) as cluster:
        assert cluster.discovery.server_version


def test_nobody_listens(control_plane: ControlPlane, tmp_path: Path) -> None:
    with listening() as sock:
        port = sock.getsockname()[1]
    config = write(tmp_path / "config", one_context(control_plane, {}, server=f"https://127.0.0.1:{port}"))
    began = time.monotonic()
    error = _unreachable(config)
    assert error.message == f"https://127.0.0.1:{port} refuses connections"
    assert "ctx" in (error.hint or "")
    assert time.monotonic() - began < 2, "a server that was never there is not waited for"


def test_there_is_no_such_host(control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    config = write(tmp_path / "config", one_context(control_plane, {}, server="https://k8s.invalid"))
    assert "there is no host k8s.invalid" in _unreachable(config, {}).message


@pytest.mark.parametrize(
    ("scheme", "answer", "message"),
    [
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not as an API server does"),
        ("http", b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "not as an API server does"),
        ("http", b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "the answer is not HTTP"),
        ("http", b"", "closed the connection"),
    ],
)
def test_something_else_listens(
    scheme: str,
    answer: bytes,
    message: str,
    control_plane: ControlPlane,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.2)
    with listening(answer) as sock:
        url = f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
        config = write(tmp_path / "config", one_context(control_plane, {}, server=url))
        assert message in _unreachable(config).message


def test_a_body_that_is_no_status_is_not_shown(control_plane: ControlPlane, tmp_path: Path) -> None:
    body = f"<html>{SECRET}</html>".encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with listening(head + body) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        config = write(tmp_path / "config", one_context(control_plane, {}, server=url))
        with connected(config) as cluster, pytest.raises(ApiFault) as refused:
            cluster.client.call("GET", "/api")
    assert refused.value.message == "the server answers 403 Forbidden"


def _unreachable(config: Path, environ: dict[str, str] | None = None) -> UnreachableError:
    with connected(config, environ=environ) as cluster, pytest.raises(UnreachableError) as error:
        cluster.client.json("GET", "/version")
    return error.value


# --- proxies ---------------------------------------------------------------------------------------------------------


def test_through_a_proxy_of_the_kubeconfig(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    token = token_of(control_plane, namespace, "deployer")
    with Relay(control_plane.server, connect=True) as relay:
        proxy = f"http://jane:{SECRET}@127.0.0.1:{relay.port}"
        config = write(tmp_path / "config", one_context(control_plane, {"token": token}, proxy_url=proxy))
        with connected(config) as cluster:
            assert who(cluster).endswith(":deployer")
        assert relay.asked[0].startswith(f"CONNECT {control_plane.server.removeprefix('https://')} HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic " in relay.asked[0]
        assert token not in relay.asked[0]


def test_a_proxy_that_refuses(control_plane: ControlPlane, tmp_path: Path) -> None:
    with listening(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as sock:
        port = sock.getsockname()[1]
        proxy = f"http://jane:{SECRET}@127.0.0.1:{port}"
        error = _unreachable(write(tmp_path / "config", one_context(control_plane, {}, proxy_url=proxy)))
        assert f"the proxy 127.0.0.1:{port} answers 407" in error.message
        assert SECRET not in f"{error.message} {error.hint}"


_NO_PROXY = [
    ("", "api.example.com", 6443, True),
    ("*", "api.example.com", 6443, False),
    ("example.com", "api.example.com", 6443, False),
    ("example.com", "example.com", 443, False),
    ("example.com", "badexample.com", 443, True),
    (".example.com", "example.com", 443, True),
    (".example.com", "api.example.com", 443, False),
    ("*.example.com", "api.example.com", 443, False),
    ("EXAMPLE.com ", "api.Example.com", 443, False),
    ("api.example.com:443", "api.example.com", 6443, True),
    ("api.example.com:6443", "api.example.com", 6443, False),
    ("10.0.0.0/8", "10.1.2.3", 6443, False),
    ("10.0.0.0/8", "11.1.2.3", 6443, True),
    ("10.1.2.3", "10.1.2.3", 6443, False),
    ("fd00::/8", "fd00::1", 6443, False),
    ("other,10.1.2.3:6443", "10.1.2.3", 6443, False),
    ("", "127.0.0.1", 6443, False),
    ("", "localhost", 6443, False),
    ("", "::1", 6443, False),
]


@pytest.mark.parametrize(("exceptions", "host", "port", "used"), _NO_PROXY)
def test_which_servers_the_proxy_of_the_environment_is_for(exceptions: str, host: str, port: int, used: bool) -> None:
    environ = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exceptions}
    proxy = proxy_from_environment("https", host, port, environ)
    assert (proxy is not None) is used
    assert proxy_from_environment("http", host, port, environ) is None
    lower = proxy_from_environment("https", "far", 443, {"https_proxy": "proxy:3128"})
    assert lower
    assert lower.label == "proxy:3128"
