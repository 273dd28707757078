"""REST: commits, read and made."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from support.forges.bare import ZERO, Conflict, Signature
from support.gitlab import shapes, shapes_git
from support.gitlab.call import Answer, Call, route
from support.gitlab.refused import Refused, forbidden, not_found

_COMMITS = "/projects/{id}/repository/commits"
_ONE = _COMMITS + "/{sha}"
_SORRY = (
    "Sorry, we cannot revert this commit automatically. This commit may already have been reverted, or a more recent commit "
    "may have updated some of its content."
)


@route("GET", _COMMITS)
def list_commits(call: Call) -> Answer:
    """Those of a branch, the newest first; of a path where that is asked. How many there are is not said."""
    name = call.one("ref_name") or call.project.default_branch
    sha = call.project.git.resolve(name)
    if sha is None:
        raise not_found("Commit")
    flags = [f"--{word}={call.one(word)}" for word in ("since", "until") if call.one(word)]
    flags += ["--first-parent"] * call.true("first_parent")
    paths = ["--", call.one("path")] if call.one("path") else []
    found = call.project.git.git("rev-list", *flags, sha, *paths).splitlines()
    return call.page(found, lambda one: shapes_git.commit(call.project, one), count=False)


@route("GET", _ONE, job=True)
def get_commit(call: Call) -> Answer:
    """One, by its id, or by a branch or a tag."""
    stats = call.one("stats", "true") != "false"
    return Answer(200, shapes_git.commit_detail(call.project, call.commit(), stats=stats))


@route("GET", _ONE + "/diff")
def get_diff(call: Call) -> Answer:
    """What it changes."""
    return call.page(shapes_git.changes_of(call.project, call.commit()), shapes_git.diff)


@route("GET", _ONE + "/refs")
def list_refs(call: Call) -> Answer:
    """The branches and tags that it is in."""
    sha, kind = call.commit(), call.one("type", "all")
    found = [
        {"type": word, "name": name.split("/", 2)[2]}
        for word, prefix in (("branch", "refs/heads/"), ("tag", "refs/tags/"))
        for name in call.project.git.refs(prefix)
        if kind in ("all", word) and call.project.git.contains(name, sha)
    ]
    return call.page(found, lambda one: one)


@route("GET", _ONE + "/merge_requests", job=True)
def list_pulls(call: Call) -> Answer:
    """The merge requests whose commit it is: it came with a push, or their merge made it. The newest first."""
    sha, state = call.commit(), call.one("state", "all")
    found = [
        pull
        for pull in reversed(call.project.pulls.values())
        if state in ("all", pull.state)
        and (
            sha in pull.commits()
            or (pull.merged and sha in (pull.merged.merge_commit, pull.merged.squash_commit, *pull.merged.commits[-1:]))
        )
    ]
    return call.page(found, shapes.pull_basic)


# --- making


@route("POST", _COMMITS, "developer", login="later")
def create_commit(call: Call) -> Answer:
    """Several files as one commit, on a branch that is there or on a new one. See app/services/commits/create_service.rb."""
    project, body = call.project, call.body
    branch, git = body["branch"], project.git
    if not project.may_push(call.login, branch):
        raise forbidden("You are not allowed to push into this branch")
    before = git.resolve(f"refs/heads/{branch}")
    start = _start(call, before)
    if not body["actions"] and not body.get("allow_empty"):
        raise Refused(400, "actions is empty", key="error")
    files: dict[str, bytes | None] = {}
    for action in body["actions"]:
        files |= _action(call, start, action)
    tree = git.changed_tree(start, files)
    if tree == git.info(start).tree and not body.get("allow_empty"):
        raise Refused(400, "No changes to commit")
    call.fake.clock.advance(1)
    name, email = call.fake.identity(call.login)
    committer = Signature(name, email, call.fake.clock.now())
    author = Signature(body.get("author_name") or name, body.get("author_email") or email, committer.at)
    sha = git.commit_tree(tree, [start], body["commit_message"], author, committer)
    return Answer(
        201, shapes_git.commit_detail(project, _move(call, branch, before, sha), stats=body.get("stats", True))
    )


def _start(call: Call, before: str | None) -> str:
    """The commit that the new one stands on. Raises Refused where the branch is there and was not to be."""
    body, git = call.body, call.project.git
    branch, sha = body["branch"], body.get("start_sha")
    if sha and body.get("start_branch"):
        raise Refused(400, "start_branch, start_sha are mutually exclusive", key="error")
    if sha and git.resolve(sha) != sha:
        raise Refused(400, f"Cannot find start_sha '{sha}'" if len(sha) == 40 else f"Invalid start_sha '{sha}'")
    start_branch = body.get("start_branch") or branch
    if not sha and start_branch not in git.branches():
        raise Refused(400, "You can only create or edit files when you are on a branch")
    if before and (sha or start_branch != branch) and not body.get("force"):
        raise Refused(400, f"A branch called '{branch}' already exists. Switch to that branch in order to make changes")
    return sha or call.project.head(start_branch)


def _action(call: Call, start: str, action: dict[str, Any]) -> dict[str, bytes | None]:
    """What becomes of the files by an action. Raises Refused where the file is not what it was thought to be."""
    git, kind, path = call.project.git, action["action"], action["file_path"]
    if ".." in path.split("/") or path.startswith("/"):
        raise Refused(400, f"Path cannot include traversal syntax: {path}")
    if kind == "chmod":
        raise Refused(501, "the fake does not change the mode of a file")
    source = action.get("previous_path", path) if kind == "move" else path
    there = git.file(start, source)
    if kind == "create":
        if there is not None:
            raise Refused(400, "A file with this name already exists")
    elif there is None:
        raise Refused(400, "A file with this name doesn't exist")
    last = action.get("last_commit_id")
    # Any commit will do: what counts is whether the file has changed between it and the branch.
    if kind != "create" and last and git.last_commit(start, source) != git.last_commit(last, source):
        raise Refused(400, f"The file has changed since you started editing it: {source}")
    if kind == "delete":
        return {path: None}
    content = _content(action) if "content" in action else there
    if content is None:
        raise Refused(400, "actions[0][content] is missing", key="error")
    return {source: None, path: content} if kind == "move" else {path: content}


def _content(action: dict[str, Any]) -> bytes:
    if action.get("encoding") != "base64":
        return str(action["content"]).encode()
    try:
        return base64.b64decode(action["content"], validate=True)
    except binascii.Error as error:
        raise Refused(400, "invalid base64") from error


def _move(call: Call, branch: str, before: str | None, sha: str) -> str:
    """Let a branch be at a commit that was made here, and note what that brought."""
    project = call.project
    project.git.set_ref(f"refs/heads/{branch}", sha)
    objects = project.git.objects()
    call.fake.record.pushed.extend(project.git.text_of(objects - project.git.known))
    project.moved(call.login, branch, before or ZERO, sha)
    return sha


@route("POST", _ONE + "/revert", "developer", login="later")
def revert_commit(call: Call) -> Answer:
    """Undo a commit on a branch; a merge commit against its first parent. With `dry_run` nothing moves."""
    project, git, branch = call.project, call.project.git, call.body["branch"]
    if not project.may_push(call.login, branch):
        raise forbidden("You are not allowed to push into this branch")
    sha = call.commit()
    if branch not in git.branches():
        raise not_found("Branch")
    info, head = git.info(sha), project.head(branch)
    if not info.parents:
        raise Refused(400, _SORRY, error_code="conflict")
    try:
        tree = git.undo(head, sha)
    except Conflict as error:
        raise Refused(400, _SORRY, error_code="conflict") from error
    if tree == git.info(head).tree:
        raise Refused(400, _SORRY, error_code="empty")
    if call.body.get("dry_run"):
        return Answer(200, {"dry_run": "success"})
    title = info.message.split("\n")[0]
    who = Signature(*call.fake.identity(call.login), call.fake.clock.advance(1))
    made = git.commit_tree(tree, [head], f'Revert "{title}"\n\nThis reverts commit {sha}', who, who)
    return Answer(201, shapes_git.commit(project, _move(call, branch, head, made)))
