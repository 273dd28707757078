"""Fields that are missing: removed by somebody, or new in Git."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from sloth_ci.core.drift import genuine
from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import Change, Drift, FieldChange, Impact

REF = Ref("apps", "Deployment", "shop", "web")


def change(*paths: str, kind: str = "update", ref: Ref = REF) -> Change:
    fields = tuple(FieldChange(path, UNSET, 1) for path in paths)
    return Change(kind, ref, "v1", Impact.LOW, (), "yes", fields, None, None, None)  # type: ignore[arg-type]


def missing(path: str) -> Drift:
    return Drift(str(REF), path, UNSET, 1, "unknown", "overwritten")


@pytest.mark.parametrize(
    ("changed", "path", "stays"),
    [
        (("spec.replicas",), "spec.replicas", False),
        (("spec.strategy",), "spec.strategy.type", False),
        (
            ("spec.template.spec.containers[name=web].env[name=A]",),
            "spec.template.spec.containers[name=web].env",
            False,
        ),
        (("spec.replicasOther",), "spec.replicas", True),
        (("spec.paused",), "spec.replicas", True),
        ((), "spec.replicas", True),
    ],
)
def test_what_is_new_in_git_was_not_removed(changed: tuple[str, ...], path: str, stays: bool) -> None:
    assert bool(genuine([missing(path)], [change(*changed)])) is stays


def test_a_new_object_drifts_in_nothing_and_another_one_does_not_matter() -> None:
    assert genuine([missing("spec.a")], [change(kind="create")]) == ()
    other = REF._replace(name="other")
    assert genuine([missing("spec.a")], [change("spec.a", ref=other)])


def test_values_that_somebody_changed_always_count() -> None:
    changed = Drift(str(REF), "spec.a", 2, 1, "human", "blocks")
    assert genuine([changed, missing("spec.b")], None) == (changed,)
    assert genuine([changed], [change("spec.a")]) == (changed,)
