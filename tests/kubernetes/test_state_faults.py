"""State on a bad line: a write whose answer is lost took place once, is known to have, and nobody else is blamed for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sloth_ci.core.errors import LockedError
from sloth_ci.core.ledger import Backup, Ledger
from sloth_ci.core.objects import Ref
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.state import KubernetesHome
from support.cluster import ControlPlane
from support.project import ROOT
from support.proxy import Call, Fault, FaultProxy, share

WORKFLOW = "shop-0123456789"


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


def backup_of(backup_id: str) -> Backup:
    return Backup(id=backup_id, taken=1700000000, revision=None, inventory=(), items=())


def go_through(home: KubernetesHome, rounds: int = 1) -> None:
    """What syncs do with the state. Each step says by itself when it is refused."""
    store, lock = home.ledger(WORKFLOW), home.lock("me", 600)
    for n in range(rounds):
        assert lock.acquire() is None
        ledger = store.load()
        inventory = tuple(Ref("", "ConfigMap", "shop", f"c{i}") for i in range(n + 1))
        ledger = Ledger(inventory=inventory, backups=ledger.backups)
        ledger = store.save(ledger, "applying", backup=backup_of(f"sync-{n}"))
        lock.renew()
        ledger = store.save(ledger, "done")
        lock.release()
        assert store.load() == ledger
        assert store.backup(f"sync-{n}") == backup_of(f"sync-{n}")


@pytest.mark.parametrize("fault", ["cut-before", "cut-after"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_every_first_request_is_cut(
    behind: Cluster, proxy: FaultProxy, namespace: str, method: str, fault: Fault
) -> None:
    def choose(call: Call) -> Fault | None:
        return fault if call.method == method and call.nth == 1 else None

    proxy.choose = choose
    home = KubernetesHome(behind, f"{namespace}-state")
    go_through(home, rounds=12)
    assert proxy.delivered[fault] > 0
    proxy.choose = lambda call: None
    assert len(home.ledger(WORKFLOW).load().backups) == 10
    assert home.lock("next", 60).acquire() is None


@pytest.mark.parametrize("seed", range(3))
def test_one_request_in_ten_fails(behind: Cluster, proxy: FaultProxy, seed: int) -> None:
    proxy.retry_after = 0
    proxy.choose = share(0.1, seed=seed)
    go_through(KubernetesHome(behind, behind.namespace), rounds=12)
    assert sum(proxy.delivered.values()) > 5


def test_a_cut_write_does_not_hide_that_somebody_was_first(
    behind: Cluster, cluster: Cluster, proxy: FaultProxy, namespace: str
) -> None:
    far, near = KubernetesHome(behind, namespace), KubernetesHome(cluster, namespace)
    near.ledger(WORKFLOW).save(Ledger(), "first")
    late, early = far.ledger(WORKFLOW), near.ledger(WORKFLOW)
    late.load()
    early.load()
    early.save(Ledger(), "second")
    near.lock("alice", 60).acquire()
    proxy.choose = lambda call: "cut-before" if call.nth == 1 else None
    with pytest.raises(LockedError, match="somebody else changed the state"):
        late.save(Ledger(), "third")
    with pytest.raises(LockedError, match="locked by alice"):
        far.lock("bob", 60).acquire()


def test_the_shipped_role_is_enough(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Where the state has a namespace of its own, `sloth-ci-state` is all that is needed there."""
    control_plane.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))
    user = f"deployer-{namespace}"
    control_plane.kubectl(
        "create", "rolebinding", "x", "-n", namespace, "--clusterrole=sloth-ci-state", f"--user={user}"
    )
    config = control_plane.kubeconfig(user=user)
    cluster = connect(DestinationSpec(kubeconfig=str(config), namespace="elsewhere"), tmp_path, {})
    with cluster.client:
        home = KubernetesHome(cluster, namespace)
        go_through(home, rounds=12)
        assert home.neighbours(WORKFLOW) == []
