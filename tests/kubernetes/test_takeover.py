"""Objects that somebody else put in place: kubectl's, Helm's, a person's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from sloth_ci.core.diff import diff
from sloth_ci.core.managed import our_fields, owners
from sloth_ci.core.objects import Body
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.known import Observation
from sloth_ci.destinations.kubernetes.observe import observe
from sloth_ci.destinations.kubernetes.takeover import take_over
from support.bodies import manifest
from support.cluster import ControlPlane
from support.editors import APPLYSET, Editors
from support.looking import look, the_only


@pytest.fixture
def editors(cluster: Cluster) -> Editors:
    return Editors(cluster)


def web(editors: Editors, name: str, **spec: Any) -> Body:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": "web:1", "args": ["--old"], "ports": [{"containerPort": 80}]}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return editors.body("Deployment", name, "apps/v1", spec=spec)


def kubectl_apply(plane: ControlPlane, body: Body, *flags: str) -> None:
    plane.kubectl("apply", *flags, "-f", "-", stdin=json.dumps(body))


def changes(seen: Observation, body: Body) -> dict[str, tuple[Any, Any]]:
    """What the plan would show of one object: path to before and after."""
    ref = manifest(body).ref
    after = seen.observed.foreseen[ref].after
    assert after is not None
    return {field.path: (field.before, field.after) for field in diff(seen.observed.objects[ref].body, after.body)}


@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_what_kubectl_applied_is_taken_over_and_really_goes(
    editors: Editors, control_plane: ControlPlane, flags: tuple[str, ...]
) -> None:
    old = web(editors, editors.name("kubectl"))
    old["metadata"]["annotations"] = {"old": "1", "kept": "1"}
    kubectl_apply(control_plane, old, *flags)
    new = web(editors, old["metadata"]["name"])
    new["metadata"]["annotations"] = {"kept": "2"}
    container = new["spec"]["template"]["spec"]["containers"][0]
    del container["args"], new["spec"]["replicas"]
    container["image"] = "web:2"

    seen = look(editors, new)
    known = the_only(seen.known)
    assert known.takeover
    assert not seen.observed.foreseen[manifest(new).ref].conflicts
    (note,) = seen.observed.foreseen[manifest(new).ref].notes
    assert note.startswith(f"taken over from kubectl apply ({'server' if flags else 'client'}-side): ")
    shown = changes(seen, new)
    assert shown["metadata.annotations.old"] == ("1", UNSET)
    assert shown["metadata.annotations.kept"] == ("1", "2")
    assert shown["spec.template.spec.containers[name=web].image"] == ("web:1", "web:2")
    assert shown["spec.replicas"] == (2, 1)  # without ours, the server's default
    assert shown["metadata.labels"] == (UNSET, {PART_OF: APPLYSET})
    assert not [path for path in shown if "last-applied" in path]  # kubectl's own business

    after = editors.sync(new, known)
    again = look(editors, new, inventory=[manifest(new).ref])
    assert manifest(new).ref in again.observed.same
    annotations = after["metadata"]["annotations"]
    assert annotations["kept"] == "2"
    assert "old" not in annotations
    assert "kubectl.kubernetes.io/last-applied-configuration" not in annotations
    assert "args" not in after["spec"]["template"]["spec"]["containers"][0]
    assert after["spec"]["replicas"] == 1
    assert not [owner for owner in owners(after) if owner.manager.startswith("kubectl")]


def test_an_equal_object_is_taken_over_too_and_said(editors: Editors, control_plane: ControlPlane) -> None:
    body = editors.body("ConfigMap", editors.name("equal"), data={"a": "1"})
    kubectl_apply(control_plane, body)
    seen = look(editors, body)
    ref = manifest(body).ref
    assert ref not in seen.observed.same
    assert "kubectl apply (client-side)" in seen.observed.foreseen[ref].notes[0]
    editors.sync(body, the_only(seen.known))
    # From now on a field that goes from Git goes from the cluster.
    after = editors.sync(editors.body("ConfigMap", body["metadata"]["name"], data={"b": "1"}))
    assert after["data"] == {"b": "1"}


def test_what_others_own_beside_the_former_manager_stays(editors: Editors, control_plane: ControlPlane) -> None:
    """An autoscaler's replicas are not kubectl's any more: they conflict, or yield, as the settings say."""
    body = web(editors, editors.name("scaled"))
    kubectl_apply(control_plane, body)
    editors.patch(body, {"spec": {"replicas": 7}}, "autoscaler", sub="scale")
    editors.apply(
        editors.body("Deployment", body["metadata"]["name"], "apps/v1", metadata={"labels": {"x": "1"}}), "other"
    )
    ref = manifest(body).ref
    (conflict,) = look(editors, body).observed.foreseen[ref].conflicts
    assert conflict.type == "field_ownership"
    assert "autoscaler" in conflict.description

    seen = look(editors, body, managers={"autoscaler": "yield"})
    assert not seen.observed.foreseen[ref].conflicts
    after = editors.sync(body, the_only(seen.known))
    assert after["spec"]["replicas"] == 7
    assert after["metadata"]["labels"]["x"] == "1"
    assert look(editors, body, inventory=[ref], managers={"autoscaler": "yield"}).observed.same == {ref}


def test_helm_s_objects_need_a_word_and_then_change_hands(editors: Editors) -> None:
    marks = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": editors.namespace}
    old = editors.body("ConfigMap", editors.name("helm"), metadata={"annotations": marks}, data={"a": "1", "old": "1"})
    editors.create(old, "helm")
    new = editors.body("ConfigMap", old["metadata"]["name"], data={"a": "2"})
    ref = manifest(new).ref
    assert look(editors, new).observed.owners[ref] == "Helm release 'shop'"

    seen = look(editors, new, foreign_owner="adopt")
    assert seen.observed.foreseen[ref].notes == ("taken over from Helm: 3 fields no longer in Git will be removed",)
    after = editors.sync(new, the_only(seen.known))
    assert after["data"] == {"a": "2"}
    assert "annotations" not in after["metadata"]
    assert ref not in look(editors, new, inventory=[ref]).observed.owners


def test_controllers_that_go_on_are_taken_over_only_on_purpose(editors: Editors) -> None:
    old = editors.body("ConfigMap", editors.name("argo"), data={"a": "1", "old": "1"})
    editors.apply(old, "argocd-controller")
    new = editors.body("ConfigMap", old["metadata"]["name"], data={"a": "2"})
    ref = manifest(new).ref
    assert the_only(look(editors, new).known).takeover is False
    assert [c.type for c in look(editors, new).observed.foreseen[ref].conflicts] == ["field_ownership"]
    seen = look(editors, new, foreign_owner="adopt")
    assert seen.observed.foreseen[ref].notes == ("taken over from Argo CD: 1 field no longer in Git will be removed",)
    assert editors.sync(new, the_only(seen.known))["data"] == {"a": "2"}


def test_an_object_made_by_hand_is_adopted_and_said(editors: Editors, control_plane: ControlPlane) -> None:
    name = editors.name("hand")
    control_plane.kubectl("-n", editors.namespace, "create", "configmap", name, "--from-literal=a=1")
    body = editors.body("ConfigMap", name, data={"a": "1", "b": "2"})
    seen = look(editors, body)
    assert seen.observed.foreseen[manifest(body).ref].notes == ("exists already, made by kubectl-create; adopted",)
    assert changes(seen, body)["data.b"][1] == "2"
    assert not the_only(seen.known).takeover


def test_a_takeover_survives_an_object_that_moves(editors: Editors, control_plane: ControlPlane) -> None:
    body = editors.body("ConfigMap", editors.name("moving"), data={"a": "1"})
    kubectl_apply(control_plane, body)
    known = the_only(look(editors, body).known)
    editors.patch(body, {"data": {"b": "2"}}, "human")  # since then it has moved
    take_over(editors.cluster, manifest(body).ref, known)
    live = editors.live(body)
    assert our_fields(live) is not None
    assert "human" in [owner.manager for owner in owners(live)]
    before = live["metadata"]["resourceVersion"]
    take_over(editors.cluster, manifest(body).ref, known)
    assert editors.live(body)["metadata"]["resourceVersion"] == before


def test_a_takeover_leaves_an_object_of_the_same_name_alone(editors: Editors, control_plane: ControlPlane) -> None:
    body = editors.body("ConfigMap", editors.name("again"), data={"a": "1"})
    kubectl_apply(control_plane, body)
    known = the_only(look(editors, body).known)
    editors.delete(body)
    take_over(editors.cluster, manifest(body).ref, known)
    kubectl_apply(control_plane, body)
    take_over(editors.cluster, manifest(body).ref, known)
    assert our_fields(editors.live(body)) is None


def test_a_field_that_may_not_go_is_found_in_the_plan(editors: Editors) -> None:
    """The takeover would remove what an object cannot be without: better said before than after."""
    old = editors.body("Service", editors.name("ports"), spec={"ports": [{"port": 80}], "selector": {"a": "b"}})
    editors.apply(old, "kubectl")
    new = editors.body("Service", old["metadata"]["name"], spec={"selector": {"a": "b"}})
    (conflict,) = look(editors, new).observed.foreseen[manifest(new).ref].conflicts
    assert conflict.type == "validation"
    assert "spec.ports" in conflict.description


def test_the_settings_do_not_change_what_is_ours(editors: Editors) -> None:
    body = editors.body("ConfigMap", editors.name("ours"), data={"a": "1"})
    editors.sync(body)
    editors.apply({**body, "data": {"a": "1"}}, "kubectl")
    seen = observe(editors.cluster, APPLYSET, [manifest(body)], [], ConflictPolicy(foreign_owner="adopt"))
    assert seen.observed.same == {manifest(body).ref}
