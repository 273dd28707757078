"""Credential plugins: programs that print an ExecCredential, as EKS, GKE, AKS and OIDC logins have them.

The protocol is client.authentication.k8s.io/v1 and v1beta1, as client-go speaks it
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal

import msgspec

from sloth_ci.core.secrets import is_secret_name
from sloth_ci.destinations.kubernetes.faults import LoginError
from sloth_ci.destinations.kubernetes.login import Identity, bearer
from sloth_ci.destinations.kubernetes.tls import Certificate

API_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_TIMEOUT: Final = 60.0
_INTERACTIVE_TIMEOUT: Final = 600.0
_SHOWN_LINES: Final = 5
_SHOWN_CHARS: Final = 500
_TOKEN_LIKE: Final = re.compile(r"[A-Za-z0-9_+/=.\-]{40,}|\beyJ[A-Za-z0-9_\-]+\S*")

InteractiveMode = Literal["Never", "IfAvailable", "Always"]


@dataclass(frozen=True, repr=False)
class Plugin:
    """`users[].user.exec`."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    api_version: str
    install_hint: str
    interactive: InteractiveMode
    cluster: Mapping[str, Any] | None
    """What `provideClusterInfo` tells the plugin."""
    folder: str | None = None
    """Where it runs; None: where we do."""


class ExecLogin:
    """Runs the plugin when something is needed, and keeps what it says until that expires."""

    def __init__(self, plugin: Plugin, environ: Mapping[str, str], certificate: Certificate | None = None) -> None:
        self._plugin = plugin
        self._environ = {**environ, **plugin.env}
        self._certificate = certificate
        self._lock = Lock()
        self._identity: Identity | None = None
        self._expires = float("inf")
        self.hint = f"log in anew with what `{os.path.basename(plugin.command)}` belongs to"

    def identity(self) -> Identity:
        with self._lock:
            if self._identity is None or time.time() >= self._expires:
                self._identity, self._expires = self._run()
            return self._identity

    def renew(self, refused: Identity) -> bool:
        with self._lock:
            if self._identity is refused:
                self._identity, self._expires = self._run()
            return self._identity != refused

    def _run(self) -> tuple[Identity, float]:
        plugin = self._plugin
        on_terminal = sys.stdin is not None and sys.stdin.isatty()
        if plugin.interactive == "Always" and not on_terminal:
            raise self._failed("wants to ask somebody, and there is no terminal")
        interactive = on_terminal and plugin.interactive != "Never"
        program = self._program()
        try:
            done = subprocess.run(
                [program, *plugin.args],
                cwd=plugin.folder,
                env={**self._environ, "KUBERNETES_EXEC_INFO": self._info(interactive)},
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if interactive else subprocess.PIPE,
                timeout=_INTERACTIVE_TIMEOUT if interactive else _TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise self._failed(f"did not end within {late.timeout:.0f} s") from None
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from None
        if done.returncode:
            said = self._shown(done.stderr or b"")
            raise self._failed(f"ended with {done.returncode}" + (f": {said}" if said else ""))
        return self._read(done.stdout)

    def _program(self) -> str:
        found = shutil.which(self._plugin.command, path=self._environ.get("PATH", os.defpath))
        if found is None:
            raise LoginError(
                f"the credential plugin '{self._plugin.command}' of the kubeconfig is not installed",
                " ".join(self._plugin.install_hint.split()) or f"put {self._plugin.command} on the PATH",
            )
        return found

    def _info(self, interactive: bool) -> str:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._plugin.cluster is not None:
            spec["cluster"] = self._plugin.cluster
        info = {"apiVersion": self._plugin.api_version, "kind": "ExecCredential", "spec": spec}
        return msgspec.json.encode(info).decode()

    def _read(self, output: bytes) -> tuple[Identity, float]:
        try:
            answer = msgspec.json.decode(output)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._failed("printed something that is not an ExecCredential") from None
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            raise self._failed("printed something that is not an ExecCredential")
        if answer.get("apiVersion") != self._plugin.api_version:
            raise self._failed(
                f"answers in another apiVersion than the kubeconfig's {self._plugin.api_version}: set both to the same"
            )
        status = answer.get("status")
        status = status if isinstance(status, dict) else {}
        token = _text(status.get("token"))
        chain, key = _text(status.get("clientCertificateData")), _text(status.get("clientKeyData"))
        if bool(chain) != bool(key):
            raise self._failed("gave half of a client certificate and key")
        if not token and not chain:
            raise self._failed("gave neither a token nor a client certificate")
        certificate = Certificate(chain.encode(), key.encode()) if chain else self._certificate
        authorization = bearer(token, f"the credential plugin '{self._plugin.command}'") if token else ""
        return Identity(authorization, certificate), self._expiry(status.get("expirationTimestamp"))

    def _expiry(self, said: object) -> float:
        if said is None:
            return float("inf")
        try:
            moment = dt.datetime.fromisoformat(str(said))
        except ValueError:
            raise self._failed("gave an expirationTimestamp that is no time") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()

    def _failed(self, how: str) -> LoginError:
        return LoginError(f"the credential plugin '{self._plugin.command}' {how}", self.hint)

    def _shown(self, stderr: bytes) -> str:
        """Its last lines, without the values that it was given and without what looks like a token."""
        text = stderr.decode(errors="replace")
        given = [*self._plugin.env.values(), *(v for k, v in self._environ.items() if is_secret_name(k))]
        for value in sorted((value for value in given if len(value) >= 4), key=len, reverse=True):
            text = text.replace(value, "(secret)")
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        shown = _TOKEN_LIKE.sub("(secret)", "; ".join(lines[-_SHOWN_LINES:]))
        return "".join(char for char in shown if char.isprintable())[-_SHOWN_CHARS:]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
