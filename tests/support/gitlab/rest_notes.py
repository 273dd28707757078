"""REST: the notes of merge requests, and the emoji on them."""

from __future__ import annotations

from support.gitlab import shapes
from support.gitlab.call import Answer, Call, route
from support.gitlab.model import Award, Note
from support.gitlab.refused import Refused, forbidden

_NOTES = "/projects/{id}/merge_requests/{noteable_id}/notes"
_AWARDS = "/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}/award_emoji"


@route("GET", _NOTES, job=True, login="always")
def list_notes(call: Call) -> Answer:
    """Those of people and of GitLab itself, the newest first."""
    by, only = call.one("order_by", "created_at"), call.one("activity_filter", "all_notes")
    found = [note for note in call.pull().notes if only == "all_notes" or note.system == (only == "only_activity")]
    found.sort(
        key=lambda note: (note.updated_at if by == "updated_at" else note.created_at, note.id),
        reverse=call.one("sort", "desc") == "desc",
    )
    return call.page(found, lambda note: shapes.note(call.project, note))


@route("POST", _NOTES)
def create_note(call: Call) -> Answer:
    """Write one. Whatever is a quick action in it is executed; a note of nothing else is none (202)."""
    pull = call.pull()
    return Answer(201, shapes.note(call.project, pull.comment(call.login, call.body["body"])))


@route("GET", _NOTES + "/{note_id}", job=True, login="always")
def get_note(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes.note(call.project, call.note()))


@route("PUT", _NOTES + "/{note_id}")
def update_note(call: Call) -> Answer:
    """Change one's own; a maintainer changes anybody's."""
    note = _own(call)
    if "body" not in call.body:
        raise Refused(400, "body is missing", key="error")
    call.project.edit_comment(note, call.login, call.body["body"])
    return Answer(200, shapes.note(call.project, note))


@route("DELETE", _NOTES + "/{note_id}")
def delete_note(call: Call) -> Answer:
    """Take it away."""
    note = _own(call)
    del call.project.notes[note.id]
    return Answer(204)


def _own(call: Call) -> Note:
    note = call.note()
    if note.system or (note.login != call.login and call.project.access(call.login) < 40):
        raise forbidden()
    return note


@route("GET", _AWARDS)
def list_awards(call: Call) -> Answer:
    """The emoji on a note."""
    note = call.note()
    return call.page(note.awards, lambda given: shapes.award(call.fake, note, given))


@route("POST", _AWARDS)
def create_award(call: Call) -> Answer:
    """Put one on it; the same one twice is none: lib/api/award_emoji.rb answers 404 to that, whatever one thinks of it."""
    note, name = call.note(), call.body["name"]
    if any((given.login, given.name) == (call.login, name) for given in note.awards):
        raise Refused(404, "404 Award Emoji Name has already been taken Not Found")
    made = Award(call.fake.next_id(), name, call.login, call.fake.clock.tick())
    note.awards.append(made)
    return Answer(201, shapes.award(call.fake, note, made))
