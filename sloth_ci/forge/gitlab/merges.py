"""Merge requests: one by its number or by a commit that it brought, and the others that touch the same files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from sloth_ci.core.review import Overlap, PullRequest
from sloth_ci.forge.errors import Invalid, Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ, READ_BY_JOB
from sloth_ci.forge.gitlab.payload import is_fork, merge_sha_of, pull_of

# What GitLab writes into the message of a merge commit; the path stands before the `!`.
_NAMED = re.compile(r"^See merge request \S*!(\d+)\s*$", re.MULTILINE)
_OTHERS = 20
"""Other merge requests that are compared: each takes a request of its own."""


def pull_request(client: Client, number: int) -> PullRequest:
    """One, as it is now."""
    found = client.get(f"read merge request !{number}", f"{client.here}/merge_requests/{number}", READ_BY_JOB)
    refs = found.get("diff_refs") or {}  # None for the moment in which it is made
    return pull_of(found, refs.get("start_sha") or _tip(client, found["target_branch"]))


def _tip(client: Client, branch: str) -> str:
    path = f"{client.here}/repository/commits/{quote(branch, safe='')}"  # a branch's own page is not for a job's token
    return str(client.get(f"see where {branch} is", path, READ_BY_JOB)["id"])


def pull_request_of(client: Client, sha: str, into: str) -> PullRequest | None:
    """The one that brought a commit to the branch `into`, else the open one whose head it is."""
    path = f"{client.here}/repository/commits/{sha}/merge_requests"
    try:
        listed = client.pages(f"find the merge request of {sha[:10]}", path, READ_BY_JOB)
    except (Missing, Invalid):
        listed = []  # nobody has pushed that commit
    found = [one for one in listed if one["target_branch"] == into]
    merged = [one for one in found if one["state"] == "merged"]
    # Of those that hold the commit somewhere, the one that ended in it.
    merged.sort(key=lambda one: (merge_sha_of(one) == sha, one["iid"]), reverse=True)
    opened = [one for one in found if one["state"] in ("opened", "locked") and one["sha"] == sha]
    if merged or opened:
        return pull_request(client, [*merged, *opened][0]["iid"])
    return _named(client, sha, into)


def _named(client: Client, sha: str, into: str) -> PullRequest | None:
    """The one that the message names, for the moment after a merge in which GitLab's index does not know it."""
    try:
        path = f"{client.here}/repository/commits/{sha}"
        message = client.get(f"read commit {sha[:10]}", path, READ_BY_JOB)["message"]
        found = [pull_request(client, int(number)) for number in _NAMED.findall(message)]
    except (Missing, Invalid):
        return None
    # Anybody can write a number into a message: only what GitLab itself says about the merge request counts.
    return next(
        (pull for pull in found if (pull.state, pull.merge_sha, pull.base_branch) == ("merged", sha, into)), None
    )


def pull_request_from(client: Client, repository: str, branch: str, sha: str) -> PullRequest | None:
    """The open one from a branch of a project (its path or number), which may be a fork."""
    listed = client.pages(
        f"find the merge request of {branch} of {repository}",
        f"{client.here}/merge_requests",
        READ_BY_JOB,
        state="opened",
        source_branch=branch,
    )
    found = [one for one in listed if one["sha"] == sha]
    if not found:
        return None
    source = _project_id(client, repository)
    for one in found:
        if one["source_project_id"] == source or (source is None and not is_fork(one)):
            return pull_request(client, one["iid"])
    return None


def _project_id(client: Client, repository: str) -> int | None:
    """The number of a project; None for that of the client."""
    if repository.isdigit():
        return int(repository)
    if repository.lower() == client.project.lower():
        return None
    path = f"/projects/{quote(repository, safe='')}"
    return int(client.get(f"look up the project {repository}", path, READ)["id"])


class OpenRequests(NamedTuple):
    """The open merge requests into a branch."""

    overlaps: list[Overlap]
    heads: dict[int, str]
    """The head of each, by its number."""


def open_requests(client: Client, pull: PullRequest, files: Sequence[str]) -> OpenRequests:
    """Those into the same branch, the 20 that were touched last. Others that change `files`, or move them, overlap."""
    listed, more = client.some_pages(
        "read the open merge requests",
        f"{client.here}/merge_requests",
        READ_BY_JOB,
        most=1,
        per_page=str(_OTHERS),
        state="opened",
        target_branch=pull.base_branch,
        order_by="updated_at",
        sort="desc",
    )
    heads = {one["iid"]: str(one["sha"]) for one in listed}
    others = [one for one in listed if one["iid"] != pull.number]
    if others and not client.has_token:
        client.notice("without SLOTH_TOKEN it is not known which other merge requests change the same files")
        return OpenRequests([], heads)
    if more:
        client.notice(f"only the {_OTHERS} open merge requests that were touched last were compared with this one")
    found = [overlap for one in others if (overlap := _overlap(client, one, frozenset(files))) is not None]
    return OpenRequests(sorted(found, key=lambda overlap: overlap.number), heads)


def _overlap(client: Client, request: Any, wanted: frozenset[str]) -> Overlap | None:
    number = request["iid"]
    path = f"{client.here}/merge_requests/{number}/diffs"
    diffs, more = client.some_pages(f"read what !{number} changes", path, READ, most=1)
    if more:
        client.notice(f"!{number} changes so many files that only the first {len(diffs)} were compared")
    shared = sorted(wanted & {path for diff in diffs for path in (diff["old_path"], diff["new_path"])})
    if not shared:
        return None
    return Overlap(number=number, sigil="!", title=request["title"], url=request["web_url"], files=tuple(shared))
