"""What GitLab's JSON says, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sloth_ci.core.review import Comment, PullRequest

Payload = Mapping[str, Any]
_STATES: Mapping[str, Literal["open", "merged", "closed"]] = {
    "opened": "open",
    "locked": "open",  # for the moment of its merge
    "merged": "merged",
    "closed": "closed",
}


def pull_of(request: Payload, base_sha: str) -> PullRequest:
    """A merge request as GitLab's REST API describes it. `base_sha`: the tip of the target branch at its last push."""
    state = _STATES[request["state"]]
    return PullRequest(
        number=request["iid"],
        sigil="!",
        url=request["web_url"],
        title=request["title"],
        author=login_of(request.get("author")),
        state=state,
        head_sha=request["sha"] or "",
        head_branch=request["source_branch"],
        base_branch=request["target_branch"],
        base_sha=base_sha,
        fork=is_fork(request),
        merge_sha=merge_sha_of(request) if state == "merged" else None,
    )


def is_fork(request: Payload) -> bool:
    """Whether it comes from another project; so it does where that project is gone."""
    return bool(request["source_project_id"] != request["target_project_id"])


def merge_sha_of(request: Payload) -> str | None:
    """The commit that a merged one brought: of the merge, of the squash, or its own head by fast-forward."""
    found = request.get("merge_commit_sha") or request.get("squash_commit_sha") or request.get("sha")
    return str(found) if found else None


def comment_of(note: Payload) -> Comment:
    """A note."""
    return Comment(
        id=note["id"],
        author=login_of(note.get("author")),
        body=note.get("body") or "",
        created=seconds_of(note["created_at"]),
        edited=is_edited(note),
    )


def is_edited(note: Payload) -> bool:
    """Whether a note is not what it was when it was written."""
    return bool(note["updated_at"] != note["created_at"])


def login_of(user: Payload | None) -> str:
    """The name of a user; `ghost`, as GitLab itself calls it, where the account is gone."""
    return str(user["username"]) if user else "ghost"


def seconds_of(moment: str) -> float:
    """Unix seconds of GitLab's `2026-11-26T17:55:26.123Z`."""
    return datetime.fromisoformat(moment).timestamp()
