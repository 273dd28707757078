"""What a rule of the Lua file may return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import PolicySpec, read_table
from sloth_ci.engine.policing import judge_of
from support.gitrepo import GitRepo
from support.plans import change
from support.world import World


@pytest.fixture
def world(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> World:
    return World(tmp_path, git_repo)


def judged(rule: Any) -> list[str]:
    judge = judge_of([read_table({"deny": {"rules": {"mine": rule}}}, PolicySpec, "policy")], {}, ())
    assert judge is not None
    return [found.description for found in judge([change("update", "Deployment", "web")]).denied]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (None, []),
        (True, []),
        ((True, "fine"), []),
        ((None, "no"), ["mine: no"]),
        (False, ["mine: it does not hold"]),
        ((False, "not on a Friday"), ["mine: not on a Friday"]),
        ("not on a Friday", ["mine: not on a Friday"]),
        ((False, 7), ["mine: 7"]),
    ],
)
def test_a_verdict(verdict: Any, told: list[str]) -> None:
    assert judged(lambda change: verdict) == told


def test_what_is_no_verdict_does_not_hold() -> None:
    assert judged(lambda change: 1) == ["mine: the rule returned a int: it returns nothing, true, or false and why"]


def test_a_rule_that_fails_does_not_hold_and_says_where() -> None:
    def fails(change: dict[str, Any]) -> None:
        raise UsageError("sloth.lua:5: attempt to index a nil value")

    assert judged(fails) == ["mine: the rule failed: sloth.lua:5: attempt to index a nil value"]


def test_what_is_no_function_is_an_error(world: World) -> None:
    with pytest.raises(UsageError, match=r"policy\.deny\.rules\.mine: expected a function"):
        world.preview(world.workflow(policy={"deny": {"rules": {"mine": "os.exit()"}}}))


def test_a_long_reason_is_cut() -> None:
    assert len(judged(lambda change: (False, "x" * 10_000))[0]) < 600


def test_without_a_policy_there_is_no_judge() -> None:
    assert judge_of([], {}, ()) is None
