"""Applying, deleting and restoring while requests fail and the API server goes away: it ends as if nothing had been."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.hooks import WAVE
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.objects import Body, Ref, Write
from sloth_ci.core.references import ref_of
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.known import Known
from sloth_ci.destinations.kubernetes.restore import restoring
from sloth_ci.destinations.kubernetes.write import write
from support.applying import APPLYSET, Told, carrying, deletes, live, managers, remove, there, writes
from support.bodies import body, deployment, manifest
from support.cluster import ControlPlane
from support.proxy import FaultProxy, share
from support.waiting import until


@contextmanager
def seen(config: Path, namespace: str) -> Iterator[Cluster]:
    cluster = connect(DestinationSpec(kubeconfig=str(config), context="", namespace=namespace), Path("/"), {})
    with cluster.client:
        yield cluster


def persist(
    cluster: Cluster, items: Sequence[Write], *, known: dict[Ref, Known] | None = None, tries: int = 20
) -> Told:
    """What a sync does: what may pass is tried again, for what is left."""
    told = Told()
    bodies = [manifest(item.body) for item in items if item.body is not None]
    for _ in range(tries):
        left = [item for item in items if item.ref not in told.done]
        standing = [one for one in bodies if one.ref in told.done]
        try:
            write(cluster, APPLYSET, left, known or {}, carrying(told), standing=standing)
        except UnreachableError:
            continue
        return told
    raise AssertionError(f"it never came to an end; done: {len(told.done)}")


def shop(namespace: str) -> list[Body]:
    web = deployment("web", replicas=1)
    web["metadata"]["namespace"] = namespace
    web["metadata"]["annotations"] = {WAVE: "1"}
    configs = [body("ConfigMap", f"c{n}", namespace, data={"n": str(n)}) for n in range(60)]
    late = body("ConfigMap", "late", namespace, metadata={"annotations": {WAVE: "2"}})
    return [*configs, web, late]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tenth_of_all_requests_fail(control_plane: ControlPlane, cluster: Cluster, namespace: str, seed: int) -> None:
    bodies = shop(namespace)
    with FaultProxy(control_plane, share(0.1, seed=seed)) as proxy:
        with seen(control_plane.kubeconfig(server=proxy.url), namespace) as behind:
            told = persist(behind, writes(*bodies))
            assert sorted(told.done) == sorted(ref_of(content) for content in bodies), "each once"
            for content in bodies:
                assert managers(there(cluster, content)) >= {("sloth-ci", "Apply")}
            assert there(cluster, bodies[-1])["metadata"]["creationTimestamp"]
            backup = [BackupItem(ref_of(content), there(cluster, content)) for content in bodies[:30]]
            told = persist(behind, deletes(*bodies))
            assert len(told.done) == len(bodies)
            until(lambda: all(live(cluster, content) is None for content in bodies))
            for _ in range(20):
                try:
                    needed = restoring(behind, backup)
                except UnreachableError:
                    continue
                if not needed:
                    break
                persist(behind, needed)
            assert restoring(cluster, backup) == []
            for content in bodies[:30]:
                assert managers(there(cluster, content)) == {("sloth-ci", "Apply")}
        assert proxy.delivered.total() > 10


def test_the_api_server_is_restarted_while_objects_are_written(own_control_plane: ControlPlane) -> None:
    namespace = own_control_plane.namespace("restarted")
    bodies = [body("ConfigMap", f"c{n}", namespace, data={"n": str(n)}) for n in range(300)]
    with seen(own_control_plane.admin, namespace) as cluster:
        begun = threading.Event()

        def restart() -> None:
            begun.wait(120)
            own_control_plane.restart_apiserver()

        restarting = threading.Thread(target=restart)
        restarting.start()
        told = Told()

        def done(ref: Ref) -> None:
            told.done.append(ref)
            if len(told.done) == 50:
                begun.set()

        left = writes(*bodies)
        for _ in range(20):
            try:
                write(cluster, APPLYSET, left, {}, carrying(done=done))
                break
            except UnreachableError:
                left = [item for item in left if item.ref not in told.done]
        restarting.join()
        assert sorted(told.done) == sorted(ref_of(content) for content in bodies)
        assert all(there(cluster, content)["data"] == content["data"] for content in bodies)


def test_a_broken_api_group_holds_up_its_own_objects_only(own_control_plane: ControlPlane) -> None:
    namespace = own_control_plane.namespace("broken")
    group = "broken.sloth.test"
    with own_control_plane.broken_api_group(group), seen(own_control_plane.admin, namespace) as cluster:
        until(lambda: _is_broken(cluster, group))
        good = body("ConfigMap", "good", namespace)
        bad = body("Toy", "bear", namespace, f"{group}/v1")
        told = Told()
        with pytest.raises(UnreachableError, match=rf"Toy/{namespace}/bear: the API group broken\.sloth\.test"):
            write(cluster, APPLYSET, writes(bad, good), {}, carrying(told))
        assert told.names == ["good"]


def _is_broken(cluster: Cluster, group: str) -> bool:
    cluster.discovery.refresh()
    return any(name.startswith(group) for name in cluster.discovery.broken)


def test_one_that_is_deleted_while_it_is_written_again(cluster: Cluster, namespace: str) -> None:
    """Somebody deletes it all the time; in the end it is there, or the next write makes it so."""
    mine = body("ConfigMap", "a", namespace)
    persist(cluster, writes(mine))
    for _ in range(20):
        remove(cluster, mine)
        persist(cluster, writes(mine))
        assert live(cluster, mine) is not None
