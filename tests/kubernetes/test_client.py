"""Requests to a real API server, through lines that are slow, cut, or not what they say."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ApplyError, UnreachableError
from sloth_ci.destinations.kubernetes import client as client_module
from sloth_ci.destinations.kubernetes import patience, rate
from sloth_ci.destinations.kubernetes.client import Client
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault, Cause
from support.access import SECRET, connected, one_context, who, write
from support.cluster import ControlPlane
from support.proxy import FaultProxy
from support.tcp import Relay
from support.waiting import until

APPLY = "application/apply-patch+yaml"


def _path(namespace: str, name: str = "", kind: str = "configmaps") -> str:
    return f"/api/v1/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


def _map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _apply(client: Client, namespace: str, body: dict[str, Any], **query: str) -> Any:
    path = _path(namespace, body["metadata"]["name"], body["kind"].lower() + "s")
    return client.json("PATCH", path, query={"fieldManager": "sloth-ci", **query}, body=body, content_type=APPLY)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_round_of_requests(cluster: Cluster, namespace: str) -> None:
    client = cluster.client
    made = _apply(client, namespace, _map("a", key="ü"))
    assert made["data"] == {"key": "ü"}
    assert client.json("GET", _path(namespace, "a"))["data"] == {"key": "ü"}
    asked = client.json("GET", _path(namespace), query={"fieldSelector": "metadata.name=a", "limit": "5"})
    assert [item["metadata"]["name"] for item in asked["items"]] == ["a"]
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": made["metadata"]["uid"]}}
    client.call("DELETE", _path(namespace, "a"), body=options)
    with pytest.raises(ApiFault) as gone:
        client.call("DELETE", _path(namespace, "a"), body=options)
    assert (gone.value.code, gone.value.reason, gone.value.transient) == (404, "NotFound", False)
    assert (gone.value.details["name"], gone.value.details["kind"]) == ("a", "configmaps")


def test_large_bodies_go_both_ways(cluster: Cluster, namespace: str) -> None:
    text = "x" * 1_000_000
    _apply(cluster.client, namespace, _map("big", key=text))
    assert cluster.client.json("GET", _path(namespace, "big"))["data"]["key"] == text


def test_lists_come_compressed_from_far_away(
    cluster: Cluster, control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _apply(cluster.client, namespace, _map("big", key="x" * 300_000))
    plain = cluster.client.call("GET", _path(namespace))
    monkeypatch.setattr(client_module, "is_loopback", lambda host: False)
    with Relay(control_plane.server) as relay, _as_admin(control_plane, relay, tmp_path) as far:
        assert far.client.call("GET", _path(namespace)) == plain
        assert relay.moved < len(plain) / 10


def test_a_conflict_names_field_and_manager(cluster: Cluster, namespace: str) -> None:
    _apply(cluster.client, namespace, _map("a", key="1"))
    with pytest.raises(ApiFault) as conflict:
        _apply(cluster.client, namespace, _map("a", key="2"), fieldManager="somebody")
    fault = conflict.value
    assert (fault.code, fault.transient) == (409, False)
    assert fault.causes == (Cause("FieldManagerConflict", ".data.key", 'conflict with "sloth-ci"'),)
    assert "\n" not in fault.message
    assert isinstance(fault, ApplyError)


def test_what_the_server_quotes_of_a_secret_is_not_shown(cluster: Cluster, namespace: str) -> None:
    for data in ({"a": {"x": SECRET}}, {"a": 12345678}, {"a": [SECRET]}):
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}
        for sent in (body, json.dumps(body).encode()):
            with pytest.raises(ApiFault) as refused:
                cluster.client.call(
                    "PATCH",
                    _path(namespace, "s", "secrets"),
                    query={"fieldManager": "x"},
                    body=sent,
                    content_type=APPLY,
                )
            assert "(secret)" in refused.value.message, "this server does quote it: else this test proves nothing"
            assert SECRET not in refused.value.message
            assert "12345678" not in refused.value.message


def test_the_server_warns(cluster: Cluster, namespace: str) -> None:
    body = {**_map("a"), "spec": {"unknown": 1}}
    answer = cluster.client.answer(
        "POST", _path(namespace), query={"fieldValidation": "Warn", "dryRun": "All"}, body=body
    )
    assert answer.warnings == ('unknown field "spec"',)


def test_now_is_the_time_of_the_server(cluster: Cluster) -> None:
    before = time.time()
    assert before - 1.5 <= cluster.client.now() <= time.time() + 0.1  # a Date has whole seconds
    assert cluster.client.now() >= cluster.client.now() - 1


def test_names_cannot_leave_their_place(cluster: Cluster, namespace: str) -> None:
    configmaps = cluster.discovery.find("", "ConfigMap")
    assert configmaps
    with pytest.raises(ApiFault) as refused:
        cluster.client.call("GET", configmaps.path(namespace, "a/../../secrets?x=\r\nX: y"))
    assert refused.value.code in {400, 404}
    with pytest.raises(ValueError, match="not a path"):
        cluster.client.call("GET", "/api\r\nX: y")


@contextmanager
def _as_admin(plane: ControlPlane, relay: Relay, folder: Path) -> Iterator[Cluster]:
    user = json.loads(plane.admin.read_text())["users"][0]["user"]
    with connected(write(folder / "config", one_context(plane, user, server=relay.url))) as cluster:
        yield cluster


# --- connections -----------------------------------------------------------------------------------------------------


def test_connections_are_kept_and_few(control_plane: ControlPlane, tmp_path: Path) -> None:
    with Relay(control_plane.server) as relay, _as_admin(control_plane, relay, tmp_path) as cluster:
        cluster.client.map(lambda _: who(cluster), range(100))
        assert 1 <= relay.accepted <= 8
        before = relay.accepted
        cluster.client.map(lambda _: who(cluster), range(50))
        assert relay.accepted == before


def test_stale_connections_are_replaced_unseen(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    with Relay(control_plane.server) as relay, _as_admin(control_plane, relay, tmp_path) as cluster:
        for method in ("GET", "POST"):
            cluster.client.map(lambda _: who(cluster), range(30))
            relay.cut()
            # A POST is not repeated: it is the look at the connection before it that saves it.
            if method == "POST":
                cluster.client.call("POST", _path(namespace), body=_map("made"), patient=False)
            else:
                cluster.client.call("GET", _path(namespace), patient=False)


def test_all_sockets_are_closed_at_the_end(control_plane: ControlPlane, tmp_path: Path) -> None:
    with Relay(control_plane.server) as relay:
        with _as_admin(control_plane, relay, tmp_path) as cluster:
            cluster.client.map(lambda _: who(cluster), range(30))
            watch = cluster.client.watch("/api/v1/namespaces", {}, timeout=30)
            next(watch)
            assert relay.open
        until(lambda: not relay.open)
        assert list(watch) == []


def test_map_keeps_the_order_and_raises_the_first_error(cluster: Cluster) -> None:
    assert cluster.client.map(lambda n: n * n, range(1000)) == [n * n for n in range(1000)]
    assert cluster.client.map(lambda n: n, []) == []
    begun: list[int] = []

    def fails(n: int) -> None:
        begun.append(n)
        if n >= 3:
            raise ValueError(n)

    with pytest.raises(ValueError, match=r"^3$"):
        cluster.client.map(fails, range(10_000))
    assert len(begun) < 1000, "after an error nothing new is begun"
    assert threading.active_count() < 30


# --- faults on the way -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut-before", "cut-within", "cut-after"])
def test_what_passes_is_waited_for(control_plane: ControlPlane, namespace: str, fault: Any) -> None:
    with FaultProxy(control_plane) as proxy, connected(control_plane.kubeconfig(server=proxy.url)) as cluster:
        proxy.choose = lambda call: fault if call.nth <= 2 else None
        assert _apply(cluster.client, namespace, _map("a", key="1"))["data"] == {"key": "1"}
        assert cluster.client.json("GET", _path(namespace, "a"))["data"] == {"key": "1"}
        assert proxy.delivered[fault] == 4


def test_the_server_says_when_to_come_back(control_plane: ControlPlane, namespace: str) -> None:
    with (
        FaultProxy(control_plane, retry_after=2) as proxy,
        connected(control_plane.kubeconfig(server=proxy.url)) as cluster,
    ):
        proxy.choose = lambda call: "429" if call.nth == 1 else None
        began = time.monotonic()
        cluster.client.call("GET", _path(namespace))
        assert time.monotonic() - began >= 2


def test_a_thousand_requests_wait_once_for_what_lasts(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.5)
    with FaultProxy(control_plane) as proxy, connected(control_plane.kubeconfig(server=proxy.url)) as cluster:
        proxy.choose = lambda call: "500"
        faults = cluster.client.map(lambda n: _fault(cluster.client, _path(namespace, f"a{n}")), range(200))
        assert {(fault.code, fault.transient) for fault in faults} == {(500, True)}
        assert len(proxy.calls) < 200 + 8 * 5
        assert isinstance(faults[0].unreachable(), UnreachableError)


def _fault(client: Client, path: str) -> ApiFault:
    with pytest.raises(ApiFault) as refused:
        client.call("GET", path)
    return refused.value


def test_a_create_that_was_cut_off_is_not_repeated(control_plane: ControlPlane, namespace: str) -> None:
    with FaultProxy(control_plane) as proxy, connected(control_plane.kubeconfig(server=proxy.url)) as cluster:
        proxy.choose = lambda call: "cut-after" if call.method == "POST" else None
        with pytest.raises(UnreachableError, match="closed the connection"):
            cluster.client.call("POST", _path(namespace), body=_map("a"))
        assert len(proxy.calls) == 1
        assert cluster.client.json("GET", _path(namespace, "a")), "it was carried out"
        with pytest.raises(UnreachableError):
            cluster.client.call("POST", _path(namespace), body=_map("b"), query={"dryRun": "All"})
        assert len(proxy.calls) > 4, "a dry-run writes nothing, so it is repeated"


def test_a_server_that_hangs(control_plane: ControlPlane, namespace: str) -> None:
    with FaultProxy(control_plane) as proxy, connected(control_plane.kubeconfig(server=proxy.url)) as cluster:
        proxy.choose = lambda call: "hang"
        with pytest.raises(UnreachableError, match="timed out"):
            cluster.client.call("GET", _path(namespace), timeout=0.2)


def test_a_server_that_restarts_is_waited_for(own_control_plane: ControlPlane) -> None:
    with connected(own_control_plane.admin) as cluster:
        cluster.client.call("GET", _path("default"))
        own_control_plane.stop_apiserver()
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="refuses connections"):
            cluster.client.call("GET", _path("default"))
        waited = time.monotonic() - began
        assert 2 < waited < 8
        own_control_plane.start_apiserver()
        cluster.client.call("GET", _path("default"))


# --- watches ---------------------------------------------------------------------------------------------------------


def test_a_watch_tells_what_happens(cluster: Cluster, namespace: str) -> None:
    start = cluster.client.json("GET", _path(namespace))["metadata"]["resourceVersion"]
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=a"}
    with cluster.client.watch(_path(namespace), query, timeout=30) as watch:
        _apply(cluster.client, namespace, _map("a", key="x" * 300_000))
        event = json.loads(next(watch))
        assert (event["type"], len(event["object"]["data"]["key"])) == ("ADDED", 300_000)
        cluster.client.call("DELETE", _path(namespace, "a"))
        assert json.loads(next(watch))["type"] == "DELETED"


def test_a_watch_ends_when_its_time_is_over(cluster: Cluster, namespace: str) -> None:
    began = time.monotonic()
    assert list(cluster.client.watch(_path(namespace), {"resourceVersion": "0"}, timeout=1)) is not None
    assert time.monotonic() - began < 5


def test_another_thread_ends_a_watch(cluster: Cluster, namespace: str) -> None:
    version = cluster.client.json("GET", _path(namespace))["metadata"]["resourceVersion"]
    watch = cluster.client.watch(_path(namespace), {"resourceVersion": version}, timeout=60)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.extend(watch))
    reader.start()
    watch.close()
    reader.join(5)
    assert not reader.is_alive()
    watch.close()


def test_a_watch_that_is_cut_ends(control_plane: ControlPlane, namespace: str) -> None:
    with FaultProxy(control_plane) as proxy, connected(control_plane.kubeconfig(server=proxy.url)) as cluster:
        watch = cluster.client.watch(_path(namespace), {}, timeout=30)
        assert json.loads(next(watch))["object"]["metadata"]["name"] == "kube-root-ca.crt"
        proxy.drop_watches()
        assert list(watch) == []
        expired = cluster.client.watch(_path(namespace), {}, timeout=30)
        next(expired)
        proxy.expire_watches()
        assert [json.loads(line)["object"]["code"] for line in expired] == [410]


def test_a_watch_that_is_refused(control_plane: ControlPlane, namespace: str) -> None:
    with connected(control_plane.kubeconfig("jane")) as cluster, pytest.raises(ApiFault) as refused:
        cluster.client.watch(_path(namespace), {}, timeout=30)
    assert refused.value.code == 403
    assert "jane" in refused.value.message


# --- how fast --------------------------------------------------------------------------------------------------------


def test_only_a_server_without_flow_control_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "BURST", 2.0)
    monkeypatch.setattr(rate, "PER_SECOND", 50.0)
    limited, settled = rate.Rate(), rate.Rate()
    monkeypatch.setattr(limited, "_left", 2.0)
    limited.heard(flow_control=False)
    settled.heard(flow_control=True)
    settled.heard(flow_control=False)
    for each, enough in ((limited, True), (settled, False)):
        began = time.monotonic()
        for _ in range(22):
            each.wait()
        assert (time.monotonic() - began >= 20 / 50 - 0.05) is enough


def test_this_server_has_flow_control(cluster: Cluster, namespace: str) -> None:
    cluster.client.call("GET", _path(namespace))
    assert not cluster.client._rate._limited
