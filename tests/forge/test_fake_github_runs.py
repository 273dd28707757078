"""Checks, deployments and environments of the fake GitHub: the rules that a client runs into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from github import Auth, Github

from support.github import FakeGitHub, Repository
from support.github.accounts import App, Token
from support.github.asking import Said, ask
from support.gitrepo import GitRepo

HERE = "/repos/acme/shop"


@pytest.fixture
def repo(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Repository:
    """`acme/shop`, where alice and bob may write."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    made = fake_github.repository("acme/shop", from_repo=git)
    made.allow("alice", "write")
    made.allow("bob", "write")
    return made


@pytest.fixture
def token(fake_github: FakeGitHub, repo: Repository) -> Token:
    """GITHUB_TOKEN with all permissions."""
    return fake_github.github_token(repo)


@pytest.fixture
def post(fake_github: FakeGitHub, repo: Repository, token: Token) -> Callable[..., Said]:
    """POST, or what else is asked for, below the repository."""

    def send(path: str, body: Any, method: str = "POST") -> Said:
        return ask(fake_github, method, f"{HERE}{path}", token, body)

    return send


def _remark(line: int) -> dict[str, Any]:
    return {
        "path": "web.yaml",
        "start_line": line,
        "end_line": line,
        "annotation_level": "warning",
        "message": f"line {line}",
    }


# --- checks


