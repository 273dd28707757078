"""REST: the project itself, its labels, its events, its freezes, its protected branches and environments."""

from __future__ import annotations

from support.gitlab import shapes, shapes_ci, shapes_git
from support.gitlab.call import Answer, Call, route
from support.gitlab.refused import not_found

_PROJECT = "/projects/{id}"


@route("GET", _PROJECT, "guest")
def get_project(call: Call) -> Answer:
    """It."""
    return Answer(200, shapes.project(call.project, call.login))


@route("GET", _PROJECT + "/labels", "guest", login="always")
def list_labels(call: Call) -> Answer:
    """Its labels."""
    found = [label for label in call.project.labels.values() if call.one("search").lower() in label.name.lower()]
    return call.page(found, shapes.label)


@route("POST", _PROJECT + "/labels", "reporter")
def create_label(call: Call) -> Answer:
    """A new one."""
    body = call.body
    return Answer(201, shapes.label(call.project.label(body["name"], body["color"], body.get("description"))))


@route("GET", _PROJECT + "/events", "reporter")
def list_events(call: Call) -> Answer:
    """Who pushed what, the newest first. Other events the fake has not; `after` and `before` are whole days."""
    after, before = call.one("after"), call.one("before", "9999")
    wanted = call.one("action") in ("", "pushed") and not call.one("target_type")
    found = [push for push in reversed(call.project.pushes) if wanted and after < push.at[:10] < before]
    return call.page(found if call.one("sort") != "asc" else found[::-1], lambda push: shapes.push(call.project, push))


@route("GET", _PROJECT + "/freeze_periods", login="always")
def list_freezes(call: Call) -> Answer:
    """Its deploy freezes."""
    return call.page(call.project.freezes, shapes_ci.freeze)


# --- what is protected


@route("GET", _PROJECT + "/protected_branches")
def list_protected_branches(call: Call) -> Answer:
    """Its rules."""
    found = [rule for rule in call.project.branches if call.one("search") in rule.pattern]
    return call.page(found, lambda rule: shapes_git.protected_branch(call.project, rule))


@route("GET", _PROJECT + "/protected_branches/{name}")
def get_protected_branch(call: Call) -> Answer:
    """One, by its name as it is written: not by a branch that a wildcard is for."""
    rule = next((rule for rule in call.project.branches if rule.pattern == call.params["name"]), None)
    if rule is None:
        raise not_found()
    return Answer(200, shapes_git.protected_branch(call.project, rule))


@route("GET", _PROJECT + "/protected_environments", "maintainer", premium=True)
def list_protected_environments(call: Call) -> Answer:
    """Its protected environments: none without Premium, where a maintainer may ask all the same."""
    found = [one for name in call.project.protected_environments if (one := call.project.protected_environment(name))]
    return call.page(found, lambda one: shapes_ci.protected_environment(call.project, one))


@route("GET", _PROJECT + "/protected_environments/{name}", "maintainer", premium=True)
def get_protected_environment(call: Call) -> Answer:
    """One."""
    found = call.project.protected_environment(call.params["name"])
    if found is None:
        raise not_found()
    return Answer(200, shapes_ci.protected_environment(call.project, found))
