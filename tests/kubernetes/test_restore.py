"""Backups put back on a real API server: values and owners are what they were, what others did stays, and once is enough."""

from __future__ import annotations

from typing import Any

import pytest

from sloth_ci.core.errors import ApplyError
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.managed import our_fields
from sloth_ci.core.objects import Body, Write
from sloth_ci.core.references import ref_of
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.known import Known
from sloth_ci.destinations.kubernetes.restore import restoring
from sloth_ci.destinations.kubernetes.single import apply
from sloth_ci.destinations.kubernetes.write import write
from support.applying import APPLYSET, carrying, create, deletes, live, managers, patch, remove, there, uid, writes
from support.bodies import body, deployment
from support.waiting import until


def config(namespace: str, **data: str) -> Body:
    return body("ConfigMap", "settings", namespace, data=data)


def web(namespace: str, image: str = "web:1", replicas: int | None = 1) -> Body:
    made = deployment("web", image)
    made["metadata"]["namespace"] = namespace
    if replicas is None:
        del made["spec"]["replicas"]
    else:
        made["spec"]["replicas"] = replicas
    return made


def sync(cluster: Cluster, *bodies: Body, **how: Any) -> None:
    known = {}
    for content in bodies:
        found = live(cluster, content)
        if found is not None and how:
            known[ref_of(content)] = Known(found["metadata"]["uid"], found["metadata"]["resourceVersion"], **how)
    write(cluster, APPLYSET, writes(*bodies), known, carrying())


def saved(cluster: Cluster, *bodies: Body) -> list[BackupItem]:
    """A backup, as the destination makes it."""
    items = []
    for content in bodies:
        found = live(cluster, content)
        if found is not None:
            found.pop("status", None)
        items.append(BackupItem(ref_of(content), found))
    return items


def restore(cluster: Cluster, backup: list[BackupItem]) -> list[Write]:
    """Put it back, and see that a second time there is nothing to do. Returns what was written."""
    needed = restoring(cluster, backup)
    write(cluster, APPLYSET, needed, {}, carrying(force=True))
    assert restoring(cluster, backup) == []
    return needed


BY_CONTROLLER = "deployment.kubernetes.io/revision"
"""Annotation that a controller adds whenever it gets round to it."""


def essence(found: Body) -> Any:
    """An object without what changes with every write."""
    metadata = {
        key: value
        for key, value in found["metadata"].items()
        if key not in {"resourceVersion", "generation", "uid", "creationTimestamp", "managedFields"}
    }
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if key != BY_CONTROLLER}
    owners = sorted(
        (entry["manager"], entry["operation"], repr(sorted(entry["fieldsV1"].items())))
        for entry in found["metadata"]["managedFields"]
        if entry.get("subresource") != "status" and entry["manager"] != "kube-controller-manager"
    )
    rest = {key: value for key, value in found.items() if key not in {"metadata", "status"}}
    return rest, metadata, owners


# --- the four cases -------------------------------------------------------------------------------------------------


def test_one_that_was_ours_is_as_it_was(cluster: Cluster, namespace: str) -> None:
    good = config(namespace, kept="1", changed="old", removed="x")
    sync(cluster, good)
    before, backup = there(cluster, good), saved(cluster, good)
    sync(cluster, config(namespace, kept="1", changed="new", added="y"))
    assert [item.ref for item in restore(cluster, backup)] == [ref_of(good)]
    now = there(cluster, good)
    assert now["data"] == {"kept": "1", "changed": "old", "removed": "x"}
    assert essence(now) == essence(before)
    assert now["metadata"]["uid"] == before["metadata"]["uid"]


def test_one_that_was_not_ours_is_given_back(cluster: Cluster, namespace: str) -> None:
    theirs = config(namespace, a="theirs", b="also")
    create(cluster, theirs, manager="colleague")
    before, backup = there(cluster, theirs), saved(cluster, theirs)
    sync(cluster, config(namespace, a="ours", c="new"), force=True)
    assert there(cluster, theirs)["data"] == {"a": "ours", "b": "also", "c": "new"}
    restore(cluster, backup)
    now = there(cluster, theirs)
    assert now["data"] == {"a": "theirs", "b": "also"}
    assert PART_OF not in now["metadata"].get("labels", {})
    assert managers(now) == {("colleague", "Update")}
    assert essence(now) == essence(before)


