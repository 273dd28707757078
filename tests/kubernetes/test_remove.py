"""Deleting from a real API server: what goes, in which order, and what never does."""

from __future__ import annotations

import threading
import uuid

import pytest

from sloth_ci.core.errors import ApplyError, UnhealthyError
from sloth_ci.core.hooks import WAVE
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.prune import PRUNE
from sloth_ci.core.references import ref_of
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.known import Known
from sloth_ci.destinations.kubernetes.write import write
from support.applying import APPLYSET, OURS, Told, carrying, create, deletes, live, patch, remove, there, uid, writes
from support.bodies import body
from support.waiting import until


def do(cluster: Cluster, *bodies: Body, known: dict[Ref, Known] | None = None, told: Told | None = None) -> None:
    write(cluster, APPLYSET, deletes(*bodies), known or {}, carrying(told))


def ours(kind: str, name: str, namespace: str | None, **annotations: str) -> Body:
    return body(kind, name, namespace, metadata={"labels": OURS, "annotations": annotations})


def test_what_is_ours_goes_and_what_is_gone_is_no_error(cluster: Cluster, namespace: str) -> None:
    mine, gone = ours("ConfigMap", "mine", namespace), ours("ConfigMap", "gone", namespace)
    create(cluster, mine)
    told = Told()
    do(cluster, gone, mine, body("Toy", "bear", namespace, "nowhere.example/v1"), told=told)
    assert live(cluster, mine) is None
    assert sorted(told.names) == ["bear", "gone", "mine"]
    assert not told.logged


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, "no longer has the label"),
        ({"labels": {PART_OF: "applyset-other-v1"}}, "another workflow"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD application 'shop'"),
    ],
)
def test_what_belongs_to_somebody_else_stays_and_that_is_told(
    cluster: Cluster, namespace: str, metadata: dict[str, object], whose: str
) -> None:
    foreign = body("ConfigMap", "foreign", namespace, metadata=metadata)
    create(cluster, foreign)
    told = Told()
    do(cluster, foreign, told=told)
    assert live(cluster, foreign) is not None
    assert told.names == ["foreign"], "there is nothing left to do about it"
    (line,) = told.logged
    assert f"ConfigMap/{namespace}/foreign is left in place" in line
    assert whose in line


def test_one_that_was_made_anew_since_the_plan_stays(cluster: Cluster, namespace: str) -> None:
    mine = ours("ConfigMap", "mine", namespace)
    create(cluster, mine)
    told = Told()
    do(cluster, mine, known={ref_of(mine): Known("another-uid", "1")}, told=told)
    assert live(cluster, mine) is not None
    assert "made anew since the plan" in told.logged[0]


def test_one_that_changes_hands_between_the_look_and_the_deletion_stays(cluster: Cluster, namespace: str) -> None:
    """The deletion of the first waits on a finalizer; meanwhile somebody takes the label off the second."""
    late = ours("ConfigMap", "late", namespace, **{WAVE: "1"})
    late["metadata"]["finalizers"] = ["sloth.test/hold"]
    early = ours("ConfigMap", "early", namespace)
    create(cluster, late)
    create(cluster, early)
    told = Told()
    remover = threading.Thread(target=lambda: do(cluster, early, late, told=told))
    remover.start()
    try:
        until(lambda: "deletionTimestamp" in there(cluster, late)["metadata"])
        patch(cluster, early, {"metadata": {"labels": None}})
    finally:
        patch(cluster, late, {"metadata": {"finalizers": None}})
        remover.join()
    assert live(cluster, late) is None
    assert live(cluster, early) is not None
    assert "early is left in place" in told.logged[0]


def test_waves_go_backwards_and_each_has_to_be_gone_first(cluster: Cluster, namespace: str) -> None:
    late = ours("ConfigMap", "late", namespace, **{WAVE: "1"})
    late["metadata"]["finalizers"] = ["sloth.test/hold"]
    early = ours("ConfigMap", "early", namespace)
    create(cluster, late)
    create(cluster, early)
    try:
        with pytest.raises(UnhealthyError, match=r"late is still being deleted: held by sloth\.test/hold"):
            write(cluster, APPLYSET, deletes(early, late), {}, carrying(timeout=0.5))
        assert live(cluster, early) is not None
    finally:
        patch(cluster, late, {"metadata": {"finalizers": None}})
    until(lambda: live(cluster, late) is None)
    do(cluster, early, late)
    assert live(cluster, early) is None


