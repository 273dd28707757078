"""A real control plane for the tests: etcd, the API server, the controllers, the scheduler, and kwok for nodes and pods.

What becomes of a pod is in `controlplane/kwok.yaml`. Everything is on loopback, lives in one folder with its logs, and
ends with the last process that uses it, however that ends (`controlplane/supervisor.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.controlplane import parts
from support.controlplane.parts import API
from support.controlplane.supervisor import LOG, SOCKET
from support.pki import Authority
from support.project import ROOT
from support.waiting import until

PARTS: Final = tuple(name for names in parts.Plane.order for name in names)
"""What has to be there to start one."""


_AUTOMATIC: Final = "kube-aggregator.kubernetes.io/automanaged"
"""Label of the APIServices that the API server keeps as the definitions of their groups say."""
_NOBODY: Final = {
    "apiVersion": "v1",
    "kind": "Service",
    "spec": {"type": "ExternalName", "externalName": "localhost"},
}


class ControlPlaneError(AssertionError):
    """The control plane did not come up, or refused what a test needs of it."""


class ControlPlane:
    """A control plane that this process uses. `stop` it, or use it in a `with` statement."""

    def __init__(self, folder: Path, kubectl: Path | None = None) -> None:
        """Connect to the control plane in a folder. Raises OSError if none runs there."""
        self.folder = folder
        self._kubectl = kubectl
        self._connection = socket.socket(socket.AF_UNIX)
        self._answers = self._connection.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()
        self._files = itertools.count()
        try:
            self._connection.connect(str(folder / SOCKET))
            self._expect("ready")
        except BaseException:
            self.stop()
            raise
        self.admin = folder / "kubeconfig"
        """The kubeconfig of the administrator."""
        self.authority = Authority(folder / "pki", "ca")
        """What signed the API server's certificate, and signs those of users, proxies and webhooks."""
        config = json.loads(self.admin.read_text())
        self.server: str = config["clusters"][0]["cluster"]["server"]
        """The URL of the API server."""
        self._context = parts.client_context(folder)

    @classmethod
    def start(cls, folder: Path, engines: Mapping[str, Path], kubectl: Path | None = None) -> ControlPlane:
        """Start one in an empty folder. Raises ControlPlaneError with the end of each log."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "support.controlplane.supervisor", str(folder)]
        paths = json.dumps({name: str(engines[name]) for name in PARTS})
        # It goes into the background once its socket is there.
        done = subprocess.run(
            [*command, paths], cwd=ROOT / "tests", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ControlPlaneError(f"the control plane in {folder} cannot be started: {done.stderr}")
        try:
            return cls(folder, kubectl)
        except ConnectionError as error:
            raise ControlPlaneError(f"the control plane in {folder} ended: {(folder / LOG).read_text()}") from error

    @classmethod
    def shared(cls, base: Path, engines: Mapping[str, Path], kubectl: Path | None = None) -> ControlPlane:
        """The one of a test run: whoever comes first starts it, the others connect, the last one out ends it."""
        base.mkdir(parents=True, exist_ok=True)
        with (base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            current = base / "current"
            if current.exists():
                try:
                    return cls(Path(current.read_text()), kubectl)
                except OSError:
                    pass  # the last one has just left it
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
            plane = cls.start(folder, engines, kubectl)
            current.write_text(str(folder))
            return plane

    def kubeconfig(
        self,
        user: str = "admin",
        groups: Sequence[str] | None = None,
        *,
        service_account: str | None = None,
        server: str | None = None,
        namespace: str = "default",
    ) -> Path:
        """Write a kubeconfig for a user.

        Args:
            user: name in a client certificate.
            groups: of the user. None: `system:masters` for `admin`, no group for everybody else.
            service_account: `namespace/name`; the kubeconfig then has a token of it and no certificate.
            server: another URL, of a proxy.
            namespace: of the context.
        """
        name = f"user-{os.getpid()}-{next(self._files)}"
        pair = token = None
        if service_account:
            home, _, account = service_account.partition("/")
            path = f"/api/v1/namespaces/{home}/serviceaccounts/{account}/token"
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            token = str(self.api("POST", path, request)["status"]["token"])
        else:
            groups = (["system:masters"] if user == "admin" else []) if groups is None else groups
            pair = self.authority.client(name, user, groups)
        file = self.folder / f"{name}.kubeconfig"
        config = parts.kubeconfig(
            server or self.server, self.authority.files.certificate, pair=pair, token=token, namespace=namespace
        )
        file.write_text(config)
        file.chmod(0o600)
        return file

    def kubectl(self, *args: str, stdin: str | None = None, config: Path | None = None) -> str:
        """Run kubectl, as the administrator unless `config` says otherwise. Raises ControlPlaneError with what it says."""
        assert self._kubectl, "this control plane was started without a kubectl"
        done = subprocess.run(
            [str(self._kubectl), f"--kubeconfig={config or self.admin}", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ControlPlaneError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def api(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Any:
        """Ask the API server as the administrator. Raises ControlPlaneError where it refuses."""
        status, answer = parts.ask(self.server, self._context, method, path, body, content_type=content_type)
        if status >= 400:
            raise ControlPlaneError(f"{method} {path}: {status} {answer.decode()}")
        return json.loads(answer) if answer.startswith(b"{") else answer.decode()

    def namespace(self, name: str) -> str:
        """Make a namespace, with the service account that its pods need."""
        self.api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts?fieldSelector=metadata.name%3Ddefault"
        until(lambda: self.api("GET", accounts)["items"], every=0.02, what=f"a service account in {name}")
        return name

    @contextlib.contextmanager
    def broken_api_group(self, group: str, version: str = "v1") -> Iterator[None]:
        """While this lasts, nobody serves an API group that is registered: its discovery fails, all else goes on.

        It may be the group of a CustomResourceDefinition, which serves it again afterwards. It is the whole cluster's:
        use it on a control plane of your own.
        """
        self._apply("/api/v1/namespaces/default/services/nobody", _NOBODY)
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"
        service = {"namespace": "default", "name": "nobody", "port": 1}
        spec = {"group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 15}
        spec |= {"service": service, "insecureSkipTLSVerify": True}
        head = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
        self._apply(path, {**head, "metadata": {"labels": {_AUTOMATIC: "false"}}, "spec": spec})

        def known_to_be_broken() -> bool:
            conditions = self.api("GET", path).get("status", {}).get("conditions") or []
            return any(condition["type"] == "Available" and condition["status"] == "False" for condition in conditions)

        until(known_to_be_broken, what=f"{version}.{group} is unavailable")
        try:
            yield
        finally:
            self.api("DELETE", path)

    def stop_apiserver(self) -> None:
        """End the API server at once; what it has written stays in etcd."""
        self._command(f"stop {API}")

    def start_apiserver(self) -> None:
        """Start the API server again, at the same address, and wait until it is ready."""
        self._command(f"start {API}")

    def restart_apiserver(self) -> None:
        """End the API server at once, start it again at the same address, and wait until it is ready."""
        self._command(f"restart {API}")

    def stop(self) -> None:
        """Leave it. The last one to leave ends it and waits for that; its folder stays."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            self._answers.read()
        self._answers.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _apply(self, path: str, body: Mapping[str, Any]) -> None:
        named = {**body, "metadata": {**body.get("metadata", {}), "name": path.rpartition("/")[2]}}
        query = "fieldManager=harness&force=true"
        self.api("PATCH", f"{path}?{query}", named, content_type="application/apply-patch+yaml")

    def _command(self, line: str) -> None:
        with self._lock:
            self._connection.sendall(json.dumps(line).encode() + b"\n")
            self._expect("done")

    def _expect(self, wanted: str) -> None:
        line = self._answers.readline()
        if not line:
            raise ConnectionError(f"the control plane in {self.folder} has ended")
        answer = json.loads(line)
        if answer != wanted:
            raise ControlPlaneError(answer)
