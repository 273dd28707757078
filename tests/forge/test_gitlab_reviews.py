"""Who said what to which commit: approvals, reviewers, approving notes, pushers and rights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sloth_ci.core.review import Review
from sloth_ci.forge.gitlab import GitLab
from support.forges.bare import Signature
from support.forges.clock import seconds_of
from support.gitlab import shapes
from support.gitlab_shop import FILE, Lab, plan_report, seen

APPROVE = "/sloth approve"


def words(lab: Lab, number: int) -> dict[str, Review]:
    forge = lab.forge()
    return {review.person: review for review in forge.reviews(forge.pull_request(number))}


def test_the_last_word_of_each_person_counts(lab: Lab) -> None:
    pull = lab.opened()
    lab.fake.clock.advance(2)
    pull.approve("bob")
    pull.request_changes("carol")
    said = words(lab, pull.number)
    assert {who: (word.verdict, word.may_write) for who, word in said.items()} == {
        "bob": ("approved", True),
        "carol": ("changes_requested", True),
    }
    assert (said["bob"].sha, said["bob"].at) == (pull.head, seconds_of(pull.approvals["bob"]))


def test_an_approval_that_was_taken_back_is_no_word(lab: Lab) -> None:
    pull = lab.opened()
    pull.approve("bob")
    pull.unapprove("bob")
    assert words(lab, pull.number) == {}


def test_an_approval_of_an_older_commit_says_so(lab: Lab) -> None:
    pull = lab.opened()
    lab.fake.clock.advance(2)
    pull.approve("bob")
    before = pull.head
    lab.fake.clock.advance(2)
    pull.push("alice", {FILE: "replicas: 3\n"})
    assert words(lab, pull.number)["bob"].sha == before


def test_an_approval_in_the_second_of_a_push_is_of_what_was_there_before(lab: Lab) -> None:
    pull = lab.opened()
    before = pull.head
    lab.fake.clock.advance(2)
    pull.push("alice", {FILE: "replicas: 3\n"})
    pull.approvals["bob"] = pull.version.created_at
    assert words(lab, pull.number)["bob"].sha == before
    pull.approvals["bob"] = pull.versions[0].created_at
    assert words(lab, pull.number)["bob"].sha is None


def test_an_older_gitlab_tells_the_time_by_a_note_of_its_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pull = lab.opened()
    pull.comment("carol", "approved this merge request")
    lab.fake.clock.advance(2)
    pull.approve("bob")
    pull.approve("carol")
    note = next(note for note in pull.notes if note.system and note.login == "bob" and note.body.startswith("approved"))
    forge = lab.forge()
    get = forge._client.get

    def older(what: str, path: str, *args: object, **more: object) -> object:
        found = get(what, path, *args, **more)  # type: ignore[arg-type]
        if path.endswith("/approvals"):
            return {**found, "approved_by": [{"user": one["user"]} for one in found["approved_by"]]}
        return found

    monkeypatch.setattr(forge._client, "get", older)
    said = {word.person: word for word in forge.reviews(seen(forge, pull))}
    assert (said["bob"].sha, said["bob"].at) == (pull.head, seconds_of(note.created_at))
    for note in [note for note in pull.notes if note.system]:
        del lab.project.notes[note.id]
    unknown = lab.forge()
    monkeypatch.setattr(unknown._client, "get", older)
    assert {(word.person, word.sha, word.at) for word in unknown.reviews(seen(unknown, pull))} == {
        ("bob", None, 0.0),
        ("carol", None, 0.0),
    }


def test_rights_are_asked_once(lab: Lab) -> None:
    lab.project.allow("maint", "maintainer")
    lab.fake.group("acme", {"lead": "owner"})
    forge = lab.forge()
    for _ in range(2):
        people = ("alice", "maint", "lead", "reader", "mallory", "nobody")
        assert [forge.may_write(who) for who in people] == [True, True, True, False, False, False]
    assert forge.requests == 1


def test_in_a_large_project_each_person_is_looked_up(lab: Lab) -> None:
    for number in range(120):
        lab.project.allow(f"many{number:03}", "guest")
    lab.project.allow("zoe", "developer")
    forge = lab.forge()
    for _ in range(2):
        assert [forge.may_write(who) for who in ("alice", "zoe", "mallory", "nobody")] == [True, True, False, False]
    assert forge.requests == 6


# --- notes


def test_a_note_counts_for_the_head_whose_plan_was_shown(lab: Lab) -> None:
    pull = lab.opened()
    lab.forge().report_check(pull.head, plan_report())
    note = pull.comment("bob", f"Looks good.\n\n{APPROVE}\n")
    said = words(lab, pull.number)["bob"]
    assert (said.verdict, said.sha, said.at, said.may_write) == (
        "approved",
        pull.head,
        seconds_of(note.created_at),
        True,
    )


def test_a_head_is_there_since_it_was_pushed_and_planned(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge()
    assert forge.head_since(seen(forge, pull)) is None
    lab.fake.clock.advance(50)
    check = forge.report_check(pull.head, plan_report())
    assert forge.head_since(seen(forge, pull)) == check.completed


def test_a_note_before_the_plan_belongs_to_no_commit(lab: Lab) -> None:
    pull = lab.opened()
    pull.comment("bob", APPROVE)
    lab.forge().report_check(pull.head, plan_report())
    assert words(lab, pull.number)["bob"].sha is None


def test_a_note_on_an_older_head_is_none_on_the_new_one(lab: Lab) -> None:
    pull = lab.opened()
    lab.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    pull.push("alice", {FILE: "replicas: 300\n"})
    lab.forge().report_check(pull.head, plan_report("another.plan"))
    assert words(lab, pull.number)["bob"].sha is None


def test_a_head_that_was_checked_elsewhere_first_is_not_approved_by_older_notes(lab: Lab) -> None:
    """The author has a bad commit checked on another branch, gets the good one approved, then pushes the bad one."""
    pull = lab.opened()
    bad = lab.project.commit("alice", "hidden", {FILE: "replicas: 0\n"}, start="feature")
    lab.forge().report_check(bad, plan_report("bad.plan"))
    lab.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    force(lab, bad)
    assert pull.head == bad
    assert words(lab, pull.number)["bob"].sha is None


def test_a_head_that_comes_back_by_force_is_not_approved_by_older_notes(lab: Lab) -> None:
    pull = lab.opened(text="replicas: 0\n")
    bad = pull.head
    lab.forge().report_check(bad, plan_report("bad.plan"))
    good = pull.push("alice", {FILE: "replicas: 2\n"})
    lab.forge().report_check(good, plan_report())
    pull.comment("bob", APPROVE)
    assert words(lab, pull.number)["bob"].sha == good
    force(lab, bad)
    assert words(lab, pull.number)["bob"].sha is None


def force(lab: Lab, sha: str) -> None:
    before = lab.project.head("feature")
    lab.fake.clock.advance(2)
    lab.project.git.set_ref("refs/heads/feature", sha)
    lab.project.moved("alice", "feature", before, sha)


def test_of_a_fork_the_head_is_known_as_well(lab: Lab) -> None:
    fork = lab.project.fork("mallory")
    fork.commit("mallory", "evil", {FILE: "replicas: 0\n"})
    pull = lab.project.open_pull("mallory", "evil", head_project=fork)
    forge = lab.forge()
    known = seen(forge, pull)
    check = forge.report_check(pull.head, plan_report())
    assert known.fork
    assert forge.head_since(known) == check.completed


def test_an_edited_note_does_not_approve(lab: Lab) -> None:
    pull = lab.opened()
    lab.forge().report_check(pull.head, plan_report())
    note = pull.comment("bob", "no")
    lab.project.edit_comment(note, "mallory", APPROVE)
    assert words(lab, pull.number) == {}


@pytest.mark.parametrize(
    "body",
    [f"> {APPROVE}", f"```\n{APPROVE}\n```", "/sloth deploy production", f"{APPROVE}\n{APPROVE}", "nothing", "/sloth"],
)
def test_what_only_looks_like_an_approval_is_none(lab: Lab, body: str) -> None:
    pull = lab.opened()
    lab.forge().report_check(pull.head, plan_report())
    pull.comment("bob", body)
    assert words(lab, pull.number) == {}


def test_a_note_takes_back_no_request_for_changes(lab: Lab) -> None:
    """GitLab does not tell when it was made, and keeps it until its person approves there."""
    pull = lab.opened()
    pull.request_review("bob")
    lab.forge().report_check(pull.head, plan_report())
    pull.request_changes("bob")
    pull.comment("bob", APPROVE)
    assert words(lab, pull.number)["bob"].verdict == "changes_requested"
    pull.approve("bob")
    assert words(lab, pull.number)["bob"].verdict == "approved"


def test_a_newer_note_approves_what_an_older_approval_did_not(lab: Lab) -> None:
    pull = lab.opened()
    lab.fake.clock.advance(2)
    pull.approve("bob")
    lab.fake.clock.advance(2)
    pull.push("alice", {FILE: "replicas: 3\n"})
    pull.comment("bob", APPROVE)
    assert words(lab, pull.number)["bob"].sha == pull.versions[0].head
    lab.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    assert words(lab, pull.number)["bob"].sha == pull.head


# --- pushers


def pushed(lab: Lab, by: str, author: tuple[str, str], committer: tuple[str, str] | None = None) -> GitLab:
    """A merge request of alice with another commit on it. Returns a forge that has read it."""
    pull = lab.opened()
    git, before = lab.project.git, pull.head
    one, other = (Signature(*who, lab.fake.clock.now()) for who in (author, committer or author))
    sha = git.commit_tree(git.info(before).tree, [before], "more", one, other)
    git.set_ref("refs/heads/feature", sha)
    lab.project.moved(by, "feature", before, sha)
    return lab.forge()


def test_pushers_are_who_wrote_and_who_pushed(lab: Lab) -> None:
    forge = pushed(lab, "bob", lab.fake.identity("carol"))
    assert forge.pushers(forge.pull_request(1)) == {"alice", "bob", "carol"}


@pytest.mark.parametrize(
    "author",
    [
        ("somebody", "{id}-carol@users.noreply.gitlab.example"),
        ("somebody", "{id}-old-name@users.noreply.gitlab.example"),
        ("Carol", "unknown@example.com"),
        ("CAROL", "unknown@example.com"),
    ],
)
@pytest.mark.parametrize("role", ["author", "committer"])
def test_whoever_may_be_the_author_of_a_commit_is(lab: Lab, author: tuple[str, str], role: str) -> None:
    named = (author[0], author[1].format(id=lab.fake.account("carol").id))
    pair = (named, lab.fake.identity("alice")) if role == "author" else (lab.fake.identity("alice"), named)
    forge = pushed(lab, "alice", *pair)
    found = forge.pushers(forge.pull_request(1))
    assert {"alice", "carol"} <= found
    assert "bob" not in found


def test_a_commit_without_an_address_is_nobodys(lab: Lab) -> None:
    forge = pushed(lab, "alice", ("nobody at all", ""))
    assert forge.pushers(forge.pull_request(1)) == {"alice"}


def test_a_push_that_is_not_in_it_any_more_makes_nobody_a_pusher(lab: Lab) -> None:
    pull = lab.opened()
    before = pull.head
    pull.push("bob", {FILE: "replicas: 7\n"})
    force(lab, before)
    forge = lab.forge()
    assert forge.pushers(seen(forge, pull)) == {"alice"}


def test_of_a_fork_the_authors_are_known(lab: Lab) -> None:
    fork = lab.project.fork("mallory")
    fork.commit("mallory", "evil", {FILE: "replicas: 0\n"})
    pull = lab.project.open_pull("mallory", "evil", head_project=fork)
    forge = lab.forge()
    assert forge.pushers(seen(forge, pull)) == {"mallory"}


def hidden(lab: Lab, by: str, *, ref: str | None = None, more: int = 0) -> GitLab:
    """Carol has pushed to alice's branch with a commit in nobody's name; then there were `more` pushes of hers to another."""
    forge = pushed(lab, by, ("nobody", "nobody@example.com"))
    pushes = lab.project.pushes
    if ref is not None:
        pushes[-1] = replace(pushes[-1], ref=ref)
    pushes += [replace(pushes[-1], id=lab.fake.next_id(), ref="refs/heads/noise") for _ in range(more)]
    return forge


def test_many_pushes_do_not_hide_who_pushed(lab: Lab) -> None:
    forge = hidden(lab, "carol", more=250)
    assert "carol" in forge.pushers(forge.pull_request(1))


def test_who_pushed_many_branches_at_once_may_have_pushed_this_one(lab: Lab) -> None:
    forge = hidden(lab, "carol", ref="")
    assert forge.pushers(forge.pull_request(1)) == {"alice", "carol"}


def test_so_many_pushes_that_the_record_does_not_end_leave_no_approval(lab: Lab) -> None:
    forge = hidden(lab, "carol", more=1001)
    lab.fake.clock.advance(2)
    pull = lab.project.pulls[1]
    pull.approve("carol")
    pull.approve("bob")
    seen_now = forge.pull_request(1)
    forge.reviews(seen_now)
    assert {"bob", "carol"} <= forge.pushers(seen_now)
    assert any("push to feature again" in notice for notice in lab.notices)


def test_pushes_long_after_the_head_came_are_not_gone_through(lab: Lab) -> None:
    forge = hidden(lab, "carol")
    lab.fake.clock.advance(4 * 86400)
    lab.project.pushes += [
        replace(lab.project.pushes[-1], id=lab.fake.next_id(), ref="refs/heads/x", at=lab.fake.clock.tick())
        for _ in range(1001)
    ]
    assert forge.pushers(forge.pull_request(1)) == {"alice", "carol"}
    assert not lab.notices


# --- whose word is none


def test_an_approving_note_is_taken_back_with_the_approval(lab: Lab) -> None:
    pull = lab.opened()
    lab.forge().report_check(pull.head, plan_report())
    pull.comment("bob", APPROVE)
    pull.approve("bob")
    pull.unapprove("bob")
    assert words(lab, pull.number) == {}
    pull.comment("carol", "unapproved this merge request")
    pull.comment("carol", APPROVE)
    pull.comment("bob", APPROVE)
    assert {who: word.sha for who, word in words(lab, pull.number).items()} == {"bob": pull.head, "carol": pull.head}


def test_an_access_token_approves_nothing(lab: Lab) -> None:
    pull = lab.opened()
    other = lab.fake.project_token(lab.project, "maintainer").login
    for login in (lab.us, other, "bob"):
        pull.approve(login)
    said = words(lab, pull.number)
    assert {who: bool(word.void) for who, word in said.items()} == {lab.us: True, other: True, "bob": False}


@pytest.mark.parametrize(
    "changed",
    [{"state": "banned"}, {"state": "deactivated"}, {"membership_state": "awaiting"}, {"expires_at": "{today}"}],
)
def test_a_member_whose_time_is_over_may_not_write(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]
) -> None:
    today = lab.fake.clock.tick()[:10]
    usual = shapes.member

    def member(fake: Any, login: str, level: int) -> dict[str, Any]:
        given = {name: value.format(today=today) for name, value in changed.items()} if login == "bob" else {}
        return {**usual(fake, login, level), **given}

    monkeypatch.setattr(shapes, "member", member)
    forge = lab.forge()
    assert [forge.may_write(who) for who in ("alice", "bob")] == [True, False]
