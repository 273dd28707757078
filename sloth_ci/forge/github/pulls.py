"""Pull requests: one by its number or by a commit that it brought, and the others that touch the same files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sloth_ci.core.review import Overlap, PullRequest
from sloth_ci.forge.errors import Invalid, Missing
from sloth_ci.forge.github.client import Client
from sloth_ci.forge.github_payload import pull_of

READ = "pull-requests: read"
# What GitHub writes into the message of a merge commit, and into the subject of a squashed one.
_NAMED = re.compile(r"\AMerge pull request #(\d+) |\(#(\d+)\)\s*$", re.MULTILINE)

_OPEN = """
query Open($owner: String!, $name: String!, $base: String!) {
  viewer { login }
  repository(owner: $owner, name: $name) {
    pullRequests(states: OPEN, baseRefName: $base, first: 100, orderBy: {field: UPDATED_AT, direction: DESC}) {
      nodes { number title url headRefOid files(first: 100) { nodes { path } } }
    }
  }
}
"""


def pull_request(client: Client, number: int) -> PullRequest:
    """One, as it is now."""
    return pull_of(client.get(f"read pull request #{number}", f"{client.here}/pulls/{number}", READ))


def pull_request_of(client: Client, sha: str, into: str) -> PullRequest | None:
    """The one that brought a commit to the branch `into`, else the open one whose head it is."""
    what = f"find the pull request of {sha[:10]}"
    try:
        listed = client.pages(what, f"{client.here}/commits/{sha}/pulls", READ)
    except Invalid:
        listed = []  # "No commit found for SHA": nobody has pushed it
    found = [pull for pull in map(pull_of, listed) if pull.base_branch == into] or _named(client, sha, into)
    merged = [pull for pull in found if pull.state == "merged"]
    # A rebase brings several commits, and only the last of them is the `merge_commit_sha`.
    merged.sort(key=lambda pull: (pull.merge_sha == sha, pull.number), reverse=True)
    if merged:
        return merged[0]
    return next((pull for pull in found if pull.state == "open" and pull.head_sha == sha), None)


def pull_request_from(client: Client, repository: str, branch: str, sha: str) -> PullRequest | None:
    """The open one from a branch of a repository, which may be a fork."""
    what = f"find the pull request of {branch} of {repository}"
    head = f"{repository.partition('/')[0]}:{branch}"
    # An owner may have several repositories of one network, and the filter knows the owner alone.
    found = [
        pull_of(pull)
        for pull in client.pages(what, f"{client.here}/pulls", READ, state="open", head=head)
        if ((pull["head"]["repo"] or {}).get("full_name") or "").lower() == repository.lower()
    ]
    return next((pull for pull in found if pull.head_sha == sha), None)


def _named(client: Client, sha: str, into: str) -> list[PullRequest]:
    """Those that the message names, for the first seconds after a merge in which GitHub's index does not know it."""
    try:
        commit = client.get(f"read commit {sha[:10]}", f"{client.here}/commits/{sha}", "contents: read")
        numbers = [int(one or other) for one, other in _NAMED.findall(commit["commit"]["message"].partition("\n")[0])]
        found = [pull_request(client, number) for number in numbers]
    except (Missing, Invalid):
        return []
    # Anybody can write a number into a message: only what GitHub itself says about the pull request counts.
    return [pull for pull in found if pull.state == "merged" and pull.merge_sha == sha and pull.base_branch == into]


class OpenPulls(NamedTuple):
    """The open pull requests into a branch."""

    overlaps: list[Overlap]
    heads: dict[int, str]
    """The head of each, by its number."""


def open_pulls(client: Client, pull: PullRequest, files: Sequence[str]) -> OpenPulls:
    """Those into the same branch: the 100 that were touched last, with 100 files each. Others that change `files` overlap."""
    owner, _, name = client.repository.partition("/")
    variables = {"owner": owner, "name": name, "base": pull.base_branch}
    data = client.graphql("read the open pull requests", _OPEN, variables, READ)
    wanted = set(files)
    found = []
    for node in data["repository"]["pullRequests"]["nodes"]:
        shared = sorted(wanted & {file["path"] for file in ((node["files"] or {}).get("nodes") or [])})
        if shared and node["number"] != pull.number:
            found.append(Overlap(number=node["number"], title=node["title"], url=node["url"], files=tuple(shared)))
    heads = {node["number"]: node["headRefOid"] for node in data["repository"]["pullRequests"]["nodes"]}
    return OpenPulls(sorted(found, key=lambda overlap: overlap.number), heads)
