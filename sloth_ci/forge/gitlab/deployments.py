"""Environments and deployments: what GitLab demands of this job, and what it is told about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sloth_ci.core.review import DeploymentState, Protection
from sloth_ci.forge.errors import Denied, Invalid, Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import ADMINISTER, DEPLOY
from sloth_ci.forge.gitlab.payload import login_of

_STATES: dict[DeploymentState, str] = {
    "in_progress": "running",
    "success": "success",
    "failure": "failed",
    "inactive": "canceled",
}


class Deployments:
    """Those of this job. What GitLab demanded of it was settled before it started, so it is asked once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._job: int | None = None
        self._protections: dict[str, Protection | None] = {}
        self._running: dict[str, list[Any]] = {}
        self._own: dict[int, Any] = {}
        """Deployments that GitLab made for this job, by their id."""

    def protection(self, environment: str) -> Protection | None:
        """What GitLab demands for an environment; None where it is not protected, or this job was held to its rules.

        Raises Denied where neither is known.
        """
        if environment not in self._protections:
            self._protections[environment] = self._protection(environment)
        return self._protections[environment]

    def _protection(self, environment: str) -> Protection | None:
        what = f"read the rules of environment {environment}"
        path = f"{self._client.here}/protected_environments/{quote(environment, safe='')}"
        try:
            found = self._client.get(what, path, ADMINISTER)
        except Missing:
            return None
        except Denied as error:
            if self._of_job(environment) is not None:
                return None  # GitLab has held the job to the rules, whatever they are
            raise Denied(
                error.message,
                f"have the job declare `environment: {environment}`, so that GitLab holds it to them; or {error.hint}",
            ) from None
        asked = [found.get("required_approval_count") or 0]
        asked += [rule.get("required_approvals") or 0 for rule in found.get("approval_rules") or []]
        reviewers = any(count > 0 for count in asked)
        own = self._of_job(environment)
        people = self._approvers(own["id"]) if own is not None and reviewers else ()
        return Protection(environment=environment, reviewers=reviewers, declared=own is not None, approved_by=people)

    def _approvers(self, deployment: int) -> tuple[str, ...]:
        path = f"{self._client.here}/deployments/{deployment}"
        found = self._client.get("see who approved this deployment", path, DEPLOY)
        given = [login_of(one.get("user")) for one in found.get("approvals") or [] if one["status"] == "approved"]
        return tuple(dict.fromkeys(given))

    def _of_job(self, environment: str) -> Any | None:
        """The deployment that GitLab made for this very job, as the job has declared the environment.

        It is GitLab that says so, by the job's own token: variables are anybody's who may run a pipeline.
        """
        if not self._client.has_job:
            return None
        job = self._job_id()
        for deployment in self._started(environment):
            if (deployment.get("deployable") or {}).get("id") == job:
                self._own[deployment["id"]] = deployment
                return deployment
        return None

    def _job_id(self) -> int:
        if self._job is None:
            self._job = int(self._client.as_job("see which job this is", "/job")["id"])
        return self._job

    def _started(self, environment: str) -> list[Any]:
        """The deployments to an environment that are on their way."""
        if environment not in self._running:
            self._running[environment] = self._client.pages(
                "read the deployments",
                f"{self._client.here}/deployments",
                DEPLOY,
                environment=environment,
                status="running",
                order_by="id",
                sort="desc",
            )
        return self._running[environment]

    def start(self, sha: str, environment: str) -> int:
        """The job's own deployment, else one for the commit that no job has, made where there is none."""
        own = self._of_job(environment)
        return int(own["id"]) if own is not None else self._client.repeated(lambda: self._made(sha, environment))

    def _made(self, sha: str, environment: str) -> int:
        for known in self._started(environment):
            if known["sha"] == sha and not known.get("deployable"):
                return int(known["id"])
        self._running.pop(environment)  # is this answer lost, it is looked up
        environ = self._client.environ
        tag = environ.get("CI_COMMIT_TAG", "")
        branch = environ.get("CI_COMMIT_BRANCH") or environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
        body = {
            "environment": environment,
            "sha": sha,
            "ref": tag or branch or environ.get("CI_DEFAULT_BRANCH") or "main",
            "tag": bool(tag),
            "status": "running",
        }
        path = f"{self._client.here}/deployments"
        made = self._client.send(f"deploy to {environment}", "post", path, DEPLOY, body, repeat=False)
        return int(made["id"])

    def say(self, deployment: int, state: DeploymentState, url: str = "") -> None:
        """Where a deployment is. That of a job has its job's state, and only its environment's address is set."""
        own = self._own.get(deployment)
        if own is not None:
            if url and state == "success":
                self._say_where(own["environment"], url)
            return
        path = f"{self._client.here}/deployments/{deployment}"
        if state == "in_progress":
            return  # it was made so, and GitLab lets none start twice
        said = self._client.send("say how the deployment goes", "put", path, DEPLOY, {"status": _STATES[state]})
        if url and state == "success":
            self._say_where(said["environment"], url)

    def _say_where(self, environment: Any, url: str) -> None:
        if environment.get("external_url") == url:
            return
        path = f"{self._client.here}/environments/{environment['id']}"
        try:
            self._client.send("set the address of the environment", "put", path, DEPLOY, {"external_url": url})
        except (Denied, Missing, Invalid) as error:
            self._client.notice(f"the environment {environment['name']} does not get its address: {error.message}")
