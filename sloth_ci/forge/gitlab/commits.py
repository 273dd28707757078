"""Commits that GitLab makes, and may sign, and merge requests that ask for one."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from posixpath import dirname
from typing import Any
from urllib.parse import quote

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved
from sloth_ci.forge.errors import Denied, Invalid, Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ, READ_BY_JOB, WRITE, no_token
from sloth_ci.forge.gitlab.quick import without_actions

LABEL = "sloth-revert"
_MOVED = re.compile(r"changed since you started editing|has changed since|already exists|doesn't exist|does not exist")
# Of the role, and of CODEOWNERS of a protected branch; hooks of the server have words of their own.
_OWNED = re.compile(r"code ?owners", re.IGNORECASE)
_REFUSED = re.compile(r"not allowed to push|protected branch|code ?owners", re.IGNORECASE)


def commit(client: Client, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
    """Commit files on top of `parent`. Raises StateMoved and BranchRefused; a lost answer raises Unclear.

    GitLab has no question for the branch's tip, so it is looked up before, each file is held to what it is at `parent`,
    and the parent of what was made is looked at. The new files are of mode 100644.
    """
    what = f"commit to {branch}"
    if not client.has_token:
        raise no_token(what, WRITE)
    _ask_whether(client, what, branch, parent)
    _at(client, branch, parent)
    body = {
        "branch": branch,
        "commit_message": message,
        "actions": _actions(client, parent, changes),
        "stats": False,
    }
    path = f"{client.here}/repository/commits"
    try:
        made = client.send(what, "post", path, WRITE, body, repeat=False)
    except ForgeError as error:
        raise _read(error, branch, parent) from None
    if made["parent_ids"] != [parent]:  # what came in between touched other files; the next look finds this one
        raise _moved(branch, parent)
    return str(made["id"])


def _ask_whether(client: Client, what: str, branch: str, parent: str) -> None:
    """Whether the token may push to a branch: GitLab looks at that first, before a revert that is not to be made."""
    path = f"{client.here}/repository/commits/{parent}/revert"
    try:
        client.send(what, "post", path, WRITE, {"branch": branch, "dry_run": True})
    except (Denied, Invalid) as error:
        if isinstance(error, Invalid) and not _REFUSED.search(error.message):
            return  # it may push; that the tip cannot be reverted is no matter
        if _OWNED.search(error.message):
            return  # of the files that this commit would touch, which are others than ours
        raise _read(error, branch, parent) from None


def _read(error: ForgeError, branch: str, parent: str) -> ForgeError:
    if isinstance(error, (Denied, Invalid)) and _REFUSED.search(error.message):
        return BranchRefused(error.message, "the branch is protected: ask for it by a merge request")
    if isinstance(error, Invalid) and _MOVED.search(error.message):
        return _moved(branch, parent)
    return error


def _moved(branch: str, parent: str) -> StateMoved:
    return StateMoved(f"{branch} is not at {parent[:10]} any more", "fetch and try again")


def _at(client: Client, branch: str, parent: str) -> None:
    path = f"{client.here}/repository/branches/{quote(branch, safe='')}"
    if client.get(f"see where {branch} is", path, READ)["commit"]["id"] != parent:
        raise _moved(branch, parent)


def _actions(client: Client, parent: str, changes: Mapping[str, bytes | None]) -> list[dict[str, Any]]:
    there = _there(client, parent, {dirname(path) for path, data in changes.items() if data is not None})
    actions: list[dict[str, Any]] = []
    for path, data in changes.items():
        if data is None:
            actions.append({"action": "delete", "file_path": path, "last_commit_id": parent})
            continue
        new = {"file_path": path, "content": b64encode(data).decode(), "encoding": "base64"}
        if path in there:
            actions.append({"action": "update", "last_commit_id": parent, **new})
        else:
            actions.append({"action": "create", **new})
    return actions


def _there(client: Client, parent: str, folders: set[str]) -> set[str]:
    """The files of some folders: GitLab wants to be told which are new."""
    found: set[str] = set()
    for folder in sorted(folders):
        path = f"{client.here}/repository/tree"
        what = f"list the files of {folder or '.'}"
        try:
            if folder:
                entries = client.pages(what, path, READ, ref=parent, path=folder)
            else:
                entries = client.pages(what, path, READ, ref=parent)  # GitLab takes no empty one
        except Missing:
            continue  # a new folder
        found |= {entry["path"] for entry in entries if entry["type"] == "blob"}
    return found


def request(client: Client, branch: str, base: str, title: str, body: str) -> str:
    """Ask for a merge, unless somebody did. Returns the URL."""
    what = f"ask for the merge of {branch} into {base}"
    if not client.has_token:
        raise no_token(what, WRITE)
    return client.repeated(lambda: _request(client, what, branch, base, title, body))


def _request(client: Client, what: str, branch: str, base: str, title: str, body: str) -> str:
    path = f"{client.here}/merge_requests"
    there = _asked(client, what, branch, base)
    if there:
        return str(there[0]["web_url"])
    asked = {
        "source_branch": branch,
        "target_branch": base,
        "title": title,
        "description": without_actions(body),
        "labels": LABEL,
        "remove_source_branch": True,
    }
    try:
        made = client.send(what, "post", path, WRITE, asked, repeat=False)
    except Invalid:  # 409 where somebody was faster
        there = _asked(client, what, branch, base)
        if not there:
            raise
        made = there[0]
    return str(made["web_url"])


def _asked(client: Client, what: str, branch: str, base: str) -> list[Any]:
    """Those of this project that ask for it."""
    path = f"{client.here}/merge_requests"
    found = client.pages(what, path, READ_BY_JOB, state="opened", source_branch=branch, target_branch=base)
    return [one for one in found if one["source_project_id"] == one["target_project_id"]]
