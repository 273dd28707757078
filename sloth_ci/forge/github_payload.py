"""What GitHub's JSON says, in our words: the REST API and the payloads of events describe things alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sloth_ci.core.review import Comment, PullRequest

Payload = Mapping[str, Any]


def pull_of(pull: Payload) -> PullRequest:
    """A pull request as GitHub's REST API and its payloads describe it."""
    head, base = pull["head"], pull["base"]
    head_repository = (head.get("repo") or {}).get("full_name")  # None where the fork is gone
    merged = bool(pull.get("merged") or pull.get("merged_at"))
    return PullRequest(
        number=pull["number"],
        url=pull["html_url"],
        title=pull["title"],
        author=login_of(pull.get("user")),
        state="merged" if merged else pull["state"],
        head_sha=head["sha"],
        head_branch=head["ref"],
        base_branch=base["ref"],
        base_sha=base["sha"],
        fork=head_repository != base["repo"]["full_name"],
        merge_sha=pull.get("merge_commit_sha") if merged else None,
    )


def comment_of(comment: Payload) -> Comment:
    """A comment of an issue, likewise."""
    return Comment(
        id=comment["id"],
        author=login_of(comment.get("user")),
        body=comment.get("body") or "",
        created=seconds_of(comment["created_at"]),
        edited=comment["updated_at"] != comment["created_at"],
    )


def login_of(user: Payload | None) -> str:
    """The login of a user; `ghost`, as GitHub's own pages call it, where the account is gone."""
    return str(user["login"]) if user else "ghost"


def seconds_of(moment: str) -> float:
    """Unix seconds of GitHub's `2026-11-26T17:55:26Z`."""
    return datetime.fromisoformat(moment).timestamp()
