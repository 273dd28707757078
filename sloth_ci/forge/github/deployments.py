"""Environments and deployments: what GitHub demands of this job, and what it is told about it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from sloth_ci.core.review import DeploymentState, Protection
from sloth_ci.forge.errors import Missing
from sloth_ci.forge.github.client import Client

WRITE = "deployments: write"
READ = "deployments: read"
_DESCRIPTION_LIMIT = 140
_LOOKED_AT = 5
"""Earlier deployments to a production environment that are looked at, to make them inactive."""
_RUN = "sloth-ci-run"
"""Where a deployment that we made keeps the number of its run."""
_PRODUCTION = re.compile(r"(?:.*[^a-z])?(?:prod|production|prd|live)(?:[^a-z].*)?", re.IGNORECASE)


class Deployments:
    """Those of this run. What GitHub demanded of the job was settled before it started, so it is asked once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = client.environ.get("GITHUB_RUN_ID", "")
        self._protections: dict[str, Protection | None] = {}
        self._own: dict[str, int | None] = {}
        self._environments: dict[int, str] = {}

    def protection(self, environment: str) -> Protection | None:
        """What GitHub demands for an environment; None where there is none of that name, or no rule."""
        if environment not in self._protections:
            self._protections[environment] = self._protection(environment)
        return self._protections[environment]

    def _protection(self, environment: str) -> Protection | None:
        path = f"{self._client.here}/environments/{quote(environment, safe='')}"
        try:
            found = self._client.get(f"read the rules of environment {environment}", path, "actions: read")
        except Missing:
            return None
        rules = [rule["type"] for rule in found.get("protection_rules") or []]
        if not rules and not found.get("deployment_branch_policy"):
            return None
        reviewers = "required_reviewers" in rules
        declared = self._job_deployment(environment) is not None
        people = self._approvers(environment) if reviewers and declared else ()
        return Protection(environment=environment, reviewers=reviewers, declared=declared, approved_by=people)

    def _approvers(self, environment: str) -> tuple[str, ...]:
        path = f"{self._client.here}/actions/runs/{self._run}/approvals"
        given = self._client.get("see who approved this run", path, "actions: read")
        approved = [
            approval["user"]["login"]
            for approval in given
            if approval["state"] == "approved" and environment in {e["name"] for e in approval["environments"]}
        ]
        return tuple(dict.fromkeys(approved))

    def _job_deployment(self, environment: str) -> int | None:
        """The deployment that GitHub makes for a job of this run which has declared the environment.

        It is GitHub that says so, in the log address of the deployment's status. One that still waits belongs to another
        job: ours would not run. One that we made ourselves says nothing about the job.
        """
        if environment not in self._own:
            found = (
                d
                for d in self._made_for(environment, self._client.environ.get("GITHUB_SHA", ""))
                if not self._is_ours(d)
            )
            self._own[environment] = next((int(d["id"]) for d in found if self._is_of_this_run(d["id"])), None)
        return self._own[environment]

    def _made_for(self, environment: str, sha: str) -> list[Any]:
        if not (self._run and sha):
            return []
        path = f"{self._client.here}/deployments"
        return self._client.pages("read the deployments", path, READ, environment=environment, sha=sha)

    def _is_ours(self, deployment: Any) -> bool:
        payload = deployment["payload"]
        return isinstance(payload, dict) and _RUN in payload

    def _is_of_this_run(self, deployment: int) -> bool:
        here = re.compile(rf"/actions/runs/{re.escape(self._run)}(?:[/?#]|\Z)")
        return any(
            status["state"] == "in_progress"
            and any(here.search(status.get(key) or "") for key in ("log_url", "target_url"))
            for status in self._statuses(deployment)
        )

    def _statuses(self, deployment: int) -> list[Any]:
        path = f"{self._client.here}/deployments/{deployment}/statuses"
        return self._client.pages("read the statuses of a deployment", path, READ)

    def start(self, sha: str, environment: str) -> int:
        """The job's own deployment, else one of this run for the commit, made where there is none."""
        deployment = self._job_deployment(environment)
        if deployment is None:
            deployment = self._client.repeated(lambda: self._started(sha, environment))
        self._environments[deployment] = environment
        return deployment

    def _started(self, sha: str, environment: str) -> int:
        for known in self._made_for(environment, sha):
            if self._is_ours(known) and known["payload"][_RUN] == self._run:
                return int(known["id"])
        body = {
            "ref": sha,
            "task": "deploy",
            "environment": environment,
            "description": "sloth-ci",
            "payload": {_RUN: self._run},
            "production_environment": _is_production(environment),
            # The gate has decided already: GitHub is neither to merge the base branch in nor to ask for checks.
            "auto_merge": False,
            "required_contexts": [],
        }
        path = f"{self._client.here}/deployments"
        made = self._client.send(f"deploy to {environment}", "POST", path, WRITE, body, repeat=False)
        self.say(made["id"], "in_progress", "")
        return int(made["id"])

    def say(self, deployment: int, state: DeploymentState, description: str, url: str = "") -> None:
        """A status of a deployment."""
        body: dict[str, Any] = {
            "state": state,
            "description": description[:_DESCRIPTION_LIMIT],
            "auto_inactive": state == "success",
        }
        if self._client.run_url:
            body["log_url"] = self._client.run_url
        if url:
            body["environment_url"] = url
        path = f"{self._client.here}/deployments/{deployment}/statuses"
        self._client.send("say how the deployment goes", "POST", path, WRITE, body)
        environment = self._environments.get(deployment, "")
        if state == "success" and _is_production(environment):
            self._end_earlier(deployment, environment)

    def _end_earlier(self, deployment: int, environment: str) -> None:
        """Make earlier ones inactive: `auto_inactive` leaves out those of production environments."""
        path = f"{self._client.here}/deployments"
        found = self._client.get("read the deployments", path, READ, environment=environment, per_page="10")
        for earlier in [d["id"] for d in found if d["id"] < deployment][:_LOOKED_AT]:
            statuses = self._statuses(earlier)
            if statuses and statuses[0]["state"] == "success":
                self.say(earlier, "inactive", "")


def _is_production(environment: str) -> bool:
    return _PRODUCTION.fullmatch(environment) is not None
