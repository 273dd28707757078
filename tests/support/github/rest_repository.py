"""Repositories, their Git, and who may do what."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from support.forges.bare import ZERO
from support.github import shapes, shapes_git
from support.github.accounts import LEVELS, at_least
from support.github.call import Answer, Call, route
from support.github.model import Push
from support.github.pull import Refused

_REPO = "/repos/{owner}/{repo}"
_BRANCH = _REPO + "/branches/{branch}"


@route("GET", _REPO, "metadata=read")
def get_repository(call: Call) -> Answer:
    """The repository."""
    return Answer(200, shapes.full_repository(call.repo, call.login))


# --- commits and files


@route("GET", _REPO + "/commits/{ref}", "contents=read")
def get_commit(call: Call) -> Answer:
    """One, with what it changes."""
    return Answer(200, shapes_git.full_commit(call.repo, call.commit()))


@route("GET", _REPO + "/commits", "contents=read")
def list_commits(call: Call) -> Answer:
    """The history of a branch, the newest first; of a path only what touched it."""
    start = call.commit(call.query.get("sha") or call.repo.default_branch)
    paths = ["--", call.query["path"]] if call.query.get("path") else []
    found = call.repo.git.git("rev-list", start, *paths).splitlines()
    return call.page(found, lambda sha: shapes_git.commit(call.repo, sha))


@route("GET", _REPO + "/compare/{basehead}", "contents=read")
def compare(call: Call) -> Answer:
    """What `head` has that `base` has not, from where they parted."""
    names = call.params["basehead"].split("...")
    if len(names) != 2:
        raise Refused(404, "Not Found")
    try:
        base, head = (call.commit(name.rpartition(":")[2]) for name in names)
    except Refused as error:
        raise Refused(404, "Not Found") from error
    git = call.repo.git
    parted = git.merge_base(base, head)
    if parted is None:
        raise Refused(404, f"No common ancestor between {names[0]} and {names[1]}.")
    ahead, behind = git.commits(base, head), git.commits(head, base)
    api = f"{call.fake.api}/repos/{call.repo.full_name}/compare/{call.params['basehead']}"
    html = f"{call.fake.url}/{call.repo.full_name}/compare/{call.params['basehead']}"
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    return Answer(
        200,
        {
            "url": api,
            "html_url": html,
            "permalink_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "base_commit": shapes_git.commit(call.repo, base),
            "merge_base_commit": shapes_git.commit(call.repo, parted),
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "commits": [shapes_git.commit(call.repo, sha) for sha in ahead[:250]],
            "files": [shapes_git.file(call.repo, head, change) for change in git.changes(parted, head)[:300]],
        },
    )


@route("GET", _REPO + "/contents/{path}", "contents=read")
def get_content(call: Call) -> Answer:
    """A file at a revision, or what is in a folder."""
    revision = call.query.get("ref") or call.repo.default_branch
    sha = call.repo.git.resolve(revision)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {revision}")
    path = call.params["path"].strip("/")
    data = call.repo.git.file(sha, path)
    if data is not None:
        return Answer(200, shapes_git.content(call.repo, sha, path, data))
    entries = call.repo.git.folder(sha, path)
    if not entries:
        raise Refused(404, "Not Found")
    return Answer(200, [shapes_git.entry(call.repo, sha, name, *about) for name, about in entries.items()])


@route("GET", _REPO + "/git/commits/{commit_sha}", "contents=read")
def get_git_commit(call: Call) -> Answer:
    """A commit, without its files."""
    sha = call.repo.git.resolve(call.params["commit_sha"])
    if sha is None:
        raise Refused(404, "Not Found")
    return Answer(200, shapes_git.git_commit(call.repo, sha))


# --- branches and refs


@route("GET", _REPO + "/branches", "contents=read")
def list_branches(call: Call) -> Answer:
    """All of them, by name."""
    return call.page(sorted(call.repo.git.branches()), lambda name: shapes_git.short_branch(call.repo, name))


@route("GET", _BRANCH, "contents=read")
def get_branch(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_git.branch(call.repo, _branch(call)))


@route("GET", _BRANCH + "/protection", "administration=read", level="admin")
def get_protection(call: Call) -> Answer:
    """Its classic protection, for administrators. A ruleset does not show here."""
    rule = call.repo.protections.get(_branch(call))
    if rule is None or rule.kind != "classic":
        raise Refused(404, "Branch not protected")
    url = f"{call.fake.api}/repos/{call.repo.full_name}/branches/{rule.branch}/protection"
    return Answer(
        200,
        {
            "url": url,
            "required_pull_request_reviews": {
                "url": f"{url}/required_pull_request_reviews",
                "dismiss_stale_reviews": False,
                "require_code_owner_reviews": False,
                "required_approving_review_count": rule.approvals,
            },
            "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True},
            "allow_force_pushes": {"enabled": False},
            "allow_deletions": {"enabled": False},
        },
    )


@route("GET", _REPO + "/rules/branches/{branch}", "metadata=read")
def branch_rules(call: Call) -> Answer:
    """The rules of rulesets for a branch. A classic protection does not show here."""
    rule = call.repo.protections.get(call.params["branch"])
    if rule is None or rule.kind != "ruleset":
        return call.page([], lambda none: none)
    found = {
        "type": "pull_request",
        "ruleset_source_type": "Repository",
        "ruleset_source": call.repo.full_name,
        "ruleset_id": 1,
        "parameters": {
            "required_approving_review_count": rule.approvals,
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": False,
            "require_last_push_approval": False,
            "required_review_thread_resolution": False,
        },
    }
    return call.page([found], lambda shown: shown)


def _branch(call: Call) -> str:
    name = call.params["branch"]
    if name not in call.repo.git.branches():
        raise Refused(404, "Branch not found")
    return name


@route("GET", _REPO + "/git/ref/{ref}", "contents=read")
def get_ref(call: Call) -> Answer:
    """One ref, by its whole name without `refs/`."""
    name = f"refs/{call.params['ref']}"
    sha = call.repo.git.refs(name).get(name)
    if sha is None:
        raise Refused(404, "Not Found")
    return Answer(200, shapes_git.ref(call.repo, name, sha))


@route("GET", _REPO + "/git/matching-refs/{ref}", "contents=read")
def matching_refs(call: Call) -> Answer:
    """Those that begin so."""
    begin = f"refs/{call.params['ref']}"
    found = [(name, sha) for name, sha in call.repo.git.refs("refs/").items() if name.startswith(begin)]
    return Answer(200, [shapes_git.ref(call.repo, name, sha) for name, sha in found])


@route("POST", _REPO + "/git/refs", "contents=write")
def create_ref(call: Call) -> Answer:
    """A new one."""
    name, sha = call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, "Reference name is invalid")
    if call.repo.git.resolve(sha) != sha:
        raise Refused(422, "Object does not exist")
    if name in call.repo.git.refs("refs/"):
        raise Refused(422, "Reference already exists")
    call.fake.clock.tick()
    call.repo.git.set_ref(name, sha)
    if name.startswith("refs/heads/"):
        call.repo.moved(call.login, name.removeprefix("refs/heads/"), ZERO, sha)
    return Answer(201, shapes_git.ref(call.repo, name, sha))


@route("PATCH", _REPO + "/git/refs/{ref}", "contents=write")
def update_ref(call: Call) -> Answer:
    """Move one; backwards only by force."""
    name, before = _ref(call)
    sha = call.body["sha"]
    if call.repo.git.resolve(sha) != sha:
        raise Refused(422, "Object does not exist")
    call.repo.refuse_protected(name.removeprefix("refs/heads/"), call.login)
    if not call.body.get("force") and not call.repo.git.contains(sha, before):
        raise Refused(422, "Update is not a fast forward")
    call.fake.clock.tick()
    call.repo.git.set_ref(name, sha)
    if name.startswith("refs/heads/"):
        call.repo.moved(call.login, name.removeprefix("refs/heads/"), before, sha)
    return Answer(200, shapes_git.ref(call.repo, name, sha))


@route("DELETE", _REPO + "/git/refs/{ref}", "contents=write")
def delete_ref(call: Call) -> Answer:
    """Remove one."""
    name, before = _ref(call)
    call.repo.refuse_protected(name.removeprefix("refs/heads/"), call.login)
    call.fake.clock.tick()
    call.repo.git.set_ref(name, None)
    if name.startswith("refs/heads/"):
        call.repo.moved(call.login, name.removeprefix("refs/heads/"), before, ZERO)
    return Answer(204)


def _ref(call: Call) -> tuple[str, str]:
    name = f"refs/{call.params['ref']}"
    sha = call.repo.git.refs(name).get(name)
    if sha is None:
        raise Refused(422, "Reference does not exist")
    return name, sha


@route("GET", _REPO + "/activity", "contents=read")
def activity(call: Call) -> Answer:
    """Who pushed what, the newest first."""
    query = call.query
    found = [
        push
        for push in reversed(call.repo.pushes)
        if query.get("ref", push.ref).removeprefix("refs/heads/") == push.ref.removeprefix("refs/heads/")
        and query.get("actor", push.login) == push.login
        and query.get("activity_type", push.kind) == push.kind
    ]

    def shape(push: Push) -> dict[str, Any]:
        shown = {
            "id": push.id,
            "node_id": f"PSH_{push.id}",
            "before": push.before,
            "after": push.after,
            "ref": push.ref,
        }
        return shown | {"timestamp": push.at, "activity_type": push.kind, "actor": shapes.user(call.fake, push.login)}

    # This list has no numbered pages: a link says after what it goes on.
    if "after" in query:
        found = [push for push in found if push.id < int(query["after"])]
    size = min(int(query.get("per_page", "30")), 100)
    shown, rest = found[:size], found[size:]
    following = urlencode({**query, "after": str(shown[-1].id)}) if rest else ""
    links = {"Link": f'<{call.fake.api}{call.path}?{following}>; rel="next"'} if rest else {}
    return Answer(200, [shape(push) for push in shown], links)


# --- people


@route("GET", _REPO + "/collaborators/{username}/permission", "metadata=read")
def get_permission(call: Call) -> Answer:
    """What somebody may do: in `permission` maintain is write and triage is read, `role_name` is exact."""
    login = call.params["username"]
    if not call.fake.knows(login):
        raise Refused(404, f"{login} is not a user")
    level = call.repo.level(login)
    coarse = {"maintain": "write", "triage": "read"}.get(level, level)
    permissions = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    person = shapes.user(call.fake, login) | {
        "permissions": {name: LEVELS.index(level) >= LEVELS.index(need) for name, need in permissions.items()},
        "role_name": level,
    }
    return Answer(200, {"permission": coarse, "role_name": level, "user": person})


@route("GET", _REPO + "/collaborators/{username}", "metadata=read")
def is_collaborator(call: Call) -> Answer:
    """Yes or no, by the status."""
    return Answer(204 if at_least(call.repo.level(call.params["username"]), "read") else 404)
