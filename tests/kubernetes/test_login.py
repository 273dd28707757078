"""Every way to log in, on a real server: certificates, tokens, passwords, pods and plugins."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import SlothError
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes import access as access_module
from sloth_ci.destinations.kubernetes import login as login_module
from sloth_ci.destinations.kubernetes.access import find_access
from sloth_ci.destinations.kubernetes.faults import ApiFault, LoginError
from support.access import SECRET, connected, one_context, silent, token_of, who, write
from support.cluster import ControlPlane


def test_certificates_as_data(control_plane: ControlPlane, tmp_path: Path) -> None:
    pair = control_plane.authority.client(f"{tmp_path.name}-jane", "jane")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(pair.key.read_bytes()).decode(),
    }
    before = set(Path(os.environ["TMPDIR"]).iterdir())
    with connected(write(tmp_path / "config", one_context(control_plane, user))) as cluster:
        assert who(cluster) == "jane"
    assert set(Path(os.environ["TMPDIR"]).iterdir()) == before


def test_a_key_is_a_private_file_for_a_moment_where_there_is_no_memfd(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    test_certificates_as_data(control_plane, tmp_path)


def test_tokens_and_impersonation(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    token = token_of(control_plane, namespace, "deployer")
    name = f"system:serviceaccount:{namespace}:deployer"
    with connected(write(tmp_path / "a", one_context(control_plane, {"token": token}))) as cluster:
        assert who(cluster) == name
    as_admin = {
        **json.loads(control_plane.admin.read_text())["users"][0]["user"],
        "as": "jane",
        "as-groups": ["x", "y"],
    }
    with connected(write(tmp_path / "b", one_context(control_plane, as_admin))) as cluster:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = cluster.client.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        info = said["status"]["userInfo"]
        assert (info["username"], info["groups"]) == ("jane", ["x", "y", "system:authenticated"])


def test_a_token_file_wins_and_is_read_again_when_it_is_refused(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("not-yet-a-token\n")
    config = one_context(control_plane, {"token": "other", "tokenFile": "token"})
    with connected(write(tmp_path / "config", config)) as cluster:
        with pytest.raises(LoginError, match=r"does not accept the credentials of 'u' \(401\)") as refused:
            who(cluster)
        assert refused.value.hint
        assert str(tmp_path / "token") in refused.value.hint
        (tmp_path / "token").write_text(token_of(control_plane, namespace, "deployer") + "\n")
        assert who(cluster).endswith(":deployer")
    (tmp_path / "token").unlink()
    with connected(tmp_path / "config") as cluster, pytest.raises(LoginError, match="401"):
        who(cluster)  # with the token that is left


def test_a_password_is_sent_as_such(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = one_context(control_plane, {"username": "jane", "password": SECRET})
    access = find_access(DestinationSpec(kubeconfig=str(write(tmp_path / "config", config))), tmp_path, {})
    assert access.login.identity().authorization == "Basic " + base64.b64encode(f"jane:{SECRET}".encode()).decode()
    assert SECRET not in repr(access.login.identity())
    with connected(tmp_path / "config") as cluster, pytest.raises(ApiFault, match="system:anonymous") as refused:
        who(cluster)  # API servers have no passwords since 1.19; what stands before some of them has
    assert refused.value.hint
    assert refused.value.hint.startswith("renew the credentials of user 'u'")
    silent(refused.value)


def test_nobody_is_told_that_he_is_nobody(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    with connected(write(tmp_path / "config", one_context(control_plane, {}))) as cluster:
        with pytest.raises(ApiFault) as refused:
            cluster.client.call("GET", f"/api/v1/namespaces/{namespace}/secrets")
        assert refused.value.code == 403
        assert refused.value.hint
        assert "has no credentials" in refused.value.hint


def test_in_a_pod(control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(login_module, "REREAD_AFTER", 0.0)
    first, second = (token_of(control_plane, namespace, name) for name in ("first", "second"))
    (tmp_path / "token").write_text(first)
    (tmp_path / "namespace").write_text(namespace + "\n")
    shutil.copy(control_plane.authority.files.certificate, tmp_path / "ca.crt")
    host, _, port = control_plane.server.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "HOME": str(tmp_path)}
    with connected(DestinationSpec(in_cluster=True), tmp_path, environ) as cluster:
        assert (cluster.context, cluster.namespace) == ("in-cluster", namespace)
        assert who(cluster).endswith(":first")
        (tmp_path / "token").write_text(second)
        assert who(cluster).endswith(":second"), "kubelet rotates it"
    with connected(DestinationSpec(namespace="shop"), tmp_path, environ) as cluster:
        assert (cluster.context, cluster.namespace) == ("in-cluster", "shop"), "as kubectl does where there is no file"


# --- plugins ---------------------------------------------------------------------------------------------------------

_PLUGIN = f"""\
#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / "runs", "a") as log:
    log.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
if (here / "fails").exists():
    sys.exit((here / "fails").read_text())
status = json.loads((here / "status").read_text())
if "args" in status:
    assert sys.argv[1:] == status.pop("args") and os.environ["GIVEN"] == {SECRET!r}
version = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["apiVersion"]
print(json.dumps({{"apiVersion": version, "kind": "ExecCredential", "status": status}}))
"""


class Plugin:
    """A plugin in a folder, and the user of it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        program = folder / "plugin"
        program.write_text(_PLUGIN)
        program.chmod(0o755)
        said = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "interactiveMode": "IfAvailable",
            "env": [{"name": "GIVEN", "value": SECRET}],
        }
        self.user = {"exec": {**said, **settings}}

    def answers(self, **status: Any) -> None:
        (self.folder / "status").write_text(json.dumps(status))

    def fails(self, text: str) -> None:
        (self.folder / "fails").write_text(text)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What it was told each time."""
        log = self.folder / "runs"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_is_run_once_with_what_it_needs(
    version: str, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    api_version = f"client.authentication.k8s.io/{version}"
    plugin = Plugin(tmp_path, args=["get", "token"], apiVersion=api_version, provideClusterInfo=True)
    if version == "v1beta1":
        del plugin.user["exec"]["interactiveMode"]
    plugin.answers(token=token_of(control_plane, namespace, "deployer"), args=["get", "token"])
    extensions = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "me"}}]
    config = one_context(control_plane, plugin.user, extensions=extensions)
    with connected(write(tmp_path / "config", config)) as cluster:
        assert not plugin.runs, "nothing is asked before it is needed"
        names = cluster.client.map(lambda _: who(cluster), range(20))
        assert {name.rpartition(":")[2] for name in names} == {"deployer"}
    (told,) = plugin.runs
    ca = base64.b64encode(control_plane.authority.files.certificate.read_bytes()).decode()
    assert told == {
        "apiVersion": api_version,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": control_plane.server,
                "certificate-authority-data": ca,
                "config": {"audience": "me"},
            },
        },
    }


def test_a_plugin_is_run_again_after_expiry_and_after_401(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plugin = Plugin(tmp_path)
    token = token_of(control_plane, namespace, "deployer")
    with connected(write(tmp_path / "config", one_context(control_plane, plugin.user))) as cluster:
        plugin.answers(token=token, expirationTimestamp="2020-01-01T00:00:00Z")
        who(cluster)
        who(cluster)
        assert len(plugin.runs) == 2, "what has expired is not used"
        plugin.answers(token=token, expirationTimestamp="2099-01-01T00:00:00.000Z")
        for _ in range(3):
            who(cluster)
        assert len(plugin.runs) == 3
        assert "cluster" not in plugin.runs[0]["spec"]
    with connected(tmp_path / "config") as cluster:
        plugin.answers(token="revoked")
        with pytest.raises(LoginError, match="401"):
            who(cluster)
        assert len(plugin.runs) == 5, "asked, refused, asked once more"
        plugin.answers(token=token)
        cluster.client.map(lambda _: who(cluster), range(8))
        assert len(plugin.runs) == 6, "eight refusals, one renewal"


def test_a_plugin_may_give_a_certificate(control_plane: ControlPlane, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    with connected(write(tmp_path / "config", one_context(control_plane, plugin.user))) as cluster:
        for name, expires in (("jane", "2020-01-01T00:00:00Z"), ("john", None)):
            pair = control_plane.authority.client(f"{tmp_path.name}-{name}", name)
            plugin.answers(
                clientCertificateData=pair.certificate.read_text(),
                clientKeyData=pair.key.read_text(),
                expirationTimestamp=expires,
            )
            assert who(cluster) == name, "a new certificate needs a new connection"


def test_a_plugin_that_fails_says_why_without_secrets(control_plane: ControlPlane, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2ln"
    plugin.fails(f"first line\nthe session of {SECRET} is over: {jwt}\nRun `cloud login`.\n")
    config = write(tmp_path / "config", one_context(control_plane, plugin.user))
    with connected(config) as cluster, pytest.raises(LoginError) as failed:
        who(cluster)
    shown = failed.value.message
    assert "ended with 1: first line; the session of (secret) is over: (secret); Run `cloud login`." in shown
    assert jwt not in shown
    silent(failed.value)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "gave neither a token nor a client certificate"),
        ({"token": f"{SECRET}\n"}, "is not a token"),
        ({"clientKeyData": SECRET}, "gave half of a client certificate"),
        ({"token": SECRET, "expirationTimestamp": "soon"}, "no time"),
        ({"clientCertificateData": SECRET, "clientKeyData": SECRET}, "cannot be read, or do not belong together"),
    ],
)
def test_a_plugin_that_gives_nothing_useful(
    status: dict[str, Any], message: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    plugin = Plugin(tmp_path)
    plugin.answers(**status)
    config = write(tmp_path / "config", one_context(control_plane, plugin.user))
    with connected(config) as cluster, pytest.raises(SlothError, match=message) as useless:
        who(cluster)
    silent(useless.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"command": "kube-login-nobody-has"}, "'kube-login-nobody-has' of the kubeconfig is not installed"),
        ({"interactiveMode": "Always"}, "wants to ask somebody, and there is no terminal"),
        ({"command": "echo", "args": [SECRET]}, "printed something that is not an ExecCredential"),
        ({"command": "echo", "args": ['{"kind":"ExecCredential","apiVersion":"x"}']}, "answers in another apiVersion"),
    ],
)
def test_plugins_that_cannot_do(
    settings: dict[str, Any], message: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    plugin = Plugin(tmp_path, installHint="Get it\nat example.com.", **settings)
    config = write(tmp_path / "config", one_context(control_plane, plugin.user))
    with connected(config) as cluster, pytest.raises(LoginError, match=message) as error:
        who(cluster)
    silent(error.value)
    if "not installed" in message:
        assert error.value.hint == "Get it at example.com."