def test_one_that_was_deleted_is_made_anew(cluster: Cluster, namespace: str) -> None:
    good = web(namespace)
    service = body("Service", "web", namespace, spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    sync(cluster, good, service)
    before = [there(cluster, good), there(cluster, service)]
    backup = saved(cluster, good, service)
    write(cluster, APPLYSET, deletes(good, service), {}, carrying())
    assert live(cluster, service) is None
    restore(cluster, backup)
    now = [there(cluster, good), there(cluster, service)]
    for old, new in zip(before, now, strict=True):
        assert essence(new)[2] == essence(old)[2]
        assert new["spec"] == old["spec"], "the address of the Service, too"
        assert new["metadata"]["uid"] != old["metadata"]["uid"]


def test_one_that_was_not_there_is_deleted(cluster: Cluster, namespace: str) -> None:
    new = config(namespace, a="b")
    backup = saved(cluster, new)
    assert restore(cluster, backup) == []
    sync(cluster, new)
    assert restore(cluster, backup) == [Write(ref_of(new), None)]
    assert live(cluster, new) is None


# --- what others did ------------------------------------------------------------------------------------------------


def test_what_others_changed_meanwhile_stays(cluster: Cluster, namespace: str) -> None:
    good = config(namespace, ours="old")
    sync(cluster, good)
    patch(cluster, good, {"data": {"theirs": "1"}})
    backup = saved(cluster, good)
    sync(cluster, config(namespace, ours="new"))
    patch(cluster, good, {"data": {"theirs": "2", "more": "3"}, "metadata": {"labels": {"team": "a"}}})
    restore(cluster, backup)
    now = there(cluster, good)
    assert now["data"] == {"ours": "old", "theirs": "2", "more": "3"}
    assert now["metadata"]["labels"] == {PART_OF: APPLYSET, "team": "a"}


def test_where_only_others_changed_something_there_is_nothing_to_do(cluster: Cluster, namespace: str) -> None:
    good = web(namespace, replicas=None)
    sync(cluster, good)
    backup = saved(cluster, good)
    patch(cluster, good, {"spec": {"replicas": 3}}, manager="scaler", sub="scale")
    patch(cluster, good, {"metadata": {"annotations": {"note": "hello"}}})
    assert restoring(cluster, backup) == []


def test_a_field_that_was_taken_by_force_is_its_owners_again(cluster: Cluster, namespace: str) -> None:
    good = web(namespace, replicas=None)
    sync(cluster, good)
    patch(cluster, good, {"spec": {"replicas": 3}}, manager="scaler", sub="scale")
    before, backup = there(cluster, good), saved(cluster, good)
    sync(cluster, web(namespace, replicas=1), force=True)
    assert there(cluster, good)["spec"]["replicas"] == 1
    restore(cluster, backup)
    now = there(cluster, good)
    assert now["spec"]["replicas"] == 3
    assert essence(now) == essence(before)
    sync(cluster, good)  # the next apply does not mention the field, and must not take it away
    assert there(cluster, good)["spec"]["replicas"] == 3


def test_what_was_taken_over_from_another_tool_is_its_own_again(cluster: Cluster, namespace: str) -> None:
    theirs = config(namespace, a="1", b="2")
    create(cluster, theirs, manager="kubectl-client-side-apply")
    before, backup = there(cluster, theirs), saved(cluster, theirs)
    sync(cluster, config(namespace, a="1"), takeover=True, former=frozenset({"kubectl-client-side-apply"}))
    assert there(cluster, theirs)["data"] == {"a": "1"}, "what is no longer declared went with the takeover"
    restore(cluster, backup)
    now = there(cluster, theirs)
    assert now["data"] == {"a": "1", "b": "2"}
    assert essence(now) == essence(before)


def test_a_restore_that_was_interrupted_is_finished(cluster: Cluster, namespace: str) -> None:
    """Between the values and their owners: the next restore gives the rest back."""
    theirs = config(namespace, a="theirs")
    create(cluster, theirs, manager="colleague")
    before, backup = there(cluster, theirs), saved(cluster, theirs)
    sync(cluster, config(namespace, a="ours", c="new"), force=True)
    apply(cluster, ref_of(theirs), config(namespace, a="theirs"), force=True)
    restore(cluster, backup)
    assert essence(there(cluster, theirs)) == essence(before)


def test_one_that_was_made_anew_half_way_is_finished(cluster: Cluster, namespace: str) -> None:
    good = config(namespace, a="1")
    sync(cluster, good)
    before, backup = there(cluster, good), saved(cluster, good)
    remove(cluster, good)
    until(lambda: live(cluster, good) is None)
    create(cluster, {**good, "metadata": {**good["metadata"], "labels": {PART_OF: APPLYSET}}}, manager="sloth-ci")
    restore(cluster, backup)
    assert essence(there(cluster, good)) == essence(before)
    sync(cluster, config(namespace))
    assert there(cluster, good).get("data") is None, "the fields are ours alone: what is not declared goes"


def test_a_new_object_of_somebody_else_is_not_deleted(cluster: Cluster, namespace: str) -> None:
    new = config(namespace, a="b")
    backup = saved(cluster, new)
    create(cluster, new)
    assert restoring(cluster, backup) == []


# --- single kinds ---------------------------------------------------------------------------------------------------


def job(namespace: str, image: str) -> Body:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    return body("Job", "migrate", namespace, "batch/v1", spec={"backoffLimit": 0, "template": {"spec": pod}})


def test_a_job_that_was_made_anew_is_made_anew_as_it_was(cluster: Cluster, namespace: str) -> None:
    sync(cluster, job(namespace, "one"))
    before, backup = there(cluster, job(namespace, "one")), saved(cluster, job(namespace, "one"))
    sync(cluster, job(namespace, "two"), recreate=True)
    assert uid(cluster, job(namespace, "two")) != before["metadata"]["uid"]
    restore(cluster, backup)
    now = there(cluster, job(namespace, "one"))
    assert now["spec"]["template"]["spec"]["containers"][0]["image"] == "one"
    assert our_fields(now) == our_fields(before)


def test_lists_whose_items_have_keys(cluster: Cluster, namespace: str) -> None:
    good = web(namespace)
    good["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
    ]
    sync(cluster, good)
    before, backup = there(cluster, good), saved(cluster, good)
    bad = web(namespace, "web:2")
    bad["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "C", "value": "3"}, {"name": "A", "value": "x"}]
    bad["spec"]["template"]["spec"]["containers"].append({"name": "more", "image": "side:1"})
    sync(cluster, bad)
    restore(cluster, backup)
    now = there(cluster, good)
    assert now["spec"] == before["spec"]
    assert our_fields(now) == our_fields(before)


def test_a_service_gets_another_address_where_its_own_is_taken(cluster: Cluster, namespace: str) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = body("Service", "web", namespace, spec=spec)
    sync(cluster, service)
    address = there(cluster, service)["spec"]["clusterIP"]
    backup = saved(cluster, service)
    write(cluster, APPLYSET, deletes(service), {}, carrying())
    until(lambda: live(cluster, service) is None)
    thief = body("Service", "thief", namespace, spec={**spec, "clusterIP": address})
    create(cluster, thief)
    restore(cluster, backup)
    assert there(cluster, service)["spec"]["clusterIP"] != address
    assert there(cluster, service)["spec"]["ports"][0]["port"] == 80


def test_a_claim_is_made_anew_without_the_volume_that_is_gone(cluster: Cluster, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none"}
    claim = body("PersistentVolumeClaim", "data", namespace, spec=spec)
    sync(cluster, claim)
    patch(
        cluster,
        claim,
        {
            "metadata": {
                "annotations": {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
            },
            "spec": {"volumeName": "pv-1"},
        },
        manager="kube-controller-manager",
    )
    backup = saved(cluster, claim)
    remove(cluster, claim)
    until(lambda: live(cluster, claim) is None)
    write(cluster, APPLYSET, restoring(cluster, backup), {}, carrying(force=True))
    assert "volumeName" not in there(cluster, claim)["spec"]
    assert restoring(cluster, backup) == []


def test_one_whose_api_version_changed_meanwhile(cluster: Cluster, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}

    def scaler(version: str, most: int, **more: Any) -> Body:
        spec = {"scaleTargetRef": target, "maxReplicas": most, **more}
        return body("HorizontalPodAutoscaler", "web", namespace, f"autoscaling/{version}", spec=spec)

    old = scaler("v1", 3, targetCPUUtilizationPercentage=60)
    sync(cluster, old)
    backup = saved(cluster, old)  # in the preferred version, v2
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}},
    }
    sync(cluster, scaler("v2", 9, metrics=[metric]))
    restore(cluster, backup)
    spec = there(cluster, old)["spec"]
    assert spec["maxReplicas"] == 3
    assert [item["resource"]["target"]["averageUtilization"] for item in spec["metrics"]] == [60]


def test_what_cannot_be_put_back_is_an_error_that_names_it(cluster: Cluster, namespace: str) -> None:
    good = body("ConfigMap", "settings", namespace, data={"a": "1"})
    sync(cluster, good)
    backup = saved(cluster, good)
    patch(cluster, good, {"immutable": True, "data": {"a": "2"}})
    with pytest.raises(ApplyError, match=rf"ConfigMap/{namespace}/settings: .*immutable"):
        restore(cluster, backup)
