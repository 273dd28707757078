"""The control plane of the tests: it behaves as a cluster does, it fails where it is told to, and it leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import engines
from support.cluster import PARTS, ControlPlane, ControlPlaneError
from support.controlplane.parts import NODES, ask, client_context
from support.project import ROOT
from support.proxy import COMMON, Call, DelayProxy, Fault, FaultProxy, share
from support.waiting import until
from support.webhook import Change, Hang, Reject, serve_webhook

# A user of a shared control plane, until its input ends: python -c USER FOLDER ENGINES
USER = """
import json, sys
from pathlib import Path
from support.cluster import ControlPlane

engines = {name: Path(path) for name, path in json.loads(sys.argv[2]).items()}
with ControlPlane.shared(Path(sys.argv[1]), engines) as plane:
    print(plane.folder, flush=True)
    sys.stdin.read()
"""


def _deployment(
    name: str, image: str, *, replicas: int = 1, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _pod_state(plane: ControlPlane, namespace: str, app: str) -> Mapping[str, Any]:
    pods = plane.api("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}")["items"]
    statuses = pods[0]["status"].get("containerStatuses", []) if pods else []
    return statuses[0] if statuses else {}


def _config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _processes(folder: Path) -> list[int]:
    """Those that have a folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has just ended
    return found


def test_a_deployment_becomes_available(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    control_plane.api("POST", path, _deployment("web", "web:1", replicas=2))
    until(lambda: control_plane.api("GET", f"{path}/web").get("status", {}).get("availableReplicas") == 2)
    assert "error: the database" in control_plane.kubectl(
        "logs", "--namespace", namespace, "deployment/web", "--tail=1"
    )


@pytest.mark.parametrize(
    ("image", "reason", "last"),
    [
        ("web:broken", "ImagePullBackOff", None),
        ("crash:1", "CrashLoopBackOff", "Error"),
        ("oom", "CrashLoopBackOff", "OOMKilled"),
    ],
)
def test_a_pod_fails_as_its_image_says(
    control_plane: ControlPlane, namespace: str, image: str, reason: str, last: str | None
) -> None:
    control_plane.api("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", _deployment("web", image))
    state = until(lambda: _pod_state(control_plane, namespace, "web"))
    assert state["state"]["waiting"]["reason"] == reason
    assert state.get("lastState", {}).get("terminated", {}).get("reason") == last
    assert not state["ready"]


def test_a_pod_is_ready_as_late_as_it_asks(control_plane: ControlPlane, namespace: str) -> None:
    body = _deployment("web", "web:1", annotations={"sloth-test/ready-after": "2s"})
    control_plane.api("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    state = until(lambda: _pod_state(control_plane, namespace, "web"))
    assert state["state"]["running"]
    assert not state["ready"]
    until(lambda: _pod_state(control_plane, namespace, "web")["ready"])


@pytest.mark.parametrize(("image", "condition"), [("migrate:1", "Complete"), ("migrate:fail", "Failed")])
def test_a_job_ends_as_its_image_says(control_plane: ControlPlane, namespace: str, image: str, condition: str) -> None:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}}
    body = {"metadata": {"name": "job"}, "spec": {"backoffLimit": 0, "template": pod}}
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    control_plane.api("POST", path, body)

    def ended() -> list[str]:
        conditions = control_plane.api("GET", f"{path}/job").get("status", {}).get("conditions") or []
        return [entry["type"] for entry in conditions if entry["status"] == "True"]

    until(lambda: condition in ended())


