"""Who said what to which commit: reviews, approving comments, pushers, owners and rights."""

from __future__ import annotations

import pytest

from sloth_ci.core.codeowners import Owned
from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Review
from support.forges.bare import Signature
from support.forges.clock import seconds_of
from support.github_shop import FILE, Shop, plan_report, seen

APPROVE = "/sloth approve"


def words(shop: Shop, number: int) -> dict[str, Review]:
    forge = shop.forge()
    return {review.person: review for review in forge.reviews(forge.pull_request(number))}


def test_the_last_decisive_review_of_each_person_counts(shop: Shop) -> None:
    pull = shop.opened()
    pull.approve("bob")
    pull.request_changes("carol")
    pull.request_changes("bob")
    last = pull.approve("carol")
    pull.review("carol", "COMMENTED", "one more thing")
    pull.approve("reader")
    said = words(shop, pull.number)
    assert {who: word.verdict for who, word in said.items()} == {
        "bob": "changes_requested",
        "carol": "approved",
        "reader": "approved",
    }
    assert {who: word.may_write for who, word in said.items()} == {"bob": True, "carol": True, "reader": False}
    assert (said["carol"].sha, said["carol"].at) == (pull.head, seconds_of(last.submitted_at))


def test_a_dismissed_review_is_no_word(shop: Shop) -> None:
    pull = shop.opened()
    pull.approve("bob")
    pull.dismiss(pull.request_changes("bob"))
    pull.dismiss(pull.approve("carol"))
    assert words(shop, pull.number) == {}


def test_an_approval_of_an_older_commit_says_so(shop: Shop) -> None:
    pull = shop.opened()
    pull.approve("bob")
    before = pull.head
    pull.push("alice", {FILE: "replicas: 3\n"})
    assert words(shop, pull.number)["bob"].sha == before


def test_more_reviews_than_a_page_holds(shop: Shop) -> None:
    pull = shop.opened()
    for _ in range(105):
        pull.review("bob", "COMMENTED", "hm")
    pull.approve("bob")
    assert words(shop, pull.number)["bob"].verdict == "approved"


def test_rights_are_asked_once_for_each_person(shop: Shop) -> None:
    shop.repo.allow("maint", "maintain")
    forge = shop.forge()
    for _ in range(2):
        assert [forge.may_write(who) for who in ("alice", "maint", "reader", "mallory")] == [True, True, False, False]
    assert not forge.may_write("some-app[bot]")
    assert shop.fake.record.count("GET", "/permission$") == 5


# --- comments


def test_a_comment_counts_for_the_head_whose_plan_was_shown(shop: Shop) -> None:
    pull = shop.opened()
    shop.forge().report_check(pull.head, plan_report())
    comment = pull.comment("bob", f"Looks good.\n\n{APPROVE}\n")
    said = words(shop, pull.number)["bob"]
    assert (said.verdict, said.sha, said.at, said.may_write) == (
        "approved",
        pull.head,
        seconds_of(comment.created_at),
        True,
    )


def test_a_head_is_there_since_it_was_pushed_and_planned(shop: Shop) -> None:
    pull = shop.opened()
    forge = shop.forge()
    assert forge.head_since(seen(forge, pull)) is None
    shop.fake.clock.advance(50)
    check = forge.report_check(pull.head, plan_report())
    assert forge.head_since(seen(forge, pull)) == check.completed


def test_a_comment_before_the_plan_belongs_to_no_commit(shop: Shop) -> None:
    pull = shop.opened()
    pull.comment("bob", APPROVE)
    shop.forge().report_check(pull.head, plan_report())
    assert words(shop, pull.number)["bob"].sha is None


def test_a_comment_on_an_older_head_is_none_on_the_new_one(shop: Shop) -> None:
    pull = shop.opened()
    shop.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    pull.push("alice", {FILE: "replicas: 300\n"})
    shop.forge().report_check(pull.head, plan_report("another.plan"))
    assert words(shop, pull.number)["bob"].sha is None


def test_a_head_that_was_checked_elsewhere_first_is_not_approved_by_older_comments(shop: Shop) -> None:
    """The author has a bad commit checked on another branch, gets the good one approved, then pushes the bad one."""
    pull = shop.opened()
    bad = shop.repo.commit("alice", "hidden", {FILE: "replicas: 0\n"}, start="feature")
    shop.forge().report_check(bad, plan_report("bad.plan"))
    shop.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    before = pull.head
    shop.fake.clock.tick()
    shop.repo.git.set_ref("refs/heads/feature", bad)
    shop.repo.moved("alice", "feature", before, bad)
    assert pull.head == bad
    assert words(shop, pull.number)["bob"].sha is None


def test_a_head_that_comes_back_by_force_is_not_approved_by_older_comments(shop: Shop) -> None:
    pull = shop.opened(text="replicas: 0\n")
    bad = pull.head
    shop.forge().report_check(bad, plan_report("bad.plan"))
    good = pull.push("alice", {FILE: "replicas: 2\n"})
    shop.forge().report_check(good, plan_report())
    pull.comment("bob", APPROVE)
    assert words(shop, pull.number)["bob"].sha == good
    shop.fake.clock.tick()
    shop.repo.git.set_ref("refs/heads/feature", bad)
    shop.repo.moved("alice", "feature", good, bad)
    assert words(shop, pull.number)["bob"].sha is None


