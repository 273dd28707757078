"""REST: branches, files, trees and what lies between two commits."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from support.forges.bare import ZERO
from support.gitlab import shapes_git
from support.gitlab.call import Answer, Call, route
from support.gitlab.refused import Refused, forbidden, not_found

_REPOSITORY = "/projects/{id}/repository"
_BRANCHES = _REPOSITORY + "/branches"


@route("GET", _BRANCHES, job=True)
def list_branches(call: Call) -> Answer:
    """All of them; with `search`, those that have it in their names (`^` at the beginning, `$` at the end)."""
    search = call.one("search")
    inside = re.escape(search.removeprefix("^").removesuffix("$"))
    wanted = re.compile("^" * search.startswith("^") + inside + "$" * search.endswith("$"), re.IGNORECASE)
    found = [name for name in sorted(call.project.git.branches()) if wanted.search(name)]
    return call.page(found, lambda name: shapes_git.branch(call.project, name, call.login))


@route("GET", _BRANCHES + "/{branch}")
def get_branch(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_git.branch(call.project, _branch(call), call.login))


@route("POST", _BRANCHES, "developer", login="later")
def create_branch(call: Call) -> Answer:
    """A new one, from a branch, a tag or a commit."""
    name, git = call.body["branch"], call.project.git
    if not call.project.may_push(call.login, name):
        raise forbidden()
    if name in git.branches():
        raise Refused(400, "Branch already exists")
    sha = git.resolve(call.body["ref"])
    if sha is None:
        raise Refused(400, f"Failed to create branch '{name}': invalid reference name '{call.body['ref']}'")
    git.set_ref(f"refs/heads/{name}", sha)
    call.project.moved(call.login, name, ZERO, sha)
    return Answer(201, shapes_git.branch(call.project, name, call.login))


@route("DELETE", _BRANCHES + "/{branch}", "developer", login="later")
def delete_branch(call: Call) -> Answer:
    """Delete one that is neither protected nor the default branch."""
    name = _branch(call)
    if name == call.project.default_branch:
        raise Refused(405, "The default branch of a project cannot be deleted.")
    if call.project.protection(name):
        raise forbidden("You are not allowed to delete protected branches from this project.")
    call.project.delete_branch(call.login, name)
    return Answer(204)


def _branch(call: Call) -> str:
    name = call.params["branch"]
    if name not in call.project.git.branches():
        raise not_found("Branch")
    return name


# --- files


def _file(call: Call) -> tuple[str, str, bytes]:
    ref, path = call.one("ref", "HEAD"), call.params["file_path"]
    sha = call.project.git.resolve(call.project.default_branch if ref == "HEAD" else ref)
    content = call.project.git.file(sha, path) if sha else None
    if sha is None or content is None:
        raise not_found("File" if sha else "Commit")
    return sha, path, content


@route("GET", _REPOSITORY + "/files/{file_path}")
def get_file(call: Call) -> Answer:
    """What a file holds, in Base64, and the commit that changed it last."""
    sha, path, content = _file(call)
    body: dict[str, Any] = {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": call.one("ref"),
        "blob_id": call.project.git.blob_id(sha, path),
        "commit_id": sha,
        "last_commit_id": call.project.git.last_commit(sha, path),
        "execute_filemode": False,
        "content": base64.b64encode(content).decode(),
    }
    return Answer(200, body)


@route("GET", _REPOSITORY + "/files/{file_path}/raw", job=True)
def get_raw_file(call: Call) -> Answer:
    """What a file holds, as it is."""
    return Answer(200, _file(call)[2].decode(errors="replace"), {"Content-Type": "text/plain"})


@route("GET", _REPOSITORY + "/tree")
def get_tree(call: Call) -> Answer:
    """What is in a folder."""
    sha = call.project.git.resolve(call.one("ref") or call.project.default_branch)
    path = call.one("path").strip("/")
    found = call.project.git.folder(sha, path) if sha else {}
    if sha is None or (path and not found):
        raise not_found("Tree")
    if call.true("recursive"):
        raise Refused(501, "the fake reads no tree to the ground")

    def shape(pair: tuple[str, tuple[str, str, int]]) -> dict[str, Any]:
        name, (kind, blob, _) = pair
        mode = "040000" if kind == "tree" else "100644"
        return {"id": blob, "name": name.rpartition("/")[2], "type": kind, "path": name, "mode": mode}

    return call.page(list(found.items()), shape)


@route("GET", _REPOSITORY + "/compare")
def compare(call: Call) -> Answer:
    """What lies between two commits: from where they part, unless it is asked for `straight`."""
    git = call.project.git
    base, head = call.commit(call.one("from")), call.commit(call.one("to"))
    start = base if call.true("straight") else git.merge_base(base, head) or base
    commits = [shapes_git.commit(call.project, sha) for sha in git.commits(base, head)]
    diffs = [shapes_git.diff(change) for change in git.changes(start, head)]
    said = {
        "commit": commits[-1] if commits else None,
        "commits": commits,
        "diffs": diffs,
        "compare_timeout": False,
        "compare_same_ref": base == head,
        "web_url": f"{call.project.url}/-/compare/{base}...{head}",
    }
    return Answer(200, said)
