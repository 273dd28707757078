"""Waiting while the way to the API server is bad, or the server itself goes away."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloth_ci.core.errors import Interrupted, UnhealthyError
from sloth_ci.core.health import Verdict
from sloth_ci.core.objects import Ref
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.wait import wait
from support.cluster import ControlPlane
from support.proxy import Call, Fault, FaultProxy
from support.waiting import until
from support.workloads import put, workload

SLOW = {"sloth-test/ready-after": "120s"}
PATIENCE = 300.0


def never() -> bool:
    return False


def nothing(ref: Ref, verdict: Verdict) -> None:
    """For waits whose course does not matter."""


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: FaultProxy, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Cluster]:
    """The cluster as it is seen through the proxy."""
    config = control_plane.kubeconfig(server=proxy.url)
    cluster = connect(DestinationSpec(kubeconfig=str(config), namespace=namespace), tmp_path, {})
    with cluster.client:
        yield cluster


def lists(proxy: FaultProxy, plural: str) -> int:
    """How often a whole list was asked for."""
    return sum(not call.watch for call in proxy.calls if call.method == "GET" and call.path.endswith(f"/{plural}"))


def run_until(cluster: Cluster, ref: Ref, trouble: Callable[[], object], mend: Callable[[], object]) -> None:
    """Wait for an object in a thread; make trouble when it is watched, then mend the object."""
    seen = threading.Event()
    results: list[bool | Exception] = []

    def waits() -> None:
        try:
            results.append(wait(cluster, [ref], timeout=PATIENCE, stopped=never, told=lambda ref, verdict: seen.set()))
        except Exception as error:  # noqa: BLE001 (it is asserted below)
            results.append(error)

    thread = threading.Thread(target=waits)
    thread.start()
    assert seen.wait(PATIENCE)
    trouble()
    mend()
    thread.join(PATIENCE)
    assert results == [True]


def test_a_watch_that_is_cut_goes_on_where_it_was(cluster: Cluster, behind: Cluster, proxy: FaultProxy) -> None:
    ref = put(cluster, workload("Deployment", "web", "web:1", annotations=SLOW, replicas=1))

    def cut_thrice() -> None:
        for _ in range(3):
            until(lambda: proxy.watches >= 3)  # of the Deployment, its ReplicaSets and its pods
            assert proxy.drop_watches() >= 3

    run_until(behind, ref, cut_thrice, lambda: put(cluster, workload("Deployment", "web", "web:2", replicas=1)))
    assert [lists(proxy, plural) for plural in ("deployments", "replicasets", "pods")] == [1, 1, 1]


def test_trouble_that_is_over_is_not_told(cluster: Cluster, behind: Cluster, proxy: FaultProxy) -> None:
    ref = put(cluster, workload("Deployment", "web", "web:1", annotations=SLOW, replicas=1))
    proxy.choose = lambda call: "503" if call.nth == 1 and call.path.endswith("/deployments") else None
    with pytest.raises(UnhealthyError) as caught:
        wait(behind, [ref], timeout=4, stopped=never, told=nothing)
    assert proxy.delivered
    assert "did not answer" not in caught.value.message


def test_a_version_that_is_too_old_means_a_new_list(cluster: Cluster, behind: Cluster, proxy: FaultProxy) -> None:
    ref = put(cluster, workload("Deployment", "web", "web:1", annotations=SLOW, replicas=1))

    def expire() -> None:
        until(lambda: proxy.watches >= 3)
        assert proxy.expire_watches() >= 3
        until(lambda: lists(proxy, "deployments") >= 2)

    run_until(behind, ref, expire, lambda: put(cluster, workload("Deployment", "web", "web:2", replicas=1)))
    assert lists(proxy, "deployments") == 2


def test_a_watch_that_is_refused_with_410_at_once(cluster: Cluster, behind: Cluster, proxy: FaultProxy) -> None:
    def two_of_three(call: Call) -> Fault | None:
        return "410" if call.watch and call.nth % 3 else None

    proxy.choose = two_of_three
    ref = put(cluster, workload("Deployment", "web", "web:1", replicas=2))
    assert wait(behind, [ref], timeout=PATIENCE, stopped=never, told=nothing)


def test_every_request_fails_in_every_way_before_it_succeeds(
    cluster: Cluster, behind: Cluster, proxy: FaultProxy
) -> None:
    ways: list[Fault] = ["500", "cut-before", "cut-within", "429", "cut-after", "503"]
    behind.discovery.refresh()
    behind.client.now()

    def each_once(call: Call) -> Fault | None:
        way = ways[call.nth - 1] if call.nth <= len(ways) else None
        return "cut-before" if call.watch and way == "cut-after" else way  # a watch may have no answer for long

    proxy.choose = each_once
    refs = [put(cluster, workload("StatefulSet", name, "web:1", replicas=2)) for name in ("a", "b", "c")]
    assert wait(behind, refs, timeout=PATIENCE, stopped=never, told=nothing)
    assert proxy.delivered.keys() == set(ways)


def test_a_server_that_hangs_does_not_hold_up_whoever_wants_to_stop(
    cluster: Cluster, behind: Cluster, proxy: FaultProxy
) -> None:
    ref = put(cluster, workload("Deployment", "web", "web:1", annotations=SLOW))
    behind.discovery.refresh()
    behind.client.now()
    proxy.choose = lambda call: "hang"
    wish = threading.Event()
    began = time.monotonic()
    timer = threading.Timer(0.3, wish.set)
    timer.start()
    with pytest.raises(Interrupted):
        wait(behind, [ref], timeout=PATIENCE, stopped=wish.is_set, told=nothing)
    timer.join()
    assert time.monotonic() - began < 5


@pytest.fixture
def shop(own_control_plane: ControlPlane, tmp_path: Path) -> Iterator[Cluster]:
    """A namespace of a control plane whose API server may be stopped."""
    namespace = own_control_plane.namespace(f"shop-{uuid.uuid4().hex[:8]}")
    spec = DestinationSpec(kubeconfig=str(own_control_plane.admin), namespace=namespace)
    cluster = connect(spec, tmp_path, {})
    with cluster.client:
        yield cluster


def test_the_server_is_restarted_while_somebody_waits(shop: Cluster, own_control_plane: ControlPlane) -> None:
    ref = put(shop, workload("Deployment", "web", "web:1", annotations=SLOW, replicas=1))
    good = workload("Deployment", "web", "web:2", replicas=1)
    run_until(shop, ref, own_control_plane.restart_apiserver, lambda: put(shop, good))


def test_the_server_stays_away_until_the_time_is_over(shop: Cluster, own_control_plane: ControlPlane) -> None:
    ref = put(shop, workload("Deployment", "web", "web:1", annotations=SLOW, replicas=1))
    stops = iter([own_control_plane.stop_apiserver])

    def told(_: Ref, verdict: Verdict) -> None:
        if "available" in verdict.reason:
            for stop in stops:
                stop()

    try:
        with pytest.raises(UnhealthyError) as caught:
            wait(shop, [ref], timeout=3, stopped=never, told=told)
    finally:
        own_control_plane.start_apiserver()
    assert f"{ref} is not healthy after 3 s: 0 of 1 available" in caught.value.message
    assert "at the end the server did not answer" in caught.value.message
