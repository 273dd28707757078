"""REST: merge requests, what they change, and who approved them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.gitlab import shapes, shapes_ci, shapes_git
from support.gitlab.call import Answer, Call, route
from support.gitlab.merge_request import MergeRequest
from support.gitlab.refused import Refused, not_found, unauthorized

_LIST = "/projects/{id}/merge_requests"
_ONE = _LIST + "/{merge_request_iid}"


@route("GET", _LIST, job=True)
def list_pulls(call: Call) -> Answer:
    """Those of the project, the newest first."""
    for pull in call.project.pulls.values():
        pull.refresh()
    found = list(_wanted(call, list(call.project.pulls.values())))
    by = call.one("order_by", "created_at")
    if by not in ("created_at", "updated_at", "merged_at", "title"):
        raise Refused(501, f"the fake has no order by {by}")
    found.sort(key=lambda pull: (_order(pull, by), pull.number), reverse=call.one("sort", "desc") == "desc")
    return call.page(found, shapes.pull_basic)


def _order(pull: MergeRequest, by: str) -> str:
    if by == "merged_at":
        return pull.merged.at if pull.merged else ""
    return str(getattr(pull, by))


def _wanted(call: Call, pulls: list[MergeRequest]) -> Iterator[MergeRequest]:
    """Those that the query is about. What the fake does not know of it, it does not leave out in silence."""
    query = {name: values[-1] for name, values in call.query.items()}
    known = {
        "page", "per_page", "order_by", "sort", "scope", "view", "state", "source_branch", "target_branch", "author_username",
        "author_id", "source_project_id", "labels", "iids", "updated_after", "created_after", "created_before",
        "with_merge_status_recheck", "updated_before",
    }  # fmt: skip
    for name in query.keys() - known:
        raise Refused(501, f"the fake has no filter {name}")
    labels = {label for part in call.query.get("labels", ()) for label in part.split(",") if label}
    iids = {int(number) for part in call.query.get("iids", ()) for number in part.split(",")}
    for pull in pulls:
        source = pull.head_project.id
        yes = (
            query.get("state", "all") in ("all", pull.state),
            query.get("source_branch", pull.branch) == pull.branch,
            query.get("target_branch", pull.base) == pull.base,
            query.get("author_username", pull.login) == pull.login,
            int(query.get("author_id", call.fake.account(pull.login).id)) == call.fake.account(pull.login).id,
            int(query.get("source_project_id", source)) == source,
            labels <= set(pull.labels),
            not iids or pull.number in iids,
            query.get("updated_after", "") <= pull.updated_at <= query.get("updated_before", "9"),
            query.get("created_after", "") <= pull.created_at <= query.get("created_before", "9"),
        )
        if all(yes):
            yield pull


@route("POST", _LIST, "guest")
def create_pull(call: Call) -> Answer:
    """Open one. It is asked of the project that the branch is in; the target may be another one."""
    body, source = call.body, call.project
    target = call.fake.find(str(body["target_project_id"])) if "target_project_id" in body else source
    if target is None or not target.sees(call.login):
        raise not_found("Project")
    if source.access(call.login) < 30:
        raise Refused(403, "403 Forbidden")
    pull = target.open_pull(
        call.login,
        body["source_branch"],
        body["target_branch"],
        title=body["title"],
        body=body.get("description"),
        head_project=source,
    )
    _change(call, pull)
    return Answer(201, shapes.pull(pull))


@route("GET", _ONE, job=True)
def get_pull(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes.pull(call.pull()))


@route("PUT", _ONE)
def update_pull(call: Call) -> Answer:
    """Change one."""
    pull, body = call.pull(), call.body
    if call.login != pull.login:
        call.needs("developer")
    if not body:
        raise Refused(400, "at least one parameter must be provided", key="error")
    if "description" in body:
        pull.body = call.project.execute(pull.number, call.login, body["description"])
    pull.title = body.get("title", pull.title)
    _change(call, pull)
    if "state_event" in body:
        if body["state_event"] == "close":
            pull.close(call.login)
        else:
            pull.reopen(call.login)
    pull.updated_at = call.fake.clock.tick()
    return Answer(200, shapes.pull(pull))


def _change(call: Call, pull: MergeRequest) -> None:
    """Its labels, which come to be by being named, and its reviewers."""
    body = call.body
    names = {name: _names(body[name]) for name in ("labels", "add_labels", "remove_labels") if name in body}
    pull.labels = names.get("labels", pull.labels) + names.get("add_labels", [])
    pull.labels = [label for label in dict.fromkeys(pull.labels) if label not in names.get("remove_labels", ())]
    for label in pull.labels:
        if label not in pull.project.labels:
            pull.project.label(label)
    people = [call.fake.person(number) for number in body.get("reviewer_ids", ())]
    pull.request_review(*(one.login for one in people if one and one.login not in pull.reviewers))


def _names(value: str | list[str]) -> list[str]:
    found = value.split(",") if isinstance(value, str) else value
    return [name.strip() for name in found if name.strip()]


@route("PUT", _ONE + "/merge")
def merge_pull(call: Call) -> Answer:
    """Merge one, if it still is what `sha` says."""
    pull, body = call.pull(), call.body
    if not call.project.may_update(call.login, pull.base):
        raise unauthorized()
    if body.get("sha", pull.head) != pull.head:
        raise Refused(409, f"SHA does not match HEAD of source branch: {pull.head}")
    message = body.get("squash_commit_message" if body.get("squash") else "merge_commit_message", "")
    pull.merge(call.login, "squash" if body.get("squash") else None, message)
    return Answer(200, shapes.pull(pull))


# --- what it changes


@route("GET", _ONE + "/commits")
def list_commits(call: Call) -> Answer:
    """Its commits, the newest first."""
    found = list(reversed(call.pull().commits()))
    return call.page(found, lambda sha: shapes_git.commit(call.project, sha))


@route("GET", _ONE + "/diffs")
def list_diffs(call: Call) -> Answer:
    """The files that it changes."""
    return call.page(call.pull().files(), shapes_git.diff)


@route("GET", _ONE + "/versions", login="always")
def list_versions(call: Call) -> Answer:
    """What it was after each push, the newest first."""
    pull = call.pull()
    return call.page(pull.versions[::-1], lambda one: shapes.version(pull, one))


@route("GET", _ONE + "/versions/{version_id}", login="always")
def get_version(call: Call) -> Answer:
    """One of them, with its commits and files."""
    pull, git = call.pull(), call.project.git
    found = next((one for one in pull.versions if one.id == int(call.params["version_id"])), None)
    if found is None:
        raise not_found()
    commits = [shapes_git.commit(call.project, sha) for sha in reversed(git.commits(found.base, found.head))]
    diffs = [shapes_git.diff(change) for change in git.changes(found.base, found.head)]
    return Answer(200, shapes.version(pull, found) | {"commits": commits, "diffs": diffs})


@route("GET", _ONE + "/pipelines")
def list_pipelines(call: Call) -> Answer:
    """The pipelines of its commits, those that ran in the fork as well, the newest first."""
    pull = call.pull()
    shas = {version.head for version in pull.versions}
    found = [
        (project, one)
        for project in {pull.project.id: pull.project, pull.head_project.id: pull.head_project}.values()
        for one in project.pipelines.values()
        if one.sha in shas
    ]
    found.sort(key=lambda pair: -pair[1].id)
    return call.page(found, lambda pair: shapes_ci.pipeline(*pair))


# --- approvals, reviewers


@route("GET", _ONE + "/approvals")
def get_approvals(call: Call) -> Answer:
    """Who approved it."""
    return Answer(200, shapes.approvals(call.pull(), call.login))


@route("GET", _ONE + "/approval_state", premium=True)
def get_approval_state(call: Call) -> Answer:
    """The rules, and how far they are met. Without Premium there are none: ee/app/models/approval_state.rb."""
    pull = call.pull()
    rules = [shapes.approval_rule(pull, rule) for rule in pull.approval_rules()]
    return Answer(200, {"approval_rules_overwritten": pull.rules is not None, "rules": rules})


@route("POST", _ONE + "/approve", "developer")
def approve_pull(call: Call) -> Answer:
    """Approve it, if it still is what `sha` says."""
    pull = call.pull()
    pull.approve(call.login, call.body.get("sha"))
    return Answer(201, shapes.approvals(pull, call.login))


@route("POST", _ONE + "/unapprove", "developer")
def unapprove_pull(call: Call) -> Answer:
    """Take that back."""
    pull = call.pull()
    pull.unapprove(call.login)
    return Answer(201, shapes.approvals(pull, call.login))


@route("GET", _ONE + "/reviewers")
def list_reviewers(call: Call) -> Answer:
    """Who was asked for a review, and what came of it."""

    def shape(pair: tuple[str, tuple[str, str]]) -> dict[str, Any]:
        login, (state, since) = pair
        return {"user": shapes.user(call.fake, login), "state": state, "created_at": shapes.time(since)}

    return Answer(200, [shape(pair) for pair in call.pull().reviewers.items()])
