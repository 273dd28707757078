"""A plan's changes are held to a policy: what is denied, and what a reviewer is told.

What an object did already before the change does not keep the change from being made: a rule can be switched on where not
everything keeps to it yet, and from then on nothing new breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sloth_ci.core.plan import Change, Conflict
from sloth_ci.core.planner import Judgement
from sloth_ci.core.selection import selects
from sloth_ci.core.words import clip
from sloth_ci.core.workflow import PolicySpec, RuleSet
from sloth_ci.policy.rules import rules_of

Ask = Callable[[str, Any, Change], str | None]
"""Calls a user's own rule by its name: the reason where it does not hold."""

_LONGEST = 1000
"""Of a finding: names in it come from manifests."""
_EXEMPT = "or leave the object out with policy = { exempt = { … } }"


def judge(policies: Sequence[PolicySpec], ask: Ask, changes: Sequence[Change]) -> Judgement:
    """Hold each change to the rules of every policy. Raises what a user's own rule raises."""
    denied: list[Conflict] = []
    warned: list[Conflict] = []
    for change in changes:
        held_to = [policy for policy in policies if not selects(policy.exempt, change.ref)]
        told: set[tuple[str, str]] = set()
        for asked, denies in [(policy.deny, True) for policy in held_to] + [(policy.warn, False) for policy in held_to]:
            for found in _found(asked, ask, change):
                new, old = ([one for one in part if (found.rule, one) not in told] for part in (found.new, found.old))
                told.update((found.rule, one) for one in (*new, *old))
                if new:
                    (denied if denies else warned).append(_finding(change, found, new))
                if old:
                    warned.append(_finding(change, found, [f"{one} (it was so before)" for one in old]))
    return Judgement(denied, warned)


class _Found(NamedTuple):
    """How one change breaks one rule."""

    rule: str
    way_out: str
    new: Sequence[str]
    old: Sequence[str] = ()
    """What the object did before the change, too."""


def _found(asked: RuleSet, ask: Ask, change: Change) -> Iterator[_Found]:
    if change.desired_state is not None:
        for rule in rules_of(asked):
            before = set(rule.check(change.ref, change.current_state)) if change.current_state is not None else set()
            after = list(dict.fromkeys(rule.check(change.ref, change.desired_state)))
            new, old = [one for one in after if one not in before], [one for one in after if one in before]
            yield _Found(rule.name, rule.way_out, new, old)
    if change.type in {"delete", "recreate"} and selects(asked.keep, change.ref):
        what = "deleted" if change.type == "delete" else "made anew"
        yield _Found("keep", "leave it as it is", [f"it must not be {what}"])
    for name, function in asked.rules.items():
        reason = ask(name, function, change)
        if reason is not None:
            yield _Found(name, "see the rule in the workflow file", [reason])


def _finding(change: Change, found: _Found, breaches: Sequence[str]) -> Conflict:
    description = clip(f"{found.rule}: {'; '.join(breaches)}", _LONGEST)
    return Conflict("policy", str(change.ref), description, (found.way_out, _EXEMPT), source=change.source)
