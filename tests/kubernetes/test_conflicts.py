"""What a cluster refuses, and what is said of it."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from sloth_ci.core.diff import diff
from sloth_ci.core.errors import UnreachableError
from sloth_ci.core.objects import Body, Source, manifest_of
from sloth_ci.core.plan import Conflict
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from support.bodies import manifest
from support.cluster import ControlPlane
from support.editors import Editors
from support.looking import foreseen, look, the_only
from support.webhook import Change, Hang, Reject, serve_webhook


@pytest.fixture
def editors(cluster: Cluster) -> Editors:
    return Editors(cluster)


@pytest.fixture
def widgets(editors: Editors) -> Editors:
    editors.define()
    return editors


def web(editors: Editors, name: str, **spec: Any) -> Body:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": "web:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return editors.body("Deployment", name, "apps/v1", spec=spec)


def config(editors: Editors, name: str, **data: str) -> Body:
    return editors.body("ConfigMap", name, data=data)


def told(seen: Any, body: Body) -> list[tuple[str, str]]:
    return [(conflict.type, conflict.description) for conflict in foreseen(seen, body).conflicts]


def only(seen: Any, body: Body) -> Conflict:
    (conflict,) = foreseen(seen, body).conflicts
    assert isinstance(conflict, Conflict)
    return conflict


# --- fields of others -----------------------------------------------------------------------------------------------


def test_a_field_of_somebody_else_blocks_and_says_how_to_go_on(editors: Editors) -> None:
    body = web(editors, editors.name())
    editors.sync(body)
    editors.patch(body, {"spec": {"replicas": 5}}, "autoscaler", sub="scale")
    seen = look(editors, body)
    conflict = only(seen, body)
    assert conflict.type == "field_ownership"
    assert conflict.description == "spec.replicas is kept by 'autoscaler' (through scale)"
    assert (conflict.current_state, conflict.desired_state) == (5, 2)
    assert conflict.source == Source("a.yaml", 1)
    assert 'conflicts = { managers = { ["autoscaler"] = "yield" } }' in conflict.suggestions[0]
    assert 'conflicts = { managers = { ["autoscaler"] = "force" } }' in conflict.suggestions[1]
    (drift,) = foreseen(seen, body).drift
    assert (drift.path, drift.live, drift.git, drift.outcome) == ("spec.replicas", 5, 2, "blocks")
    assert drift.manager == "autoscaler"


def test_a_yielded_field_is_left_and_costs_no_change(editors: Editors) -> None:
    body = web(editors, editors.name())
    editors.sync(body)
    editors.patch(body, {"spec": {"replicas": 5}}, "autoscaler", sub="scale")
    seen = look(editors, body, field_ownership="yield")
    assert seen.observed.same == {manifest(body).ref}
    assert [(d.path, d.live, d.git, d.outcome) for d in foreseen(seen, body).drift] == [("spec.replicas", 5, 2, "left")]

    changed = web(editors, body["metadata"]["name"], minReadySeconds=3)
    seen = look(editors, changed, managers={"autoscaler": "yield"})
    assert foreseen(seen, changed).notes == ("spec.replicas stays with autoscaler",)
    known = the_only(seen.known)
    assert known.yields == (("f:spec", "f:replicas"),)
    after = editors.sync(changed, known)
    assert (after["spec"]["replicas"], after["spec"]["minReadySeconds"]) == (5, 3)


def test_a_forced_field_is_taken_and_said(editors: Editors) -> None:
    body = web(editors, editors.name())
    editors.sync(body)
    editors.patch(body, {"spec": {"replicas": 5}}, "human")
    seen = look(editors, body, field_ownership="force")
    assert foreseen(seen, body).notes == ("spec.replicas is taken over from human",)
    assert [d.outcome for d in foreseen(seen, body).drift] == ["overwritten"]
    assert editors.sync(body, the_only(seen.known))["spec"]["replicas"] == 2


def test_each_manager_has_a_rule_of_its_own(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1", b="1", c="1", d="1")
    editors.sync(body)
    for field, manager in (("a", "forced"), ("b", "left"), ("c", "blocked")):
        editors.patch(body, {"data": {field: "2"}}, manager)
    rules = {"forced": "force", "left": "yield"}
    seen = look(editors, body, managers=rules)
    assert [c.description.split(" (")[0] for c in foreseen(seen, body).conflicts] == ["data.c is kept by 'blocked'"]
    assert {d.path: d.outcome for d in foreseen(seen, body).drift} == {
        "data.a": "overwritten",
        "data.b": "left",
        "data.c": "blocks",
    }
    seen = look(editors, body, managers={**rules, "blocked": "yield"})
    after = editors.sync(body, the_only(seen.known))
    assert after["data"] == {"a": "1", "b": "2", "c": "2", "d": "1"}


def test_of_several_managers_of_one_field_the_strictest_rule_counts(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1")
    editors.sync(body)
    editors.apply({**body, "data": {"a": "2"}}, "one", force=True)
    editors.apply({**body, "data": {"a": "2"}}, "two")
    assert "'one'" in only(look(editors, body), body).description
    assert "'two'" in only(look(editors, body), body).description
    assert told(look(editors, body, managers={"one": "force"}), body)
    assert foreseen(look(editors, body, managers={"one": "force", "two": "yield"}), body).drift[0].outcome == "left"


def test_what_was_patched_under_our_own_name_is_no_conflict(editors: Editors) -> None:
    body = config(editors, editors.name(), a="1")
    editors.sync(body)
    editors.patch(body, {"data": {"a": "2"}}, "sloth-ci")
    seen = look(editors, body)
    assert (foreseen(seen, body).conflicts, foreseen(seen, body).drift) == ((), ())
    assert editors.sync(body, the_only(seen.known))["data"] == {"a": "1"}


def test_what_somebody_removed_comes_back_and_is_drift(editors: Editors) -> None:
    body = web(editors, editors.name())
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "2"},
    ]
    editors.sync(body)
    path = "/spec/template/spec/containers/0/env/1"
    editors.patch(body, [{"op": "remove", "path": path}], "human", kind="application/json-patch+json")
    seen = look(editors, body)
    (drift,) = foreseen(seen, body).drift
    assert drift.path == "spec.template.spec.containers[name=web].env[name=B]"
    assert (drift.live, drift.outcome) == (UNSET, "overwritten")
    assert not foreseen(seen, body).conflicts


def test_a_label_with_dots_is_one_field(editors: Editors) -> None:
    body = editors.body("ConfigMap", editors.name(), metadata={"labels": {"app.kubernetes.io/name": "a"}})
    editors.sync(body)
    editors.patch(body, {"metadata": {"labels": {"app.kubernetes.io/name": "b"}}}, "human")
    conflict = only(look(editors, body), body)
    assert conflict.description.startswith('metadata.labels["app.kubernetes.io/name"] is kept by')
    assert (conflict.current_state, conflict.desired_state) == ("b", "a")


def test_a_secret_s_values_are_in_no_conflict(editors: Editors) -> None:
    mine, theirs = b64encode(b"my-password").decode(), b64encode(b"their-password").decode()
    body = editors.body("Secret", editors.name(), data={"password": mine}, type="Opaque")
    editors.sync(body)
    editors.patch(body, {"data": {"password": theirs}}, "human")
    seen = look(editors, body)
    conflict = only(seen, body)
    assert (conflict.current_state, conflict.desired_state) == ("(secret)", "(secret)")
    wrong = {**body, "data": {"password": "my-secret-that-is-no-base64"}}
    odd = {**body, "data": {"password": 123456}}
    other_type = {**body, "type": "kubernetes.io/tls"}
    said = repr([foreseen(seen, body), *(told(look(editors, one), one) for one in (wrong, odd, other_type))])
    for value in (mine, theirs, "my-password", "their-password", "my-secret-that", "123456"):
        assert value not in said


# --- refusals -------------------------------------------------------------------------------------------------------


def test_every_wrong_field_of_every_object_is_named_at_once(widgets: Editors) -> None:
    one = web(widgets, widgets.name(), replcas=3, paussed=True)
    widget = {"spec": {"sizee": 1, "parts": [{"name": "x", "valu": "1"}], "size": "one"}}
    two = widgets.body("Widget", widgets.name(), "tests.example.com/v1", **widget)
    three = config(widgets, widgets.name(), fine="1")
    place = Source("k8s/all.yaml", 17)
    seen = look(widgets, one, manifest_of(copy.deepcopy(two), place), three)
    assert sorted(told(seen, one)) == [
        ("validation", "spec.paussed is no field of apps/v1 Deployment"),
        ("validation", "spec.replcas is no field of apps/v1 Deployment"),
    ]
    assert sorted(told(seen, two)) == [
        ("validation", "it does not fit the schema of Widget: spec.size: expected numeric (int or float), got string"),
        ("validation", "spec.parts[name=x].valu is no field of tests.example.com/v1 Widget"),
        ("validation", "spec.sizee is no field of tests.example.com/v1 Widget"),
    ]
    assert {conflict.source for conflict in foreseen(seen, two).conflicts} == {place}
    assert not told(seen, three)


def test_wrong_values_are_named_by_field(widgets: Editors) -> None:
    body = widgets.body("Widget", widgets.name(), "tests.example.com/v1", spec={"size": 0, "mode": "loud"})
    assert {text.split(":")[0] for _, text in told(look(widgets, body), body)} == {"spec.mode", "spec.size"}
    service = widgets.body("Service", widgets.name(), spec={"ports": [{"port": 800000}]})
    assert "spec.ports[0].port: Invalid value: 800000" in told(look(widgets, service), service)[0][1]


@pytest.mark.parametrize("recreate", [False, True])
def test_an_immutable_field(editors: Editors, recreate: bool) -> None:
    body = web(editors, editors.name())
    marks = {"annotations": {"sloth-ci/on-immutable": "recreate"}} if recreate else {}
    body["metadata"] |= marks
    editors.sync(body)
    changed = copy.deepcopy(body)
    changed["spec"]["selector"]["matchLabels"]["app"] = "other"
    changed["spec"]["template"]["metadata"]["labels"]["app"] = "other"
    seen = look(editors, changed)
    if recreate:
        found = foreseen(seen, changed)
        assert found.recreate
        assert not found.conflicts
        assert found.after is not None
        assert found.after.body["metadata"]["name"] == body["metadata"]["name"]
        assert the_only(seen.known).recreate
        fields = {field.path for field in diff(seen.observed.objects[manifest(body).ref].body, found.after.body)}
        assert fields == {"spec.selector.matchLabels.app", "spec.template.metadata.labels.app"}
    else:
        conflict = only(seen, changed)
        assert conflict.type == "immutable_field"
        assert conflict.description == "cannot be changed in place: spec.selector"
        assert conflict.current_state == {"spec.selector": {"matchLabels": {"app": "web"}}}
        assert conflict.desired_state == {"spec.selector": {"matchLabels": {"app": "other"}}}
        assert "sloth-ci/on-immutable" in conflict.suggestions[1]


def immutable_pairs(editors: Editors) -> list[tuple[Body, Body]]:
    """Objects, and the same with a change that the server does not allow."""
    binding = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}
    labels = {"app": "web"}
    stateful = {
        "serviceName": "a",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}},
    }
    rows: list[tuple[str, str, dict[str, Any], Callable[[Body], Any]]] = [
        ("RoleBinding", "rbac.authorization.k8s.io/v1", binding, lambda b: b["roleRef"].update(name="b")),
        ("PersistentVolumeClaim", "v1", {"spec": claim}, lambda b: b["spec"].update(accessModes=["ReadWriteMany"])),
        ("Job", "batch/v1", {"spec": job}, lambda b: b["spec"]["template"]["spec"].update(serviceAccountName="x")),
        ("StatefulSet", "apps/v1", {"spec": stateful}, lambda b: b["spec"].update(serviceName="b")),
        ("ConfigMap", "v1", {"immutable": True, "data": {"a": "1"}}, lambda b: b["data"].update(a="2")),
        ("Secret", "v1", {"type": "Opaque"}, lambda b: b.update(type="x.example/y")),
        ("Pod", "v1", {"spec": job["template"]["spec"]}, lambda b: b["spec"].update(restartPolicy="Always")),
        ("Widget", "tests.example.com/v1", {"spec": {"fixed": "a"}}, lambda b: b["spec"].update(fixed="b")),
    ]
    pairs = []
    for kind, api, fields, change in rows:
        body = editors.body(kind, editors.name("fixed"), api, **copy.deepcopy(fields))
        changed = copy.deepcopy(body)
        change(changed)
        pairs.append((body, changed))
    return pairs


def test_what_each_kind_calls_immutable(widgets: Editors) -> None:
    pairs = immutable_pairs(widgets)
    for body, _ in pairs:
        widgets.sync(copy.deepcopy(body))
    seen = look(widgets, *(changed for _, changed in pairs))
    found = {changed["kind"]: told(seen, changed) for _, changed in pairs}
    assert {kind: [one for one, _ in conflicts] for kind, conflicts in found.items()} == {
        changed["kind"]: ["immutable_field"] for _, changed in pairs
    }, found
    assert "under another name" in " ".join(foreseen(seen, pairs[3][1]).conflicts[0].suggestions)  # StatefulSet


def test_an_invalid_value_is_no_immutable_field(editors: Editors) -> None:
    """And an object that asks to be made anew is not, for a mistake."""
    body = web(editors, editors.name())
    body["metadata"]["annotations"] = {"sloth-ci/on-immutable": "recreate"}
    editors.sync(body)
    changed = copy.deepcopy(body)
    changed["spec"]["replicas"] = -1
    changed["spec"]["selector"]["matchLabels"]["app"] = "x"
    seen = look(editors, changed)
    assert not foreseen(seen, changed).recreate
    assert {conflict.type for conflict in foreseen(seen, changed).conflicts} == {"validation", "immutable_field"}


def test_a_quota_is_named(editors: Editors, control_plane: ControlPlane) -> None:
    hard = {"count/configmaps": "1"}
    editors.apply(editors.body("ResourceQuota", "few", spec={"hard": hard}), "tests")
    control_plane.kubectl(
        "-n", editors.namespace, "wait", "--for=jsonpath={.status.hard}", "resourcequota/few", "--timeout=120s"
    )
    body = config(editors, editors.name(), a="1")
    conflict = only(look(editors, body), body)
    assert conflict.type == "validation"
    assert conflict.description.startswith("quota few is exceeded: requested: count/configmaps=1")


def account(plane: ControlPlane, namespace: str, name: str, rules: list[dict[str, Any]]) -> Cluster:
    """A cluster as somebody sees it who may do only this in the namespace."""
    plane.kubectl("-n", namespace, "create", "serviceaccount", name)
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    plane.api("POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    plane.api("POST", f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
    path = plane.kubeconfig(service_account=f"{namespace}/{name}")
    return connect(DestinationSpec(kubeconfig=str(path), context="", namespace=namespace), Path("/"), {})


def test_a_right_that_is_missing_is_named(editors: Editors, control_plane: ControlPlane) -> None:
    reads = {"apiGroups": ["", "apps"], "resources": ["configmaps", "secrets", "deployments"], "verbs": ["get", "list"]}
    writes = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]}
    roles = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "create", "patch"]}
    with_little = account(control_plane, editors.namespace, "little", [reads, writes, roles])
    try:
        little = Editors(with_little)
        fine, refused = config(little, little.name(), a="1"), web(little, little.name())
        greedy_rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}]
        greedy = little.body("Role", little.name(), "rbac.authorization.k8s.io/v1", rules=greedy_rules)
        unseen = little.body("Service", little.name(), spec={"ports": [{"port": 80}]})
        seen = look(little, fine, refused, greedy, unseen)
        assert not told(seen, fine)
        who = f"'system:serviceaccount:{editors.namespace}:little'"
        where = f"in namespace {editors.namespace}"
        assert told(seen, refused) == [("permission", f"{who} may not patch deployments.apps {where}")]
        assert "grant the verb patch on deployments.apps" in foreseen(seen, refused).conflicts[0].suggestions[0]
        assert told(seen, unseen) == [("permission", f"{who} may not get services {where}")]
        assert told(seen, greedy)[0][0] == "permission"
        assert "it grants what sloth-ci may not do itself" in told(seen, greedy)[0][1]
    finally:
        with_little.client.close()


def test_lists_that_are_forbidden_become_gets(editors: Editors, control_plane: ControlPlane) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"]}
    without_list = account(control_plane, editors.namespace, "no-list", [rule])
    try:
        bodies = [config(editors, editors.name(), a="1") for _ in range(3)]
        for body in bodies:
            editors.sync(body)
        seen = look(Editors(without_list), *bodies)
        assert seen.observed.same == {manifest(body).ref for body in bodies}
    finally:
        without_list.client.close()


# --- admission ------------------------------------------------------------------------------------------------------


def test_a_webhook_s_refusal_is_named(editors: Editors, control_plane: ControlPlane) -> None:
    body = config(editors, editors.name(), a="1")
    with serve_webhook(
        control_plane, lambda _: Reject("not on a Friday"), namespace=editors.namespace, resources=["configmaps"]
    ):
        conflict = only(look(editors, body), body)
    assert conflict.type == "validation"
    assert conflict.description == "admission webhook webhook.tests.example.com denies it: not on a Friday"


def test_a_webhook_that_hangs_is_named(editors: Editors, control_plane: ControlPlane) -> None:
    body = config(editors, editors.name(), a="1")
    with serve_webhook(
        control_plane, lambda _: Hang(), namespace=editors.namespace, resources=["configmaps"], timeout=1
    ):
        conflict = only(look(editors, body), body)
    assert conflict.type == "validation"
    assert conflict.description.startswith("admission webhook webhook.tests.example.com does not answer: ")


def test_what_a_webhook_changes_is_no_change_of_ours(editors: Editors, control_plane: ControlPlane) -> None:
    """It rewrites a field that we declare, and stamps the object: an unchanged object stays unchanged."""
    body = config(editors, editors.name(), image="web:1", other="1")

    def rewrite(request: Any) -> Change:
        prefixed = f"mirror/{request['object']['data']['image'].removeprefix('mirror/')}"
        stamp = [{"op": "add", "path": "/metadata/annotations", "value": {"stamp": request["uid"]}}]
        return Change([{"op": "replace", "path": "/data/image", "value": prefixed}, *stamp])

    with serve_webhook(control_plane, rewrite, namespace=editors.namespace, resources=["configmaps"], mutating=True):
        created = foreseen(look(editors, body), body).after
        assert created is not None
        assert created.body["data"]["image"] == "mirror/web:1"
        editors.sync(body)
        assert editors.live(body)["data"]["image"] == "mirror/web:1"
        seen = look(editors, body)
        assert seen.observed.same == {manifest(body).ref}
        changed = config(editors, body["metadata"]["name"], image="web:2", other="1")
        seen = look(editors, changed)
        after = foreseen(seen, changed).after
        assert after is not None
        assert [
            (f.path, f.before, f.after) for f in diff(seen.observed.objects[manifest(body).ref].body, after.body)
        ] == [("data.image", "mirror/web:1", "mirror/web:2")]


def test_a_server_that_is_gone_is_unreachable(editors: Editors, control_plane: ControlPlane) -> None:
    nowhere = control_plane.kubeconfig(server="https://127.0.0.1:1")
    lost = connect(DestinationSpec(kubeconfig=str(nowhere), context="", namespace="x"), Path("/"), {})
    with pytest.raises(UnreachableError):
        look(Editors(lost), config(editors, "a", a="1"))
    lost.client.close()
