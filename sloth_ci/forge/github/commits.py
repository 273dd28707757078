"""Commits that GitHub makes, and so signs, and pull requests that ask for one."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved
from sloth_ci.forge.errors import Invalid
from sloth_ci.forge.github.client import Client

WRITE = "contents: write"
LABEL = "sloth-revert"
_JOB = "github-actions[bot]"
_QUIET = (
    "> [!NOTE]\n> GitHub starts no workflows for what a workflow's own token opens. Where checks are required, close this and "
    "open it again, or approve its workflow runs."
)
_COMMIT = """
mutation Commit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}
"""
_MOVED = re.compile(r"STALE_DATA|expected branch to point to", re.IGNORECASE)
# Branch protection has a type of its own, rulesets only say it.
_REFUSED = re.compile(
    r"BRANCH_PROTECTION_RULE_VIOLATION|protected branch|rule violations? found|through a pull request|GH006|GH013",
    re.IGNORECASE,
)


def commit(client: Client, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
    """Commit files on top of `parent`. Raises StateMoved and BranchRefused; a lost answer raises Unclear.

    The new files are of mode 100644: GitHub knows no other one here.
    """
    headline, _, body = message.strip().partition("\n")
    additions = [
        {"path": path, "contents": b64encode(data).decode()} for path, data in changes.items() if data is not None
    ]
    request = {
        "branch": {"repositoryNameWithOwner": client.repository, "branchName": branch},
        "expectedHeadOid": parent,
        "message": {"headline": headline, "body": body.strip("\n")},
        "fileChanges": {
            "additions": additions,
            "deletions": [{"path": path} for path, data in changes.items() if data is None],
        },
    }
    # Asked twice it would not be done twice, but the second answer would be that the branch has moved.
    what = f"commit to {branch}"
    try:
        data = client.graphql(what, _COMMIT, {"input": request}, WRITE, repeat=False)
    except ForgeError as error:
        if _MOVED.search(error.message):
            raise StateMoved(f"{branch} is not at {parent[:10]} any more", "fetch and try again") from None
        if _REFUSED.search(error.message):
            raise BranchRefused(error.message, "the branch is protected: ask for it by a pull request") from None
        raise
    return str(data["createCommitOnBranch"]["commit"]["oid"])


def request(client: Client, notice: Callable[[str], None], branch: str, base: str, title: str, body: str) -> str:
    """Ask for a merge, unless somebody did. Returns the URL."""
    return client.repeated(lambda: _request(client, notice, branch, base, title, body))


def _request(client: Client, notice: Callable[[str], None], branch: str, base: str, title: str, body: str) -> str:
    path = f"{client.here}/pulls"
    owner = client.repository.partition("/")[0]
    needs = "pull-requests: write"
    what = f"ask for the merge of {branch} into {base}"
    there = client.pages(what, path, needs, state="open", head=f"{owner}:{branch}", base=base)
    if there:
        return str(there[0]["html_url"])
    body = f"{_QUIET}\n\n{body}" if client.login == _JOB else body
    asked = {"title": title, "body": body, "head": branch, "base": base}
    made = client.send(what, "POST", path, needs, asked, repeat=False)
    try:
        _label(client, made["number"])
    except ForgeError as error:
        notice(f"the pull request {made['html_url']} has no label {LABEL}: {error.message}")
    return str(made["html_url"])


def _label(client: Client, number: int) -> None:
    label = {"name": LABEL, "color": "b60205", "description": "Puts back what a failed deployment brought"}
    try:
        client.send(f"make the label {LABEL}", "POST", f"{client.here}/labels", "pull-requests: write", label)
    except Invalid as error:
        if "already_exists" not in error.message:
            raise
    path = f"{client.here}/issues/{number}/labels"
    client.send(f"label #{number}", "POST", path, "pull-requests: write", {"labels": [LABEL]})
