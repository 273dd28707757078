"""The parts of a control plane: how each is started, how it says that it is ready, and what it starts with."""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from support.pki import Authority, Pair, signing_key

NODES: Final = ("node-1", "node-2")
# Whoever connects to a Service connects to this machine: the API server, for webhooks and APIServices, is refused at once.
SERVICES: Final = "127.96.0.0/12"
PODS: Final = "10.64.0.0/16"
ETCD, API, MANAGER, SCHEDULER, KWOK = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
)
CLIENTS: Final = (MANAGER, SCHEDULER, KWOK)
"""What is started when the API server is there."""
_PATIENCE: Final = 180.0
"""Seconds for a part to be ready."""
_LOG: Final = """\
2026-01-01T00:00:00.000000000Z stdout F starting
2026-01-01T00:00:01.000000000Z stdout F reading the settings
2026-01-01T00:00:02.000000000Z stderr F error: the database refused the connection
"""


class StartError(Exception):
    """A part did not come up; the message has the end of its log."""


class Ports(NamedTuple):
    """On loopback."""

    api: int
    etcd: int
    peers: int
    kubelet: int


class Plane:
    """One control plane in a folder: its ports, certificates and commands. Starts nothing itself."""

    order: Final = ((ETCD, API), CLIENTS)
    """What is started together, first to last."""

    def __init__(self, folder: Path, engines: Mapping[str, Path], ports: Ports) -> None:
        self.folder = folder
        self.ports = ports
        self._engines = engines
        pki = folder / "pki"
        self.authority = Authority(pki, "ca")
        front = Authority(pki, "front-proxy-ca")
        accounts = signing_key(pki, "service-accounts")
        self.admin = self.authority.client("admin", "admin", ["system:masters"])
        self._context = client_context(folder)
        self._commands = {
            ETCD: self._etcd(),
            API: self._api(front, accounts, self.authority.server("apiserver")),
            MANAGER: self._manager(accounts),
            SCHEDULER: self._scheduler(),
            KWOK: self._kwok(self.authority.server("kubelet")),
        }

    @classmethod
    def make(cls, folder: Path, engines: Mapping[str, Path]) -> Plane:
        """A new one, with a kubeconfig for its administrator."""
        (folder / "pki").mkdir()
        plane = cls(folder, engines, Ports(*_free_ports(4)))
        config = kubeconfig(plane.server, plane.authority.files.certificate, pair=plane.admin)
        (folder / "kubeconfig").write_text(config)
        (folder / "container.log").write_text(_LOG)
        stages = Path(__file__).with_name("kwok.yaml").read_text()
        (folder / "kwok.yaml").write_text(stages.replace("container.log", str(folder / "container.log")))
        return plane

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self.ports.api}"

    def command(self, name: str) -> list[str]:
        """The command line of a part."""
        binary, flags = self._engines[name], self._commands[name]
        return [str(binary), *(f"--{flag}={value}" for flag, value in flags.items())]

    def wait(self, name: str, ended: Callable[[], str | None]) -> None:
        """Wait until a part is ready to be used; `ended` names one that ended meanwhile. Raises StartError."""
        deadline = time.monotonic() + _PATIENCE
        # What nobody connects to is ready when it runs; etcd is when the API server is.
        while name == API and not self._api_ready():
            if gone := ended():
                raise StartError(self._story(f"{gone} did not stay up"))
            if time.monotonic() > deadline:
                raise StartError(self._story(f"{name} was not ready after {_PATIENCE:g} s"))
            time.sleep(0.05)

    def furnish(self) -> None:
        """Make what a cluster has before anybody uses it: nodes, and a default storage class."""
        for name in NODES:
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
            self._make("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        default = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
        self._make(
            "/apis/storage.k8s.io/v1/storageclasses", {"metadata": default, "provisioner": "tests.example.com/kwok"}
        )

    def _make(self, path: str, body: object) -> None:
        status, answer = ask(self.server, self._context, "POST", path, body)
        if status != http.client.CREATED:
            raise StartError(self._story(f"POST {path}: {status} {answer!r}"))

    def _api_ready(self) -> bool:
        try:
            return ask(self.server, self._context, "GET", "/readyz") == (http.client.OK, b"ok")
        except (OSError, http.client.HTTPException):
            return False

    def _story(self, headline: str) -> str:
        ends = [headline, f"logs: {self.folder}"]
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-12:]
            if log.stem in self._engines and lines:
                ends += [f"--- {log.stem}", *lines]
        return "\n".join(ends)

    def _etcd(self) -> dict[str, object]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.ports.etcd, self.ports.peers))
        return {
            "name": "tests",
            "data-dir": self.folder / "etcd",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"tests={peer}",
        }

    def _api(self, front: Authority, accounts: Pair, serving: Pair) -> dict[str, object]:
        proxy = front.client("front-proxy", "front-proxy")
        kubelets = self.authority.client("kubelet-client", "kubelet-client", ["system:masters"])
        return {
            "etcd-servers": f"http://127.0.0.1:{self.ports.etcd}",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "secure-port": self.ports.api,
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "client-ca-file": self.authority.files.certificate,
            "authorization-mode": "Node,RBAC",
            # As everywhere: without it, validation refuses what admission is there to judge.
            "allow-privileged": "true",
            # Its taint is taken away again by the node lifecycle controller, which is not there.
            "disable-admission-plugins": "TaintNodesByCondition",
            "service-cluster-ip-range": SERVICES,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": accounts.certificate,
            "service-account-signing-key-file": accounts.key,
            "requestheader-client-ca-file": front.files.certificate,
            "requestheader-allowed-names": "front-proxy",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": proxy.certificate,
            "proxy-client-key-file": proxy.key,
            "kubelet-client-certificate": kubelets.certificate,
            "kubelet-client-key": kubelets.key,
            "kubelet-preferred-address-types": "InternalIP",
        }

    def _manager(self, accounts: Pair) -> dict[str, object]:
        return {
            **self._client(),
            # kwok's nodes send no heartbeats, so nobody is to miss them.
            "controllers": "*,-node-lifecycle-controller",
            "service-account-private-key-file": accounts.key,
            "root-ca-file": self.authority.files.certificate,
            "cluster-signing-cert-file": self.authority.files.certificate,
            "cluster-signing-key-file": self.authority.files.key,
        }

    def _scheduler(self) -> dict[str, object]:
        return self._client()

    def _client(self) -> dict[str, object]:
        return {
            "kubeconfig": self.folder / "kubeconfig",
            "leader-elect": "false",
            "bind-address": "127.0.0.1",
            "secure-port": 0,
            # Its own limit of 20 would be what the tests wait for.
            "kube-api-qps": 500,
            "kube-api-burst": 1000,
        }

    def _kwok(self, serving: Pair) -> dict[str, object]:
        return {
            "kubeconfig": self.folder / "kubeconfig",
            "config": self.folder / "kwok.yaml",
            "manage-all-nodes": "true",
            "cidr": PODS,
            "node-ip": "127.0.0.1",
            "node-port": self.ports.kubelet,
            "server-address": f"127.0.0.1:{self.ports.kubelet}",
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "node-lease-duration-seconds": 0,
        }


