"""CI of the fake GitLab: what CI_JOB_TOKEN may, commit statuses, environments, deployments and who lets them go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.gitlab import FakeGitLab, MergeRequest, Project
from support.gitlab.accounts import Token
from support.gitlab.asking import Said, ask
from support.gitlab.model import Job
from support.gitrepo import GitRepo


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/shop`, of Premium, where alice and bob are developers and carol is a maintainer."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    made = fake_gitlab.project("acme/shop", from_repo=git, premium=True)
    made.allow("alice", "developer")
    made.allow("bob", "developer")
    made.allow("carol", "maintainer")
    return made


@pytest.fixture
def pull(project: Project) -> MergeRequest:
    """alice's, with one commit."""
    project.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    return project.open_pull("alice", "feature")


@pytest.fixture
def token(fake_gitlab: FakeGitLab, project: Project) -> Token:
    """A project access token of a developer."""
    return fake_gitlab.project_token(project)


@pytest.fixture
def job(project: Project, pull: MergeRequest) -> Job:
    """A job of the merge request's pipeline."""
    return project.job(project.pipeline("merge_request_event", pull=pull))


# --- CI_JOB_TOKEN

_CLOSED = [
    ("POST", "/merge_requests/1/notes", {"body": "x"}, 401),
    ("GET", "/merge_requests/1/notes/NOTE/award_emoji", None, 404),
    ("POST", "/merge_requests/1/approve", {}, 401),
    ("GET", "/merge_requests/1/approvals", None, 404),
    ("GET", "/merge_requests/1/versions", None, 401),
    ("GET", "/merge_requests/1/commits", None, 404),
    ("GET", "/merge_requests/1/reviewers", None, 404),
    ("POST", "/statuses/feature", {"state": "success"}, 401),
    ("GET", "/repository/commits/feature/statuses", None, 401),
    ("GET", "/repository/commits", None, 404),
    ("POST", "/repository/commits", {"branch": "x", "commit_message": "x", "actions": []}, 404),
    ("POST", "/merge_requests", {"title": "x", "source_branch": "feature", "target_branch": "main"}, 401),
    ("GET", "/members/all", None, 404),
    ("GET", "/freeze_periods", None, 401),
    ("GET", "/protected_environments", None, 404),
    ("GET", "/repository/branches/main", None, 404),
    ("GET", "", None, 404),
]


@pytest.mark.parametrize(
    "path",
    [
        "/merge_requests",
        "/merge_requests/1",
        "/merge_requests/1/notes",
        "/merge_requests/1/notes/NOTE",
        "/repository/branches",
        "/repository/commits/feature",
        "/repository/commits/feature/merge_requests",
        "/repository/files/web.yaml/raw?ref=main",
        "/environments",
        "/deployments",
    ],
)
def test_a_job_reads_what_it_may(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, job: Job, path: str
) -> None:
    note = pull.comment("bob", "hello")
    path = path.replace("NOTE", str(note.id))
    given = project.job_token(job)
    assert ask(fake_gitlab, "GET", f"/projects/{project.id}{path}", given).status == 200
    project.finish(job)
    assert ask(fake_gitlab, "GET", f"/projects/{project.id}{path}", given).status == 401


@pytest.mark.parametrize(("method", "path", "body", "status"), _CLOSED)
def test_for_anything_else_it_is_as_if_there_was_no_token(
    fake_gitlab: FakeGitLab,
    project: Project,
    pull: MergeRequest,
    job: Job,
    method: str,
    path: str,
    body: Any,
    status: int,
) -> None:
    path = path.replace("NOTE", str(pull.comment("bob", "hello").id))
    given = project.job_token(job)
    assert ask(fake_gitlab, method, f"/projects/{project.id}{path}", given, body).status == status
    maintainer = fake_gitlab.token("carol")
    assert ask(fake_gitlab, method, f"/projects/{project.id}{path}", maintainer, body).status != status


