"""The gate: whose word counts for which plan."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sloth_ci.core.gate import Evidence, Verdict, is_same, judge, reviews_needed, strictest
from sloth_ci.core.objects import Ref
from sloth_ci.core.plan import Hook, Impact, Plan
from sloth_ci.core.review import PlanCheck, Protection, PullRequest, Review
from sloth_ci.core.stale import change_digests
from sloth_ci.core.workflow import ApprovalSpec, read_table
from support.plans import change, field, plan, workload

HEAD = "a" * 40
PULL = PullRequest(
    number=12,
    url="https://forge.example/acme/shop/pull/12",
    title="Shop 1.5",
    author="alice",
    state="open",
    head_sha=HEAD,
    head_branch="shop",
    base_branch="main",
    base_sha="b" * 40,
    fork=False,
)
PLAN = plan(change("update", "Deployment", "web", field("spec.replicas", 2, 3), impact=Impact.MEDIUM))
CHECK = PlanCheck(id=1, name="sloth-ci / production", digest=PLAN.digest, completed=100.0)


def approved(person: str, **more: Any) -> Review:
    return Review(**{"person": person, "verdict": "approved", "sha": HEAD, "at": 200.0, "may_write": True, **more})


def verdict(*reviews: Review, of: Plan = PLAN, rules: dict[str, Any] | None = None, **evidence: Any) -> Verdict:
    table = read_table(rules or {}, ApprovalSpec, "approval")
    return judge(of, table, Evidence(**{"pull": PULL, "check": CHECK, "reviews": reviews, **evidence}))


def test_one_approval_of_the_plan_that_was_shown_opens_the_gate() -> None:
    assert verdict(approved("bob")) == Verdict((), ("bob approved",))


@pytest.mark.parametrize(
    ("review", "why"),
    [
        (approved("alice"), "alice wrote it"),
        (approved("carol"), "carol pushed to it"),
        (approved("eve", may_write=False), "eve has no write access"),
        (approved("bob", sha="c" * 40), "bob approved another commit (cccccccccc)"),
        (approved("bob", sha=None), "bob approved another commit (unknown)"),
        (approved("bob", at=99.0), "bob approved before the plan was there to be seen"),
    ],
)
def test_approvals_that_do_not_count_are_told_with_the_reason(review: Review, why: str) -> None:
    found = verdict(review, pushers=frozenset({"carol"}))
    assert found.missing == (f"1 more approval of 1 on aaaaaaaaaa ({why})",)


def test_a_check_that_has_not_ended_was_not_there_to_be_seen() -> None:
    assert "before the plan was there" in verdict(approved("bob"), check=replace(CHECK, completed=None)).missing[0]


def test_two_approvals_of_one_person_are_one() -> None:
    found = verdict(approved("bob"), approved("bob", at=300.0), rules={"reviews": 2})
    assert found.missing == ("1 more approval of 2 on aaaaaaaaaa",)


def test_whoever_may_write_can_stop_it_and_nobody_else() -> None:
    no = approved("dave", verdict="changes_requested")
    assert verdict(approved("bob"), no).missing == ("dave has requested changes",)
    assert verdict(approved("bob"), replace(no, may_write=False)).open
    both = verdict(approved("bob"), no, replace(no, person="erin"))
    assert both.missing == ("dave and erin have requested changes",)


def test_without_a_pull_request_nobody_could_approve() -> None:
    assert "no pull request brought this commit" in verdict(pull=None).missing[0]


def test_without_a_check_there_is_no_plan_that_was_approved() -> None:
    assert "no plan was reported on aaaaaaaaaa" in verdict(approved("bob"), check=None).missing[0]


def test_a_stale_plan_is_explained_by_its_changes() -> None:
    grown = replace(
        PLAN, digest="other.digest", changes=(*PLAN.changes, change("delete", "ConfigMap", "old", impact=Impact.HIGH))
    )
    seen = replace(CHECK, changes=change_digests(PLAN))
    assert verdict(approved("bob"), of=grown, check=seen).missing == (
        "what was approved is another plan: approved 1 change, now 2: new is delete ConfigMap/shop/old",
    )


def test_a_stale_plan_without_changes_on_record_is_explained_by_its_halves() -> None:
    later = replace(PLAN, digest=f"{PLAN.digest.partition('.')[0]}.other")
    assert "the destination changed since the approval" in verdict(approved("bob"), of=later).missing[0]


def test_another_merge_in_between_makes_no_plan_stale_that_does_the_same() -> None:
    """The digest covers all that a revision declares, also what another pull request has deployed meanwhile."""
    later = replace(PLAN, digest="other.digest")
    assert verdict(approved("bob"), of=later, check=replace(CHECK, changes=change_digests(PLAN))).open
    assert not verdict(approved("bob"), of=later).open


def test_values_of_secrets_are_compared_by_the_digest_alone() -> None:
    secret = plan(change("update", "Secret", "keys", field("data.key", "<1>", "<2>", masked=True)))
    check = replace(CHECK, changes=change_digests(secret))
    assert is_same(check, secret)
    assert not is_same(check, replace(secret, digest="other.digest"))


def test_what_is_made_is_compared_as_a_whole() -> None:
    """A creation has no fields that change."""
    made = plan(change("create", "Deployment", "web", state=workload("web", "web:1")))
    check = replace(CHECK, changes=change_digests(made))
    assert is_same(check, replace(made, digest="other.digest"))
    other = plan(change("create", "Deployment", "web", state=workload("web", "web:2")), digest="other.digest")
    assert not is_same(check, other)
    secret = plan(change("create", "Secret", "keys"), digest="other.digest")
    assert not is_same(replace(CHECK, changes=change_digests(secret)), secret)


def hook(digest: str = "d" * 64, *, changed: bool = True) -> Hook:
    return Hook("PreSync", Ref("batch", "Job", "shop", "migrate"), None, digest, changed)


def test_what_a_sync_runs_belongs_to_the_plan() -> None:
    check = replace(CHECK, changes=change_digests(replace(PLAN, hooks=(hook(),))))
    later = replace(PLAN, digest="other.digest", hooks=(hook(),))
    assert is_same(check, later)
    assert not is_same(check, replace(later, hooks=()))
    assert not is_same(check, replace(later, hooks=(hook("e" * 64),)))
    secret = replace(later, hooks=(hook(""),))
    assert not is_same(replace(CHECK, changes=change_digests(secret)), secret)


def test_another_hook_alone_has_to_be_approved() -> None:
    only = plan(hooks=(hook(),), digest=PLAN.digest)
    assert verdict(of=only).missing == ("1 more approval of 1 on aaaaaaaaaa",)
    assert verdict(of=replace(only, hooks=(hook(changed=False),))).open
    assert reviews_needed(only, ApprovalSpec(from_impact="high")) == 1
    assert reviews_needed(only, ApprovalSpec(from_impact="critical")) is None


def test_the_strictest_of_some_rules_satisfies_all() -> None:
    one = ApprovalSpec(reviews=1, from_impact="high", by_impact={"critical": 3})
    two = ApprovalSpec(reviews=2, code_owners=True, from_impact="medium", by_impact={"critical": 2, "high": 2})
    assert strictest([one, None, two]) == ApprovalSpec(
        reviews=2, code_owners=True, from_impact="medium", by_impact={"critical": 3, "high": 2}
    )
    assert strictest([None, None]) is None


def test_a_plan_that_changes_nothing_asks_nobody() -> None:
    assert verdict(of=plan(), pull=None, check=None).open


@pytest.mark.parametrize(
    ("impact", "needed"), [(Impact.LOW, None), (Impact.MEDIUM, 1), (Impact.HIGH, 2), (Impact.CRITICAL, 3)]
)
def test_gates_scale_with_impact(impact: Impact, needed: int | None) -> None:
    rules = ApprovalSpec(from_impact="medium", by_impact={"high": 2, "critical": 3})
    assert reviews_needed(plan(change("update", "Deployment", "web", impact=impact)), rules) == needed


def test_each_rule_of_the_owners_wants_one_of_its_own() -> None:
    owners = {"/db/": frozenset({"dba", "bob"}), "/web/": frozenset({"web-1", "web-2"})}
    found = verdict(approved("bob"), rules={"code_owners": True}, owners=owners)
    assert found.missing == ("an approval by an owner of /web/: web-1 and web-2",)
    assert verdict(approved("bob"), approved("web-2"), rules={"code_owners": True}, owners=owners).open
    alone = verdict(rules={"code_owners": True, "reviews": 0}, owners={"/db/": frozenset({"dba"})})
    assert alone.missing == ("an approval by an owner of /db/: dba",)


def test_a_rule_of_the_owners_may_want_several_of_them() -> None:
    owners = {"[Database] model/db/": frozenset({"dba", "bob", "carol"})}
    asked: dict[str, Any] = {
        "rules": {"code_owners": True},
        "owners": owners,
        "owner_approvals": {"[Database] model/db/": 2},
    }
    assert verdict(approved("bob"), **asked).missing == (
        "1 more approval of 2 by owners of [Database] model/db/: bob, carol and dba",
    )
    assert verdict(approved("bob"), approved("bob", at=300.0), **asked).missing != ()
    assert verdict(approved("bob"), approved("dba"), **asked).open
    none = verdict(**{**asked, "rules": {"code_owners": True, "reviews": 0}})
    assert none.missing == ("2 more approvals of 2 by owners of [Database] model/db/: bob, carol and dba",)


def test_what_the_forge_still_asks_for_is_missing_whatever_the_workflow_asks_for() -> None:
    unmet = ("2 approvals by the rule Security",)
    assert verdict(approved("bob"), unmet=unmet) == Verdict(unmet, ("bob approved",))
    assert judge(PLAN, None, Evidence(pull=PULL, unmet=unmet)).missing == unmet
    assert judge(plan(), None, Evidence(pull=PULL, unmet=unmet)).open
    assert judge(plan(hooks=(hook(),)), None, Evidence(pull=PULL, unmet=unmet)).missing == unmet


def test_the_forge_has_its_own_word_for_a_change_under_review() -> None:
    assert verdict(pull=None, request_word="merge request").missing == (
        "no merge request brought this commit, so nobody could approve it: open one",
    )


def test_a_protected_environment_that_the_job_has_not_declared_is_refused_with_the_line_to_add() -> None:
    found = judge(
        PLAN, None, Evidence(pull=None, protection=Protection(environment="production", reviewers=True, declared=False))
    )
    assert "add `environment: production` to the job" in found.missing[0]


def test_reviewers_of_an_environment_approve_the_run() -> None:
    asked = Protection(environment="production", reviewers=True, declared=True)
    assert judge(PLAN, None, Evidence(pull=None, protection=asked)).missing == (
        "nobody has approved this run for the environment production",
    )
    given = replace(asked, approved_by=("bob",))
    assert judge(PLAN, None, Evidence(pull=None, protection=given)) == Verdict(
        (), ("bob approved this run for production",)
    )
