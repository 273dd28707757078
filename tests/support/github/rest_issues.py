"""Comments, reactions and labels."""

from __future__ import annotations

from support.github import shapes_pull
from support.github.accounts import at_least
from support.github.call import Answer, Call, route
from support.github.model import Comment, Label, Reaction
from support.github.pull import Refused

_REPO = "/repos/{owner}/{repo}"
_ISSUE = _REPO + "/issues/{issue_number}"
_COMMENT = _REPO + "/issues/comments/{comment_id}"
_READ = ("issues=read", "pull_requests=read")
_WRITE = ("issues=write", "pull_requests=write")


@route("GET", _ISSUE, *_READ)
def get_issue(call: Call) -> Answer:
    """A pull request, as the issue that it is too."""
    return Answer(200, shapes_pull.issue(call.pull()))


@route("GET", _ISSUE + "/comments", *_READ)
def list_comments(call: Call) -> Answer:
    """The oldest first."""
    found = call.pull().comments
    if since := call.query.get("since"):
        found = [comment for comment in found if comment.updated_at >= since]
    return call.page(found, lambda comment: shapes_pull.comment(call.repo, comment))


@route("POST", _ISSUE + "/comments", *_WRITE, level="read")
def create_comment(call: Call) -> Answer:
    """Whoever can read may write one."""
    app = call.token.app if call.token else None
    comment = call.repo.comment(call.pull().number, call.login, call.body["body"], app)
    return Answer(201, shapes_pull.comment(call.repo, comment))


@route("GET", _REPO + "/issues/comments", *_READ)
def list_all_comments(call: Call) -> Answer:
    """Those of the whole repository."""
    found = list(call.repo.comments.values())
    if since := call.query.get("since"):
        found = [comment for comment in found if comment.updated_at >= since]
    if call.query.get("direction") == "desc":
        found.reverse()
    return call.page(found, lambda comment: shapes_pull.comment(call.repo, comment))


@route("GET", _COMMENT, *_READ)
def get_comment(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_pull.comment(call.repo, _comment(call)))


@route("PATCH", _COMMENT, *_WRITE, level="read")
def update_comment(call: Call) -> Answer:
    """One's own; with write access also that of others."""
    comment = _own(call)
    call.repo.edit_comment(comment, call.login, call.body["body"])
    return Answer(200, shapes_pull.comment(call.repo, comment))


@route("DELETE", _COMMENT, *_WRITE, level="read")
def delete_comment(call: Call) -> Answer:
    """As `update_comment`."""
    del call.repo.comments[_own(call).id]
    return Answer(204)


def _comment(call: Call) -> Comment:
    comment = call.repo.comments.get(int(call.params["comment_id"]))
    if comment is None:
        raise Refused(404, "Not Found")
    return comment


def _own(call: Call) -> Comment:
    comment = _comment(call)
    assert call.token
    if not call.token.app and comment.login != call.login and not at_least(call.repo.level(call.login), "write"):
        raise Refused(403, "Must have admin rights to Repository.")
    return comment


# --- reactions


@route("GET", _COMMENT + "/reactions", *_READ)
def list_reactions(call: Call) -> Answer:
    """The reactions to a comment."""
    content = call.query.get("content", "")
    found = [made for made in _comment(call).reactions if content in ("", made.content)]  # fmt: skip
    return call.page(found, lambda made: shapes_pull.reaction(call.repo, made))


@route("POST", _COMMENT + "/reactions", *_WRITE, level="read")
def create_reaction(call: Call) -> Answer:
    """React. A second time changes nothing."""
    comment = _comment(call)
    for made in comment.reactions:
        if (made.login, made.content) == (call.login, call.body["content"]):
            return Answer(200, shapes_pull.reaction(call.repo, made))
    made = Reaction(call.fake.next_id(), call.login, call.body["content"], call.fake.clock.tick())
    comment.reactions.append(made)
    return Answer(201, shapes_pull.reaction(call.repo, made))


@route("DELETE", _COMMENT + "/reactions/{reaction_id}", *_WRITE, level="read")
def delete_reaction(call: Call) -> Answer:
    """Take one back."""
    comment = _comment(call)
    kept = [made for made in comment.reactions if made.id != int(call.params["reaction_id"])]
    if len(kept) == len(comment.reactions):
        raise Refused(404, "Not Found")
    comment.reactions[:] = kept
    return Answer(204)


# --- labels


@route("GET", _REPO + "/labels", *_READ)
def list_repository_labels(call: Call) -> Answer:
    """All that there are."""
    return call.page(list(call.repo.labels.values()), lambda made: shapes_pull.label(call.repo, made))


@route("POST", _REPO + "/labels", *_WRITE)
def create_label(call: Call) -> Answer:
    """A new one."""
    if call.body["name"] in call.repo.labels:
        error = {"resource": "Label", "code": "already_exists", "field": "name"}
        raise Refused(422, "Validation Failed", errors=[error])
    made = _label(call, call.body["name"], call.body.get("color", "ededed"), call.body.get("description"))
    return Answer(201, shapes_pull.label(call.repo, made))


@route("GET", _REPO + "/labels/{name}", *_READ)
def get_label(call: Call) -> Answer:
    """One."""
    made = call.repo.labels.get(call.params["name"])
    if made is None:
        raise Refused(404, "Not Found")
    return Answer(200, shapes_pull.label(call.repo, made))


@route("GET", _ISSUE + "/labels", *_READ)
def list_labels(call: Call) -> Answer:
    """Those of a pull request."""
    return call.page(call.pull().labels, lambda made: shapes_pull.label(call.repo, made))


@route("POST", _ISSUE + "/labels", *_WRITE, level="triage")
def add_labels(call: Call) -> Answer:
    """More of them. One that is not there yet is made."""
    pull = call.pull()
    names = [name if isinstance(name, str) else name["name"] for name in call.body["labels"]]
    for name in names:
        made = call.repo.labels.get(name) or _label(call, name, "ededed", None)
        if made not in pull.labels:
            pull.labels.append(made)
    return Answer(200, [shapes_pull.label(call.repo, made) for made in pull.labels])


@route("DELETE", _ISSUE + "/labels/{name}", *_WRITE, level="triage")
def remove_label(call: Call) -> Answer:
    """One less."""
    pull = call.pull()
    if call.params["name"] not in [made.name for made in pull.labels]:
        raise Refused(404, "Label does not exist")
    pull.labels = [made for made in pull.labels if made.name != call.params["name"]]
    return Answer(200, [shapes_pull.label(call.repo, made) for made in pull.labels])


def _label(call: Call, name: str, color: str, description: str | None) -> Label:
    made = Label(call.fake.next_id(), name, color, description)
    call.repo.labels[name] = made
    return made