def test_a_job_knows_itself(fake_gitlab: FakeGitLab, project: Project, job: Job, token: Token) -> None:
    said = ask(fake_gitlab, "GET", "/job", project.job_token(job))
    assert (said.body["id"], said.body["pipeline"]["id"], said.body["user"]["username"]) == (
        job.id,
        job.pipeline.id,
        "alice",
    )
    assert ask(fake_gitlab, "GET", "/job", token).status == 404
    assert ask(fake_gitlab, "GET", "/job").status == 401


def test_a_job_is_at_home_in_its_own_project(fake_gitlab: FakeGitLab, project: Project, job: Job) -> None:
    other = fake_gitlab.project("acme/other", from_path=project.path)
    other.allow("alice", "maintainer")
    given = project.job_token(job)
    said = ask(fake_gitlab, "GET", f"/projects/{other.id}/deployments", given)
    assert said.status == 403
    assert said.body["message"].endswith("Authentication by CI/CD job token not allowed from shop to other.")
    other.visibility = "public"
    assert ask(fake_gitlab, "GET", f"/projects/{other.id}/deployments", given).status == 200
    wanted = {"environment": "x", "sha": other.head(), "ref": "main", "tag": False, "status": "running"}
    assert ask(fake_gitlab, "POST", f"/projects/{other.id}/deployments", given, wanted).status == 403


# --- commit statuses


def _say(fake: FakeGitLab, project: Project, token: Token, sha: str, state: str, **more: Any) -> Said:
    body = {"state": state, "name": "plan", **more}
    return ask(fake, "POST", f"/projects/{project.id}/statuses/{sha}", token, body)


def test_what_is_not_finished_is_updated_and_what_is_stays(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token, job: Job
) -> None:
    about = {"pipeline_id": job.pipeline.id}
    first = _say(fake_gitlab, project, token, pull.head, "running", description="one", **about)
    assert (first.status, first.body["status"], first.body["finished_at"]) == (201, "running", None)
    done = _say(fake_gitlab, project, token, pull.head, "success", description="two", **about)
    assert (done.body["id"], done.body["description"]) == (first.body["id"], "two")
    assert done.body["finished_at"]
    again = _say(fake_gitlab, project, token, pull.head, "failed", **about)
    assert again.body["id"] != first.body["id"]
    assert again.body["pipeline_id"] == job.pipeline.id

    def listed(query: str) -> list[int]:
        where = f"/projects/{project.id}/repository/commits/{pull.head}/statuses{query}"
        return [one["id"] for one in ask(fake_gitlab, "GET", where, token).body]

    assert listed("") == [job.id, again.body["id"]]
    assert listed("?all=true&name=plan") == [first.body["id"], again.body["id"]]
    assert listed("?all=true&name=plan&sort=desc&per_page=1") == [again.body["id"]]
    assert listed("?ref=main") == []
    where = f"/projects/{project.id}/repository/commits/feature/statuses"
    assert ask(fake_gitlab, "GET", where, token).body == []
    assert [one.state for one in project.statuses_of(pull.head, "plan")] == ["failed"]


def test_somebody_elses_is_another_one(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token, job: Job
) -> None:
    first = _say(fake_gitlab, project, token, pull.head, "pending", pipeline_id=job.pipeline.id)
    other = _say(fake_gitlab, project, fake_gitlab.token("bob"), pull.head, "running", pipeline_id=job.pipeline.id)
    assert first.body["id"] != other.body["id"]
    assert project.statuses[-2].retried


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (("running", "running"), "via :run from :running"),
        (("pending", "pending"), "via :enqueue from :pending"),
        (("running", "pending"), "via :enqueue from :running"),
        (("running", "skipped"), "via :skip from :running"),
        (("pending", "running", "success"), ""),
        (("running", "canceled", "running"), ""),
        (("success", "success"), ""),
    ],
)
def test_a_state_follows_from_some_and_not_from_others(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token, states: tuple[str, ...], words: str
) -> None:
    *before, last = states
    for state in before:
        assert _say(fake_gitlab, project, token, pull.head, state).status == 201
    said = _say(fake_gitlab, project, token, pull.head, last)
    assert said.status == (400 if words else 201)
    if words:
        assert words in said.body["message"]
        assert project.statuses[-1].state == before[-1]


