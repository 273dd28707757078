"""REST: commit statuses, pipelines and their jobs."""

from __future__ import annotations

from support.gitlab import shapes_ci
from support.gitlab.call import Answer, Call, route
from support.gitlab.model import Job, Pipeline
from support.gitlab.refused import not_found

_PROJECT = "/projects/{id}"


@route("GET", _PROJECT + "/repository/commits/{sha}/statuses", login="always")
def list_statuses(call: Call) -> Answer:
    """Those of a commit, jobs as well, the oldest first; those that were retried only with `all`.

    A branch or an abbreviated id is a commit, too, and has no statuses: lib/api/commit_statuses.rb looks for the very word.
    """
    call.commit()
    found = [
        one
        for one in call.project.statuses_of(call.params["sha"], call.one("name"), everything=call.true("all"))
        if call.one("ref", one.pipeline.ref) == one.pipeline.ref
        and call.one("pipeline_id", str(one.pipeline.id)) == str(one.pipeline.id)
        and call.one("stage", _stage(one)) == _stage(one)
    ]
    newest = call.one("sort", "asc") == "desc"
    by_pipeline = call.one("order_by", "id") == "pipeline_id"
    found.sort(key=lambda one: (one.pipeline.id if by_pipeline else one.id, one.id), reverse=newest)
    return call.page(found, lambda one: shapes_ci.status(call.project, one))


def _stage(one: object) -> str:
    return one.stage if isinstance(one, Job) else "external"


@route("POST", _PROJECT + "/statuses/{sha}", "developer")
def post_status(call: Call) -> Answer:
    """Say one. A pending or running one of the same name, pipeline and person is updated."""
    made = call.project.post_status(call.login, call.commit(), call.body["state"], call.body)
    return Answer(201, shapes_ci.status(call.project, made))


@route("GET", _PROJECT + "/pipelines")
def list_pipelines(call: Call) -> Answer:
    """The pipelines, the newest first."""
    found = [
        one
        for one in reversed(call.project.pipelines.values())
        if call.one("sha", one.sha) == one.sha
        and call.one("ref", one.ref) == one.ref
        and call.one("source", one.source) == one.source
    ]
    return call.page(found, lambda one: shapes_ci.pipeline(call.project, one))


@route("GET", _PROJECT + "/pipelines/{pipeline_id}")
def get_pipeline(call: Call) -> Answer:
    """One."""
    return Answer(200, shapes_ci.pipeline_detail(call.project, _pipeline(call)))


@route("GET", _PROJECT + "/pipelines/{pipeline_id}/jobs")
def list_jobs(call: Call) -> Answer:
    """Its jobs, the newest first."""
    pipeline = _pipeline(call)
    found = [one for one in reversed(call.project.statuses) if isinstance(one, Job) and one.pipeline is pipeline]
    found = [one for one in found if not one.retried or call.true("include_retried")]
    return call.page(found, lambda one: shapes_ci.job(call.project, one))


def _pipeline(call: Call) -> Pipeline:
    found = call.project.pipelines.get(int(call.params["pipeline_id"]))
    if found is None:
        raise not_found()
    return found


@route("GET", _PROJECT + "/jobs/{job_id}", login="always")
def get_job(call: Call) -> Answer:
    """One job."""
    found = next((one for one in call.project.statuses if one.id == int(call.params["job_id"])), None)
    if not isinstance(found, Job):
        raise not_found()
    return Answer(200, shapes_ci.job(call.project, found))
