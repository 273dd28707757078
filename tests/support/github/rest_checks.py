"""Check runs, check suites and commit statuses."""

from __future__ import annotations

from typing import Any

from support.github import shapes, shapes_run
from support.github.call import Answer, Call, route
from support.github.model import CheckRun, CheckSuite, Status
from support.github.pull import Refused

_REPO = "/repos/{owner}/{repo}"
_RUN = _REPO + "/check-runs/{check_run_id}"
TEXT_LIMIT = 65_535
"""Of a check run's summary and of its text."""
ANNOTATIONS = 50
"""That a request may bring; more come by further updates."""
_BEFORE_THE_END = ("queued", "in_progress", "waiting", "requested", "pending")


@route("POST", _REPO + "/check-runs", "checks=write")
def create_check(call: Call) -> Answer:
    """A check of a commit. Only Apps make them."""
    assert call.token
    if not call.token.app:
        raise Refused(403, "You must authenticate via a GitHub App.")
    sha = call.body["head_sha"]
    if len(sha) != 40 or call.repo.git.resolve(sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    run = CheckRun(
        call.fake.next_id(),
        _suite(call, sha),
        call.body["name"],
        "queued",
        call.body.get("started_at") or call.fake.clock.tick(),
    )
    _write(call, run)
    call.repo.checks[run.id] = run
    return Answer(201, shapes_run.check(call.repo, run))


@route("PATCH", _RUN, "checks=write")
def update_check(call: Call) -> Answer:
    """Change one of the own App's. Annotations are added to those that are there."""
    run = _run(call)
    assert call.token
    if not call.token.app:
        raise Refused(403, "You must authenticate via a GitHub App.")
    if call.token.app != run.suite.app:
        raise Refused(
            403,
            f"Invalid app_id `{call.token.app.id}` - check run can only be modified by the GitHub App that created it.",
        )
    run.name = call.body.get("name", run.name)
    run.started_at = call.body.get("started_at", run.started_at)
    _write(call, run)
    run.updates += 1
    return Answer(200, shapes_run.check(call.repo, run))


def _write(call: Call, run: CheckRun) -> None:
    """Take over what a request says. Raises Refused before anything has changed."""
    body = call.body
    output: dict[str, Any] = body.get("output") or {}
    for name in ("summary", "text"):
        if len(output.get(name) or "") > TEXT_LIMIT:
            raise Refused(422, f"Only {TEXT_LIMIT} characters are allowed; {len(output[name])} were supplied.")
    annotations = output.get("annotations") or []
    if len(annotations) > ANNOTATIONS:
        raise Refused(
            422, f"Invalid request.\n\nNo more than {ANNOTATIONS} items are allowed; {len(annotations)} were supplied."
        )
    for made in annotations:
        if made["start_line"] > made["end_line"] or made["start_line"] < 1:
            raise Refused(422, "Invalid request.\n\nstart_line must not be after end_line")
        if "start_column" in made and made["start_line"] != made["end_line"]:
            raise Refused(422, "Invalid request.\n\nstart_column is for annotations of one line")
    status, conclusion = body.get("status"), body.get("conclusion")
    if status == "completed" and not conclusion:
        raise Refused(422, 'Invalid request.\n\nMissing required keys "conclusion".')
    run.external_id = body.get("external_id", run.external_id)
    run.details_url = body.get("details_url", run.details_url)
    if output:
        # A new output replaces the old one, but for the annotations.
        run.title, run.summary, run.text = output.get("title", run.title), output["summary"], output.get("text")
        run.annotations.extend(annotations)
    if conclusion:
        run.status, run.conclusion = "completed", conclusion
        run.completed_at = body.get("completed_at") or call.fake.clock.tick()
    elif status in _BEFORE_THE_END:
        run.status, run.conclusion, run.completed_at = status, None, None
        call.fake.clock.tick()


@route("GET", _RUN, "checks=read")
def get_check(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_run.check(call.repo, _run(call)))


@route("GET", _RUN + "/annotations", "checks=read")
def list_annotations(call: Call) -> Answer:
    """The remarks of one."""
    run = _run(call)
    return call.page(run.annotations, lambda made: shapes_run.annotation(call.repo, run, made))


@route("GET", _REPO + "/commits/{ref}/check-runs", "checks=read")
def list_checks(call: Call) -> Answer:
    """Those of a commit, the newest first; of several with one name the newest alone, unless all are wanted."""
    return _checks(call, call.repo.checks_of(call.commit()))


@route("GET", _REPO + "/check-suites/{check_suite_id}/check-runs", "checks=read")
def list_suite_checks(call: Call) -> Answer:
    """Those of a suite."""
    wanted = int(call.params["check_suite_id"])
    return _checks(call, [run for run in call.repo.checks.values() if run.suite.id == wanted])


def _checks(call: Call, runs: list[CheckRun]) -> Answer:
    query = call.query
    runs = [
        run
        for run in runs
        if query.get("check_name", run.name) == run.name
        and query.get("status", run.status) == run.status
        and query.get("app_id", str(run.suite.app.id)) == str(run.suite.app.id)
    ]
    if query.get("filter", "latest") == "latest":
        runs = list({(run.suite.app.id, run.name): run for run in runs}.values())
    runs.reverse()
    return call.page(runs, lambda run: shapes_run.check(call.repo, run), "check_runs")


@route("GET", _REPO + "/commits/{ref}/check-suites", "checks=read")
def list_suites(call: Call) -> Answer:
    """The suites of a commit."""
    sha = call.commit()
    found = [made for made in call.repo.suites if made.head_sha == sha]
    return call.page(found, lambda made: shapes_run.suite(call.repo, made), "check_suites")


def _run(call: Call) -> CheckRun:
    run = call.repo.checks.get(int(call.params["check_run_id"]))
    if run is None:
        raise Refused(404, "Not Found")
    return run


def _suite(call: Call, sha: str) -> CheckSuite:
    assert call.token
    assert call.token.app
    for made in call.repo.suites:
        if (made.app, made.head_sha) == (call.token.app, sha):
            return made
    made = CheckSuite(call.fake.next_id(), call.token.app, sha, call.fake.clock.tick())
    call.repo.suites.append(made)
    return made


# --- commit statuses


@route("POST", _REPO + "/statuses/{sha}", "statuses=write")
def create_status(call: Call) -> Answer:
    """Another status of a commit."""
    sha = call.commit(call.params["sha"])
    description = call.body.get("description")
    if len(description or "") > 140:
        error = {
            "resource": "Status",
            "code": "custom",
            "field": "description",
            "message": "description is too long (maximum is 140 characters)",
        }
        raise Refused(422, "Validation Failed", errors=[error])
    made = Status(
        call.fake.next_id(),
        sha,
        call.login,
        call.body["state"],
        call.body.get("context", "default"),
        description,
        call.body.get("target_url"),
        call.fake.clock.tick(),
    )
    call.repo.statuses.append(made)
    return Answer(201, shapes_run.status(call.repo, made) | {"creator": shapes.user(call.fake, call.login)})


@route("GET", _REPO + "/commits/{ref}/statuses", "statuses=read")
def list_statuses(call: Call) -> Answer:
    """All statuses of a commit, the newest first."""
    sha = call.commit()
    found = [made for made in reversed(call.repo.statuses) if made.sha == sha]
    return call.page(
        found, lambda made: shapes_run.status(call.repo, made) | {"creator": shapes.user(call.fake, made.login)}
    )


@route("GET", _REPO + "/commits/{ref}/status", "statuses=read")
def combined_status(call: Call) -> Answer:
    """The newest of each context, and what they come to."""
    sha = call.commit()
    newest = list({made.context: made for made in call.repo.statuses if made.sha == sha}.values())
    states = {made.state for made in newest}
    state = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    api = f"{call.fake.api}/repos/{call.repo.full_name}/commits/{sha}"
    return Answer(
        200,
        {
            "state": state,
            "statuses": [shapes_run.status(call.repo, made) for made in newest],
            "sha": sha,
            "total_count": len(newest),
            "repository": shapes.repository(call.repo, call.login),
            "commit_url": api,
            "url": f"{api}/status",
        },
    )