def test_an_edited_comment_does_not_approve(shop: Shop) -> None:
    pull = shop.opened()
    shop.forge().report_check(pull.head, plan_report())
    comment = pull.comment("bob", "no")
    shop.repo.edit_comment(comment, "mallory", APPROVE)
    assert words(shop, pull.number) == {}


@pytest.mark.parametrize(
    "body", [f"> {APPROVE}", f"```\n{APPROVE}\n```", "/sloth deploy production", f"{APPROVE}\n{APPROVE}", "", "/sloth"]
)
def test_what_only_looks_like_an_approval_is_none(shop: Shop, body: str) -> None:
    pull = shop.opened()
    shop.forge().report_check(pull.head, plan_report())
    pull.comment("bob", body or "nothing")
    assert words(shop, pull.number) == {}


def test_the_newer_of_a_review_and_a_comment_counts(shop: Shop) -> None:
    pull = shop.opened()
    shop.forge().report_check(pull.head, plan_report())
    pull.request_changes("bob")
    pull.comment("bob", APPROVE)
    pull.comment("carol", APPROVE)
    pull.request_changes("carol")
    said = words(shop, pull.number)
    assert (said["bob"].verdict, said["carol"].verdict) == ("approved", "changes_requested")


def test_a_comment_that_belongs_to_no_commit_takes_nothing_back(shop: Shop) -> None:
    pull = shop.opened()
    pull.request_changes("bob")
    pull.approve("carol")
    pull.comment("bob", APPROVE)
    pull.comment("carol", APPROVE)
    said = words(shop, pull.number)
    assert said["bob"].verdict == "changes_requested"
    assert (said["carol"].verdict, said["carol"].sha) == ("approved", pull.head)


def test_where_github_does_not_tell_who_pushed_a_comment_belongs_to_no_commit(shop: Shop) -> None:
    """As on a fork, whose pushes are not ours to see."""
    fork = shop.repo.fork("mallory")
    fork.commit("mallory", "evil", {FILE: "replicas: 0\n"})
    pull = shop.repo.open_pull("mallory", "evil", head_repository=fork)
    shop.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    assert seen(shop.forge(), pull).fork
    assert words(shop, pull.number)["bob"].sha is None


# --- pushers and owners


def test_pushers_are_who_wrote_and_who_pushed(shop: Shop) -> None:
    pull = shop.opened()
    git, before = shop.repo.git, pull.head
    who = Signature(*shop.fake.identity("carol"), shop.fake.clock.now())
    sha = git.commit_tree(git.info(before).tree, [before], "of carol, pushed by bob", who, who)
    git.set_ref("refs/heads/feature", sha)
    shop.repo.moved("bob", "feature", before, sha)
    forge = shop.forge()
    assert forge.pushers(seen(forge, pull)) == {"alice", "bob", "carol"}


def test_what_was_merged_in_the_browser_has_no_pusher_of_its_own(shop: Shop) -> None:
    pull = shop.opened()
    other = shop.repo.commit("bob", "base-work", {"src/main.py": "2\n"})
    git = shop.repo.git
    before = pull.head
    tree = git.merge_tree(before, other)
    who = shop.fake.identity("alice")
    sha = git.commit_tree(tree, [before, other], "Merge", Signature(*who, shop.fake.clock.now()))
    git.set_ref("refs/heads/feature", sha)
    shop.repo.moved("alice", "feature", before, sha)
    forge = shop.forge()
    assert "web-flow" not in forge.pushers(seen(forge, pull))


def test_of_a_fork_the_authors_are_known(shop: Shop) -> None:
    fork = shop.repo.fork("mallory")
    fork.commit("mallory", "evil", {FILE: "replicas: 0\n"})
    pull = shop.repo.open_pull("mallory", "evil", head_repository=fork)
    forge = shop.forge()
    assert forge.pushers(seen(forge, pull)) == {"mallory"}


def test_owners_are_people_and_the_members_of_teams(shop: Shop) -> None:
    shop.fake.team("acme", "platform", ["bob", "carol"])
    shop.fake.team("acme", "nobody", [])
    shop.repo.allow("octo", "admin")
    rules = [
        Owned("/k8s/", ("alice",), ("acme/platform",), ()),
        Owned("*.yaml", (), (), ("ops@example.com",)),
        Owned("/x/", (), ("acme/nobody",), ()),
    ]
    found = shop.forge(token=shop.fake.token("octo")).owners(rules)
    assert found == {
        "/k8s/": frozenset({"alice", "bob", "carol"}),
        "*.yaml": frozenset({"ops@example.com"}),
        "/x/": frozenset({"@acme/nobody"}),
    }


def test_an_owner_may_be_written_in_any_case(shop: Shop) -> None:
    pull = shop.opened()
    shop.repo.allow("Dora", "write")
    pull.approve("Dora")
    forge = shop.forge()
    [review] = forge.reviews(seen(forge, pull))
    assert forge.owners([Owned("*", ("dORA", "bob"), (), ())]) == {"*": frozenset({review.person, "bob"})}


def test_a_jobs_token_cannot_read_teams_and_the_error_says_what_can(shop: Shop) -> None:
    shop.fake.team("acme", "platform", ["bob"])
    with pytest.raises(ForgeError, match="cannot read who is in @acme/platform") as caught:
        shop.forge().owners([Owned("/k8s/", (), ("acme/platform",), ())])
    assert caught.value.hint is not None
    assert "an App that has `members: read`" in caught.value.hint
