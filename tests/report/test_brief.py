from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from sloth_ci.core.plan import FieldChange
from sloth_ci.report.brief import brief, fit, name_of
from sloth_ci.report.text import width_of
from support.plans import EVIL, POD, body, change, field, workload

IMAGE = POD + "containers[name=web].image"


def _brief(*fields: FieldChange, columns: int = 200) -> str:
    return "".join(text for text, _ in fit(brief(change("update", "Deployment", "x", *fields)), columns).spans)


@pytest.mark.parametrize(
    ("path", "before", "after", "said"),
    [
        (IMAGE, "nginx:1.25", "nginx:1.26", "image 1.25 → 1.26"),
        (IMAGE, "reg.example:5000/a/web:1", "reg.example:5000/a/web:2", "image 1 → 2"),
        (IMAGE, "a.example/web:1", "b.example/web:1", "image a.example/web:1 → b.example/web:1"),
        (IMAGE, "a.example/web:1", "a.example/api:3", "image web:1 → api:3"),
        (IMAGE, "web@sha256:" + "a" * 64, "web@sha256:" + "b" * 64, "image sha256:aaaaaaaaaa → sha256:bbbbbbbbbb"),
        ("spec.replicas", 3, 5, "replicas 3 → 5"),
        ("spec.replicas", 3, 0, "replicas 3 → 0"),
        ("spec.selector.app", "a", "b", "selector app a → b"),
        (POD + "containers[name=web].resources.limits.cpu", "500m", "1", 'limits.cpu 500m → "1"'),
        (POD + "containers[name=web].env[name=LEVEL].value", "info", "debug", "env LEVEL info → debug"),
        (POD + "containers[name=web].args[2]", "--a=1", "--a=2", "args --a=1 → --a=2"),
        ('metadata.labels["app.kubernetes.io/version"]', "1.0.0", "1.0.1", "label version 1.0.0 → 1.0.1"),
        ('data["app.json"] → log.level', "info", "debug", "log.level info → debug"),
        ('data["app.json"] → panels[id=3].targets[0].expr', "a", "b", "targets.expr a → b"),
        ('data["app.json"] → features[2]', UNSET, "wallet", "+features wallet"),
        ('data["app.json"]', "{}", "[]", 'key app.json "{}" → "[]"'),
        ('data["app.conf"]', "a\nb\n", "a\nc\nd\n", "key app.conf +2 -1 lines"),
        ("spec.template", {"a": 1}, [1], "template changed"),
        ("spec.paused", UNSET, True, "+paused true"),
        ("spec.paused", True, UNSET, "-paused true"),
        ("metadata.annotations", UNSET, {"a/x": "1", "b": "2"}, "+2 annotations"),
        (POD + "containers[name=side]", UNSET, {"name": "side"}, "+container side"),
        ("rules[3]", UNSET, {"verbs": ["get"]}, "+rule"),
        ("status", UNSET, {"phase": "x"}, "+status"),
        ("spec.addresses[ip=x]", UNSET, {"ip": "x"}, "+address x"),
        ("spec.addresses", UNSET, [{"ip": "x"}, {"ip": "y"}], "+addresses"),
        (POD + "containers[name=web].resources", UNSET, {"limits": {"cpu": 1}}, "+resources"),
        ("spec.ingressClass", UNSET, {"a": 1}, "+ingressClass"),
        ("spec.analysis", UNSET, {"a": 1}, "+analysis"),
        ("spec.alerts[name=slow]", UNSET, {"a": 1}, "+alerts slow"),
    ],
)
def test_one_field(path: str, before: object, after: object, said: str) -> None:
    assert _brief(FieldChange(path, before, after)) == said


@pytest.mark.parametrize(
    ("field_name", "said"),
    [
        ("required", "+3 required"),
        ("noProxy", "+3 noProxy"),
        ("status", "+3 status"),
        ("containers", "+3 containers"),
        ("volumeMounts", "+3 volumeMounts"),
        ("addresses", "+3 addresses"),
        ("env", "+3 env"),
        ("args", "+3 args"),
    ],
)
def test_several_of_one_kind_have_the_plural_that_there_is(field_name: str, said: str) -> None:
    assert _brief(*(FieldChange(f"spec.{field_name}[name=n{i}]", UNSET, {"a": i}) for i in range(3))) == said


