"""The environment of a job of the fake GitLab, and the payloads of its webhooks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gitlab import FakeGitLab, MergeRequest, Project
from support.gitlab.asking import ask
from support.gitrepo import GitRepo


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/shop`, where alice is a developer."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    made = fake_gitlab.project("acme/shop", from_repo=git)
    made.allow("alice", "developer")
    return made


@pytest.fixture
def pull(project: Project) -> MergeRequest:
    project.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    project.commit("alice", "main", {"other": "x"})
    return project.open_pull("alice", "feature")


def some(found: dict[str, str], *names: str) -> list[str | None]:
    return [found.get(name) for name in names]


def test_a_job_finds_its_project_and_its_forge(fake_gitlab: FakeGitLab, project: Project, tmp_path: Path) -> None:
    event = fake_gitlab.event("web", project, login="alice", name="plan")
    found = event.environ(tmp_path / "job", workspace=tmp_path / "checkout")
    assert some(found, "CI", "GITLAB_CI", "CI_SERVER_URL", "CI_API_V4_URL", "CI_SERVER_HOST") == [
        "true", "true", fake_gitlab.url, fake_gitlab.api, "127.0.0.1",
    ]  # fmt: skip
    assert some(found, "CI_PROJECT_ID", "CI_PROJECT_PATH", "CI_PROJECT_DIR", "CI_DEFAULT_BRANCH") == [
        str(project.id), "acme/shop", str(tmp_path / "checkout"), "main",
    ]  # fmt: skip
    assert some(found, "CI_JOB_NAME", "GITLAB_USER_LOGIN", "CI_COMMIT_BRANCH", "CI_COMMIT_SHA") == [
        "plan", "alice", "main", project.head(),
    ]  # fmt: skip
    said = ask(fake_gitlab, "GET", "/job", event.token)
    assert (str(said.body["id"]), said.body["web_url"]) == (found["CI_JOB_ID"], found["CI_JOB_URL"])
    done = subprocess.run(["git", "ls-remote", found["CI_REPOSITORY_URL"]], capture_output=True, check=True)
    assert b"refs/heads/main" in done.stdout
    assert found["CI_COMMIT_BEFORE_SHA"] == "0" * 40
    assert not {"CI_ENVIRONMENT_NAME", "CI_DEPLOY_FREEZE", "CI_MERGE_REQUEST_IID", "TRIGGER_PAYLOAD"} & found.keys()


def test_a_push_has_a_before_and_a_tag_has_no_branch(fake_gitlab: FakeGitLab, project: Project, tmp_path: Path) -> None:
    before = project.head()
    sha = project.commit("bob", "main", {"web.yaml": "replicas: 2\n"})
    found = fake_gitlab.event("push", project).environ(tmp_path / "push")
    assert some(found, "CI_COMMIT_SHA", "CI_COMMIT_BEFORE_SHA", "CI_COMMIT_BRANCH", "GITLAB_USER_LOGIN") == [
        sha, before, "main", "bob",
    ]  # fmt: skip
    project.git.git("tag", "v1", before)
    found = fake_gitlab.event("push", project, tag="v1").environ(tmp_path / "tag")
    assert some(found, "CI_COMMIT_TAG", "CI_COMMIT_REF_NAME", "CI_COMMIT_BRANCH", "CI_COMMIT_SHA") == [
        "v1", "v1", None, before,
    ]  # fmt: skip


def test_a_merge_request_has_a_pipeline_of_its_own(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, tmp_path: Path
) -> None:
    found = fake_gitlab.event("merge_request_event", project, pull=pull).environ(tmp_path / "job")
    assert some(found, "CI_PIPELINE_SOURCE", "CI_COMMIT_SHA", "CI_COMMIT_REF_NAME", "CI_COMMIT_BRANCH") == [
        "merge_request_event", pull.head, "feature", None,
    ]  # fmt: skip
    assert some(found, "CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_EVENT_TYPE") == [
        "1", str(project.id), "detached",
    ]  # fmt: skip
    assert found["CI_MERGE_REQUEST_DIFF_BASE_SHA"] == project.git.merge_base("main", "feature")
    assert "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA" not in found
    assert project.pipelines[int(found["CI_PIPELINE_ID"])].ref == "refs/merge-requests/1/head"


def test_a_merged_result_is_neither_the_one_nor_the_other(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, tmp_path: Path
) -> None:
    event = fake_gitlab.event("merge_request_event", project, pull=pull, kind="merged_result")
    found = event.environ(tmp_path / "job")
    assert project.git.info(found["CI_COMMIT_SHA"]).parents == (project.head(), pull.head)
    assert some(
        found,
        "CI_MERGE_REQUEST_EVENT_TYPE",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA",
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA",
    ) == ["merged_result", pull.head, project.head()]
    assert project.git.file(event.sha, "other") == b"x"


def test_a_fork_runs_its_merge_request_itself(fake_gitlab: FakeGitLab, project: Project, tmp_path: Path) -> None:
    fork = project.fork("eve")
    fork.commit("eve", "evil", {"web.yaml": "replicas: 66\n"})
    pull = project.open_pull("eve", "evil", head_project=fork)
    event = fake_gitlab.event("merge_request_event", project, pull=pull)
    found = event.environ(tmp_path / "job")
    assert some(found, "CI_PROJECT_ID", "CI_PROJECT_PATH", "CI_MERGE_REQUEST_PROJECT_PATH", "GITLAB_USER_LOGIN") == [
        str(fork.id), "eve/shop", "acme/shop", "eve",
    ]  # fmt: skip
    # Its token is good for the fork.
    assert ask(fake_gitlab, "GET", f"/projects/{fork.id}/deployments", event.token).status == 200
    assert ask(fake_gitlab, "GET", f"/projects/{project.id}/merge_requests/1", event.token).status == 403
    inside = fake_gitlab.event("merge_request_event", project, pull=pull, in_target=True, login="alice")
    found = inside.environ(tmp_path / "inside")
    assert some(found, "CI_PROJECT_PATH", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "CI_COMMIT_SHA") == [
        "acme/shop", "eve/shop", pull.head,
    ]  # fmt: skip


def test_a_declared_environment_is_a_deployment(fake_gitlab: FakeGitLab, project: Project, tmp_path: Path) -> None:
    event = fake_gitlab.event("push", project, login="alice", environment="production", frozen=True)
    found = event.environ(tmp_path / "job")
    assert some(found, "CI_ENVIRONMENT_NAME", "CI_ENVIRONMENT_TIER", "CI_DEPLOY_FREEZE") == [
        "production", "production", "true",
    ]  # fmt: skip
    assert [(made.job, made.state) for made in project.deployments_of("production")] == [(event.job, "running")]


def test_a_trigger_has_the_payload_of_the_webhook(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest, tmp_path: Path
) -> None:
    note = pull.comment("bob", "/sloth apply")
    event = fake_gitlab.event("trigger", project, note=note)
    found = event.environ(tmp_path / "note")
    payload: dict[str, Any] = json.loads(Path(found["TRIGGER_PAYLOAD"]).read_text(encoding="utf-8"))
    assert some(found, "CI_PIPELINE_SOURCE", "CI_COMMIT_BRANCH", "GITLAB_USER_LOGIN") == ["trigger", "main", "alice"]
    assert (payload["object_kind"], payload["user"]["username"], payload["project_id"]) == ("note", "bob", project.id)
    about = payload["object_attributes"]
    assert (about["id"], about["note"], about["noteable_type"], about["action"], about["system"]) == (
        note.id, "/sloth apply", "MergeRequest", "create", False,
    )  # fmt: skip
    assert (payload["merge_request"]["iid"], payload["merge_request"]["last_commit"]["id"]) == (1, pull.head)
    before = pull.head
    pull.push("alice", {"web.yaml": "replicas: 3\n"})
    payload = fake_gitlab.event("trigger", project, pull=pull, action="update", sender="alice").payload or {}
    assert (payload["object_kind"], payload["object_attributes"]["oldrev"]) == ("merge_request", before)
    with pytest.raises(AssertionError, match="is not about"):
        fake_gitlab.event("schedule", project, colour="red")


def test_the_examples_of_gitlab_have_the_same_keys(
    fake_gitlab: FakeGitLab, project: Project, pull: MergeRequest
) -> None:
    """The keys of the payloads in doc/user/project/integrations/webhook_events.md, of the parts that are read."""
    payload = fake_gitlab.event("trigger", project, note=pull.comment("bob", "x")).payload or {}
    # The trigger adds what its own API takes: `id`, `ref` and `variables`.
    assert set(payload) - {"id", "ref", "variables"} == {
        "object_kind", "event_type", "user", "project_id", "project", "repository", "object_attributes", "merge_request",
    }  # fmt: skip
    assert set(payload["object_attributes"]) == {
        "id", "note", "noteable_type", "author_id", "created_at", "updated_at", "project_id", "attachment", "line_code",
        "commit_id", "noteable_id", "system", "st_diff", "action", "url",
    }  # fmt: skip
    payload = fake_gitlab.event("trigger", project, pull=pull, action="open").payload or {}
    # The trigger adds what its own API takes: `id`, `ref` and `variables`.
    assert set(payload) - {"id", "ref", "variables"} == {
        "object_kind", "event_type", "user", "project", "repository", "object_attributes", "labels", "changes", "assignees",
        "reviewers",
    }  # fmt: skip