def test_a_check_is_made_completed_and_found(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    github = Github(auth=Auth.Token(token.value), base_url=fake_github.api, retry=None, seconds_between_writes=0)
    shop = github.get_repo("acme/shop")
    made = shop.create_check_run("sloth-ci / production", repo.head(), status="in_progress", external_id="one.two")
    assert (made.status, made.completed_at) == ("in_progress", None)
    made.edit(conclusion="success", output={"title": "1 change", "summary": "One change."})
    (found,) = shop.get_commit(repo.head()).get_check_runs(check_name="sloth-ci / production")
    assert (found.id, found.status, found.conclusion, found.external_id) == (made.id, "completed", "success", "one.two")
    assert found.completed_at is not None
    assert found.app.slug == "github-actions"
    (suite,) = shop.get_commit(repo.head()).get_check_suites()
    assert (suite.conclusion, suite.latest_check_runs_count) == ("success", 1)


def test_annotations_come_by_fifty_and_are_added_up(
    fake_github: FakeGitHub, post: Callable[..., Said], repo: Repository
) -> None:
    body: dict[str, Any] = {"name": "plan", "head_sha": repo.head(), "conclusion": "failure"}
    remarks = [_remark(line) for line in range(1, 52)]
    refused = post("/check-runs", {**body, "output": {"title": "t", "summary": "s", "annotations": remarks}})
    assert refused.status == 422
    assert fake_github.violations.pop()
    made = post("/check-runs", {**body, "output": {"title": "t", "summary": "s", "annotations": remarks[:50]}}).body
    more = {"output": {"title": "t", "summary": "s", "annotations": remarks[50:]}}
    changed = post(f"/check-runs/{made['id']}", more, "PATCH").body
    assert changed["output"]["annotations_count"] == 51
    found = post(f"/check-runs/{made['id']}/annotations?per_page=100", None, "GET").body
    assert [remark["start_line"] for remark in found] == list(range(1, 52))


@pytest.mark.parametrize("part", ["summary", "text"])
def test_a_text_of_a_check_has_a_limit(
    fake_github: FakeGitHub, post: Callable[..., Said], repo: Repository, part: str
) -> None:
    output = {"title": "t", "summary": "s", part: "x" * 65_535}
    body = {"name": "plan", "head_sha": repo.head(), "conclusion": "success"}
    assert post("/check-runs", {**body, "output": output}).status == 201
    assert post("/check-runs", {**body, "output": {**output, part: "x" * 65_536}}).status == 422
    assert len(repo.checks) == 1
    assert "too long" in fake_github.violations.pop()


def test_a_check_needs_a_commit_and_a_completed_one_a_conclusion(
    fake_github: FakeGitHub, post: Callable[..., Said], repo: Repository
) -> None:
    assert post("/check-runs", {"name": "plan", "head_sha": "1" * 40}).status == 422
    assert fake_github.violations == []
    refused = post("/check-runs", {"name": "plan", "head_sha": repo.head(), "status": "completed"})
    assert refused.status == 422
    assert repo.checks == {}
    fake_github.violations.clear()  # GitHub's description says it too


def test_of_checks_with_one_name_the_newest_is_shown(post: Callable[..., Said], repo: Repository) -> None:
    body = {"name": "plan", "head_sha": repo.head(), "conclusion": "success"}
    for digest in ("one", "two"):
        post("/check-runs", {**body, "external_id": digest})
    path = f"/commits/{repo.head()}/check-runs"
    assert [run["external_id"] for run in post(path, None, "GET").body["check_runs"]] == ["two"]
    assert [run["external_id"] for run in post(f"{path}?filter=all", None, "GET").body["check_runs"]] == ["two", "one"]


def test_a_check_belongs_to_its_app(fake_github: FakeGitHub, post: Callable[..., Said], repo: Repository) -> None:
    made = post("/check-runs", {"name": "plan", "head_sha": repo.head()}).body
    other = fake_github.installation_token(repo, {"checks": "write"}, App(7, "other", "Other"), "other[bot]")
    path = f"{HERE}/check-runs/{made['id']}"
    refused = ask(fake_github, "PATCH", path, other, {"conclusion": "success"})
    assert (refused.status, repo.checks[made["id"]].conclusion) == (403, None)
    person = fake_github.token("alice")
    body = {"name": "mine", "head_sha": repo.head()}
    assert ask(fake_github, "POST", f"{HERE}/check-runs", person, body).status == 403


def test_statuses_of_a_commit_come_to_one(post: Callable[..., Said], repo: Repository) -> None:
    post(f"/statuses/{repo.head()}", {"state": "pending", "context": "a"})
    post(f"/statuses/{repo.head()}", {"state": "success", "context": "a"})
    assert post(f"/commits/{repo.head()}/status", None, "GET").body["state"] == "success"
    post(f"/statuses/{repo.head()}", {"state": "failure", "context": "b"})
    assert post("/commits/main/status", None, "GET").body["state"] == "failure"
    assert len(post("/commits/main/statuses", None, "GET").body) == 3


# --- deployments


def test_a_deployment_waits_for_all_checks_unless_it_says_which(post: Callable[..., Said], repo: Repository) -> None:
    post("/check-runs", {"name": "sloth-ci / staging", "head_sha": repo.head(), "status": "in_progress"})
    refused = post("/deployments", {"ref": repo.head(), "environment": "staging"})
    assert refused.status == 409
    made = post("/deployments", {"ref": repo.head(), "environment": "staging", "required_contexts": []})
    assert (made.status, made.body["production_environment"]) == (201, False)


def test_a_success_retires_the_earlier_ones_but_for_production(post: Callable[..., Said], repo: Repository) -> None:
    def deploy(environment: str) -> int:
        made = post("/deployments", {"ref": repo.head(), "environment": environment, "required_contexts": []}).body
        for state in ("in_progress", "success"):
            answer = post(
                f"/deployments/{made['id']}/statuses", {"state": state, "environment_url": "https://shop.test"}
            )
            assert answer.status == 201
        number: int = made["id"]
        return number

    for environment, expected in (("staging", "inactive"), ("production", "success")):
        first, second = deploy(environment), deploy(environment)
        newest = post(f"/deployments/{first}/statuses", None, "GET").body[0]
        assert (newest["state"], repo.deployments[second].state) == (expected, "success")
    listed = post("/deployments?environment=staging", None, "GET").body
    assert [made["environment"] for made in listed] == ["staging", "staging"]


def test_a_description_has_140_characters(post: Callable[..., Said], repo: Repository) -> None:
    made = post("/deployments", {"ref": "main", "required_contexts": []}).body
    path = f"/deployments/{made['id']}/statuses"
    assert post(path, {"state": "failure", "description": "x" * 140}).status == 201
    assert post(path, {"state": "failure", "description": "x" * 141}).status == 422


# --- environments and runs


def test_an_environment_shows_its_rules(fake_github: FakeGitHub, post: Callable[..., Said], repo: Repository) -> None:
    fake_github.team("acme", "ops", ["bob"])
    repo.environment(
        "prod/eu", reviewers=["bob", "acme/ops"], wait_timer=30, branch_policy="custom", patterns=["main", "release/*"]
    )
    found = post("/environments/prod%2Feu", None, "GET").body
    assert found["name"] == "prod/eu"
    rules = {rule["type"]: rule for rule in found["protection_rules"]}
    assert rules["wait_timer"]["wait_timer"] == 30
    assert [one["type"] for one in rules["required_reviewers"]["reviewers"]] == ["User", "Team"]
    policies = post("/environments/prod%2Feu/deployment-branch-policies", None, "GET").body["branch_policies"]
    assert [policy["name"] for policy in policies] == ["main", "release/*"]
    assert post("/environments/nowhere", None, "GET").status == 404


def test_a_run_that_declared_its_environment_has_a_deployment(post: Callable[..., Said], repo: Repository) -> None:
    repo.environment("production", reviewers=["bob"])
    run = repo.run(environment="production")
    repo.approve_run(run, "bob", "production", comment="fine")
    (approval,) = post(f"/actions/runs/{run.id}/approvals", None, "GET").body
    assert (approval["user"]["login"], approval["state"]) == ("bob", "approved")
    assert [one["name"] for one in approval["environments"]] == ["production"]
    (made,) = post(f"/deployments?environment=production&sha={run.head_sha}", None, "GET").body
    (status,) = post(f"/deployments/{made['id']}/statuses", None, "GET").body
    assert status["state"] == "in_progress"
    assert f"/actions/runs/{run.id}/job/" in status["log_url"]
    assert post(f"/actions/runs/{run.id}", None, "GET").body["event"] == "push"
    (job,) = post(f"/actions/runs/{run.id}/jobs", None, "GET").body["jobs"]
    assert job["run_id"] == run.id
