"""Every way to find a cluster and to log in to it, against a real server; kubectl is the judge of the files."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.access import find_access
from sloth_ci.destinations.kubernetes.faults import LoginError
from support.access import SECRET, connected, one_context, silent, who, write
from support.cluster import ControlPlane

# --- which file, which context ---------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["a", "b", "c"])
_FILES = st.lists(
    st.fixed_dictionaries(
        {
            "contexts": st.dictionaries(_NAMES, st.tuples(_NAMES, _NAMES, st.sampled_from(["", "shop", "pay"]))),
            "clusters": st.dictionaries(_NAMES, st.integers(1, 9)),
            "users": st.dictionaries(_NAMES, st.integers(1, 9)),
            "current": st.sampled_from(["", "a", "b", "c"]),
        }
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40)
@given(files=_FILES)
def test_several_files_are_merged_as_kubectl_does_it(
    files: list[dict[str, Any]], kubectl: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    paths = [str(write(folder / f"{number}.yaml", _config(file))) for number, file in enumerate(files)]
    environ = {**os.environ, "KUBECONFIG": os.pathsep.join([*paths, str(folder / "is-not-there")])}
    done = subprocess.run(
        [str(kubectl), "config", "view", "--raw", "--minify", "--output=json"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    theirs = json.loads(done.stdout) if done.returncode == 0 else {}
    if not theirs.get("clusters") or not theirs.get("users"):
        # kubectl takes what is missing for empty, and would speak to localhost:8080.
        with pytest.raises(UsageError):
            find_access(DestinationSpec(context=""), folder, environ)
        return
    ours = find_access(DestinationSpec(context=""), folder, environ)
    assert ours.context == theirs["current-context"]
    assert ours.server == theirs["clusters"][0]["cluster"]["server"]
    assert ours.namespace == theirs["contexts"][0]["context"].get("namespace", "")
    assert ours.login.identity().authorization == "Bearer " + theirs["users"][0]["user"]["token"]


def _config(file: dict[str, Any]) -> dict[str, Any]:
    contexts = [
        {"name": name, "context": {"cluster": cluster, "user": user, **({"namespace": ns} if ns else {})}}
        for name, (cluster, user, ns) in file["contexts"].items()
    ]
    clusters = [{"name": n, "cluster": {"server": f"https://h{v}:6443"}} for n, v in file["clusters"].items()]
    users = [{"name": n, "user": {"token": f"token-{v}"}} for n, v in file["users"].items()]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": contexts,
        "clusters": clusters,
        "users": users,
        "current-context": file["current"],
    }


def test_paths_are_counted_from_the_folder_of_their_file(control_plane: ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "far" / "away"
    folder.mkdir(parents=True)
    pair = control_plane.authority.client(f"{tmp_path.name}-jane", "jane")
    for source, name in ((pair.certificate, "me.crt"), (pair.key, "me.key")):
        shutil.copy(source, folder / name)
    shutil.copy(control_plane.authority.files.certificate, folder / "ca.crt")
    user = {"client-certificate": "me.crt", "client-key": "../away/me.key"}
    config = one_context(control_plane, user, certificate_authority="ca.crt")
    write(folder / "config", config)
    with connected(DestinationSpec(kubeconfig="far/away/config"), tmp_path) as cluster:
        assert who(cluster) == "jane"
    with connected(DestinationSpec(), Path("/"), {"KUBECONFIG": str(folder / "config")}) as cluster:
        assert who(cluster) == "jane"


def test_the_home_folder_is_the_last_resort(control_plane: ControlPlane, home: Path) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig") as missing:
        find_access(DestinationSpec(context=""), home, os.environ)
    assert str(home / ".kube" / "config") in missing.value.message
    write(home / ".kube" / "config", one_context(control_plane, {"token": "t"}))
    assert find_access(DestinationSpec(context=""), home, os.environ).context == "ctx"


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({}, "set KUBECONFIG, or destination = { kubeconfig = ..., kubeconfig_env = ... } in the workflow file"),
        (
            {"GITHUB_ACTIONS": "true"},
            "is the secret behind the input kubeconfig set, and may this event read it?",
        ),
    ],
)
def test_a_job_without_its_kubeconfig_is_asked_for_the_secret(home: Path, environ: dict[str, str], hint: str) -> None:
    with pytest.raises(UsageError, match="there is no kubeconfig") as missing:
        find_access(DestinationSpec(context=""), home, {**os.environ, **environ})
    assert missing.value.hint == hint


def test_data_wins_over_paths(control_plane: ControlPlane, tmp_path: Path) -> None:
    ca = base64.b64encode(control_plane.authority.files.certificate.read_bytes()).decode()
    config = one_context(
        control_plane, {"token": "t"}, certificate_authority="nowhere.crt", certificate_authority_data=ca
    )
    with connected(write(tmp_path / "config", config)) as cluster, pytest.raises(LoginError):
        who(cluster)  # TLS works, so that the token is looked at


def test_contexts_are_chosen_by_name(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = one_context(control_plane, {"token": "t"})
    context = {"cluster": "c", "user": "u", "namespace": "shop"}
    config["contexts"].append({"name": "production", "context": context})
    path = str(write(tmp_path / "config", config))
    with connected(DestinationSpec(kubeconfig=path, context="production")) as cluster:
        assert (cluster.context, cluster.namespace) == ("production", "shop")
        assert cluster.label == "cluster production (namespace shop)"
    with connected(DestinationSpec(kubeconfig=path, context="production", namespace="pay")) as other:
        assert other.namespace == "pay"
        assert other.id != cluster.id
    with connected(DestinationSpec(kubeconfig=path)) as cluster:
        assert (cluster.context, cluster.namespace) == ("ctx", "default")
    with pytest.raises(UsageError, match="has no context 'prodution'") as unknown:
        find_access(DestinationSpec(kubeconfig=path, context="prodution"), tmp_path, {})
    assert unknown.value.hint == "did you mean 'production'?"
    with pytest.raises(UsageError) as unknown:
        find_access(DestinationSpec(kubeconfig=path, context="zzz"), tmp_path, {})
    assert unknown.value.hint == "known: ctx, production"


def test_a_kubeconfig_in_a_variable(control_plane: ControlPlane, tmp_path: Path) -> None:
    text = control_plane.admin.read_text(encoding="utf-8")
    for value in (
        text,
        base64.b64encode(text.encode()).decode(),
        base64.encodebytes(text.encode()).decode(),
        f"{control_plane.admin}\n",
    ):
        with connected(DestinationSpec(kubeconfig_env="KUBE"), tmp_path, {"KUBE": value}) as cluster:
            assert who(cluster) == "admin"
    with pytest.raises(UsageError, match="the environment variable KUBE is not set"):
        find_access(DestinationSpec(kubeconfig_env="KUBE"), tmp_path, {"KUBE": " "})


@pytest.mark.parametrize("value", [SECRET, f"{SECRET}: [", f"- {SECRET}", base64.b64encode(SECRET.encode()).decode()])
def test_a_variable_with_something_else_is_never_shown(value: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        find_access(DestinationSpec(kubeconfig_env="KUBE"), tmp_path, {"KUBE": value})
    silent(error.value)
    assert "KUBE" in error.value.message
    assert value not in error.value.message


def test_ways_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kubeconfig and in_cluster exclude each other"):
        find_access(DestinationSpec(kubeconfig="x", in_cluster=True), tmp_path, {})
    with pytest.raises(UsageError, match="in_cluster has no context"):
        find_access(DestinationSpec(context="x", in_cluster=True), tmp_path, {})
    with pytest.raises(UsageError, match="does not run in a pod"):
        find_access(DestinationSpec(in_cluster=True), tmp_path, {})


# --- what can be wrong in a file -------------------------------------------------------------------------------------


def _broken(*, user: Any = None, cluster: Any = None, context: Any = None, **top: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "current-context": "ctx",
        "contexts": [{"name": "ctx", "context": context or {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://h:6443"} if cluster is None else cluster}],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
    }
    return {**config, **top}


_EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "interactiveMode": "Never"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (_broken(user={"auth-provider": {"name": "gcp", "config": {"access-token": SECRET}}}), "'gcp'.*removed"),
        (_broken(user={"client-certificate-data": SECRET + "!"}), "client-certificate-data of user 'u' is not base64"),
        (_broken(user={"client-key": SECRET}), "client-key of user 'u' cannot be read"),
        (_broken(user={"client-key-data": base64.b64encode(SECRET.encode()).decode()}), "client-certificate.*missing"),
        (_broken(user={"token": [SECRET]}), "token of user 'u' is not a string"),
        (_broken(user={"token": SECRET + "\n x"}), "token of user 'u' is not a token"),
        (_broken(user={"exec": {**_EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}}), "is not spoken"),
        (_broken(user={"exec": {**_EXEC, "interactiveMode": "Sometimes"}}), "interactiveMode of the exec plugin"),
        (_broken(user={"exec": {**_EXEC, "command": ""}}), "command of the exec plugin of user 'u' is missing"),
        (_broken(user={"exec": {**_EXEC, "args": SECRET}}), "args of the exec plugin of user 'u' is not a list"),
        (_broken(user={"exec": {**_EXEC, "env": [{"name": "A", "value": {"x": SECRET}}]}}), "env of the exec plugin"),
        (_broken(user={"as": f"jane\r\nX: {SECRET}", "token": "t"}), "no header may have"),
        (_broken(cluster={}), "server of cluster 'c' is missing"),
        (_broken(cluster={"server": f"ftp://user:{SECRET}@h"}), "is not an address"),
        (_broken(cluster={"server": f"https://user:{SECRET}@h:port"}), "the server of the cluster is not an address"),
        (_broken(cluster={"server": "https://h", "proxy-url": f"socks5://u:{SECRET}@p"}), "'socks5' is not supported"),
        (_broken(cluster={"server": "https://h", "certificate-authority": "no.crt"}), "no.crt: No such file"),
        (_broken(context={"cluster": "d", "user": "u"}), "names the cluster 'd', which is not there"),
        (_broken(context={"cluster": "c", "user": "v"}), "names the user 'v', which is not there"),
        (_broken(users=[SECRET]), "each of users has a name and a user"),
        (_broken(users=SECRET), "users is not a list"),
        (_broken(**{"current-context": ""}), "has no current context"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_shown(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "config", config)
    with pytest.raises(SlothError, match=message) as error, connected(path):
        pass
    if "cannot be read" not in error.value.message:  # the path of a file is no secret
        silent(error.value)


@pytest.mark.parametrize("key", ["client-certificate-data", "client-key-data"])
def test_keys_that_are_no_keys(key: str, control_plane: ControlPlane, tmp_path: Path) -> None:
    pair = control_plane.authority.client(f"{tmp_path.name}-jane", "jane")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(pair.key.read_bytes()).decode(),
        key: base64.b64encode(SECRET.encode()).decode(),
    }
    config = write(tmp_path / "config", one_context(control_plane, user))
    with connected(config) as cluster, pytest.raises(UsageError, match="client certificate and its key") as error:
        who(cluster)
    silent(error.value)
