"""The policy of a workflow, with its own rules: functions of the Lua file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from sloth_ci.core.errors import UsageError
from sloth_ci.core.plan import Change
from sloth_ci.core.planner import Judge
from sloth_ci.core.words import clip
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec

_NONE = PolicySpec()
_LONGEST = 500


def judge_of(workflow: WorkflowSpec, also: Iterable[PolicySpec] = ()) -> Judge | None:
    """What holds a plan to the workflow's policy, and `also` to others; None where there is none.

    Raises UsageError for a rule that is no function.
    """
    policies = [policy for policy in (workflow.policy, *also) if policy != _NONE]
    if not policies:
        return None
    policy = workflow.policy
    for where, asked in (("deny", policy.deny), ("warn", policy.warn)):
        for name, function in asked.rules.items():
            if not callable(function):
                raise UsageError(
                    f"policy.{where}.rules.{name}: expected a function", "for example function(change) … end"
                )
    from sloth_ci.policy.judge import judge  # most workflows have none

    return partial(judge, policies, _ask)


def without_functions(policy: PolicySpec) -> PolicySpec:
    """What denies, but for rules of its own: of a Lua file that is not read any more nobody can call a function."""
    return PolicySpec(deny=replace(policy.deny, rules={}), exempt=policy.exempt)


def _ask(name: str, function: Any, change: Change) -> str | None:
    """Call a rule. Raises UsageError where it returns what is no verdict, and what the function raises."""
    from sloth_ci.report.document import change_document  # only rules of one's own need it

    result = function(change_document(change))
    verdict, reason = (*result, None)[:2] if isinstance(result, tuple) else (result, None)
    if verdict is None or verdict is True:
        return None
    if isinstance(verdict, str):
        verdict, reason = False, verdict
    if verdict is not False:
        raise UsageError(
            f"the rule {name} of the policy returned a {type(verdict).__name__}",
            "it returns nothing, true, or false and why",
        )
    return clip(str(reason), _LONGEST) if reason else "it does not hold"
