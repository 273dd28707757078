"""Our one note on a merge request, and the notes of people."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import PullRequest, Reaction
from sloth_ci.forge.gitlab.changes import read_changes
from support.forges.clock import seconds_of
from support.gitlab import MergeRequest
from support.gitlab.model import Note
from support.gitlab_shop import Lab, plan_report, seen

MARKER = "sloth-ci:preview"
EMPTY = "\n\n<!-- sloth-ci:changes {} -->"
REACTIONS: tuple[Reaction, ...] = ("+1", "-1", "confused")
CHANGES = {"update Deployment/shop/web": "0a1b"}


@pytest.fixture
def pull(lab: Lab) -> MergeRequest:
    return lab.opened()


def ours(lab: Lab, pull: MergeRequest) -> list[Note]:
    return [note for note in pull.comments if note.login == lab.us]


def test_it_is_written_once_and_then_updated(lab: Lab, pull: MergeRequest) -> None:
    pull.comment("bob", "hello")
    url = lab.forge().comment(seen(lab.forge(), pull), MARKER, "first")
    again = lab.forge().comment(seen(lab.forge(), pull), MARKER, "second")
    [note] = ours(lab, pull)
    assert note.body == f"<!-- {MARKER} -->\nsecond{EMPTY}"
    assert url == again
    assert url.endswith(f"/acme/shop/-/merge_requests/1#note_{note.id}")


def test_two_markers_are_two_notes(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    for marker in (MARKER, f"{MARKER}-2", "sloth-ci:deployment"):
        forge.comment(seen(forge, pull), marker, marker)
    assert [n.body.splitlines()[1] for n in ours(lab, pull)] == [MARKER, f"{MARKER}-2", "sloth-ci:deployment"]


def test_a_marker_in_somebody_elses_note_is_not_honoured(lab: Lab, pull: MergeRequest) -> None:
    forged = pull.comment("carol", f"<!-- {MARKER} -->\nall is well")
    lab.forge().comment(seen(lab.forge(), pull), MARKER, "report")
    assert forged.body.endswith("all is well")
    assert len(ours(lab, pull)) == 1


def test_a_marker_that_ours_quotes_is_not_honoured(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    forge.comment(seen(forge, pull), "sloth-ci:deployment", f"a manifest with <!-- {MARKER} --> in it")
    forge.comment(seen(forge, pull), MARKER, "report")
    assert len(ours(lab, pull)) == 2


def test_one_that_was_deleted_is_made_anew(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    forge.comment(seen(forge, pull), MARKER, "first")
    del lab.project.notes[ours(lab, pull)[0].id]
    forge.comment(seen(forge, pull), MARKER, "second")
    [note] = ours(lab, pull)
    assert note.body == f"<!-- {MARKER} -->\nsecond{EMPTY}"


def test_more_notes_than_a_page_holds(lab: Lab, pull: MergeRequest) -> None:
    for number in range(120):
        pull.comment("bob", f"comment {number}")
    lab.forge().comment(seen(lab.forge(), pull), MARKER, "first")
    lab.forge().comment(seen(lab.forge(), pull), MARKER, "second")
    assert len(ours(lab, pull)) == 1


def test_of_two_runs_at_once_the_older_note_stays(
    lab: Lab, pull: MergeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked and found nothing, then both write."""
    one, other = lab.forge(), lab.forge()
    read = one._notes.read
    known: PullRequest = seen(one, pull)

    def late(number: int) -> list[object]:
        found = read(number)
        if not ours(lab, pull):
            other.comment(known, MARKER, "of the other run")
        return found

    monkeypatch.setattr(one._notes, "read", late)
    url = one.comment(known, MARKER, "of this run")
    [note] = ours(lab, pull)
    assert "of this run" in note.body
    assert url.endswith(f"#note_{note.id}")


def test_a_second_one_that_was_left_behind_is_removed(lab: Lab, pull: MergeRequest) -> None:
    for text in ("first", "second", "third"):
        lab.project.comment(pull.number, lab.us, f"<!-- {MARKER} -->\n{text}")
    first = ours(lab, pull)[0].id
    lab.forge().comment(seen(lab.forge(), pull), MARKER, "now")
    [note] = ours(lab, pull)
    assert (note.id, note.body.splitlines()[1]) == (first, "now")


def test_a_note_whose_answer_was_lost_is_not_written_twice(lab: Lab, pull: MergeRequest) -> None:
    known = seen(lab.forge(), pull)
    lab.fake.unhappy.add("lost", method="POST", path="/notes$")
    url = lab.forge().comment(known, MARKER, "report")
    [note] = ours(lab, pull)
    assert url.endswith(f"#note_{note.id}")


def test_one_that_is_too_long_is_an_error_in_gitlabs_words(lab: Lab, pull: MergeRequest) -> None:
    with pytest.raises(ForgeError, match="is too long"):
        lab.forge().comment(seen(lab.forge(), pull), MARKER, "x" * 1_000_001)


