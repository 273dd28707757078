"""What CI does in a project: pipelines, jobs, commit statuses, environments, deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from support.gitlab.accounts import AnyLevel, Token, access
from support.gitlab.model import (
    UNFINISHED,
    Deployment,
    DeploymentApproval,
    DeployState,
    Environment,
    Job,
    Pipeline,
    ProtectedEnvironment,
    Rule,
    Source,
    State,
    Status,
)
from support.gitlab.refused import Refused, forbidden, not_found

if TYPE_CHECKING:
    from support.gitlab.bare import Bare
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.merge_request import MergeRequest

TEXT_LIMIT: Final = 255
"""Characters of a status's description and URL: the columns of `ci_builds`, checked since GitLab 16.8."""

# From what a status may become something: the state machine of app/models/commit_status.rb.
_EVENTS: Final[dict[str, tuple[str, tuple[State, ...]]]] = {
    "pending": ("enqueue", ("created", "skipped", "manual")),
    "running": ("run", ("pending",)),
    "success": ("success", ("created", "pending", "running")),
    "failed": ("drop", ("created", "pending", "running", "manual")),
    "canceled": ("cancel", ("created", "pending", "running", "manual")),
    "skipped": ("skip", ("created", "pending")),
}


class Pipelines:
    """The part of a project that CI has to do with."""

    fake: FakeGitLab
    id: int
    full_name: str
    git: Bare
    default_branch: str
    premium: bool

    def __init__(self) -> None:
        self.pipelines: dict[int, Pipeline] = {}
        self.statuses: list[Status] = []
        """Those that were posted, and those of jobs."""
        self.environments: dict[str, Environment] = {}
        self.deployments: dict[int, Deployment] = {}
        self.protected_environments: dict[str, ProtectedEnvironment] = {}

    def may_update(self, login: str, branch: str) -> bool:
        """Whether somebody may run a pipeline on a branch."""
        raise NotImplementedError

    def access(self, login: str) -> int:
        """What somebody may do."""
        raise NotImplementedError

    # --- pipelines, jobs

    def pipeline(
        self,
        source: Source = "push",
        *,
        sha: str = "",
        branch: str = "",
        login: str = "alice",
        pull: MergeRequest | None = None,
        tag: bool = False,
        before: str = "",
    ) -> Pipeline:
        """A pipeline that is under way; of a merge request where `pull` says so. It keeps its commit alive by a ref."""
        self.fake.account(login)
        ref = f"refs/merge-requests/{pull.number}/head" if pull else branch or self.default_branch
        found = sha or (pull.head if pull else self.git.resolve(ref))
        assert found, f"{self.full_name} has no {ref}"
        made = Pipeline(
            self.fake.next_id(),
            len(self.pipelines) + 1,
            found,
            ref,
            source,
            login,
            self.fake.clock.tick(),
            pull.number if pull else None,
            self.full_name,
            tag,
            before,
        )
        self.pipelines[made.id] = made
        self.git.set_ref(f"refs/pipelines/{made.id}", found)
        return made

    def job(self, pipeline: Pipeline | None = None, name: str = "sloth-ci", *, environment: str = "") -> Job:
        """A job that runs. With `environment` it has declared one, which makes a deployment."""
        pipeline = pipeline or self.pipeline()
        at = self.fake.clock.tick()
        self._retry(pipeline, name)
        job = Job(
            self.fake.next_id(), name, pipeline, pipeline.login, at, "running", started_at=at, environment=environment
        )
        self.statuses.append(job)
        if environment:
            self.declare(job, environment)
        return job

    def declare(self, job: Job, environment: str) -> Deployment:
        """What GitLab does for a job that has `environment:`, when it starts."""
        job.environment = environment
        self.environment(environment)
        pipeline = job.pipeline
        return self.deploy(
            pipeline.login, environment, pipeline.sha, pipeline.ref, "running", tag=pipeline.tag, job=job
        )

    def finish(self, job: Job, state: State = "success") -> None:
        """A job ends: its token is good for nothing, and its deployment has its state."""
        job.state, job.finished_at = state, self.fake.clock.tick()
        for made in self.deployments.values():
            if made.job is job:
                made.state = "failed" if state == "failed" else "success" if state == "success" else "canceled"
                made.updated_at = job.finished_at

    def job_token(self, job: Job | None = None) -> Token:
        """CI_JOB_TOKEN of a job, good as long as the job runs. It acts for whoever started the pipeline."""
        job = job or self.job()
        value = f"glcbt-{job.id:02}_{self.fake.next_id():020}"
        return self.fake.keep(Token(value, job.login, "job", (), self.full_name, job))

    # --- commit statuses

    def post_status(self, login: str, sha: str, state: State, about: dict[str, Any]) -> Status:
        """Somebody posts a commit status. Raises Refused. See app/services/ci/create_commit_status_service.rb."""
        given, number = about.get("ref"), about.get("pipeline_id")
        pipeline = next(
            (
                one
                for one in reversed(self.pipelines.values())
                if one.sha == sha and given in (None, one.ref) and number in (None, one.id)
            ),
            None,
        )
        if number is not None and pipeline is None:
            raise not_found("Pipeline for pipeline_id, sha and ref")
        ref = given or (pipeline.ref if pipeline else next(iter(self._branches_with(sha)), None))
        if ref is None:
            raise not_found("References for commit")
        if not self.may_update(login, ref):
            raise forbidden()
        pipeline = pipeline or self.pipeline("external", sha=sha, branch=ref, login=login)
        name = about.get("name") or about.get("context") or "default"
        status = self._unfinished(pipeline, name, login)
        # What is empty is as if it was not given: `attributes_for_keys` of lib/api/helpers.rb.
        texts = {field: about[field] for field in ("target_url", "description", "coverage") if about.get(field)}
        for field in ("target_url", "description"):
            if len(texts.get(field) or "") > TEXT_LIMIT:
                raise Refused(400, {field: [f"is too long (maximum is {TEXT_LIMIT} characters)"]})
        at = self.fake.clock.tick()
        made = status or Status(self.fake.next_id(), name, pipeline, login, at)
        self._become(made, state, at)
        for field, value in texts.items():
            setattr(made, field, value)
        if status is None:
            self._retry(pipeline, name)
            self.statuses.append(made)
        return made

    def _unfinished(self, pipeline: Pipeline, name: str, login: str) -> Status | None:
        return next(
            (
                one
                for one in self.statuses
                if one.pipeline is pipeline and one.name == name and one.login == login
                and one.state in UNFINISHED and not isinstance(one, Job)
            ),
            None,
        )  # fmt: skip

    def _retry(self, pipeline: Pipeline, name: str) -> None:
        """What is of that name in a pipeline is old now."""
        for one in self.statuses:
            if one.pipeline is pipeline and one.name == name:
                one.retried = True

    def _become(self, status: Status, state: State, at: str) -> None:
        before = status.state
        if state == "running" and before == "created":
            before = "pending"  # a new one is put in the queue first
        event, allowed = _EVENTS[state]
        if before not in allowed:
            words = f"Cannot transition status via :{event} from :{before}"
            raise Refused(400, f'{words} (Reason(s): Status cannot transition via "{event}")')
        status.state = state
        if state == "running":
            status.started_at = at
        elif state != "pending":
            status.finished_at = at

    def _branches_with(self, sha: str) -> list[str]:
        return [name for name, head in self.git.branches().items() if self.git.contains(head, sha)]

    def statuses_of(self, sha: str, name: str = "", *, everything: bool = False) -> list[Status]:
        """The statuses of a commit, the oldest first; those that were retried only where everything is wanted."""
        return [
            one
            for one in self.statuses
            if one.pipeline.sha == sha and name in ("", one.name) and (everything or not one.retried)
        ]

    # --- environments, deployments

    def environment(self, name: str, *, url: str | None = None) -> Environment:
        """An environment; the one of that name where there is one."""
        if name not in self.environments:
            tier = next((tier for tier in ("production", "staging", "testing") if name.startswith(tier[:4])), "other")
            made = Environment(self.fake.next_id(), name, self.fake.clock.tick(), tier, url)
            self.environments[name] = made
        return self.environments[name]

    def protect_environment(
        self, name: str, *, deployers: Sequence[int | str] = (40,), rules: Sequence[Rule] = ()
    ) -> ProtectedEnvironment:
        """Let only some deploy to an environment, with approvals or without. Premium."""
        assert self.premium, "protected environments are a thing of Premium"
        self.environment(name)
        made = ProtectedEnvironment(name, tuple(deployers), tuple(rules))
        self.protected_environments[name] = made
        return made

    def rule(
        self,
        required: int = 1,
        *,
        people: Sequence[str] = (),
        level: AnyLevel = "none",
        group: str = "",
        name: str = "rule",
    ) -> Rule:
        """A rule of approvals: of an environment (people, a level or a group), or of merge requests (people)."""
        for login in people:
            self.fake.account(login)
        return Rule(self.fake.next_id(), name, required, tuple(people), access(level) or None, group)

    def protected_environment(self, name: str) -> ProtectedEnvironment | None:
        """How an environment is protected. Without Premium none is, whatever was set before."""
        return self.protected_environments.get(name) if self.premium else None

    def may_deploy(self, login: str, environment: str) -> bool:
        """Whether somebody may deploy to an environment."""
        rule = self.protected_environment(environment)
        if self.access(login) < 30 or not rule:
            return self.access(login) >= 30
        return any(who == login or (isinstance(who, int) and self.access(login) >= who) for who in rule.deployers)

    def deploy(
        self,
        login: str,
        environment: str,
        sha: str,
        ref: str,
        state: DeployState,
        *,
        tag: bool = False,
        job: Job | None = None,
    ) -> Deployment:
        """A deployment. Of a job whose environment wants approvals it is blocked."""
        at = self.fake.clock.tick()
        rule = self.protected_environment(environment)
        if job and rule and any(one.required for one in rule.rules):
            state = "blocked"
        made = Deployment(
            self.fake.next_id(), len(self.deployments) + 1, environment, sha, ref, login, state, at, at, tag, job
        )
        self.deployments[made.id] = made
        return made

    def waiting(self, deployment: Deployment) -> int:
        """How many approvals a deployment still wants."""
        protected = self.protected_environment(deployment.environment)
        return sum(self.lacking(deployment, rule) for rule in protected.rules) if protected else 0

    def lacking(self, deployment: Deployment, rule: Rule) -> int:
        """How many approvals a rule still wants of a deployment."""
        given = [one for one in deployment.approvals if one.state == "approved" and self.meets(rule, one.login)]
        return max(0, rule.required - len(given))

    def meets(self, rule: Rule, login: str) -> bool:
        """Whether somebody's approval counts for a rule."""
        group = self.fake.groups.get(rule.group)
        by_level = rule.level is not None and self.access(login) >= rule.level
        return login in rule.people or by_level or bool(group and login in group.members)

    def approve_deployment(
        self, deployment: Deployment, login: str, state: str = "approved", comment: str = ""
    ) -> DeploymentApproval:
        """Somebody lets a blocked deployment go on. Raises Refused (400) where it does not wait, or not for them."""
        protected = self.protected_environment(deployment.environment)
        if protected is None:
            raise Refused(400, "This environment is not protected.")
        if deployment.state != "blocked":
            raise Refused(400, "This deployment is not waiting for approvals.")
        if deployment.login == login or not any(self.meets(rule, login) for rule in protected.rules):
            raise Refused(400, "You do not have permission to approve or reject this deployment.")
        at = self.fake.clock.tick()
        made = DeploymentApproval(login, "approved" if state == "approved" else "rejected", comment, at)
        deployment.approvals = [*(one for one in deployment.approvals if one.login != login), made]
        if made.state == "rejected":
            deployment.state = "failed"
        elif not self.waiting(deployment):
            deployment.state = "created"  # somebody still has to start the job
        deployment.updated_at = at
        return made

    def deployments_of(self, environment: str) -> list[Deployment]:
        """The deployments to an environment, the oldest first."""
        return [made for made in self.deployments.values() if made.environment == environment]
