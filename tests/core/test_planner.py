"""Plans: what is a change, what stands against it, and what the digest pins."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from sloth_ci.core.immutable import ON_IMMUTABLE
from sloth_ci.core.objects import Manifest, set_digest
from sloth_ci.core.observed import Observed
from sloth_ci.core.plan import Impact, Plan
from sloth_ci.core.planner import Desired, Live, make_plan
from sloth_ci.core.prune import PRUNE
from sloth_ci.core.secrets import LAST_APPLIED, Fingerprinter
from sloth_ci.core.workflow import ConflictPolicy, RepositorySpec, SyncPolicy, WorkflowSpec
from support.bodies import body, deployment, manifest

WORKFLOW = WorkflowSpec(repository=RepositorySpec(url="https://example.test/o/r"))


def plan(
    desired: list[dict[str, Any]],
    live: list[dict[str, Any]] = [],  # noqa: B006 (never changed)
    *,
    workflow: WorkflowSpec = WORKFLOW,
    foreign: list[dict[str, Any]] = [],  # noqa: B006
    key: bytes = b"k",
    **more: Any,
) -> Plan:
    def manifests(bodies: list[dict[str, Any]]) -> list[Manifest]:
        return [manifest(content) for content in bodies]

    wanted = manifests(desired)
    owned = {m.ref: m for m in manifests(live)}
    others = {m.ref: m for m in manifests(foreign)}
    return make_plan(
        workflow,
        Desired("c" * 40, wanted, set_digest(wanted)),
        Live("directory live", Observed(owned | others), frozenset(owned)),
        Fingerprinter(key),
        **more,
    )


def secret(value: str, **more: Any) -> dict[str, Any]:
    return body("Secret", "db", data={"password": b64encode(value.encode()).decode(), "user": "YWRt"}, **more)


def test_the_three_kinds_of_change_in_the_order_of_their_impact() -> None:
    result = plan(
        [deployment(image="web:2"), body("ConfigMap", "new", data={})],
        [deployment(image="web:1"), body("PersistentVolumeClaim", "disk", spec={})],
    )
    assert [(c.type, str(c.ref), c.impact, c.reversible) for c in result.changes] == [
        ("delete", "PersistentVolumeClaim/shop/disk", Impact.CRITICAL, "no"),
        ("update", "Deployment/shop/web", Impact.MEDIUM, "yes"),
        ("create", "ConfigMap/shop/new", Impact.LOW, "yes"),
    ]
    assert result.summary == msgspec.structs.replace(
        result.summary, total_changes=3, created_resources=1, updated_resources=1, deleted_resources=1
    )
    assert result.max_impact is Impact.CRITICAL


def test_a_moved_file_is_no_change_and_does_not_touch_the_digest() -> None:
    here, there = manifest(deployment(), "a.yaml", 1), manifest(deployment(), "b/c.yaml", 40)
    plans = [
        make_plan(
            WORKFLOW,
            Desired("c" * 40, [wanted], set_digest([wanted])),
            Live("d", Observed({here.ref: here}), frozenset([here.ref])),
            Fingerprinter(b"k"),
        )
        for wanted in (here, there)
    ]
    assert plans[0].digest == plans[1].digest
    assert not plans[1].changes
    assert plans[1].unchanged == 1


def test_what_was_not_put_there_by_the_workflow_is_never_pruned() -> None:
    assert not plan([], foreign=[deployment()]).changes


def test_an_object_can_ask_to_be_kept() -> None:
    kept = body("ConfigMap", "keep", metadata={"annotations": {PRUNE: "false"}})
    result = plan([deployment()], [deployment(), kept])
    assert not result.changes
    assert "ConfigMap/shop/keep" in result.warnings[0]


def test_without_auto_prune_the_rest_stays_and_is_counted() -> None:
    workflow = msgspec.structs.replace(WORKFLOW, sync_policy=SyncPolicy(auto_prune=False))
    result = plan([deployment()], [deployment(), body("ConfigMap", "old")], workflow=workflow)
    assert not result.changes
    assert result.warnings == ("1 object no longer in Git left in place, as auto_prune is off",)


def test_an_empty_revision_is_a_conflict_unless_it_is_meant() -> None:
    (conflict,) = plan([], [deployment()]).conflicts
    assert "no manifest" in conflict.description
    meant = msgspec.structs.replace(WORKFLOW, sync_policy=SyncPolicy(allow_empty=True, prune_limit=1.0))
    assert not plan([], [deployment()], workflow=meant).conflicts


def test_too_large_a_share_of_deletions_is_a_conflict() -> None:
    many = [body("ConfigMap", f"c{n}") for n in range(12)]
    (conflict,) = plan(many[:4], many).conflicts
    assert "8 of 12 objects would be deleted, more than 50%" in conflict.description
    assert not plan(many[:4], many, prune_limit=1.0).conflicts
    assert not plan(many[:1], many[:6]).conflicts, "a small inventory may shrink"


def test_no_secret_value_is_in_a_plan_and_keys_still_tell_what_changed() -> None:
    old = secret("hunter2-old", metadata={"annotations": {LAST_APPLIED: '{"data":{"password":"aHVudGVyMi1vbGQ="}}'}})
    result = plan([secret("hunter2-new")], [old])
    (change,) = result.changes
    told = {field.path: (field.before, field.after) for field in change.fields}
    assert told["data.password"][0] != told["data.password"][1]
    assert "data.user" not in told
    text = str(msgspec.to_builtins(result))
    for value in ("hunter2-old", "hunter2-new"):
        assert value not in text
        assert b64encode(value.encode()).decode() not in text
    assert "aHVudGVy" not in text


def test_fingerprints_of_two_runs_cannot_be_compared_but_their_digests_can() -> None:
    one, two = (plan([secret("b")], [secret("a")], key=key) for key in (b"1", b"2"))
    assert one.changes[0].fields != two.changes[0].fields
    assert one.digest == two.digest
    assert one.digest != plan([secret("c")], [secret("a")]).digest


def test_stringdata_is_the_same_as_data() -> None:
    assert not plan([body("Secret", "s", stringData={"a": "x"})], [body("Secret", "s", data={"a": "eA=="})]).changes


def test_the_digest_pins_only_live_fields_that_would_change() -> None:
    wanted = deployment(image="web:2")

    def live(image: str, note: str) -> dict[str, Any]:
        content = deployment(image=image)
        content["spec"]["template"]["spec"]["containers"][0]["image"] = image
        return {**content, "extra": note}

    approved = plan([{**wanted, "extra": "x"}], [live("web:1", "x")])
    intent, effect = approved.digest.split(".")
    edited = plan([{**wanted, "extra": "x"}], [live("web:1-hotfix", "x")]).digest.split(".")
    assert edited[0] == intent
    assert edited[1] != effect
    other_intent = plan([{**deployment(image="web:3"), "extra": "x"}], [live("web:1", "x")]).digest.split(".")
    assert other_intent[0] != intent


def test_a_foreign_owner_is_a_conflict_unless_adopted() -> None:
    theirs = deployment(annotations={"meta.helm.sh/release-name": "shop"})
    result = plan([deployment(image="web:2")], foreign=[theirs])
    assert [(c.type, c.description) for c in result.conflicts] == [("foreign_owner", "Helm release 'shop' owns it")]
    adopt = msgspec.structs.replace(WORKFLOW, conflicts=ConflictPolicy(foreign_owner="adopt"))
    assert not plan([deployment(image="web:2")], foreign=[theirs], workflow=adopt).conflicts


def test_an_immutable_field_is_a_conflict_or_a_recreate_where_the_object_says_so() -> None:
    def changed(**metadata: Any) -> dict[str, Any]:
        content = deployment(**metadata)
        content["spec"]["selector"]["matchLabels"] = {"app": "other"}
        return content

    (conflict,) = plan([changed()], [deployment()]).conflicts
    assert conflict.type == "immutable_field"
    assert conflict.current_state == {"spec.selector.matchLabels.app": "web"}
    assert conflict.desired_state == {"spec.selector.matchLabels.app": "other"}
    opted = plan([changed(annotations={ON_IMMUTABLE: "recreate"})], [deployment()])
    assert not opted.conflicts
    assert [(c.type, c.impact) for c in opted.changes] == [("recreate", Impact.HIGH)]
    assert opted.summary.updated_resources == 1


def test_a_stateful_kind_is_never_made_anew() -> None:
    def claim(size: str) -> dict[str, Any]:
        return body(
            "PersistentVolumeClaim",
            "disk",
            metadata={"annotations": {ON_IMMUTABLE: "recreate"}},
            spec={"storageClassName": size},
        )

    assert [c.type for c in plan([claim("b")], [claim("a")]).conflicts] == ["immutable_field"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (body("ConfigMap", "Upper"), "metadata.name is not a DNS name"),
        (body("Service", "9front", spec={}), "metadata.name of a Service"),
        (body("ConfigMap", "c", data={"n": 1}), "data[n] is not a string: put it in quotes"),
        (body("Secret", "s", data={"p": "not base64!"}), "data[p] is not base64"),
        (body("ConfigMap", "c", metadata={"labels": {"version": 1.5}}), "metadata.labels[version] is not a string"),
        (body("ConfigMap", "c", metadata={"labels": {"a b": "x"}}), "not a qualified name"),
        (body("ConfigMap", "c", namespace="Bad_NS"), "metadata.namespace is not a DNS label"),
        (body("ConfigMap", "c", data={"big": "x" * 2_000_000}), "its data holds 2,000,000 bytes"),
        (
            body("Pod", "p", spec={"containers": [{"name": "a"}, {"name": "a"}]}),
            "two containers of one pod are named 'a'",
        ),
        (
            body("CronJob", "c", spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [{}]}}}}}),
            "containers[0].name is missing",
        ),
    ],
)
def test_what_an_api_server_would_refuse_is_a_conflict(content: dict[str, Any], reason: str) -> None:
    conflicts = plan([content]).conflicts
    assert [c.type for c in conflicts] == ["validation"]
    assert reason in conflicts[0].description


def test_the_same_object_twice_and_a_merge_that_git_cannot_make_are_conflicts() -> None:
    first, second = manifest(deployment(), "a.yaml"), manifest(deployment(image="x"), "b.yaml", 7)
    result = make_plan(
        WORKFLOW,
        Desired("c" * 40, [first], set_digest([first]), duplicates=[(first, second)]),
        Live("d", Observed({}), frozenset()),
        Fingerprinter(b"k"),
        merge_conflicts=["k8s/web.yaml"],
    )
    assert [c.type for c in result.conflicts] == ["git_merge", "duplicate_resource"]
    assert "a.yaml:1 and again in b.yaml:7 with other content" in result.conflicts[1].description