def test_the_telling_ones_come_first_and_equal_ones_once() -> None:
    version = ("1.0.0", "1.0.1")
    assert _brief(
        field('metadata.labels["app.kubernetes.io/version"]', *version),
        field('spec.template.metadata.labels["app.kubernetes.io/version"]', *version),
        field(POD + "containers[name=web].env[name=A]", UNSET, {"name": "A"}),
        field(POD + "containers[name=web].env[name=B]", UNSET, {"name": "B"}),
        field("spec.replicas", 2, 3),
        field(IMAGE, "web:1", "web:2"),
        field(POD + "containers[name=web].securityContext.privileged", before=False, after=True),
    ) == "privileged false → true, image 1 → 2, replicas 2 → 3, +2 env, label version 1.0.0 → 1.0.1"  # fmt: skip


def test_embedded_documents_are_named_where_there_are_several() -> None:
    assert (
        _brief(field('data["a.json"] → x', 1, 2), field('data["b.json"] → x', 1, 2)) == "a.json x 1 → 2, b.json x 1 → 2"
    )


def test_many_fields_of_one_name_are_counted() -> None:
    fields = [field(f"spec.versions[name=v{i}].description", f"old {i}", f"new {i}") for i in range(5)]
    assert _brief(*fields, field("spec.replicas", 1, 2)) == "replicas 1 → 2, description in 5 places"
    assert _brief(*fields[:2]) == "description old 0 → new 0, description old 1 → new 1"


def test_a_secret_says_which_key_and_no_value() -> None:
    said = _brief(field("data.PASSWORD", "(secret 11111111)", "(secret 22222222)", masked=True))
    assert said == "key PASSWORD changed"


def test_what_has_no_room_is_counted() -> None:
    fields = [field(f"spec.field{i}", i, i + 1) for i in range(20)]
    assert _brief(*fields, columns=50) == "field0 0 → 1, field1 1 → 2, … 18 more fields"
    assert _brief(*fields, columns=14) == "20 fields"
    assert len(fit(brief(change("update", "X", "x", *fields)), 50).left_out) == 18


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (workload("web", "reg.example/a/web:1.2", 3), "image web:1.2, 3 replicas"),
        (body("Service", "web", spec={"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}]}), "LoadBalancer, ports 80 443"),
        (body("ConfigMap", "x", data={"a": "1", "b": "2"}), "2 keys"),
        (body("PersistentVolumeClaim", "x", spec={"resources": {"requests": {"storage": "5Gi"}}}), "5Gi"),
        (body("CronJob", "x", spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": [
            {"image": "job:1"}]}}}}}), "image job:1, 0 3 * * *"),
        (body("ServiceAccount", "x"), ""),
        (body("Deployment", "x", spec={"template": None, "replicas": "many"}), "2 fields"),
        (body("Service", "x", spec={"ports": "none", "type": 5}), "2 fields"),
    ],
)  # fmt: skip
def test_a_new_object_says_what_it_is(state: dict[str, object], said: str) -> None:
    pieces = brief(change("create", str(state["kind"]), "x", state=state))
    assert "".join(text for text, _ in fit(pieces, 200).spans) == said


@given(st.text(max_size=60) | st.sampled_from(EVIL))
def test_any_path_has_a_name(path: str) -> None:
    name_of(path)
    name_of(f"data[{path}")
    name_of(f'data["{path}"] → {path}')


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=60), st.text(max_size=60)), max_size=8),
    st.integers(20, 120),
)
def test_a_brief_keeps_within_its_columns(fields: list[tuple[str, str, str]], columns: int) -> None:
    pieces = brief(change("update", "X", "x", *(field(*one) for one in fields)))
    told = fit(pieces, columns)
    assert width_of("".join(text for text, _ in told.spans)) <= columns
    assert len(told.left_out) <= len(fields)
