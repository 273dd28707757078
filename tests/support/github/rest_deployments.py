"""Deployments, environments and the runs that wait for them."""

from __future__ import annotations

from typing import Any

from support.github import shapes_run
from support.github.call import Answer, Call, route
from support.github.model import Deployment, DeploymentStatus, Environment, Run
from support.github.pull import Refused

_REPO = "/repos/{owner}/{repo}"
_DEPLOYMENT = _REPO + "/deployments/{deployment_id}"
_RUN = _REPO + "/actions/runs/{run_id}"
_ENVIRONMENT = _REPO + "/environments/{environment_name}"


@route("GET", _REPO + "/deployments", "deployments=read")
def list_deployments(call: Call) -> Answer:
    """The newest first."""
    found = [
        made
        for made in reversed(call.repo.deployments.values())
        if all(
            call.query.get(key, getattr(made, key)) == getattr(made, key)
            for key in ("sha", "ref", "task", "environment")
        )
    ]
    return call.page(found, lambda made: shapes_run.deployment(call.repo, made))


@route("POST", _REPO + "/deployments", "deployments=write")
def create_deployment(call: Call) -> Answer:
    """A deployment, unless a required context of the commit is not green: all of them, unless the caller names some."""
    repo, body = call.repo, call.body
    sha = repo.git.resolve(body["ref"])
    if sha is None:
        raise Refused(422, f"No ref found for: {body['ref']}")
    if body.get("auto_merge", True) and body["ref"] in repo.git.branches() and not repo.git.contains(sha, repo.head()):
        return Answer(202, {"message": f"Auto-merged {repo.default_branch} into {body['ref']} on deployment."})
    _check_contexts(call, sha)
    if len(body.get("description") or "") > 140:
        raise Refused(
            422, "Validation Failed", errors=[{"resource": "Deployment", "code": "custom", "field": "description"}]
        )
    environment = body.get("environment") or "production"
    if environment not in repo.environments:  # named by a deployment, it comes to be
        repo.environment(environment)
    at = call.fake.clock.tick()
    made = Deployment(
        call.fake.next_id(),
        sha,
        body["ref"],
        body.get("task", "deploy"),
        environment,
        body.get("description"),
        call.login,
        at,
        at,
        body.get("payload", {}),
        body.get("transient_environment", False),
        body.get("production_environment", environment == "production"),
        call.token.app if call.token else None,
    )
    repo.deployments[made.id] = made
    return Answer(201, shapes_run.deployment(repo, made))


def _check_contexts(call: Call, sha: str) -> None:
    repo, wanted = call.repo, call.body.get("required_contexts")
    states = {made.context: made.state for made in repo.statuses if made.sha == sha}
    for run in repo.checks_of(sha):
        green = run.conclusion in ("success", "neutral", "skipped")
        states[run.name] = "success" if green else "failure" if run.conclusion else "pending"
    missing = [name for name in (states if wanted is None else wanted) if states.get(name) != "success"]
    if missing:
        errors = [{"contexts": [{"context": name, "state": states.get(name, "missing")} for name in missing],
                   "resource": "Deployment", "field": "required_contexts", "code": "invalid"}]  # fmt: skip
        raise Refused(409, f"Conflict: Commit status checks failed for {call.body['ref']}.", errors=list(errors))


@route("GET", _DEPLOYMENT, "deployments=read")
def get_deployment(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_run.deployment(call.repo, _deployment(call)))


@route("GET", _DEPLOYMENT + "/statuses", "deployments=read")
def list_statuses(call: Call) -> Answer:
    """Where it was, the newest first."""
    made = _deployment(call)
    return call.page(made.statuses[::-1], lambda said: shapes_run.deployment_status(call.repo, made, said))


@route("POST", _DEPLOYMENT + "/statuses", "deployments=write")
def create_status(call: Call) -> Answer:
    """Say where it is. A success retires the earlier ones of its environment, but for production."""
    made, body = _deployment(call), call.body
    description = body.get("description", "")
    if len(description) > 140:
        error = {
            "resource": "DeploymentStatus",
            "code": "custom",
            "field": "description",
            "message": "description is too long (maximum is 140 characters)",
        }
        raise Refused(422, "Validation Failed", errors=[error])
    said = _say(call, made, body["state"], description)
    said.environment_url = body.get("environment_url", "")
    said.log_url = body.get("log_url") or body.get("target_url", "")
    said.environment = body.get("environment", made.environment)
    if body["state"] == "success" and body.get("auto_inactive", True):
        for other in call.repo.deployments_of(made.environment):
            retires = other.id != made.id and other.state == "success" and not other.transient and not other.production
            if retires:
                _say(call, other, "inactive", "")
    return Answer(201, shapes_run.deployment_status(call.repo, made, said))


