"""A plan's changes are held to a policy: what is denied, and what a reviewer is told.

What an object did already before the change does not keep the change from being made: a rule can be switched on where not
everything keeps to it yet, and from then on nothing new breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sloth_ci.core.plan import Change, Conflict
from sloth_ci.core.planner import Judgement
from sloth_ci.core.selection import selects
from sloth_ci.core.words import clip
from sloth_ci.core.workflow import PolicySpec, RuleSet
from sloth_ci.policy.rules import rules_of

Ask = Callable[[str, Any, Change], str | None]
"""Calls a user's own rule by its name: the reason where it does not hold."""

_LONGEST = 500
"""Of a finding: names in it come from manifests."""
_EXEMPT = "or leave the object out with policy = { exempt = { … } }"


def judge(policies: Sequence[PolicySpec], ask: Ask, changes: Sequence[Change]) -> Judgement:
    """Hold each change to the rules of every policy. Raises what a user's own rule raises."""
    denied: dict[tuple[str, str], Conflict] = {}
    warned: dict[tuple[str, str], Conflict] = {}
    for change in changes:
        held_to = [policy for policy in policies if not selects(policy.exempt, change.ref)]
        for policy in held_to:
            for finding, is_new in _found(policy.deny, ask, change):
                (denied if is_new else warned).setdefault((finding.resource, finding.description), finding)
        for policy in held_to:
            for finding, _ in _found(policy.warn, ask, change):
                warned.setdefault((finding.resource, finding.description), finding)
    return Judgement(list(denied.values()), [found for key, found in warned.items() if key not in denied])


def _found(asked: RuleSet, ask: Ask, change: Change) -> Iterator[tuple[Conflict, bool]]:
    """What breaks a rule, and whether it is this change that does."""
    if change.desired_state is not None:
        for rule in rules_of(asked):
            before = set(rule.check(change.ref, change.current_state)) if change.current_state is not None else set()
            for breach in dict.fromkeys(rule.check(change.ref, change.desired_state)):
                old = " (it was so before)" if breach in before else ""
                yield _finding(change, f"{rule.name}: {breach}{old}", rule.way_out), not old
    if change.type in {"delete", "recreate"} and selects(asked.keep, change.ref):
        what = "deleted" if change.type == "delete" else "made anew"
        yield _finding(change, f"keep: it must not be {what}", "leave it as it is"), True
    for name, function in asked.rules.items():
        reason = ask(name, function, change)
        if reason is not None:
            yield _finding(change, f"{name}: {reason}", "see the rule in the workflow file"), True


def _finding(change: Change, description: str, way_out: str) -> Conflict:
    return Conflict("policy", str(change.ref), clip(description, _LONGEST), (way_out, _EXEMPT), source=change.source)