def test_nothing_is_waited_for_where_nothing_depends_on_it(cluster: Cluster, namespace: str) -> None:
    held = ours("ConfigMap", "held", namespace)
    held["metadata"]["finalizers"] = ["sloth.test/hold"]
    create(cluster, held)
    try:
        do(cluster, held)
        do(cluster, held)  # a run that comes after finds it on its way
        assert "deletionTimestamp" in there(cluster, held)["metadata"]
    finally:
        patch(cluster, held, {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("kind", ["Namespace", "PersistentVolume"])
def test_what_takes_more_with_it_goes_only_where_it_says_so(cluster: Cluster, kind: str) -> None:
    name = f"apply-{uuid.uuid4().hex[:8]}"
    mine = ours(kind, name, None)
    if kind == "PersistentVolume":
        mine["spec"] = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    create(cluster, mine)
    with pytest.raises(ApplyError, match=f'deleted only where it says {PRUNE}: "true"'):
        do(cluster, mine)
    assert "deletionTimestamp" not in there(cluster, mine)["metadata"]
    patch(cluster, mine, {"metadata": {"annotations": {PRUNE: "true"}}})
    do(cluster, mine)
    until(lambda: live(cluster, mine) is None)


def test_a_namespace_of_the_system_is_never_deleted(cluster: Cluster) -> None:
    system = body("Namespace", "kube-public", None)
    patch(cluster, system, {"metadata": {"labels": OURS, "annotations": {PRUNE: "true"}}})
    try:
        with pytest.raises(ApplyError, match="namespace of the system"):
            do(cluster, system)
        assert "deletionTimestamp" not in there(cluster, system)["metadata"]
    finally:
        patch(cluster, system, {"metadata": {"labels": {PART_OF: None}, "annotations": {PRUNE: None}}})


def test_a_namespace_that_holds_what_stays_is_never_deleted(cluster: Cluster) -> None:
    name = f"apply-{uuid.uuid4().hex[:8]}"
    home = ours("Namespace", name, None, **{PRUNE: "true"})
    inside = body("ConfigMap", "inside", name)
    create(cluster, home)
    try:
        with pytest.raises(ApplyError, match=rf"ConfigMap/{name}/inside is in it"):
            write(cluster, APPLYSET, [*writes(inside), *deletes(home)], {}, carrying())
        with pytest.raises(ApplyError, match=rf"ConfigMap/{name}/inside is in it"):
            do(cluster, home, known={ref_of(inside): Known(uid(cluster, inside), "1")})
        assert "deletionTimestamp" not in there(cluster, home)["metadata"]
    finally:
        remove(cluster, home)


def test_a_namespace_goes_when_what_was_in_it_went_before(cluster: Cluster) -> None:
    name = f"apply-{uuid.uuid4().hex[:8]}"
    home, inside = ours("Namespace", name, None, **{PRUNE: "true"}), ours("ConfigMap", "inside", name)
    create(cluster, home)
    create(cluster, inside)
    known = {ref_of(inside): Known(uid(cluster, inside), "1")}
    do(cluster, inside, known=known)
    do(cluster, home, known=known)  # a second try knows no more than the first
    until(lambda: live(cluster, home) is None)


def test_an_object_that_moved_to_another_api_group_is_not_deleted_under_its_old_one(
    cluster: Cluster, namespace: str
) -> None:
    event = ours("Event", "moved", namespace)
    event |= {"involvedObject": {"namespace": namespace}, "reason": "Test"}
    create(cluster, event)
    moved = Ref("events.k8s.io", "Event", namespace, "moved")
    with pytest.raises(ApplyError, match="former API group"):
        do(cluster, event, known={moved: Known(uid(cluster, event), "1")})
    assert live(cluster, event) is not None


def test_nothing_is_deleted_where_something_could_not_be_written(cluster: Cluster, namespace: str) -> None:
    mine = ours("ConfigMap", "mine", namespace)
    create(cluster, mine)
    bad = body("Service", "bad", namespace, spec={"ports": [{"port": 99999}]})
    with pytest.raises(ApplyError, match="Service"):
        write(cluster, APPLYSET, [*writes(bad), *deletes(mine)], {}, carrying())
    assert live(cluster, mine) is not None
