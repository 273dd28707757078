"""The gate between a plan and its sync: who has to agree to it, and whether they did.

Rules and evidence in, a verdict out. The evidence is what the forge itself recorded, never what a comment's text says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from sloth_ci.core.plan import Impact, Plan
from sloth_ci.core.review import PlanCheck, Protection, PullRequest, Review
from sloth_ci.core.stale import change_digests, explain, hides_something, which_half
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import ApprovalSpec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when a plan asks to be let through."""

    pull: PullRequest | None
    """The pull request that brings or brought the commit; None for one that was pushed without."""
    check: PlanCheck | None = None
    """The newest check of a plan of this workflow on the head of that pull request."""
    reviews: Sequence[Review] = ()
    pushers: frozenset[str] = frozenset()
    """Whose commits are in it: they cannot approve it, no more than its author can."""
    owners: Mapping[str, frozenset[str]] = {}
    """Code owners of what changes: each rule of the file that applies, with the people whose approval it takes."""
    owner_approvals: Mapping[str, int] = {}
    """How many of its owners a rule takes; one where it is not here."""
    unmet: Sequence[str] = ()
    """What the forge's own approval rules still ask for, in words."""
    protection: Protection | None = None
    request_word: str = "pull request"
    """What the forge calls a change under review."""


class Verdict(NamedTuple):
    """Whether the gate is open."""

    missing: tuple[str, ...]
    """What is still to be done, in words; empty where the gate is open."""
    given: tuple[str, ...] = ()
    """What was done: `alice approved`."""

    @property
    def open(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def judge(plan: Plan, rules: ApprovalSpec | None, evidence: Evidence) -> Verdict:
    """Hold a plan against the rules of its workflow (None: it asks for no approval) and against those of the forge.

    A plan that brings nothing is asked for nothing but what its environment demands of every job.
    """
    missing: list[str] = []
    given: list[str] = []
    if evidence.protection is not None:
        _environment(evidence.protection, missing, given)
    if plan.brings:
        missing += evidence.unmet
    if rules is not None and plan.brings:
        _reviews(plan, rules, evidence, missing, given)
    return Verdict(tuple(missing), tuple(given))


def strictest(rules: Sequence[ApprovalSpec | None]) -> ApprovalSpec | None:
    """What satisfies all of some rules; None asks for nothing."""
    asked = [one for one in rules if one is not None]
    if not asked:
        return None
    names = {name for one in asked for name in one.by_impact}
    return ApprovalSpec(
        reviews=max(one.reviews for one in asked),
        code_owners=any(one.code_owners for one in asked),
        from_impact=min((one.from_impact for one in asked), key=lambda name: Impact[name.upper()]),
        by_impact={name: max(one.by_impact.get(name, 0) for one in asked) for name in names},
    )


def is_same(check: PlanCheck, plan: Plan) -> bool:
    """Whether a plan does what was shown in a check, and nothing else.

    The digests say so. Where another pull request was merged and deployed in between they differ, as they cover all that the
    revision declares; then the changes do, each with its fields. Values of Secrets cannot be compared in this way.
    """
    if check.digest == plan.digest:
        return True
    comparable = bool(check.changes) and not hides_something(plan)
    return comparable and check.changes == change_digests(plan)


def reviews_needed(plan: Plan, rules: ApprovalSpec) -> int | None:
    """How many people have to approve a plan, by its highest impact; None where it may go as it is.

    Another hook counts as high: it is a program in the cluster, with whatever rights its manifest names.
    """
    hooks = [Impact.HIGH] if any(hook.changed for hook in plan.hooks) else []
    impact = max([change.impact for change in plan.changes] + hooks, default=None)
    if impact is None or impact < Impact[rules.from_impact.upper()]:
        return None
    by_impact = [count for name, count in rules.by_impact.items() if impact >= Impact[name.upper()]]
    return max([rules.reviews, *by_impact])


def needs_approval(plan: Plan, rules: ApprovalSpec | None) -> bool:
    """Whether the rules of a workflow (None: it has none) ask for an approval of this plan."""
    needed = None if rules is None else reviews_needed(plan, rules)
    return rules is not None and needed is not None and (needed > 0 or rules.code_owners)


def counted(check: PlanCheck | None, evidence: Evidence) -> tuple[list[Review], list[str]]:
    """The approvals that count for the plan of a check, and for each of the others why it does not."""
    good: list[Review] = []
    passed: list[str] = []
    pull = evidence.pull
    for review in evidence.reviews:
        if review.verdict != "approved" or pull is None:
            continue
        who = review.person
        if who == pull.author:
            passed.append(f"{who} wrote it")
        elif who in evidence.pushers:
            passed.append(f"{who} pushed to it")
        elif review.void:
            passed.append(f"{who} {review.void}")
        elif not review.may_write:
            passed.append(f"{who} has no write access")
        elif review.sha != pull.head_sha:
            passed.append(f"{who} approved another commit ({(review.sha or 'unknown')[:10]})")
        elif check is None or check.completed is None or review.at < check.completed:
            passed.append(f"{who} approved before the plan was there to be seen")
        else:
            good.append(review)
    return good, passed


def _environment(protection: Protection, missing: list[str], given: list[str]) -> None:
    name = protection.environment
    if not protection.declared:
        missing.append(
            f"environment {name} is protected, and this job has not declared it: add `environment: {name}` to the job"
        )
    elif protection.reviewers and not protection.approved_by:
        missing.append(f"nobody has approved this run for the environment {name}")
    given += [f"{who} approved this run for {name}" for who in protection.approved_by]


def _reviews(plan: Plan, rules: ApprovalSpec, evidence: Evidence, missing: list[str], given: list[str]) -> None:
    if not needs_approval(plan, rules):
        return
    needed = reviews_needed(plan, rules) or 0
    pull, check = evidence.pull, evidence.check
    if pull is None:
        missing.append(f"no {evidence.request_word} brought this commit, so nobody could approve it: open one")
        return
    if check is None:
        missing.append(f"no plan was reported on {pull.head_sha[:10]}, so there is none that was approved: preview it")
        return
    if not is_same(check, plan):
        missing.append(f"what was approved is another plan: {_difference(check, plan)}")
        return
    against = [
        review.person for review in evidence.reviews if review.verdict == "changes_requested" and review.may_write
    ]
    if against:
        missing.append(f"{_listed(against)} {'has' if len(against) == 1 else 'have'} requested changes")
    good, passed = counted(check, evidence)
    people = {review.person for review in good}
    given += [f"{review.person} approved" for review in good]
    if len(people) < needed:
        why = f" ({'; '.join(passed)})" if passed else ""
        missing.append(f"{plural(needed - len(people), 'more approval')} of {needed} on {pull.head_sha[:10]}{why}")
    if rules.code_owners:
        missing += _owners(people, evidence)


def _owners(people: set[str], evidence: Evidence) -> Iterator[str]:
    """Each rule of the code owners that has not enough of them among those who approved."""
    for rule, owners in evidence.owners.items():
        asked = evidence.owner_approvals.get(rule, 1)
        left = asked - len(people & owners)
        if left <= 0:
            continue
        if asked == 1:
            yield f"an approval by an owner of {rule}: {_listed(sorted(owners))}"
        else:
            yield f"{plural(left, 'more approval')} of {asked} by owners of {rule}: {_listed(sorted(owners))}"


def _difference(check: PlanCheck, plan: Plan) -> str:
    return explain(check.changes, plan) if check.changes else which_half(check.digest, plan.digest)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
