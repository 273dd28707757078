"""REST: people, groups, members, the job of a token, what GitLab is."""

from __future__ import annotations

from typing import Any

from support.gitlab import shapes, shapes_ci
from support.gitlab.call import Answer, Call, route
from support.gitlab.refused import not_found


@route("GET", "/user", "none")
def current_user(call: Call) -> Answer:
    """Who asks."""
    account = call.fake.account(call.login)
    about: dict[str, Any] = {"created_at": "2026-01-01T00:00:00.000Z", "bio": "", "bot": account.bot}
    about |= {"email": account.email, "commit_email": account.email, "external": False, "private_profile": False}
    return Answer(200, shapes.user(call.fake, account.login) | about)


@route("GET", "/users", "none")
def list_users(call: Call) -> Answer:
    """Somebody by their name, whatever its case; or everybody."""
    wanted = call.one("username").lower()
    found = [login for login in call.fake.accounts if wanted in ("", login.lower())]
    return call.page(found, lambda login: shapes.user(call.fake, login))


@route("GET", "/version", "none")
def version(call: Call) -> Answer:
    """Which GitLab it is. It begins with 19.0, as the description does."""
    body = {"version": "19.0.0" + ("-ee" if call.fake.edition == "ee" else ""), "revision": "0123456789a"}
    return Answer(200, body | {"enterprise": call.fake.edition == "ee"})


@route("GET", "/metadata", "none")
def metadata(call: Call) -> Answer:
    """The same."""
    return version(call)


@route("GET", "/job", "none", job=True)
def current_job(call: Call) -> Answer:
    """The job whose token this is. No other token is of a job."""
    job = call.token.job if call.token else None
    if job is None:
        raise not_found()
    return Answer(200, shapes_ci.job(call.fake.projects[job.pipeline.project], job))


# --- members


def _members(call: Call, members: dict[str, int]) -> Answer:
    ids = {int(number) for number in call.query.get("user_ids", ())}
    query = call.one("query").lower()
    found = [
        (login, level)
        for login, level in members.items()
        if query in login.lower() and (not ids or call.fake.account(login).id in ids)
    ]
    return call.page(found, lambda pair: shapes.member(call.fake, *pair))


@route("GET", "/projects/{id}/members", "guest")
def direct_members(call: Call) -> Answer:
    """Those of the project itself."""
    return _members(call, {login: level for login, level in call.project.levels.items() if level})


@route("GET", "/projects/{id}/members/all", "guest")
def all_members(call: Call) -> Answer:
    """Those of its groups as well, each at the highest level."""
    return _members(call, call.project.members())


@route("GET", "/projects/{id}/members/all/{user_id}", "guest")
def one_member(call: Call) -> Answer:
    """One of them."""
    account = call.fake.person(int(call.params["user_id"]))
    level = call.project.access(account.login) if account else 0
    if account is None or not level:
        raise not_found()
    return Answer(200, shapes.member(call.fake, account.login, level))


def _group_members(call: Call, *, inherited: bool) -> Answer:
    name = call.params["id"]
    found = next((one for one in call.fake.groups.values() if name in (str(one.id), one.path)), None)
    if found is None:
        raise not_found("Group")
    members: dict[str, int] = {}
    for group in call.fake.groups_of(found.path) if inherited else [found]:
        for login, level in group.members.items():
            members[login] = max(level, members.get(login, 0))
    # Whoever is not in it does not know of a private group. A project's bot is in its project alone.
    inside = any(
        project.full_name.startswith(f"{found.path}/") and project.access(call.login)
        for project in call.fake.projects.values()
    )
    if call.login not in members and not inside:
        raise not_found("Group")
    return _members(call, members)


@route("GET", "/groups/{id}/members", "none")
def group_members(call: Call) -> Answer:
    """Those of the group itself."""
    return _group_members(call, inherited=False)


@route("GET", "/groups/{id}/members/all", "none")
def all_group_members(call: Call) -> Answer:
    """Those of the groups above it as well."""
    return _group_members(call, inherited=True)