def _say(call: Call, made: Deployment, state: str, description: str) -> DeploymentStatus:
    at = call.fake.clock.tick()
    said = DeploymentStatus(call.fake.next_id(), call.login, state, description, made.environment, "", "", at)
    made.statuses.append(said)
    made.updated_at = at
    return said


def _deployment(call: Call) -> Deployment:
    made = call.repo.deployments.get(int(call.params["deployment_id"]))
    if made is None:
        raise Refused(404, "Not Found")
    return made


# --- environments


@route("GET", _REPO + "/environments", "actions=read")
def list_environments(call: Call) -> Answer:
    """All of them."""
    found = list(call.repo.environments.values())
    return call.page(found, lambda made: shapes_run.environment(call.repo, made), "environments")


@route("GET", _ENVIRONMENT, "actions=read")
def get_environment(call: Call) -> Answer:
    """One, with its rules."""
    return Answer(200, shapes_run.environment(call.repo, _environment(call)))


@route("GET", _ENVIRONMENT + "/deployment-branch-policies", "actions=read")
def list_policies(call: Call) -> Answer:
    """The branches that may deploy to it."""
    made = _environment(call)
    return call.page(
        list(enumerate(made.patterns, made.id * 10)),
        lambda pair: {"id": pair[0], "node_id": f"DBP_{pair[0]}", "name": pair[1], "type": "branch"},
        "branch_policies",
    )


def _environment(call: Call) -> Environment:
    made = call.repo.environments.get(call.params["environment_name"])
    if made is None:
        raise Refused(404, "Not Found")
    return made


# --- runs


@route("GET", _RUN, "actions=read")
def get_run(call: Call) -> Answer:
    """A workflow run."""
    return Answer(200, shapes_run.run(call.repo, _run(call)))


@route("GET", _RUN + "/approvals", "actions=read")
def list_approvals(call: Call) -> Answer:
    """Who let it into an environment. The whole list: it has no pages."""
    return Answer(200, [shapes_run.approval(call.repo, said) for said in _run(call).approvals])


@route("GET", _RUN + "/jobs", "actions=read")
def list_jobs(call: Call) -> Answer:
    """Its jobs."""
    return call.page([_run(call)], lambda made: shapes_run.job(call.repo, made), "jobs")


@route("GET", _RUN + "/pending_deployments", "actions=read")
def list_pending(call: Call) -> Answer:
    """What it waits for."""
    run = _run(call)
    said = {name for approval in run.approvals for name in approval.environments}
    waiting = [
        made
        for made in call.repo.environments.values()
        if made.reviewers and made.name not in said and run.status == "waiting"
    ]
    return Answer(200, [_pending(call, made) for made in waiting])


def _pending(call: Call, made: Environment) -> dict[str, Any]:
    rules = shapes_run.environment(call.repo, made)["protection_rules"]
    reviewers: list[Any] = next((rule["reviewers"] for rule in rules if rule["type"] == "required_reviewers"), [])
    able = made.reviewers and call.login in made.reviewers
    shown = {
        key: value for key, value in shapes_run.short_environment(call.repo, made).items() if not key.endswith("_at")
    }
    return {
        "environment": shown,
        "wait_timer": made.wait_timer,
        "wait_timer_started_at": None,
        "current_user_can_approve": bool(able),
        "reviewers": reviewers,
    }


@route("GET", _REPO + "/actions/runs", "actions=read")
def list_runs(call: Call) -> Answer:
    """The newest first."""
    query = call.query
    found = [
        made
        for made in reversed(call.repo.runs.values())
        if query.get("head_sha", made.head_sha) == made.head_sha and query.get("event", made.event) == made.event
        and query.get("branch", made.head_branch) == made.head_branch
    ]  # fmt: skip
    return call.page(found, lambda made: shapes_run.run(call.repo, made), "workflow_runs")


def _run(call: Call) -> Run:
    made = call.repo.runs.get(int(call.params["run_id"]))
    if made is None:
        raise Refused(404, "Not Found")
    return made
