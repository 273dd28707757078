"""What checks, statuses, deployments, environments and workflow runs look like in answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.github import shapes, shapes_git, shapes_pull
from support.github.model import Approval, CheckRun, CheckSuite, Deployment, DeploymentStatus, Environment, Run, Status

if TYPE_CHECKING:
    from support.github.repository import Repository


def _api(repo: Repository) -> str:
    return f"{repo.fake.api}/repos/{repo.full_name}"


def _html(repo: Repository) -> str:
    return f"{repo.fake.url}/{repo.full_name}"


def _pulls(repo: Repository, sha: str) -> list[dict[str, Any]]:
    # GitHub names no pull request of a fork here.
    found = (pull for pull in repo.pulls.values() if pull.head == sha and pull.state == "open" and not pull.fork)
    return [shapes_pull.minimal_pull(pull) for pull in found]


def check(repo: Repository, run: CheckRun) -> dict[str, Any]:
    """A check run."""
    self = f"{_api(repo)}/check-runs/{run.id}"
    sha = run.suite.head_sha
    html = f"{_html(repo)}/runs/{run.id}"
    return {
        "id": run.id,
        "name": run.name,
        "node_id": shapes.node("CR", run.id),
        "head_sha": sha,
        "external_id": run.external_id,
        "url": self,
        "html_url": html,
        "details_url": run.details_url or html,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": len(run.annotations),
            "annotations_url": f"{self}/annotations",
        },
        "check_suite": {"id": run.suite.id},
        "app": shapes.app(repo.fake, run.suite.app),
        "pull_requests": _pulls(repo, sha),
    }


def annotation(repo: Repository, run: CheckRun, made: dict[str, Any]) -> dict[str, Any]:
    """A remark on a line."""
    return {
        "path": made["path"],
        "blob_href": f"{_html(repo)}/blob/{run.suite.head_sha}/{made['path']}",
        "start_line": made["start_line"],
        "start_column": made.get("start_column"),
        "end_line": made["end_line"],
        "end_column": made.get("end_column"),
        "annotation_level": made["annotation_level"],
        "title": made.get("title"),
        "message": made["message"],
        "raw_details": made.get("raw_details"),
    }


def suite(repo: Repository, made: CheckSuite) -> dict[str, Any]:
    """The checks of one app on a commit, together."""
    runs = [run for run in repo.checks.values() if run.suite is made]
    done = all(run.status == "completed" for run in runs)
    bad = next((run.conclusion for run in runs if run.conclusion not in ("success", "neutral", "skipped")), "success")
    self = f"{_api(repo)}/check-suites/{made.id}"
    branch = next((name for name, sha in repo.git.branches().items() if sha == made.head_sha), None)
    return {
        "id": made.id,
        "node_id": shapes.node("CS", made.id),
        "head_branch": branch,
        "head_sha": made.head_sha,
        "status": "completed" if done else "in_progress",
        "conclusion": bad if done else None,
        "url": self,
        "before": None,
        "after": made.head_sha,
        "pull_requests": _pulls(repo, made.head_sha),
        "app": shapes.app(repo.fake, made.app),
        "repository": shapes.repository(repo),
        "created_at": made.created_at,
        "updated_at": made.created_at,
        "head_commit": shapes_git.simple_commit(repo, made.head_sha),
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{self}/check-runs",
    }


def status(repo: Repository, made: Status) -> dict[str, Any]:
    """A commit status."""
    return {
        "url": f"{_api(repo)}/statuses/{made.sha}",
        "avatar_url": f"{repo.fake.url}/avatars/{repo.fake.account(made.login).id}",
        "id": made.id,
        "node_id": shapes.node("SC", made.id),
        "state": made.state,
        "description": made.description,
        "target_url": made.target_url,
        "context": made.context,
        "created_at": made.created_at,
        "updated_at": made.created_at,
    }


def deployment(repo: Repository, made: Deployment) -> dict[str, Any]:
    """A deployment."""
    self = f"{_api(repo)}/deployments/{made.id}"
    return {
        "url": self,
        "id": made.id,
        "node_id": shapes.node("DE", made.id),
        "sha": made.sha,
        "ref": made.ref,
        "task": made.task,
        "payload": made.payload,
        "original_environment": made.environment,
        "environment": made.environment,
        "description": made.description,
        "creator": shapes.user(repo.fake, made.login),
        "created_at": made.created_at,
        "updated_at": made.updated_at,
        "statuses_url": f"{self}/statuses",
        "repository_url": _api(repo),
        "transient_environment": made.transient,
        "production_environment": made.production,
        "performed_via_github_app": shapes.app(repo.fake, made.app) if made.app else None,
    }


def deployment_status(repo: Repository, made: Deployment, said: DeploymentStatus) -> dict[str, Any]:
    """Where a deployment was at a time."""
    self = f"{_api(repo)}/deployments/{made.id}"
    return {
        "url": f"{self}/statuses/{said.id}",
        "id": said.id,
        "node_id": shapes.node("DES", said.id),
        "state": said.state,
        "creator": shapes.user(repo.fake, said.login),
        "description": said.description,
        "environment": said.environment,
        "target_url": said.log_url,
        "created_at": said.created_at,
        "updated_at": said.created_at,
        "deployment_url": self,
        "repository_url": _api(repo),
        "environment_url": said.environment_url,
        "log_url": said.log_url,
        "performed_via_github_app": None,
    }


def environment(repo: Repository, made: Environment) -> dict[str, Any]:
    """An environment and its rules."""
    rules: list[dict[str, Any]] = []
    if made.wait_timer:
        rules.append({"id": made.id + 1, "node_id": "GA_1", "type": "wait_timer", "wait_timer": made.wait_timer})
    if made.reviewers:
        reviewers = [_reviewer(repo, name) for name in made.reviewers]
        rules.append(
            {
                "id": made.id + 2,
                "node_id": "GA_2",
                "type": "required_reviewers",
                "prevent_self_review": made.prevent_self_review,
                "reviewers": reviewers,
            }
        )
    policy = None
    if made.branch_policy:
        rules.append({"id": made.id + 3, "node_id": "GA_3", "type": "branch_policy"})
        protected = made.branch_policy == "protected"
        policy = {"protected_branches": protected, "custom_branch_policies": not protected}
    return short_environment(repo, made) | {"protection_rules": rules, "deployment_branch_policy": policy}


def short_environment(repo: Repository, made: Environment) -> dict[str, Any]:
    """An environment, in an approval."""
    return {
        "id": made.id,
        "node_id": shapes.node("EN", made.id),
        "name": made.name,
        "url": f"{_api(repo)}/environments/{made.name}",
        "html_url": f"{_html(repo)}/deployments/activity_log?environments_filter={made.name}",
        "created_at": made.created_at,
        "updated_at": made.created_at,
    }


def _reviewer(repo: Repository, name: str) -> dict[str, Any]:
    organisation, slash, slug = name.partition("/")
    if slash:
        return {"type": "Team", "reviewer": shapes.team(repo.fake, repo.fake.teams[organisation, slug])}
    return {"type": "User", "reviewer": shapes.user(repo.fake, name)}


def approval(repo: Repository, said: Approval) -> dict[str, Any]:
    """What a required reviewer said to a run."""
    return {
        "state": said.state,
        "comment": said.comment,
        "environments": [short_environment(repo, repo.environments[name]) for name in said.environments],
        "user": shapes.user(repo.fake, said.login),
    }


def run(repo: Repository, made: Run) -> dict[str, Any]:
    """A workflow run."""
    self = f"{_api(repo)}/actions/runs/{made.id}"
    urls = {
        "jobs_url": f"{self}/jobs",
        "logs_url": f"{self}/logs",
        "check_suite_url": f"{_api(repo)}/check-suites/{made.id}",
        "artifacts_url": f"{self}/artifacts",
        "cancel_url": f"{self}/cancel",
        "rerun_url": f"{self}/rerun",
        "workflow_url": f"{_api(repo)}/actions/workflows/1",
    }
    return {
        "id": made.id,
        "name": made.name,
        "node_id": shapes.node("WFR", made.id),
        "head_branch": made.head_branch,
        "head_sha": made.head_sha,
        "path": made.path,
        "display_title": made.name,
        "run_number": made.number,
        "event": made.event,
        "status": made.status,
        "conclusion": made.conclusion,
        "workflow_id": 1,
        "check_suite_id": made.id,
        "check_suite_node_id": shapes.node("CS", made.id),
        "url": self,
        "html_url": f"{_html(repo)}/actions/runs/{made.id}",
        "pull_requests": [shapes_pull.minimal_pull(repo.pulls[number]) for number in made.pulls],
        "created_at": made.created_at,
        "updated_at": made.created_at,
        "actor": shapes.user(repo.fake, made.actor),
        "run_attempt": made.attempt,
        "referenced_workflows": [],
        "run_started_at": made.created_at,
        "triggering_actor": shapes.user(repo.fake, made.actor),
        **urls,
        "previous_attempt_url": None,
        "head_commit": shapes_git.simple_commit(repo, made.head_sha),
        "repository": shapes.repository(repo),
        "head_repository": shapes.repository(repo.fake.repositories[made.head_repository]),
    }


def job(repo: Repository, made: Run) -> dict[str, Any]:
    """The one job of a run."""
    return {
        "id": made.job_id,
        "run_id": made.id,
        "workflow_name": made.name,
        "head_branch": made.head_branch,
        "run_url": f"{_api(repo)}/actions/runs/{made.id}",
        "run_attempt": made.attempt,
        "node_id": shapes.node("CR", made.job_id),
        "head_sha": made.head_sha,
        "url": f"{_api(repo)}/actions/jobs/{made.job_id}",
        "html_url": f"{_html(repo)}/actions/runs/{made.id}/job/{made.job_id}",
        "status": made.status,
        "conclusion": made.conclusion,
        "created_at": made.created_at,
        "started_at": made.created_at,
        "completed_at": None,
        "name": made.job,
        "steps": [],
        "check_run_url": f"{_api(repo)}/check-runs/{made.job_id}",
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "GitHub Actions 1",
        "runner_group_id": 2,
        "runner_group_name": "GitHub Actions",
    }
