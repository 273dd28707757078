"""A look at a cluster: what is there, what is the same, and what an apply would do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sloth_ci.core.diff import diff
from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.client import Answer, Client
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.known import Known, prepared
from sloth_ci.destinations.kubernetes.observe import look_up
from support.bodies import body as plain_body
from support.bodies import manifest
from support.cluster import ControlPlane
from support.editors import APPLYSET, WIDGETS, Editors
from support.looking import foreseen, look, the_only
from support.waiting import until


@pytest.fixture
def editors(cluster: Cluster) -> Editors:
    return Editors(cluster)


def config(editors: Editors, name: str, **data: str) -> Body:
    return editors.body("ConfigMap", name, data=data)


def web(editors: Editors, name: str, **spec: Any) -> Body:
    labels = {"app": "web"}
    container = {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return editors.body("Deployment", name, "apps/v1", spec=spec)


def service(editors: Editors, name: str) -> Body:
    return editors.body("Service", name, spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]})


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests that are made while this lasts: they go on to the real server."""
    made: list[str] = []
    through = Client.answer

    def counting(self: Client, method: str, path: str, **how: Any) -> Answer:
        made.append(f"{method} {path}")
        return through(self, method, path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "answer", counting)
        yield made


def fields(seen: Any, body: Body) -> dict[str, tuple[Any, Any]]:
    after = foreseen(seen, body).after
    assert after is not None
    before = seen.observed.objects[manifest(body).ref]
    return {field.path: (field.before, field.after) for field in diff(before.body, after.body)}


# --- what is the same -----------------------------------------------------------------------------------------------