def client_context(folder: Path) -> ssl.SSLContext:
    """TLS as the administrator of the control plane in a folder."""
    context = ssl.create_default_context(cafile=folder / "pki" / "ca.crt")
    context.load_cert_chain(folder / "pki" / "admin.crt", folder / "pki" / "admin.key")
    return context


def ask(
    server: str,
    context: ssl.SSLContext,
    method: str,
    path: str,
    body: object = None,
    *,
    content_type: str = "application/json",
    timeout: float = 30.0,
) -> tuple[int, bytes]:
    """One request on a connection of its own: the status and the answer."""
    host, port = server.removeprefix("https://").rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=timeout)
    try:
        content = None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": content_type} if content else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def kubeconfig(
    server: str, authority: Path, *, pair: Pair | None = None, token: str | None = None, namespace: str = "default"
) -> str:
    """The text of a kubeconfig with everything in it, for one user by certificate or token. JSON, which is YAML."""
    user: dict[str, Any] = {}
    if pair:
        user |= {"client-certificate-data": _embedded(pair.certificate), "client-key-data": _embedded(pair.key)}
    if token:
        user["token"] = token
    cluster = {"server": server, "certificate-authority-data": _embedded(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
    return json.dumps(config, indent=1) + "\n"


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _free_ports(count: int) -> Sequence[int]:
    # Below the range that the kernel gives to outgoing connections: between this look and the start, none takes them.
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found += [port] if port not in found else []
    return found
