"""What a rule of the Lua file may return."""

from __future__ import annotations

from typing import Any

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.engine.policing import judge_of
from support.plans import change


def judged(rule: Any) -> list[str]:
    table = {"repository": {"url": "."}, "policy": {"deny": {"rules": {"mine": rule}}}}
    judge = judge_of(read_table(table, WorkflowSpec, "workflow"))
    assert judge is not None
    return [found.description for found in judge([change("update", "Deployment", "web")]).denied]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (None, []),
        (True, []),
        ((True, "fine"), []),
        ((None, "fine"), []),
        (False, ["mine: it does not hold"]),
        ((False, "not on a Friday"), ["mine: not on a Friday"]),
        ("not on a Friday", ["mine: not on a Friday"]),
        ((False, 7), ["mine: 7"]),
    ],
)
def test_a_verdict(verdict: Any, told: list[str]) -> None:
    assert judged(lambda change: verdict) == told


def test_what_is_no_verdict_is_an_error() -> None:
    with pytest.raises(UsageError, match="the rule mine of the policy returned a int"):
        judged(lambda change: 1)


def test_what_is_no_function_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"policy\.deny\.rules\.mine: expected a function"):
        judged("os.exit()")


def test_a_long_reason_is_cut() -> None:
    assert len(judged(lambda change: (False, "x" * 10_000))[0]) < 600


def test_a_workflow_without_a_policy_has_no_judge() -> None:
    assert judge_of(read_table({"repository": {"url": "."}}, WorkflowSpec, "workflow")) is None