def test_unchanged_objects_cost_one_request_per_kind_and_leave_nothing(
    editors: Editors, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [
        make(editors, editors.name()) for make in (web, service, lambda e, n: config(e, n, a="1")) for _ in range(3)
    ]
    for body in bodies:
        editors.sync(body)
    refs = {manifest(body).ref for body in bodies}
    with counted(monkeypatch) as requests:
        seen = look(editors, *bodies, inventory=refs)
    assert len(requests) == 3
    assert seen.observed.same == refs
    assert (seen.observed.objects, seen.observed.foreseen, seen.known, seen.raw) == ({}, {}, {}, {})


def test_one_changed_object_costs_one_request_more(editors: Editors, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [config(editors, editors.name(), a="1", b="1") for _ in range(4)]
    for body in bodies:
        editors.sync(body)
    refs = [manifest(body).ref for body in bodies]
    changed = config(editors, bodies[0]["metadata"]["name"], a="2")
    with counted(monkeypatch) as requests:
        seen = look(editors, changed, *bodies[1:], inventory=refs)
    assert len(requests) == 2
    assert fields(seen, changed)["data.a"] == ("1", "2")
    assert set(fields(seen, changed)) == {"data.a", "data.b"}
    assert seen.observed.same == set(refs[1:])
    assert the_only(seen.known).uid == editors.live(changed)["metadata"]["uid"]
    assert b'"uid"' in the_only(seen.raw)


def test_a_plan_shows_no_defaults_and_no_spelling(editors: Editors) -> None:
    old = web(editors, editors.name())
    editors.sync(old)
    new = web(editors, old["metadata"]["name"], minReadySeconds=1)
    limits = new["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    limits |= {"cpu": 1, "memory": "512Mi"}
    assert fields(look(editors, new), new).keys() == {"spec.minReadySeconds"}
    respelled = web(editors, old["metadata"]["name"])
    respelled["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "1", "memory": "512Mi"}
    assert look(editors, respelled).observed.same == {manifest(old).ref}


def test_an_exported_object_is_what_it_means(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1")
    exported = editors.sync(body)
    assert look(editors, exported).observed.same == {manifest(body).ref}


def test_declaring_what_is_so_already_changes_nothing_but_claims_it(editors: Editors) -> None:
    body = web(editors, editors.name())
    editors.sync(body)
    explicit = web(editors, body["metadata"]["name"], revisionHistoryLimit=10)
    ref = manifest(body).ref
    seen = look(editors, explicit)
    assert seen.observed.same == seen.claims == {ref}
    editors.sync(explicit, the_only(seen.known))
    assert look(editors, explicit).claims == set()


def test_a_member_that_lost_its_label_gets_it_back(editors: Editors) -> None:
    bodies = [config(editors, editors.name(), a="1") for _ in range(3)]
    for body in bodies:
        editors.sync(body)
    editors.patch(bodies[0], {"metadata": {"labels": {PART_OF: None}}}, "human")
    seen = look(editors, *bodies, inventory=[manifest(body).ref for body in bodies])
    assert fields(seen, bodies[0]).keys() == {"metadata.labels"}
    assert len(seen.observed.same) == 2


# --- what is not there yet ------------------------------------------------------------------------------------------


def test_what_the_same_revision_makes_is_unverified_and_no_error(editors: Editors) -> None:
    fresh = editors.name(f"{editors.namespace}-new")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fresh}}
    inside = plain_body("ConfigMap", "a", fresh, data={"a": "1"})
    group = f"{fresh}.example.com"
    definition = copy.deepcopy(WIDGETS)
    definition["metadata"]["name"] = f"widgets.{group}"
    definition["spec"]["group"] = group
    custom = editors.body("Widget", "w", f"{group}/v1", spec={"size": 1})
    seen = look(editors, space, inside, definition, custom)
    assert foreseen(seen, inside).notes == ("unverified until its Namespace exists",)
    assert foreseen(seen, custom).notes == ("unverified until its CustomResourceDefinition exists",)
    assert not [found for found in seen.observed.foreseen.values() if found.conflicts]
    assert foreseen(seen, space).after is not None
    assert not seen.observed.objects


def test_what_a_changed_definition_will_allow_is_unverified(editors: Editors) -> None:
    definition = copy.deepcopy(WIDGETS)
    group = f"{editors.namespace}.example.com"
    definition["metadata"]["name"] = f"widgets.{group}"
    definition["spec"]["group"] = group
    editors.define(definition)
    custom = editors.body("Widget", "w", f"{group}/v1", spec={"size": 1, "colour": "red"})
    assert foreseen(look(editors, custom), custom).conflicts
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    schema["colour"] = {"type": "string"}
    found = foreseen(look(editors, definition, custom), custom)
    assert not found.conflicts
    assert found.notes == ("unverified until its CustomResourceDefinition is changed",)


def test_a_namespace_that_nobody_makes(editors: Editors) -> None:
    lost = plain_body("ConfigMap", "a", "nowhere-at-all", data={"a": "1"})
    also = plain_body("ConfigMap", "b", "nowhere-at-all", data={"a": "1"})
    seen = look(editors, lost, also)
    told = [(found.type, found.resource, found.description) for found in seen.observed.conflicts]
    missing = "Namespace/nowhere-at-all does not exist"
    assert told == [("validation", f"ConfigMap/nowhere-at-all/{name}", missing) for name in ("a", "b")]
    assert all(found.source for found in seen.observed.conflicts)
    assert foreseen(seen, lost).notes == ("unverified until its Namespace exists",)


def test_a_kind_that_nobody_knows(editors: Editors) -> None:
    typo = editors.body("Deploymnet", "a", "apps/v1")
    old = editors.body("Deployment", "b", "extensions/v1beta1")
    seen = look(editors, typo, old)
    (unknown,) = foreseen(seen, typo).conflicts
    assert unknown.description == "the cluster does not know the kind Deploymnet of apps/v1"
    assert unknown.suggestions[0] == "did you mean 'Deployment'?"
    (unserved,) = foreseen(seen, old).conflicts
    assert unserved.suggestions == ("it serves it as apps/v1",)


def test_a_broken_api_group_breaks_only_itself(own_control_plane: ControlPlane) -> None:
    namespace = own_control_plane.namespace("broken-group")
    spec = DestinationSpec(kubeconfig=str(own_control_plane.admin), context="test", namespace=namespace)
    cluster = connect(spec, own_control_plane.folder, {})
    editors = Editors(cluster)
    fine = config(editors, "fine", a="1")
    broken = editors.body("Gadget", "g", "broken.example.com/v1")
    member = Ref("broken.example.com", "Gadget", namespace, "old")
    with own_control_plane.broken_api_group("broken.example.com"):
        seen = look(editors, fine, broken, inventory=[member])
        assert not foreseen(seen, fine).conflicts
        (conflict,) = foreseen(seen, broken).conflicts
        assert conflict.type == "validation"
        assert "cannot be asked" in conflict.description
        assert seen.observed.unseen == {member}
        assert "broken.example.com" in seen.observed.warnings[0]
        with pytest.raises(UnreachableError, match=r"broken\.example\.com"):
            look_up(cluster, [member])
    cluster.client.close()


# --- what is going --------------------------------------------------------------------------------------------------


@contextmanager
def held(editors: Editors, body: Body) -> Iterator[None]:
    """While this lasts, an object that is deleted does not go."""
    finalizer = "tests.example.com/hold"
    editors.patch(body, {"metadata": {"finalizers": [finalizer]}}, "tests")
    editors.delete(body)
    try:
        yield
    finally:
        editors.patch(body, {"metadata": {"finalizers": None}}, "tests")


def test_a_namespace_that_is_going_takes_nothing(editors: Editors, control_plane: ControlPlane) -> None:
    name = control_plane.namespace(editors.name(f"{editors.namespace}-gone"))
    inside = plain_body("ConfigMap", "a", name, data={"a": "1"})
    holder = plain_body("ConfigMap", "holder", name)
    editors.create(holder, "tests")
    editors.patch(holder, {"metadata": {"finalizers": ["tests.example.com/hold"]}}, "tests")
    control_plane.api("DELETE", f"/api/v1/namespaces/{name}")
    try:
        (conflict,) = foreseen(look(editors, inside), inside).conflicts
        assert conflict.type == "validation"
        assert conflict.description == f"namespace '{name}' is being deleted: nothing can be made in it"
    finally:
        editors.patch(holder, {"metadata": {"finalizers": None}}, "tests")


def test_an_object_that_is_going_is_made_anew(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1")
    editors.sync(body)
    with held(editors, body):
        seen = look(editors, body)
        ref = manifest(body).ref
        assert ref not in seen.observed.objects
        assert ref not in seen.observed.same
        assert foreseen(seen, body).notes[0].startswith("is being deleted since 20")


# --- what is no longer wanted ---------------------------------------------------------------------------------------


def candidate(editors: Editors, body: Body, **policy: Any) -> Any:
    ref = manifest(body).ref
    return look(editors, inventory=[ref], **policy).observed.objects[ref]


def test_a_candidate_is_whole_and_others_do_not_make_its_digest_stale(editors: Editors) -> None:
    body = web(editors, editors.name())
    del body["spec"]["replicas"]
    editors.sync(body)
    before = candidate(editors, body)
    assert before.body["spec"]["progressDeadlineSeconds"] == 600
    assert "status" not in before.body
    assert before.body["metadata"].keys() <= {"name", "namespace", "labels", "annotations"}
    editors.patch(body, {"spec": {"replicas": 7}}, "autoscaler", sub="scale")
    assert candidate(editors, body).digest == before.digest
    editors.patch(body, {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}, "human")
    assert candidate(editors, body).digest == before.digest
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:9"}]
    editors.patch(body, patch, "human", kind="application/json-patch+json")
    assert candidate(editors, body).digest != before.digest


def test_an_object_made_anew_is_another_one(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1")
    editors.sync(body)
    before = candidate(editors, body)
    editors.delete(body)
    editors.sync(body)
    assert candidate(editors, body).digest != before.digest


def test_candidates_whose_kind_is_gone_are_not_there(editors: Editors) -> None:
    gone = Ref("gone.example.com", "Thing", editors.namespace, "a")
    missing = Ref("", "ConfigMap", editors.namespace, "never-was")
    seen = look(editors, inventory=[gone, missing])
    assert not seen.observed.objects
    assert not seen.observed.unseen
    assert not seen.observed.conflicts
    assert look_up(editors.cluster, [gone, missing]) == {}


def test_one_object_under_two_api_groups_is_no_candidate(editors: Editors) -> None:
    """Events are served by two groups, as Ingresses and Deployments once were."""
    event = editors.body(
        "Event",
        editors.name(),
        involvedObject={"namespace": editors.namespace},
        reason="x",
        message="x",
        type="Normal",
    )
    editors.sync(event)
    other = Ref("events.k8s.io", "Event", editors.namespace, event["metadata"]["name"])
    assert other in look(editors, inventory=[other]).observed.objects
    seen = look(editors, event, inventory=[other])
    assert other not in seen.observed.objects
    assert other not in seen.known


def test_what_goes_with_a_namespace_and_a_definition_is_counted(editors: Editors, control_plane: ControlPlane) -> None:
    name = control_plane.namespace(editors.name(f"{editors.namespace}-full"))
    for n in range(5):
        editors.create(plain_body("ConfigMap", f"c{n}", name), "tests")
    editors.create(plain_body("Secret", "s", name), "tests")
    definition = copy.deepcopy(WIDGETS)
    group = f"{editors.namespace}.counted.example.com"
    definition["metadata"] = {"name": f"widgets.{group}", "annotations": {"sloth-ci/prune": "true"}}
    definition["spec"]["group"] = group
    editors.define(definition)
    for n in range(4):
        editors.create(editors.body("Widget", f"w{n}", f"{group}/v1", spec={}), "tests")
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "annotations": {"sloth-ci/prune": "true"}},
    }
    editors.apply(space, "tests")
    refs = [manifest(space).ref, manifest(definition).ref]
    assert look(editors, inventory=refs).observed.dependents == {
        refs[0]: ("5 ConfigMaps, 1 Secret live in it",),
        refs[1]: ("4 Widgets are deleted with it",),
    }
    editors.patch(space, {"metadata": {"annotations": {"sloth-ci/prune": None}}}, "tests")
    assert refs[0] not in look(editors, inventory=refs).observed.dependents  # it stays anyway


# --- whose it is ----------------------------------------------------------------------------------------------------


def test_objects_of_other_workflows_and_tools_have_owners(editors: Editors) -> None:
    foreign = config(editors, editors.name(), a="1")
    editors.apply(
        {**foreign, "metadata": {**foreign["metadata"], "labels": {PART_OF: "applyset-other-v1"}}}, "sloth-ci"
    )
    argo = config(editors, editors.name(), a="1")
    marks = {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:x/y"}
    editors.create({**argo, "metadata": {**argo["metadata"], "annotations": marks}}, "argocd-controller")
    declared = {**argo, "metadata": {**argo["metadata"], "annotations": marks}}
    seen = look(editors, foreign, argo)
    assert seen.observed.owners == {
        manifest(foreign).ref: "another workflow (applyset-other-v1)",
        manifest(argo).ref: "Argo CD application 'shop'",
    }
    assert manifest(argo).ref not in look(editors, declared).observed.owners
    assert manifest(foreign).ref in look(editors, inventory=[manifest(foreign).ref]).observed.owners


# --- the rest -------------------------------------------------------------------------------------------------------


def test_a_large_object(editors: Editors) -> None:
    body = config(editors, editors.name(), a="x" * 1_000_000)
    editors.sync(body)
    assert look(editors, body).observed.same == {manifest(body).ref}
    larger = config(editors, body["metadata"]["name"], a="x" * 1_000_000, b="y" * 100_000)
    (conflict,) = foreseen(look(editors, larger), larger).conflicts
    assert conflict.type == "validation"
    assert len(conflict.description) < 1000


def test_what_the_server_warns_of_is_a_note(editors: Editors) -> None:
    body = web(editors, editors.name())
    body["spec"]["template"]["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    (note,) = foreseen(look(editors, body), body).notes
    assert note.startswith("the API server warns: ")
    assert "beta.kubernetes.io/os" in note


def test_look_up_gives_whole_objects(editors: Editors) -> None:
    bodies = [config(editors, editors.name(), a="1") for _ in range(3)] + [web(editors, editors.name())]
    for body in bodies:
        editors.sync(body)
    found = look_up(editors.cluster, [manifest(body).ref for body in bodies])
    assert all(b'"kind":' in raw and b'"managedFields":' in raw for raw in found.values())
    assert len(found) == 4


def test_what_is_sent(editors: Editors) -> None:
    body = config(editors, "a", a="1", b="2")
    exported = {**body, "metadata": {**body["metadata"], "uid": "x", "resourceVersion": "1", "labels": {"x": "y"}}}
    known = Known("u", "1", yields=(("f:data", "f:b"),))
    before = copy.deepcopy(exported)
    assert prepared(exported, APPLYSET, known) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": editors.namespace, "labels": {"x": "y", PART_OF: APPLYSET}},
        "data": {"a": "1"},
    }
    assert exported == before


def test_a_preview_equals_what_the_sync_then_does(editors: Editors) -> None:
    """And afterwards everything is the same."""
    makers: list[Callable[[Editors, str], Body]] = [web, service, lambda e, n: config(e, n, a="1")]
    old = [make(editors, editors.name()) for make in makers]
    for body in old:
        editors.sync(body)
    until(lambda: editors.live(old[0]).get("status", {}).get("observedGeneration"), what="the controller has seen it")
    new = copy.deepcopy(old)
    new[0]["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})
    new[1]["spec"]["ports"] = [{"port": 81, "name": "b"}]
    new[2]["data"] = {"b": "2"}
    refs = [manifest(body).ref for body in new]
    seen = look(editors, *new, inventory=refs)
    for body in new:
        editors.sync(body, seen.known[manifest(body).ref])
    again = look(editors, *new, inventory=refs)
    assert again.observed.same == set(refs)
    for body in new:
        predicted = foreseen(seen, body).after
        changed = copy.deepcopy(body)
        changed["metadata"].setdefault("annotations", {})["probe"] = "1"
        current = look(editors, changed).observed.objects[manifest(body).ref]
        assert predicted is not None
        assert predicted.body == current.body
