"""The lock as a Lease: one holder, known to a person, judged by the server's clock, and never taken from the living."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from sloth_ci.core.errors import LockedError
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.state import KubernetesHome
from support import lock_process
from support.cluster import ControlPlane


@pytest.fixture
def home(cluster: Cluster) -> KubernetesHome:
    return KubernetesHome(cluster, cluster.namespace)


def path_of(namespace: str, name: str = "sloth-lock") -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"


def lease(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.client.json("GET", path_of(cluster.namespace))
    return found


def patch(cluster: Cluster, body: object) -> None:
    cluster.client.json("PATCH", path_of(cluster.namespace), body=body, content_type="application/merge-patch+json")


def elsewhere(cluster: Cluster, **other: str) -> None:
    """As if the holder ran on another machine."""
    told = json.loads(lease(cluster)["metadata"]["annotations"]["sloth-ci/holder"])
    changed = json.dumps({**told, **(other or {"host": "far-away"})})
    patch(cluster, {"metadata": {"annotations": {"sloth-ci/holder": changed}}})


def test_a_lease_shows_who_has_it(home: KubernetesHome, cluster: Cluster) -> None:
    lock = home.lock("alice@laptop (pid 7)", 90.5)
    assert lock.acquire() is None
    spec = lease(cluster)["spec"]
    assert spec["holderIdentity"] == "alice@laptop (pid 7)"
    assert spec["leaseDurationSeconds"] == 91
    assert spec["leaseTransitions"] == 0
    renewed = datetime.fromisoformat(spec["renewTime"])
    assert abs(renewed - datetime.now(UTC)) < timedelta(seconds=30)
    held = lock.holder()
    assert held is not None
    assert (held.holder, held.pid) == ("alice@laptop (pid 7)", os.getpid())
    assert held.expires == pytest.approx(renewed.timestamp() + 91)


def test_one_that_was_given_back_says_who_had_it_and_is_free(home: KubernetesHome, cluster: Cluster) -> None:
    first = home.lock("alice", 60)
    first.acquire()
    first.release()
    given_back = lease(cluster)
    assert "holderIdentity" not in given_back["spec"]
    assert given_back["metadata"]["annotations"]["sloth-ci/last-holder"].startswith("alice, until 20")
    assert first.holder() is None
    second = home.lock("bob", 60)
    assert second.acquire() is None
    assert lease(cluster)["spec"]["leaseTransitions"] == 1
    first.release()  # again, and long after: no error, and nothing is taken from bob
    assert lease(cluster)["spec"]["holderIdentity"] == "bob"


def test_whoever_comes_second_is_told_who_was_first(home: KubernetesHome, cluster: Cluster) -> None:
    home.lock("alice", 60).acquire()
    with pytest.raises(LockedError, match="locked by alice") as told:
        home.lock("bob", 60).acquire()
    hint = told.value.hint or ""
    assert "expires in 60 s" in hint or "expires in 59 s" in hint
    assert f"kubectl delete lease sloth-lock -n {cluster.namespace}" in hint
    cluster.client.call("DELETE", path_of(cluster.namespace))
    assert home.lock("bob", 60).acquire() is None


def test_renewing_pushes_the_expiry_out(home: KubernetesHome, cluster: Cluster) -> None:
    lock = home.lock("alice", 60)
    lock.acquire()
    before = lease(cluster)["spec"]
    earlier = (datetime.fromisoformat(before["renewTime"]) - timedelta(seconds=50)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    patch(cluster, {"spec": {"renewTime": earlier}})
    lock.renew()
    after = lease(cluster)["spec"]
    assert after["renewTime"] > earlier
    assert {k: after[k] for k in after if k != "renewTime"} == {k: before[k] for k in before if k != "renewTime"}


def test_expiry_goes_by_the_clock_of_the_server(
    home: KubernetesHome, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.lock("alice", 60).acquire()
    elsewhere(cluster)
    tomorrow = time.time() + 86400
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: tomorrow)
        with pytest.raises(LockedError, match="locked by alice"):
            home.lock("bob", 60).acquire()
    expired = datetime.fromisoformat(lease(cluster)["spec"]["renewTime"]) - timedelta(seconds=61)
    patch(cluster, {"spec": {"renewTime": expired.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
    yesterday = time.time() - 86400
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: yesterday)
        taken_from = home.lock("bob", 60).acquire()
    assert taken_from is not None
    assert taken_from.holder == "alice"
    assert lease(cluster)["metadata"]["annotations"]["sloth-ci/last-holder"].startswith(
        "alice, until it was taken over"
    )


def test_who_lost_the_lock_is_told_and_takes_nothing_back(home: KubernetesHome, cluster: Cluster) -> None:
    alice, bob = home.lock("alice", 60), home.lock("bob", 60)
    alice.acquire()
    elsewhere(cluster)
    patch(cluster, {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}})
    bob.acquire()
    with pytest.raises(LockedError, match="the lock was lost to bob"):
        alice.renew()
    alice.release()
    assert lease(cluster)["spec"]["holderIdentity"] == "bob"
    bob.renew()


@pytest.mark.parametrize("change", [{"holderIdentity": None}, None])
def test_a_person_can_free_it(home: KubernetesHome, cluster: Cluster, change: dict[str, None] | None) -> None:
    alice = home.lock("alice", 60)
    alice.acquire()
    if change is None:
        cluster.client.call("DELETE", path_of(cluster.namespace))
    else:
        patch(cluster, {"spec": change})
    assert alice.holder() is None
    with pytest.raises(LockedError, match="the lock was lost to somebody who has released it"):
        alice.renew()
    alice.release()
    assert home.lock("bob", 60).acquire() is None


def test_a_label_from_a_person_costs_nobody_the_lock(home: KubernetesHome, cluster: Cluster) -> None:
    alice = home.lock("alice", 60)
    alice.acquire()
    patch(cluster, {"metadata": {"labels": {"team": "a"}}})
    alice.renew()
    patch(cluster, {"metadata": {"labels": {"team": "b"}}})
    alice.release()
    found = lease(cluster)
    assert found["metadata"]["labels"]["team"] == "b"
    assert "holderIdentity" not in found["spec"]


def test_a_lease_that_a_person_made_is_respected_until_it_expires(home: KubernetesHome, cluster: Cluster) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "freeze for the fair", "leaseDurationSeconds": 3600, "renewTime": now}
    collection = path_of(cluster.namespace).rpartition("/")[0]
    cluster.client.json("POST", collection, body={"metadata": {"name": "sloth-lock"}, "spec": spec})
    with pytest.raises(LockedError, match="locked by freeze for the fair"):
        home.lock("bob", 60).acquire()
    patch(cluster, {"spec": {"leaseDurationSeconds": 1, "renewTime": "2020-01-01T00:00:00.000000Z"}})
    taken = home.lock("bob", 60).acquire()
    assert taken is not None
    assert taken.holder == "freeze for the fair"


def test_two_destinations_in_one_namespace_do_not_wait_for_each_other(
    control_plane: ControlPlane, cluster: Cluster, tmp_path: Path
) -> None:
    KubernetesHome(cluster, cluster.namespace).lock("alice", 60).acquire()
    spec = DestinationSpec(kubeconfig=str(control_plane.kubeconfig()), namespace="elsewhere")
    other = connect(spec, tmp_path, {})
    try:
        assert KubernetesHome(other, cluster.namespace).lock("bob", 60).acquire() is None
    finally:
        other.client.close()
    held = cluster.client.json("GET", path_of(cluster.namespace, "sloth-lock-elsewhere"))
    assert held["spec"]["holderIdentity"] == "bob"


def test_it_makes_the_namespace_of_the_state(cluster: Cluster) -> None:
    state = f"{cluster.namespace}-state"
    home = KubernetesHome(cluster, state)
    assert home.lock("alice", 60).holder() is None
    query = {"fieldSelector": f"metadata.name={state}"}
    assert cluster.client.json("GET", "/api/v1/namespaces", query=query)["items"] == []
    try:
        home.lock("alice", 60).acquire()
        held = home.lock("bob", 60).holder()
        assert held is not None
        assert held.holder == "alice"
    finally:
        cluster.client.json("DELETE", f"/api/v1/namespaces/{state}")


class Contender:
    """A process of its own that wants the lock."""

    def __init__(self, kubeconfig: Path, namespace: str, holder: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, lock_process.__file__, str(kubeconfig), namespace, holder],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self.heard() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def try_it(self) -> dict[str, Any]:
        self.say()
        result: dict[str, Any] = json.loads(self.heard())
        return result


@pytest.fixture
def contender(control_plane: ControlPlane, cluster: Cluster) -> Iterator[Callable[[str], Contender]]:
    with ExitStack() as stack:
        yield lambda holder: stack.enter_context(Contender(control_plane.kubeconfig(), cluster.namespace, holder))


@pytest.mark.parametrize("freed", [False, True])
def test_of_many_at_once_exactly_one_wins(
    home: KubernetesHome, contender: Callable[[str], Contender], freed: bool
) -> None:
    """`freed`: the Lease is there and nobody's, so that they all replace one version of it."""
    if freed:
        before = home.lock("before", 60)
        before.acquire()
        before.release()
    names = ["ada", "bob", "cleo", "dan", "eve"]
    runs = {name: contender(name) for name in names}
    for run in runs.values():
        run.say()
    said = {name: json.loads(run.heard()) for name, run in runs.items()}
    winners = [name for name in names if said[name]["won"]]
    assert len(winners) == 1
    (winner,) = winners
    for name in names:
        if name != winner:
            assert said[name]["message"] == f"locked by {winner}"
            assert "expires in" in said[name]["hint"]
    held = home.lock("somebody", 60).holder()
    assert held is not None
    assert held.holder == winner

    runs[winner].say()
    assert runs[winner].process.wait(timeout=300) == 0
    assert home.lock("somebody", 60).acquire() is None


