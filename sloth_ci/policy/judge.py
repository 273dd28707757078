"""A plan's changes are held to a policy: what is denied, and what a reviewer is told.

What was declared so already does not keep a change from being made: a rule can be switched on where not everything keeps to
it yet, and from then on nothing new breaks it. What counts is what was declared, and not what is there: an object that
somebody else made excuses nothing, and one that was changed by hand can be put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.plan import Change, Conflict
from sloth_ci.core.planner import Judgement
from sloth_ci.core.selection import selects
from sloth_ci.core.words import clip
from sloth_ci.core.workflow import PolicySpec, RuleSet
from sloth_ci.policy.rules import rules_of

Ask = Callable[[Any, Change], str | None]
"""Calls a user's own rule: the reason where it does not hold."""
Declared = Callable[[Ref], Body | None]
"""An object as a revision declares it; None where it does not."""

_LONGEST = 1000
"""Of a finding: names in it come from manifests."""
_EXEMPT = "or leave the object out with policy = { exempt = { … } }"


def judge(
    policies: Sequence[PolicySpec], ask: Ask, before: Declared, after: Declared, changes: Sequence[Change]
) -> Judgement:
    """Hold each change to the rules of every policy, by what was declared `before` it and is `after` it."""
    denied: list[Conflict] = []
    warned: list[Conflict] = []
    for change in changes:
        held_to = [policy for policy in policies if not selects(policy.exempt, change.ref)]
        told: set[tuple[str, str]] = set()
        for asked, denies in [(policy.deny, True) for policy in held_to] + [(policy.warn, False) for policy in held_to]:
            for found in _found(asked, ask, before, after, change):
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


def _found(asked: RuleSet, ask: Ask, before: Declared, after: Declared, change: Change) -> Iterator[_Found]:
    was, now = before(change.ref), after(change.ref)
    if now is not None:
        for rule in rules_of(asked):
            known = set(rule.check(change.ref, was)) if was is not None else set()
            found = list(dict.fromkeys(rule.check(change.ref, now)))
            new, old = [one for one in found if one not in known], [one for one in found if one in known]
            yield _Found(rule.name, rule.way_out, new, old)
    if change.type in {"delete", "recreate"} and selects(asked.keep, change.ref):
        what = "deleted" if change.type == "delete" else "made anew"
        yield _Found("keep", "leave it as it is", [f"it must not be {what}"])
    for name, function in asked.rules.items():
        reason = ask(function, change)
        if reason is not None:
            yield _Found(name, "see the rule in the workflow file", [reason])


def _finding(change: Change, found: _Found, breaches: Sequence[str]) -> Conflict:
    description = clip(f"{found.rule}: {'; '.join(breaches)}", _LONGEST)
    return Conflict("policy", str(change.ref), description, (found.way_out, _EXEMPT), source=change.source)
