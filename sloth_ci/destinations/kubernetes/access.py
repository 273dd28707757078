"""From a destination to the address of a cluster and a way to log in.

The rules are client-go's: paths in a kubeconfig are counted from its folder; `-data` wins over the path of a file, and
`tokenFile` over `token`.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from sloth_ci.core.errors import UsageError
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import DestinationSpec, did_you_mean
from sloth_ci.destinations.kubernetes.execplugin import API_VERSIONS, ExecLogin, InteractiveMode, Plugin
from sloth_ci.destinations.kubernetes.kubeconfig import Entry, Kubeconfig, is_there, load
from sloth_ci.destinations.kubernetes.login import FileLogin, Identity, Login, StaticLogin, basic, bearer
from sloth_ci.destinations.kubernetes.proxy import Proxy, proxy_of
from sloth_ci.destinations.kubernetes.tls import Certificate, Trust

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, the cluster's authority and its namespace."""

_EXEC_EXTENSION: Final = "client.authentication.k8s.io/exec"


@dataclass(frozen=True, repr=False)
class Access:
    """One cluster, and one user of it."""

    server: str
    context: str
    """The name of the context; `in-cluster` in a pod."""
    namespace: str
    """Of the context; empty where it names none."""
    trust: Trust
    login: Login
    proxy: Proxy | None = None
    """Of the kubeconfig. The environment is asked where there is none."""
    user: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Of impersonation."""

    @property
    def key(self) -> str:
        """Names the cluster, whoever asks it: made of its address and its authorities."""
        parts = (self.server.rstrip("/").encode(), self.trust.authorities or b"")
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def find_access(
    spec: DestinationSpec, root: Path, environ: Mapping[str, str], unreviewed: Unreviewed | None = None
) -> Access:
    """Raises UsageError where the table, the files or the environment do not say it, or an `unreviewed` change would."""
    ways = [name for name in ("kubeconfig", "kubeconfig_env", "in_cluster") if getattr(spec, name)]
    if len(ways) > 1:
        raise UsageError(f"destination: {' and '.join(ways)} exclude each other", "keep one of them")
    if spec.in_cluster:
        if spec.context:
            raise UsageError("destination: in_cluster has no context", "leave context away")
        return in_cluster(environ)
    if not ways and not spec.context and not is_there(environ) and _in_pod(environ):
        return in_cluster(environ)
    return select(load(spec, root, environ, unreviewed), spec.context or "", environ)


def _in_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


def select(config: Kubeconfig, context: str, environ: Mapping[str, str]) -> Access:
    """The cluster and user of a context; the current one where `context` is empty. Raises UsageError."""
    name = context or config.current
    if not name:
        raise UsageError(
            f"the kubeconfig {config.where} has no current context",
            "set destination = { context = ... }; " + _known(config.contexts),
        )
    if name not in config.contexts:
        raise UsageError(
            f"the kubeconfig {config.where} has no context '{name}'",
            did_you_mean(name, list(config.contexts)) if config.contexts else _known(config.contexts),
        )
    chosen = config.contexts[name].body
    cluster = _Reader(*_referred(config, "cluster", config.clusters, chosen, name), config.where)
    user_name = chosen.get("user")
    if user_name:
        user = _Reader(*_referred(config, "user", config.users, chosen, name), config.where)
    else:
        user = _Reader("user", Entry({}, Path()), config.where)
    proxy = cluster.text("proxy-url")
    server = cluster.text("server")
    if not server:
        raise cluster.wrong("server", "is missing")
    trust = _trust(cluster)
    return Access(
        server=server,
        context=name,
        namespace=_Reader(f"context '{name}'", config.contexts[name], config.where).text("namespace"),
        trust=trust,
        login=_login(user, cluster, trust, environ, config.unreviewed),
        proxy=proxy_of(proxy, f"proxy-url of {cluster.what}") if proxy else None,
        user=str(user_name or ""),
        headers=_impersonation(user),
    )


def _known(names: Mapping[str, object]) -> str:
    return "known: " + ", ".join(sorted(names)) if names else "it has no contexts at all"


def _referred(
    config: Kubeconfig, kind: str, entries: Mapping[str, Entry], context: Mapping[str, Any], name: str
) -> tuple[str, Entry]:
    wanted = context.get(kind)
    if not isinstance(wanted, str) or wanted not in entries:
        raise UsageError(
            f"the kubeconfig {config.where}: the context '{name}' names the {kind} '{wanted or ''}', which is not there",
            did_you_mean(str(wanted or ""), list(entries)) if entries else None,
        )
    return f"{kind} '{wanted}'", entries[wanted]


class _Reader(NamedTuple):
    """Reads one entry, and names it in errors. No error ever shows a value."""

    what: str
    entry: Entry
    where: str

    def wrong(self, key: str, how: str, hint: str | None = None) -> UsageError:
        return UsageError(f"the kubeconfig {self.where}: {key} of {self.what} {how}", hint)

    def text(self, key: str) -> str:
        value = self.entry.body.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "is not a string")
        return value

    def path(self, key: str) -> str:
        value = self.text(key)
        return str(self.entry.folder / value) if value else ""

    def pem(self, key: str) -> bytes | None:
        """`key-data`, else the file that `key` names."""
        data = self.text(f"{key}-data")
        if data:
            try:
                return b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError):
                raise self.wrong(f"{key}-data", "is not base64") from None
        path = self.path(key)
        if not path:
            return None
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise self.wrong(key, f"cannot be read: {path}: {error.strerror}") from None


def _trust(cluster: _Reader) -> Trust:
    insecure = cluster.entry.body.get("insecure-skip-tls-verify") is True
    return Trust(None if insecure else cluster.pem("certificate-authority"), insecure, cluster.text("tls-server-name"))


def _login(
    user: _Reader, cluster: _Reader, trust: Trust, environ: Mapping[str, str], unreviewed: Unreviewed | None
) -> Login:
    body = user.entry.body
    certificate = _certificate(user)
    if provider := body.get("auth-provider"):
        name = provider.get("name", "") if isinstance(provider, dict) else ""
        raise user.wrong(
            "auth-provider",
            f"('{name}') was removed from Kubernetes in 1.26",
            "log in with the provider's exec plugin (kubelogin, gke-gcloud-auth-plugin, ...), or with a token",
        )
    if body.get("exec"):
        return ExecLogin(_plugin(user, cluster, trust, unreviewed), environ, certificate)
    token = user.text("token")
    if path := user.path("tokenFile"):
        return FileLogin(path, certificate, fallback=token)
    hint = f"renew the credentials of {user.what} in {user.where}"
    if token:
        return StaticLogin(Identity(bearer(token, user.what), certificate), hint)
    if user.text("username"):
        return StaticLogin(Identity(basic(user.text("username"), user.text("password")), certificate), hint)
    if certificate is None:
        hint = (
            f"{user.what} of {user.where} has no credentials: give it a token, a client certificate or an exec plugin"
        )
    return StaticLogin(Identity("", certificate), hint)


def _certificate(user: _Reader) -> Certificate | None:
    chain, key = user.pem("client-certificate"), user.pem("client-key")
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        missing = "client-certificate" if chain is None else "client-key"
        raise user.wrong(missing, "is missing", "a client certificate and its key go together")
    return Certificate(chain, key)


def _plugin(user: _Reader, cluster: _Reader, trust: Trust, unreviewed: Unreviewed | None) -> Plugin:
    said = user.entry.body["exec"]
    if not isinstance(said, dict):
        raise user.wrong("exec", "is not a table")
    body = _Reader(f"the exec plugin of {user.what}", Entry(said, user.entry.folder), user.where)
    command = body.text("command")
    if not command:
        raise body.wrong("command", "is missing")
    api_version = body.text("apiVersion")
    if api_version not in API_VERSIONS:
        raise body.wrong("apiVersion", f"is '{api_version}', which is not spoken", "use " + " or ".join(API_VERSIONS))
    mode = body.text("interactiveMode") or ("IfAvailable" if api_version.endswith("v1beta1") else "")
    if mode not in {"Never", "IfAvailable", "Always"}:
        raise body.wrong("interactiveMode", "is missing", "one of Never, IfAvailable, Always")
    args = said.get("args") or []
    if not isinstance(args, list) or not all(isinstance(item, str) for item in args):
        raise body.wrong("args", "is not a list of strings")
    # As client-go: a name is looked up on the PATH, a path is counted from the kubeconfig.
    command = body.path("command") if "/" in command else command
    if unreviewed is not None and any(os.path.isabs(word) and unreviewed.holds(word) for word in (command, *args)):
        raise body.wrong(
            "command",
            "is in the work tree of a change under review, whose programs are not run",
            "take one of the image",
        )
    return Plugin(
        command=command,
        args=tuple(args),
        folder=os.sep if unreviewed is not None else None,
        env=_variables(body),
        api_version=api_version,
        install_hint=body.text("installHint"),
        interactive=cast("InteractiveMode", mode),
        cluster=_cluster_info(cluster, trust) if said.get("provideClusterInfo") is True else None,
    )


def _variables(body: _Reader) -> dict[str, str]:
    result = {}
    for item in body.entry.body.get("env") or []:
        name, value = (item.get("name"), item.get("value")) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str):
            raise body.wrong("env", "is not a list of name and value")
        result[name] = value
    return result


def _cluster_info(cluster: _Reader, trust: Trust) -> dict[str, Any]:
    """`spec.cluster` of an ExecCredential: the cluster as the plugin may need it."""
    info: dict[str, Any] = {"server": cluster.text("server")}
    if trust.server_name:
        info["tls-server-name"] = trust.server_name
    if trust.insecure:
        info["insecure-skip-tls-verify"] = True
    if trust.authorities is not None:
        info["certificate-authority-data"] = binascii.b2a_base64(trust.authorities, newline=False).decode()
    if proxy := cluster.text("proxy-url"):
        info["proxy-url"] = proxy
    for item in cluster.entry.body.get("extensions") or []:
        if isinstance(item, dict) and item.get("name") == _EXEC_EXTENSION:
            info["config"] = item.get("extension")
    return info


def _impersonation(user: _Reader) -> tuple[tuple[str, str], ...]:
    """The headers of `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    headers = [("Impersonate-User", user.text("as")), ("Impersonate-Uid", user.text("as-uid"))]
    groups, extra = user.entry.body.get("as-groups") or [], user.entry.body.get("as-user-extra") or {}
    if not isinstance(groups, list) or not isinstance(extra, dict):
        raise user.wrong("as-groups or as-user-extra", "is of the wrong type")
    headers += [("Impersonate-Group", str(group)) for group in groups]
    headers += [(f"Impersonate-Extra-{quote(key)}", str(value)) for key, values in extra.items() for value in values]
    if not all(value.isprintable() for _, value in headers):
        raise user.wrong("as, as-uid, as-groups or as-user-extra", "has a character that no header may have")
    return tuple((name, value) for name, value in headers if value)


def in_cluster(environ: Mapping[str, str]) -> Access:
    """The cluster whose pod this is. Raises UsageError outside of one."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT") or "443"
    token, authority = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    if not host or not token.is_file():
        raise UsageError(
            "destination.in_cluster: this does not run in a pod with a service account",
            "use a kubeconfig, or leave automountServiceAccountToken on",
        )
    try:
        trust = Trust(authority.read_bytes())
        named = SERVICE_ACCOUNT / "namespace"
        namespace = named.read_text(encoding="utf-8").strip() if named.is_file() else ""
    except OSError as error:
        raise UsageError(f"the service account's {error.filename} cannot be read: {error.strerror}") from None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(server, "in-cluster", namespace, trust, FileLogin(str(token)), user="the pod's service account")
