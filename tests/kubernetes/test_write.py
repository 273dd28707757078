"""Applying to a real API server: the order, what is made anew, and every refusal."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ApplyError, ConflictError, Interrupted, UnhealthyError, UnreachableError
from sloth_ci.core.fieldpath import Path as FieldPath
from sloth_ci.core.graph import DEPENDS_ON
from sloth_ci.core.hooks import WAVE
from sloth_ci.core.objects import Body, Ref, Source
from sloth_ci.core.references import ref_of
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.known import Known
from sloth_ci.destinations.kubernetes.single import apply
from sloth_ci.destinations.kubernetes.write import write
from support.applying import (
    APPLYSET,
    Told,
    carrying,
    create,
    live,
    managers,
    patch,
    remove,
    there,
    uid,
    writes,
)
from support.bodies import body, deployment, manifest
from support.cluster import ControlPlane
from support.waiting import until

REPLICAS: FieldPath = ("f:spec", "f:replicas")


def do(
    cluster: Cluster, *bodies: Body, known: dict[Ref, Known] | None = None, told: Told | None = None, **how: Any
) -> None:
    write(cluster, APPLYSET, writes(*bodies), known or {}, carrying(told, **how))


def config(name: str, namespace: str, **data: str) -> Body:
    return body("ConfigMap", name, namespace, data=data or {"a": "1"})


def noted(content: Body, **annotations: str) -> Body:
    return {**content, "metadata": {**content["metadata"], "annotations": annotations}}


def web(namespace: str, *, image: str = "web:1", replicas: int = 1, ready_after: str = "") -> Body:
    made = deployment("web", image, replicas)
    made["metadata"]["namespace"] = namespace
    if ready_after:
        made["spec"]["template"]["metadata"]["annotations"] = {"sloth-test/ready-after": ready_after}
    return made


def job(namespace: str, image: str = "one") -> Body:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    return body("Job", "migrate", namespace, "batch/v1", spec={"backoffLimit": 0, "template": {"spec": pod}})


def toy_definition(group: str) -> Body:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names = {"kind": "Toy", "plural": "toys", "listKind": "ToyList", "singular": "toy"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    return body("CustomResourceDefinition", f"toys.{group}", None, "apiextensions.k8s.io/v1", spec=spec)


def known_of(found: Body, **how: Any) -> Known:
    return Known(found["metadata"]["uid"], found["metadata"]["resourceVersion"], **how)


@contextmanager
def held(cluster: Cluster, content: Body) -> Iterator[None]:
    """An object that is being deleted and cannot go before the end of the block."""
    patch(cluster, content, {"metadata": {"finalizers": ["sloth.test/hold"]}})
    try:
        remove(cluster, content)
        yield
    finally:
        patch(cluster, content, {"metadata": {"finalizers": None}})


# --- the order ------------------------------------------------------------------------------------------------------


def test_a_namespace_a_definition_and_what_needs_them_in_one_write(cluster: Cluster) -> None:
    name = f"apply-{uuid.uuid4().hex[:8]}"
    group = f"{name}.example"
    definition, namespace = toy_definition(group), body("Namespace", name, None)
    toy = body("Toy", "bear", name, f"{group}/v1", spec={"colour": "brown"})
    settings = config("settings", name)
    pod = body("Pod", "bare", name, spec={"containers": [{"name": "main", "image": "web:1"}]})
    told = Told()
    try:
        do(cluster, pod, toy, settings, definition, namespace, told=told)
        assert there(cluster, toy)["spec"] == {"colour": "brown"}
        assert there(cluster, toy)["metadata"]["labels"] == {PART_OF: APPLYSET}
        assert there(cluster, pod)["spec"]["serviceAccountName"] == "default"
        order = told.names
        assert sorted(order) == sorted([name, "bare", "bear", "settings", f"toys.{group}"])
        assert order.index(name) < min(order.index("bare"), order.index("bear"), order.index("settings"))
        assert order.index(f"toys.{group}") < order.index("bear")
        assert managers(there(cluster, settings)) == {("sloth-ci", "Apply")}
    finally:
        remove(cluster, definition)
        remove(cluster, namespace)


def test_what_is_named_by_others_is_made_before_them(cluster: Cluster, namespace: str) -> None:
    pods = web(namespace, replicas=0)
    pods["spec"]["template"]["spec"]["volumes"] = [{"name": "a", "configMap": {"name": f"c{n}"}} for n in range(1)]
    configs = [config(f"c{n}", namespace) for n in range(20)]
    told = Told()
    do(cluster, pods, *reversed(configs), told=told)
    made = {
        name: int(there(cluster, item)["metadata"]["resourceVersion"])
        for name, item in zip((f"c{n}" for n in range(20)), configs, strict=True)
    }
    assert told.names.index("c0") < told.names.index("web")
    assert len(set(made.values())) == 20


def test_a_wave_starts_when_the_one_before_is_healthy(cluster: Cluster, namespace: str) -> None:
    first = web(namespace, ready_after="2s")
    second = noted(config("second", namespace), **{WAVE: "1"})
    told = Told()
    do(cluster, second, first, told=told)
    assert told.names == ["web", "second"]
    available = next(c for c in there(cluster, first)["status"]["conditions"] if c["type"] == "Available")
    created = there(cluster, second)["metadata"]["creationTimestamp"]
    assert available["status"] == "True"
    assert created >= available["lastTransitionTime"] > there(cluster, first)["metadata"]["creationTimestamp"]
    assert "progressing" in told.states[str(ref_of(first))]


def test_unchanged_objects_of_an_earlier_wave_hold_up_a_later_one(cluster: Cluster, namespace: str) -> None:
    first = web(namespace, ready_after="2s")
    do(cluster, first)
    second = noted(config("second", namespace), **{WAVE: "1"})
    write(cluster, APPLYSET, writes(second), {}, carrying(), standing=[manifest(first)])
    made = datetime.fromisoformat(there(cluster, second)["metadata"]["creationTimestamp"])
    assert (made - datetime.fromisoformat(there(cluster, first)["metadata"]["creationTimestamp"])).total_seconds() >= 1


def test_a_wave_that_does_not_get_healthy_ends_the_write(cluster: Cluster, namespace: str) -> None:
    first = web(namespace, ready_after="60s")
    second = noted(config("second", namespace), **{WAVE: "1"})
    told = Told()
    with pytest.raises(UnhealthyError, match=rf"Deployment/{namespace}/web"):
        do(cluster, first, second, told=told, timeout=1.0)
    assert told.names == ["web"]
    assert live(cluster, second) is None


def test_depends_on_holds_up_only_what_says_so(cluster: Cluster, namespace: str) -> None:
    first = web(namespace, ready_after="60s")
    free = config("free", namespace)
    late = noted(config("late", namespace), **{DEPENDS_ON[1]: f"apps/namespaces/{namespace}/Deployment/web"})
    told = Told()
    with pytest.raises(UnhealthyError):
        do(cluster, late, first, free, told=told, timeout=1.0)
    assert sorted(told.names) == ["free", "web"]


def test_objects_that_wait_for_each_other_are_refused_before_anything_is_written(
    cluster: Cluster, namespace: str
) -> None:
    one = noted(config("one", namespace), **{DEPENDS_ON[0]: f"/namespaces/{namespace}/ConfigMap/two"})
    two = noted(config("two", namespace), **{DEPENDS_ON[0]: f"/namespaces/{namespace}/ConfigMap/one"})
    with pytest.raises(ConflictError, match="circle"):
        do(cluster, one, two, config("free", namespace))
    assert live(cluster, config("free", namespace)) is None


# --- single objects -------------------------------------------------------------------------------------------------


def test_writing_the_same_again_changes_nothing(cluster: Cluster, namespace: str) -> None:
    do(cluster, config("a", namespace))
    before = there(cluster, config("a", namespace))
    do(cluster, config("a", namespace))
    assert there(cluster, config("a", namespace)) == before


def test_a_job_with_another_template_is_made_anew(cluster: Cluster, namespace: str) -> None:
    do(cluster, job(namespace))
    old = there(cluster, job(namespace))
    new = job(namespace, "two")
    with pytest.raises(ApplyError, match="immutable") as error:
        do(cluster, new)
    assert "sloth-ci/on-immutable" in (error.value.hint or "")
    do(cluster, new, known={ref_of(new): known_of(old, recreate=True)})
    now = there(cluster, new)
    assert now["metadata"]["uid"] != old["metadata"]["uid"]
    assert now["spec"]["template"]["spec"]["containers"][0]["image"] == "two"


def test_one_that_was_made_anew_already_is_not_deleted_again(cluster: Cluster, namespace: str) -> None:
    do(cluster, job(namespace))
    now = uid(cluster, job(namespace))
    do(cluster, job(namespace), known={ref_of(job(namespace)): Known("another", "1", recreate=True)})
    assert uid(cluster, job(namespace)) == now


def test_a_stateful_kind_is_never_made_anew(cluster: Cluster, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none"}
    claim = body("PersistentVolumeClaim", "data", namespace, spec=spec)
    do(cluster, claim)
    found = there(cluster, claim)
    with pytest.raises(ApplyError, match="never made anew"):
        do(cluster, claim, known={ref_of(claim): known_of(found, recreate=True)})
    assert uid(cluster, claim) == found["metadata"]["uid"]


def test_a_field_is_left_to_its_owner_but_not_when_nobody_is_there_any_more(cluster: Cluster, namespace: str) -> None:
    mine = web(namespace, replicas=3)
    made = create(cluster, {**mine, "spec": {**mine["spec"], "replicas": 5}}, manager="scaler")
    known = {ref_of(mine): known_of(made, yields=(REPLICAS,), force=True)}
    do(cluster, mine, known=known)
    assert there(cluster, mine)["spec"]["replicas"] == 5
    remove(cluster, mine)
    until(lambda: live(cluster, mine) is None)
    do(cluster, mine, known=known)
    assert there(cluster, mine)["spec"]["replicas"] == 3


def test_a_field_of_another_manager_is_taken_only_where_that_is_said(cluster: Cluster, namespace: str) -> None:
    mine = config("a", namespace, a="mine")
    theirs = create(cluster, config("a", namespace, a="theirs"), manager="colleague")
    source = Source("apps/a.yaml", 3)
    with pytest.raises(ApplyError) as error:
        write(cluster, APPLYSET, writes(mine, sources=[source]), {}, carrying())
    assert f"ConfigMap/{namespace}/a (apps/a.yaml:3): " in error.value.message
    assert "colleague" in error.value.message
    assert "field_ownership" in (error.value.hint or "")
    assert there(cluster, mine)["data"] == {"a": "theirs"}
    do(cluster, mine, known={ref_of(mine): known_of(theirs, force=True)})
    assert there(cluster, mine)["data"] == {"a": "mine"}
    patch(cluster, mine, {"data": {"a": "theirs"}}, manager="colleague")
    do(cluster, mine, force=True)
    assert there(cluster, mine)["data"] == {"a": "mine"}


def test_an_object_that_is_being_deleted_is_made_anew_when_it_is_gone(cluster: Cluster, namespace: str) -> None:
    mine = config("a", namespace, a="new")
    old = create(cluster, config("a", namespace, a="old"), manager="sloth-ci")
    failures: list[BaseException] = []

    def go() -> None:
        try:
            do(cluster, mine, force=True)
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)

    with held(cluster, mine):
        writer = threading.Thread(target=go)
        writer.start()
        # The write has met the object when its value is there, which then goes with the object.
        until(lambda: there(cluster, mine)["data"] == {"a": "new"})
    writer.join()
    assert not failures
    now = there(cluster, mine)
    assert now["data"] == {"a": "new"}
    assert now["metadata"]["uid"] != old["metadata"]["uid"]


def test_an_object_that_never_goes_is_an_error_that_says_what_holds_it(cluster: Cluster, namespace: str) -> None:
    mine = config("a", namespace)
    create(cluster, mine, manager="sloth-ci")
    with held(cluster, mine), pytest.raises(ApplyError, match=r"sloth\.test/hold"):
        do(cluster, mine, force=True, timeout=0.5)


def test_a_config_map_of_one_megabyte(cluster: Cluster, namespace: str) -> None:
    large = config("large", namespace, a="x" * 1_000_000)
    do(cluster, large)
    assert len(there(cluster, large)["data"]["a"]) == 1_000_000
    with pytest.raises(ApplyError) as error:
        do(cluster, config("larger", namespace, a="x" * 2_000_000))
    assert "smaller" in (error.value.hint or "")
    assert len(error.value.message) < 1000


# --- refusals -------------------------------------------------------------------------------------------------------


def test_every_failure_is_named_with_its_place(cluster: Cluster, namespace: str) -> None:
    bad = [body("Service", name, namespace, spec={"ports": [{"port": 99999}]}) for name in ("b", "a")]
    after = noted(config("after", namespace), **{DEPENDS_ON[0]: f"/namespaces/{namespace}/Service/a"})
    sources = [Source("b.yaml", 1), Source("a.yaml", 9)]
    with pytest.raises(ApplyError) as error:
        write(cluster, APPLYSET, writes(*bad, after, sources=sources), {}, carrying())
    first, *lines = error.value.message.splitlines()
    assert first == "2 of 3 objects could not be written:"
    assert lines[0].startswith(f"  Service/{namespace}/a (a.yaml:9): ")
    assert lines[1].startswith(f"  Service/{namespace}/b (b.yaml:1): ")
    assert "spec.ports[0].port" in lines[0]
    assert live(cluster, after) is None


def test_after_a_failure_nothing_new_is_begun(cluster: Cluster, namespace: str) -> None:
    bad = body("CustomResourceDefinition", "wrong", None, "apiextensions.k8s.io/v1", spec={})
    many = [config(f"c{n}", namespace) for n in range(200)]
    told = Told()
    with pytest.raises(ApplyError, match="CustomResourceDefinition/wrong"):
        do(cluster, *many, bad, told=told)
    made = cluster.client.json("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    assert set(told.names) == {m["metadata"]["name"] for m in made} - {"kube-root-ca.crt"}
    assert len(made) < 100


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"password": "hunter2-is-no-base64"}},
        {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "hunter2-is-no-json"}},
        {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "hunter2-is-no-cert"}},
        {"stringData": {"a": "hunter2"}, "immutable": "hunter2"},
    ],
)
def test_no_value_of_a_secret_is_in_an_error(cluster: Cluster, namespace: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ApplyError) as error:
        do(cluster, body("Secret", "keys", namespace, **fields))
    assert f"Secret/{namespace}/keys" in error.value.message
    assert "hunter2" not in f"{error.value} {error.value.hint} {error.value.__cause__}"
    assert error.value.hint == "correct the manifest"


def test_an_account_that_may_not_patch_one_kind(control_plane: ControlPlane, cluster: Cluster, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch"]}]
    create(cluster, body("Role", "some", namespace, "rbac.authorization.k8s.io/v1", rules=rules))
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "deployer"}]
    binding = body("RoleBinding", "some", namespace, "rbac.authorization.k8s.io/v1", roleRef=role, subjects=subjects)
    create(cluster, binding)
    kubeconfig = control_plane.kubeconfig(user="deployer")
    limited = connect(DestinationSpec(kubeconfig=str(kubeconfig), context="", namespace=namespace), Path("/"), {})
    try:
        until(lambda: _may(limited, namespace))
        with pytest.raises(ApplyError, match=rf"Secret/{namespace}/keys: .*forbidden") as error:
            do(limited, config("b", namespace), body("Secret", "keys", namespace, stringData={"a": "hunter2"}))
    finally:
        limited.client.close()
    assert "rbac" in (error.value.hint or "")
    assert "hunter2" not in error.value.message
    assert live(cluster, config("b", namespace)) is not None, "the other one ran beside it"


def _may(cluster: Cluster, namespace: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": "patch", "resource": "configmaps"}},
    }
    answer = cluster.client.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(answer["status"]["allowed"])


def test_a_quota_that_is_used_up(cluster: Cluster, namespace: str) -> None:
    quota = body("ResourceQuota", "few", namespace, spec={"hard": {"count/secrets": "0"}})
    create(cluster, quota)
    until(lambda: there(cluster, quota).get("status", {}).get("hard"))
    with pytest.raises(ApplyError, match=r"Secret/.*exceeded quota: few") as error:
        do(cluster, body("Secret", "keys", namespace, stringData={"a": "b"}))
    assert "ResourceQuota" in (error.value.hint or "")


@pytest.fixture
def guarded(cluster: Cluster, namespace: str) -> Iterator[str]:
    """An admission policy that refuses every ConfigMap of the namespace that is named `forbidden`."""
    name = f"guard-{namespace}"
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = body("ValidatingAdmissionPolicy", name, None, api)
    policy["spec"] = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [
            {"expression": "!object.metadata.name.startsWith('forbidden')", "message": "not in this house"}
        ],
    }
    binding = body("ValidatingAdmissionPolicyBinding", name, None, api)
    binding["spec"] = {"policyName": name, "validationActions": ["Deny"]}
    create(cluster, policy)
    create(cluster, binding)
    try:
        yield name
    finally:
        remove(cluster, binding)
        remove(cluster, policy)


def test_what_an_admission_policy_refuses(cluster: Cluster, namespace: str, guarded: str) -> None:
    def refused() -> ApplyError | None:
        name = f"forbidden-{uuid.uuid4().hex[:8]}"  # the policy holds a moment after it was made
        try:
            do(cluster, config(name, namespace))
        except ApplyError as error:
            return error
        return None

    error = until(refused)
    assert error is not None
    assert "not in this house" in error.message
    assert guarded in error.message
    assert "webhook or policy" in (error.hint or "")


@pytest.fixture
def dead_webhook(cluster: Cluster, namespace: str) -> Iterator[None]:
    """A webhook for ConfigMaps with the label `guarded`, at which nobody answers."""
    name = f"dead-{namespace}"
    hook = {
        "name": "dead.sloth.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"service": {"namespace": namespace, "name": "nobody"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchExpressions": [{"key": "guarded", "operator": "Exists"}]},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    }
    configuration = body(
        "ValidatingWebhookConfiguration", name, None, "admissionregistration.k8s.io/v1", webhooks=[hook]
    )
    create(cluster, configuration)
    try:
        yield
    finally:
        remove(cluster, configuration)


def test_a_failure_that_may_pass_holds_up_only_what_depends_on_it(
    cluster: Cluster, namespace: str, dead_webhook: None
) -> None:
    def guarded(name: str) -> Body:
        content = config(name, namespace)
        return {**content, "metadata": {**content["metadata"], "labels": {"guarded": "yes"}}}

    def is_asked() -> bool:
        try:
            cluster.client.call(
                "POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", body=guarded("try"), patient=False
            )
        except ApplyError:
            return True
        return False

    until(is_asked)
    bad = guarded("bad")
    after = noted(config("after", namespace), **{DEPENDS_ON[0]: f"/namespaces/{namespace}/ConfigMap/bad"})
    good = [config(f"c{n}", namespace) for n in range(30)]
    told = Told()
    with pytest.raises(UnreachableError, match=rf"ConfigMap/{namespace}/bad: .*dead\.sloth\.test"):
        do(cluster, after, bad, *good, told=told)
    assert sorted(told.names) == sorted(f"c{n}" for n in range(30))


def test_where_nothing_works_it_ends_soon(cluster: Cluster, namespace: str, dead_webhook: None) -> None:
    def guarded(n: int) -> Body:
        content = config(f"c{n}", namespace)
        return {**content, "metadata": {**content["metadata"], "labels": {"guarded": "yes"}}}

    started = time.monotonic()
    told = Told()
    with pytest.raises(UnreachableError) as error:
        do(cluster, *(guarded(n) for n in range(300)), told=told)
    assert time.monotonic() - started < 30
    assert "of 300 objects could not be written" in error.value.message


def test_a_namespace_that_is_terminating(control_plane: ControlPlane, cluster: Cluster) -> None:
    name = f"apply-{uuid.uuid4().hex[:8]}"
    namespace = body("Namespace", name, None)
    create(cluster, namespace)
    holder = config("holder", name)
    holder["metadata"]["finalizers"] = ["sloth.test/hold"]
    create(cluster, holder)
    remove(cluster, namespace)
    try:
        with pytest.raises(ApplyError, match="being terminated") as error:
            do(cluster, config("a", name))
        assert "wait until the namespace is gone" in (error.value.hint or "")
    finally:
        patch(cluster, holder, {"metadata": {"finalizers": None}})


def test_a_kind_that_the_server_does_not_have(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApplyError, match=r"no kind Toy of nowhere\.example") as error:
        do(cluster, body("Toy", "bear", namespace, "nowhere.example/v1"))
    assert "install" in (error.value.hint or "")
    with pytest.raises(ApplyError, match="has Deployment of apps in v1, and not in v1beta1"):
        do(cluster, body("Deployment", "web", namespace, "apps/v1beta1"))


# --- the end --------------------------------------------------------------------------------------------------------


def test_a_wish_to_stop_is_honoured_between_objects(cluster: Cluster, namespace: str) -> None:
    told = Told()
    with pytest.raises(Interrupted, match=r"of 100 objects not written"):
        do(cluster, *(config(f"c{n}", namespace) for n in range(100)), told=told, stopped=lambda: len(told.done) >= 5)
    made = cluster.client.json("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    assert {m["metadata"]["name"] for m in made} - {"kube-root-ca.crt"} == set(told.names)
    assert 5 <= len(told.done) < 30


def test_a_wish_to_stop_ends_a_wait(cluster: Cluster, namespace: str) -> None:
    told = Told()
    second = noted(config("second", namespace), **{WAVE: "1"})
    with pytest.raises(Interrupted):
        do(cluster, web(namespace, ready_after="60s"), second, told=told, stopped=lambda: "web" in told.names)


def test_what_done_raises_comes_out_when_all_that_runs_has_ended(cluster: Cluster, namespace: str) -> None:
    class Killed(BaseException):
        pass

    def done(ref: Ref) -> None:
        raise Killed

    with pytest.raises(Killed):
        do(cluster, *(config(f"c{n}", namespace) for n in range(100)), done=done)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    made = cluster.client.json("GET", path)["metadata"]["resourceVersion"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("write")]
    assert len(cluster.client.json("GET", path)["items"]) < 40
    assert made


def test_done_is_called_by_the_calling_thread(cluster: Cluster, namespace: str) -> None:
    threads: set[str] = set()
    do(
        cluster,
        *(config(f"c{n}", namespace) for n in range(20)),
        done=lambda ref: threads.add(threading.current_thread().name),
    )
    assert threads == {threading.current_thread().name}


def test_apply_of_a_single_object_answers_with_its_metadata(cluster: Cluster, namespace: str) -> None:
    mine = config("a", namespace)
    answer = apply(cluster, ref_of(mine), mine, force=False)
    assert answer["metadata"]["uid"] == uid(cluster, mine)