def test_what_gitlab_cuts_is_noticed(lab: Lab, pull: MergeRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = lab.forge()
    known = seen(forge, pull)
    send = forge._client.send

    def cut(*args: object, **more: object) -> object:
        answer = send(*args, **more)  # type: ignore[arg-type]
        return {**answer, "body": answer["body"][:100]}

    monkeypatch.setattr(forge._client, "send", cut)
    with pytest.raises(ForgeError, match="GitLab kept 100 of the"):
        forge.comment(known, MARKER, "x" * 500)


def test_white_space_that_gitlab_takes_off_the_end_is_no_cut(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    assert forge.comment(seen(forge, pull), MARKER, "line\r\nline\n\n\n")
    [note] = ours(lab, pull)
    assert note.body.splitlines()[1:3] == ["line", "line"]


@pytest.mark.parametrize("body", ["/merge", "report\n/approve\n", "````\n```\n/assign @mallory\n````", "a\r\n/close"])
def test_nothing_in_it_is_executed(lab: Lab, pull: MergeRequest, body: str) -> None:
    forge = lab.forge()
    forge.comment(seen(forge, pull), MARKER, body)
    forge.comment(seen(forge, pull), MARKER, f"again\n{body}")
    assert lab.fake.quick_actions == []
    [note] = ours(lab, pull)
    assert body.split("/")[1].strip("`\r\n") in note.body


# --- what the statuses have no room for


def test_a_note_keeps_the_changes_of_what_was_reported(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    known = seen(forge, pull)
    one = forge.report_check(pull.head, plan_report(changes=CHANGES))
    other = forge.report_check(pull.head, plan_report("a.b", name="sloth-ci / staging", changes={"create x/y": "1"}))
    assert (one.changes, other.changes) == (CHANGES, {"create x/y": "1"})
    assert lab.forge().plan_check(pull.head, one.name) is not None
    forge.comment(known, MARKER, "report")
    later = lab.forge()
    later.pull_request(pull.number)
    found = [later.plan_check(pull.head, check.name) for check in (one, other)]
    assert [check and check.changes for check in found] == [CHANGES, {"create x/y": "1"}]


def test_a_job_of_another_environment_leaves_them_there(lab: Lab, pull: MergeRequest) -> None:
    for name, changes in (("staging", {"create x/y": "1"}), ("production", CHANGES)):
        forge = lab.forge()
        forge.report_check(pull.head, plan_report(f"{name}.x", name=name, changes=changes))
        forge.comment(seen(forge, pull), MARKER, f"report of {name}")
    lab.forge().comment(seen(lab.forge(), pull), MARKER, "deployed")
    [note] = ours(lab, pull)
    assert list(read_changes(note.body).values()) == [{"create x/y": "1"}, CHANGES]
    forge = lab.forge()
    seen(forge, pull)
    check = forge.plan_check(pull.head, "staging")
    assert check is not None
    assert check.changes == {"create x/y": "1"}


def test_a_job_whose_head_has_moved_on_finds_them_too(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    before = pull.head
    forge.report_check(before, plan_report(changes=CHANGES))
    forge.comment(seen(forge, pull), MARKER, "report")
    pull.push("alice", {"README": "x\n"})
    later = lab.forge(environ={"CI_MERGE_REQUEST_IID": str(pull.number)})
    seen(later, pull)
    check = later.plan_check(before, "sloth-ci / production")
    assert check is not None
    assert check.changes == CHANGES


def test_whoever_edits_the_note_changes_no_changes(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    forge.report_check(pull.head, plan_report(changes=CHANGES))
    forge.comment(seen(forge, pull), MARKER, "report")
    [note] = ours(lab, pull)
    lab.project.edit_comment(note, lab.us, note.body.replace("0a1b", "ffff"))
    later = lab.forge()
    seen(later, pull)
    check = later.plan_check(pull.head, "sloth-ci / production")
    assert check is not None
    assert (check.digest, check.changes) == ("one.two", {})


def test_nobody_elses_note_is_read_for_changes(lab: Lab, pull: MergeRequest) -> None:
    forge = lab.forge()
    forge.report_check(pull.head, plan_report(changes=CHANGES))
    forge.comment(seen(forge, pull), MARKER, "report")
    [note] = ours(lab, pull)
    pull.comment("mallory", note.body)
    del lab.project.notes[note.id]
    later = lab.forge()
    seen(later, pull)
    check = later.plan_check(pull.head, "sloth-ci / production")
    assert check is not None
    assert check.changes == {}


# --- of people


def test_a_note_of_a_person(lab: Lab, pull: MergeRequest) -> None:
    note = pull.comment("bob", "/sloth help")
    forge = lab.forge(None, job=lab.project.job())
    found = forge.find_comment(pull.number, note.id)
    assert (found.id, found.author, found.body, found.edited) == (note.id, "bob", "/sloth help", False)
    assert found.created == seconds_of(note.created_at)
    lab.project.edit_comment(note, "bob", "/sloth deploy production")
    assert forge.find_comment(pull.number, note.id).edited


def test_a_reaction_twice_is_one(lab: Lab, pull: MergeRequest) -> None:
    note = pull.comment("bob", "/sloth help")
    forge = lab.forge()
    forge.react(pull.number, note.id, "eyes")
    forge.react(pull.number, note.id, "eyes")
    for reaction in REACTIONS:
        forge.react(pull.number, note.id, reaction)
    assert [(made.login, made.name) for made in note.awards] == [
        (lab.us, name) for name in ("eyes", "thumbsup", "thumbsdown", "confused")
    ]
    assert not forge.find_comment(pull.number, note.id).edited


def test_a_reaction_to_what_is_not_there_is_an_error(lab: Lab, pull: MergeRequest) -> None:
    with pytest.raises(ForgeError, match="cannot react to note 9999"):
        lab.forge().react(pull.number, 9999, "eyes")