def test_a_status_is_of_a_pipeline_of_its_commit(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token, job: Job
) -> None:
    said = _say(fake_gitlab, project, token, project.head(), "success", pipeline_id=job.pipeline.id)
    assert (said.status, said.body["message"]) == (404, "404 Pipeline for pipeline_id, sha and ref Not Found")
    assert _say(fake_gitlab, project, token, "0" * 40, "success").status == 404
    # Without one, it is of the newest pipeline of the commit, or of one that is made for it.
    assert _say(fake_gitlab, project, token, pull.head, "success").body["pipeline_id"] == job.pipeline.id
    made = _say(fake_gitlab, project, token, project.head(), "success").body
    assert (project.pipelines[made["pipeline_id"]].source, made["ref"]) == ("external", "feature")


@pytest.mark.parametrize("field", ["description", "target_url"])
def test_a_text_of_a_status_has_an_end(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token, field: str
) -> None:
    url = "http://127.0.0.1/"
    assert (
        _say(fake_gitlab, project, token, pull.head, "success", **{field: url + "x" * (255 - len(url))}).status == 201
    )
    said = _say(fake_gitlab, project, token, pull.head, "failed", **{field: url + "x" * (256 - len(url))})
    assert (said.status, list(said.body["message"])) == (400, [field])
    assert [one.state for one in project.statuses] == ["success"]


def test_on_a_protected_branch_a_status_needs_who_may_merge(
    fake_gitlab: FakeGitLab, project: Project, token: Token
) -> None:
    project.protect("main", push="none", merge="maintainer")
    project.pipeline("push")
    assert _say(fake_gitlab, project, token, project.head(), "success").body == {"message": "403 Forbidden"}
    assert _say(fake_gitlab, project, fake_gitlab.token("carol"), project.head(), "success").status == 201


# --- environments, deployments


def _deploy(fake: FakeGitLab, project: Project, token: Token, environment: str = "production", **more: Any) -> Said:
    about = {"environment": environment, "sha": project.head(), "ref": "main", "tag": False, "status": "running"}
    return ask(fake, "POST", f"/projects/{project.id}/deployments", token, {**about, **more})


def test_a_deployment_through_the_api_says_where_it_is(fake_gitlab: FakeGitLab, project: Project, job: Job) -> None:
    given = project.job_token(job)
    made = _deploy(fake_gitlab, project, given)
    assert (made.status, made.body["status"], made.body["deployable"]) == (201, "running", None)
    path = f"/projects/{project.id}/deployments/{made.body['id']}"
    assert ask(fake_gitlab, "PUT", path, given, {"status": "success"}).body["status"] == "success"
    for state in ("running", "success"):
        said = ask(fake_gitlab, "PUT", path, given, {"status": state})
        assert (said.status, "cannot transition" in said.body["message"]["status"][0]) == (400, True)
    assert ask(fake_gitlab, "GET", path, given).body["status"] == "success"
    where = f"/projects/{project.id}/environments?name=production"
    place = ask(fake_gitlab, "GET", where, given).body[0]["id"]
    last = ask(fake_gitlab, "GET", f"/projects/{project.id}/environments/{place}", given).body["last_deployment"]
    assert last["id"] == made.body["id"]
    assert _deploy(fake_gitlab, project, given, sha="0" * 40).status == 400
    assert _deploy(fake_gitlab, project, given, ref="nothing").status == 400
    _deploy(fake_gitlab, project, given, "staging")
    for query, count in (("", 2), ("?environment=staging", 1), ("?status=success", 1), ("?status=failed", 0)):
        assert len(ask(fake_gitlab, "GET", f"/projects/{project.id}/deployments{query}", given).body) == count, query


