"""REST: environments and deployments. All of it takes CI_JOB_TOKEN."""

from __future__ import annotations

from support.gitlab import shapes, shapes_ci
from support.gitlab.call import Answer, Call, route
from support.gitlab.model import Deployment
from support.gitlab.refused import Refused, forbidden, not_found

_ENVIRONMENTS = "/projects/{id}/environments"
_DEPLOYMENTS = "/projects/{id}/deployments"
_ONE = _DEPLOYMENTS + "/{deployment_id}"

# From what a deployment may become something: the state machine of app/models/deployment.rb.
_EVENTS = {"running": "run", "success": "succeed", "failed": "drop", "canceled": "cancel"}


@route("GET", _ENVIRONMENTS, job=True, login="always")
def list_environments(call: Call) -> Answer:
    """By name: the whole one, or (three letters at least) a part of it."""
    name, search = call.one("name"), call.one("search")
    if name and search:
        raise Refused(400, "name, search are mutually exclusive", key="error")
    found = [
        one
        for one in call.project.environments.values()
        if name in ("", one.name) and search in one.name and call.one("states", one.state) == one.state
    ]
    return call.page(found, shapes_ci.environment)


@route("GET", _ENVIRONMENTS + "/{environment_id}", job=True, login="always")
def get_environment(call: Call) -> Answer:
    """One, with its last deployment."""
    number = int(call.params["environment_id"])
    found = next((one for one in call.project.environments.values() if one.id == number), None)
    if found is None:
        raise not_found("Environment")
    return Answer(200, shapes_ci.environment_detail(call.project, found))


@route("POST", _ENVIRONMENTS, "developer", job=True)
def create_environment(call: Call) -> Answer:
    """A new one."""
    name = call.body["name"]
    if name in call.project.environments:
        raise Refused(400, {"name": ["has already been taken"]})
    return Answer(201, shapes_ci.environment(call.project.environment(name, url=call.body.get("external_url"))))


@route("PUT", _ENVIRONMENTS + "/{environment_id}", "developer", job=True)
def update_environment(call: Call) -> Answer:
    """Another address or tier."""
    number = int(call.params["environment_id"])
    found = next((one for one in call.project.environments.values() if one.id == number), None)
    if found is None:
        raise not_found()
    if not call.project.may_deploy(call.login, found.name):
        raise forbidden()
    found.external_url = call.body.get("external_url", found.external_url)
    found.tier = call.body.get("tier", found.tier)
    return Answer(200, shapes_ci.environment(found))


@route("GET", _DEPLOYMENTS, job=True, login="always")
def list_deployments(call: Call) -> Answer:
    """Those of an environment, of a state; by default the oldest first."""
    by = call.one("order_by", "id")
    if by not in ("id", "iid", "created_at", "updated_at"):
        raise Refused(501, f"the fake has no order by {by}")
    if call.one("updated_after") and by != "updated_at":
        raise Refused(400, "400 Bad request - `updated_at` filter requires `updated_at` sort")
    found = [
        made
        for made in call.project.deployments.values()
        if call.one("environment", made.environment) == made.environment
        and call.one("status", made.state) == made.state
        and call.one("updated_after") <= made.updated_at <= call.one("updated_before", "9")
    ]
    found.sort(key=lambda made: (getattr(made, by), made.id), reverse=call.one("sort", "asc") == "desc")
    return call.page(found, lambda made: shapes_ci.deployment(call.project, made))


@route("POST", _DEPLOYMENTS, "developer", job=True)
def create_deployment(call: Call) -> Answer:
    """A new one; its environment comes to be by being named."""
    project, body = call.project, call.body
    environment = project.environment(body["environment"])
    if not project.may_deploy(call.login, environment.name):
        raise forbidden()
    if project.git.resolve(body["sha"]) is None:
        raise Refused(400, {"sha": ["The commit does not exist"]})
    if project.git.resolve(body["ref"]) is None:
        raise Refused(400, {"ref": ["The branch or tag does not exist"]})
    made = project.deploy(call.login, environment.name, body["sha"], body["ref"], body["status"], tag=body["tag"])
    return Answer(201, shapes_ci.deployment_detail(project, made))


@route("GET", _ONE, job=True, login="always")
def get_deployment(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_ci.deployment_detail(call.project, _deployment(call)))


@route("PUT", _ONE, "developer", job=True)
def update_deployment(call: Call) -> Answer:
    """Say where one is. That of a job follows its job, and nobody says anything else: lib/api/deployments.rb."""
    made, state = _deployment(call), call.body["status"]
    if not call.project.may_deploy(call.login, made.environment):
        raise forbidden()
    if made.job:
        raise forbidden("Deployments created using GitLab CI can not be updated using the API")
    allowed = made.state in ("created", "blocked") if state == "running" else made.state != state
    if not allowed:
        raise Refused(400, {"status": [f'cannot transition via "{_EVENTS[state]}"']})
    made.state, made.updated_at = state, call.fake.clock.tick()
    return Answer(200, shapes_ci.deployment_detail(call.project, made))


def _deployment(call: Call) -> Deployment:
    made = call.project.deployments.get(int(call.params["deployment_id"]))
    if made is None:
        raise not_found()
    return made


@route("GET", _ONE + "/merge_requests", job=True, login="always")
def list_pulls(call: Call) -> Answer:
    """The merge requests that it brings: merged since the last deployment of the environment that succeeded."""
    project, made = call.project, _deployment(call)
    before = [one for one in project.deployments_of(made.environment) if one.id < made.id and one.state == "success"]
    shas = set(project.git.commits(before[-1].sha, made.sha)) if before else set()
    found = [pull for pull in project.pulls.values() if pull.merged and shas & set(pull.merged.commits)]
    return call.page(found, shapes.pull_basic)


@route("POST", _ONE + "/approval", "developer", job=True, premium=True)
def approve_deployment(call: Call) -> Answer:
    """Let one that waits go on, or stop it. Premium."""
    made, body = _deployment(call), call.body
    approval = call.project.approve_deployment(made, call.login, body["status"], body.get("comment", ""))
    return Answer(201, shapes_ci.deployment_approval(call.project, approval))