@pytest.mark.parametrize("collected", [True, False])
def test_a_holder_whose_process_was_killed_is_dead_at_once(
    home: KubernetesHome, contender: Callable[[str], Contender], collected: bool
) -> None:
    """`collected`: whether its parent has asked how it ended; until then it can still be signalled."""
    victim = contender("victim")
    assert victim.try_it()["won"]
    with pytest.raises(LockedError, match="locked by victim"):
        home.lock("next", 600).acquire()
    victim.process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, victim.process.pid, os.WEXITED | os.WNOWAIT)
    if collected:
        victim.process.wait(timeout=300)
    assert home.lock("somebody", 600).holder() is None
    taken = home.lock("next", 600).acquire()
    assert taken is not None
    assert taken.holder == "victim"


@pytest.mark.parametrize("other", [{"host": "far-away"}, {"boot": "another boot, or a container beside this one"}])
def test_nothing_is_known_of_processes_of_other_machines(
    home: KubernetesHome, cluster: Cluster, contender: Callable[[str], Contender], other: dict[str, str]
) -> None:
    """A pid that means nothing here says nothing about its process there."""
    victim = contender("victim")
    assert victim.try_it()["won"]
    elsewhere(cluster, **other)
    victim.process.kill()
    victim.process.wait(timeout=300)
    with pytest.raises(LockedError, match="locked by victim"):
        home.lock("next", 600).acquire()


def test_of_many_that_find_a_dead_holder_one_takes_over(
    home: KubernetesHome, contender: Callable[[str], Contender]
) -> None:
    runs = [contender(name) for name in ("ada", "bob", "cleo")]
    victim = contender("victim")
    assert victim.try_it()["won"]
    victim.process.kill()
    victim.process.wait(timeout=300)
    for run in runs:
        run.say()
    said = [json.loads(run.heard()) for run in runs]
    won = [result for result in said if result["won"]]
    assert [result["from"] for result in won] == ["victim"]