def test_a_deployment_of_a_job_follows_the_job(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    job = project.job(environment="production")
    made = project.deployments_of("production")[0]
    path = f"/projects/{project.id}/deployments/{made.id}"
    assert ask(fake_gitlab, "GET", path, token).body["deployable"]["id"] == job.id
    said = ask(fake_gitlab, "PUT", path, token, {"status": "success"})
    assert said.status == 403
    assert said.body["message"].endswith("Deployments created using GitLab CI can not be updated using the API")
    project.finish(job, "failed")
    assert ask(fake_gitlab, "GET", path, token).body["status"] == "failed"


def test_a_protected_environment_lets_only_some_in(fake_gitlab: FakeGitLab, project: Project) -> None:
    project.protect_environment("production", deployers=(40, "bob"))
    assert _deploy(fake_gitlab, project, fake_gitlab.token("alice")).status == 403
    assert _deploy(fake_gitlab, project, fake_gitlab.token("bob")).status == 201
    assert _deploy(fake_gitlab, project, fake_gitlab.token("carol")).status == 201
    path = f"/projects/{project.id}/protected_environments/production"
    assert ask(fake_gitlab, "GET", path, fake_gitlab.token("bob")).status == 403
    found = ask(fake_gitlab, "GET", path, fake_gitlab.token("carol")).body["deploy_access_levels"]
    assert [one["access_level"] for one in found] == [40, None]
    project.premium = False
    assert ask(fake_gitlab, "GET", path.rpartition("/")[0], fake_gitlab.token("carol")).body == []
    assert ask(fake_gitlab, "GET", path, fake_gitlab.token("carol")).body == {"message": "404 Not Found"}
    assert _deploy(fake_gitlab, project, fake_gitlab.token("alice")).status == 201
    fake_gitlab.edition = "ce"
    said = ask(fake_gitlab, "GET", path.rpartition("/")[0], fake_gitlab.token("carol"))
    assert (said.status, said.body) == (404, {"error": "404 Not Found"})


def test_a_blocked_deployment_waits_for_its_approvals(fake_gitlab: FakeGitLab, project: Project) -> None:
    fake_gitlab.group("acme/ops", {"dave": "developer"})
    project.allow("dave", "developer")
    rules = [project.rule(people=["bob"]), project.rule(group="acme/ops")]
    project.protect_environment("production", deployers=(30,), rules=rules)
    project.job(project.pipeline(login="alice"), environment="production")
    made = project.deployments_of("production")[0]
    path = f"/projects/{project.id}/deployments/{made.id}"
    seen = ask(fake_gitlab, "GET", path, fake_gitlab.token("bob")).body
    assert (seen["status"], seen["pending_approval_count"]) == ("blocked", 2)
    for login, status in (("alice", 400), ("carol", 400), ("bob", 201)):
        said = ask(fake_gitlab, "POST", f"{path}/approval", fake_gitlab.token(login), {"status": "approved"})
        assert said.status == status, said.body
    seen = ask(fake_gitlab, "GET", path, fake_gitlab.token("bob")).body
    assert (seen["status"], seen["pending_approval_count"]) == ("blocked", 1)
    assert [len(rule["deployment_approvals"]) for rule in seen["approval_summary"]["rules"]] == [1, 0]
    project.approve_deployment(made, "dave")
    assert made.state == "created"
    said = ask(fake_gitlab, "POST", f"{path}/approval", fake_gitlab.token("bob"), {"status": "approved"})
    assert said.status == 400


def test_what_a_deployment_brings(fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, token: Token) -> None:
    first = _deploy(fake_gitlab, project, token, status="success").body
    pull.merge("carol")
    second = _deploy(fake_gitlab, project, token, status="success").body
    for made, iids in ((first, []), (second, [1])):
        where = f"/projects/{project.id}/deployments/{made['id']}/merge_requests"
        assert [one["iid"] for one in ask(fake_gitlab, "GET", where, token).body] == iids


def test_freezes_are_read_with_a_token_and_not_by_a_job(
    fake_gitlab: FakeGitLab, project: Project, token: Token, job: Job
) -> None:
    project.freeze("0 23 * * 5", "0 7 * * 1", "Europe/Berlin")
    path = f"/projects/{project.id}/freeze_periods"
    found = ask(fake_gitlab, "GET", path, token).body
    assert [(one["freeze_start"], one["freeze_end"], one["cron_timezone"]) for one in found] == [
        ("0 23 * * 5", "0 7 * * 1", "Europe/Berlin")
    ]
    assert ask(fake_gitlab, "GET", path, project.job_token(job)).status == 401