def test_a_claim_is_bound(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    control_plane.api("POST", path, {"metadata": {"name": "data"}, "spec": spec})
    until(lambda: control_plane.api("GET", f"{path}/data")["status"].get("phase") == "Bound")


def test_users_are_who_their_kubeconfig_says(control_plane: ControlPlane, namespace: str) -> None:
    whoami = ("auth", "whoami", "--output=jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
    said = control_plane.kubectl(*whoami, config=control_plane.kubeconfig("alice", ["dev", "ops"]))
    assert said == 'alice ["dev","ops","system:authenticated"]'
    config = control_plane.kubeconfig(service_account=f"{namespace}/default")
    assert control_plane.kubectl(*whoami, config=config).startswith(f"system:serviceaccount:{namespace}:default ")
    with pytest.raises(ControlPlaneError, match=r"alice.* cannot list"):
        control_plane.kubectl("get", "pods", config=control_plane.kubeconfig("alice"))


def test_a_restart_keeps_what_was_written(own_control_plane: ControlPlane) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    own_control_plane.api("POST", maps, _config_map("kept", a="1"))
    own_control_plane.restart_apiserver()
    assert own_control_plane.api("GET", f"{maps}/kept")["data"] == {"a": "1"}

    own_control_plane.stop_apiserver()
    with pytest.raises(ConnectionError):
        own_control_plane.api("GET", maps)
    own_control_plane.start_apiserver()
    assert own_control_plane.api("GET", f"{maps}/kept")["data"] == {"a": "1"}


def test_a_broken_api_group_breaks_nothing_else(own_control_plane: ControlPlane) -> None:
    with own_control_plane.broken_api_group("broken.example.com"):
        with pytest.raises(ControlPlaneError, match="503"):
            own_control_plane.api("GET", "/apis/broken.example.com/v1")
        assert own_control_plane.api("GET", "/apis/apps/v1")["groupVersion"] == "apps/v1"
    with pytest.raises(ControlPlaneError, match="404"):
        until(lambda: own_control_plane.api("GET", "/apis/broken.example.com/v1"))


def test_a_killed_user_leaves_no_process_behind(tmp_path: Path, engine: Callable[[str], Path]) -> None:
    """Two users of one control plane: it outlives the first, and ends with the second, whatever ends them."""
    paths = json.dumps({name: str(engine(name)) for name in PARTS})
    command = [sys.executable, "-c", USER, str(tmp_path), paths]
    users = [
        subprocess.Popen(command, cwd=ROOT / "tests", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        folders = {user.stdout.readline().strip() for user in users if user.stdout}
        assert len(folders) == 1, "the second one found the first one's"
        folder = Path(folders.pop())
        server = json.loads((folder / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
        assert len(_processes(folder)) == len(PARTS) + 1

        users[0].kill()
        users[0].wait()
        assert ask(server, client_context(folder), "GET", "/readyz") == (200, b"ok")
        users[1].kill()
        users[1].wait()
        until(lambda: not _processes(folder), what="everything has ended")
        with pytest.raises(OSError):  # noqa: PT011 - the socket is there, or not any more
            ControlPlane(folder)
    finally:
        for user in users:
            user.kill()
            user.communicate()


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path, engine: Callable[[str], Path]) -> None:
    plane = ControlPlane.start(tmp_path / "plane", {name: engine(name) for name in PARTS})
    try:
        supervisor = [
            pid for pid in _processes(plane.folder) if b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(supervisor) == 1
        os.kill(supervisor[0], signal.SIGKILL)
        until(lambda: not _processes(plane.folder), what="everything has ended")
        with pytest.raises(ConnectionError):
            plane.restart_apiserver()
    finally:
        plane.stop()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_person_gets_a_cluster_until_they_end_it(
    tmp_path: Path, engine: Callable[[str], Path], ending: signal.Signals
) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    environ |= {engines.variable(name): str(engine(name)) for name in (*PARTS, "kubectl")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/make_cluster.py")], env=environ, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout
        shown = command.stdout.readline().strip()
        config = Path(shown.removeprefix("export KUBECONFIG="))
        asked = [str(engine("kubectl")), f"--kubeconfig={config}", "get", "nodes", "--output=name"]
        nodes = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        command.send_signal(ending)
        rest = command.stdout.read()
    assert nodes.split() == [f"node/{name}" for name in NODES]
    assert "Ctrl-C ends it" in rest
    assert command.returncode == 0
    assert not config.parent.exists()
    until(lambda: not _processes(config.parent), what="everything has ended")


def test_a_start_that_fails_shows_the_logs(tmp_path: Path, engine: Callable[[str], Path]) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    broken.chmod(0o755)
    paths = {name: engine(name) for name in PARTS} | {"etcd": broken}
    with pytest.raises(ControlPlaneError, match=r"(?s)etcd did not stay up.*--- etcd.*no space left"):
        ControlPlane.start(tmp_path / "plane", paths)
    until(lambda: not _processes(tmp_path / "plane"))


def test_the_delay_is_a_round_trip(control_plane: ControlPlane) -> None:
    with DelayProxy(control_plane.server, round_trip=0.1) as proxy:
        context = client_context(control_plane.folder)
        started = time.monotonic()
        assert ask(proxy.url, context, "GET", "/readyz") == (200, b"ok")
        # To connect, to agree on TLS 1.3, and to ask.
        assert time.monotonic() - started >= 0.3


def _post(server: str, plane: ControlPlane, path: str, body: object) -> int | None:
    """The status, or None if the connection was cut."""
    try:
        return ask(server, client_context(plane.folder), "POST", path, body)[0]
    except (OSError, http.client.HTTPException):
        return None


@pytest.mark.parametrize(
    ("fault", "status", "written"),
    [
        ("429", 429, False),
        ("500", 500, False),
        ("503", 503, False),
        ("cut-before", None, False),
        ("cut-within", None, True),
        ("cut-after", None, True),
    ],
)
def test_a_fault_is_delivered_once_and_as_named(
    control_plane: ControlPlane, namespace: str, fault: Fault, status: int | None, written: bool
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def first_write(call: Call) -> Fault | None:
        return fault if (call.method, call.path, call.nth) == ("POST", path, 1) else None

    with FaultProxy(control_plane, first_write) as proxy:
        assert _post(proxy.url, control_plane, path, _config_map("a")) == status
        names = [item["metadata"]["name"] for item in control_plane.api("GET", path)["items"]]
        assert ("a" in names) == written
        assert _post(proxy.url, control_plane, path, _config_map("a")) == (409 if written else 201)
        assert proxy.delivered == {fault: 1}
        assert proxy.counts() == {("POST", path): 2}


def test_users_stay_who_they_are_behind_the_fault_proxy(control_plane: ControlPlane, namespace: str) -> None:
    whoami = ("auth", "whoami", "--output=jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
    with FaultProxy(control_plane) as proxy:
        config = control_plane.kubeconfig("alice", ["dev"], server=proxy.url)
        assert control_plane.kubectl(*whoami, config=config) == 'alice ["dev","system:authenticated"]'
        config = control_plane.kubeconfig(service_account=f"{namespace}/default", server=proxy.url)
        said = control_plane.kubectl(*whoami, config=config)
        assert said.startswith(f"system:serviceaccount:{namespace}:default ")


def test_an_unlucky_share_is_the_same_in_every_run() -> None:
    calls = [Call("GET", f"/api/v1/namespaces/{number}", {}, nth) for number in range(1000) for nth in (1, 2)]
    faults, again, others = (list(map(share(0.1, seed=seed), calls)) for seed in (7, 7, 8))
    assert faults == again
    assert faults != others
    assert {fault for fault in faults if fault} == set(COMMON)
    assert 150 < len([fault for fault in faults if fault]) < 250


@pytest.mark.parametrize("expired", [False, True])
def test_watches_are_dropped_and_expired(control_plane: ControlPlane, namespace: str, expired: bool) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with FaultProxy(control_plane) as proxy, _open(proxy.url, control_plane, f"{path}?watch=1") as stream:
        assert json.loads(stream.readline())["object"]["metadata"]["name"] == "kube-root-ca.crt"
        control_plane.api("POST", path, _config_map("new"))
        assert json.loads(stream.readline())["object"]["metadata"]["name"] == "new"
        assert proxy.watches == 1
        if expired:
            assert proxy.expire_watches() == 1
            event = json.loads(stream.readline())
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
            assert stream.readline() == b""
        else:
            assert proxy.drop_watches() == 1
            with pytest.raises((OSError, http.client.HTTPException)):
                assert stream.read() == b"", "cut within"
        until(lambda: not proxy.watches)


def test_a_watch_can_be_answered_with_410(control_plane: ControlPlane) -> None:
    with (
        FaultProxy(control_plane, lambda call: "410" if call.watch else None) as proxy,
        _open(proxy.url, control_plane, "/api/v1/pods?watch=true&resourceVersion=1") as stream,
    ):
        assert json.loads(stream.read())["object"]["reason"] == "Expired"


@contextlib.contextmanager
def _open(server: str, plane: ControlPlane, path: str) -> Iterator[http.client.HTTPResponse]:
    url = urlsplit(server)
    assert url.hostname
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=client_context(plane.folder), timeout=20)
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def test_a_webhook_rejects_changes_and_allows(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def handler(request: Mapping[str, Any]) -> Reject | Change | None:
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
        answers: dict[str, Reject | Change] = {"bad": Reject("no bad ones"), "odd": Change(patch)}
        return answers.get(request["name"])

    with serve_webhook(control_plane, handler, namespace=namespace, mutating=True) as webhook:
        with pytest.raises(ControlPlaneError, match="denied the request: no bad ones"):
            control_plane.api("POST", path, _config_map("bad"))
        assert control_plane.api("POST", path, _config_map("odd"))["metadata"]["labels"] == {"seen": "yes"}
        assert "labels" not in control_plane.api("POST", path, _config_map("good"))["metadata"]
        assert [request["name"] for request in webhook.requests] == ["bad", "odd", "good"]
    control_plane.api("POST", path, _config_map("bad"))


def test_a_webhook_can_time_out(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with (
        serve_webhook(control_plane, lambda request: Hang(), namespace=namespace, timeout=1),
        pytest.raises(ControlPlaneError, match=r"failed calling webhook.*deadline exceeded"),
    ):
        control_plane.api("POST", path, _config_map("late"))
