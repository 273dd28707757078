"""What the fake forge keeps: plain records. What they look like to a client is in the `shapes` modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from support.github.accounts import App


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Review:
    """What somebody said to a commit of a pull request."""

    id: int
    login: str
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]
    body: str
    commit_id: str
    submitted_at: str


@dataclass
class Reaction:
    """A small picture under a comment."""

    id: int
    login: str
    content: str
    created_at: str


@dataclass
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    number: int
    login: str
    body: str
    created_at: str
    updated_at: str
    app: App | None = None
    reactions: list[Reaction] = field(default_factory=list)
    edits: list[tuple[str, str, str]] = field(default_factory=list)
    """Who, when, and what it said before."""


@dataclass
class CheckSuite:
    """The check runs of one app on one commit."""

    id: int
    app: App
    head_sha: str
    created_at: str


@dataclass
class CheckRun:
    """A check of a commit."""

    id: int
    suite: CheckSuite
    name: str
    status: str
    started_at: str
    conclusion: str | None = None
    completed_at: str | None = None
    external_id: str = ""
    details_url: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0
    """How often it was changed after it was made."""


@dataclass
class Status:
    """A commit status, the older brother of a check."""

    id: int
    sha: str
    login: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    created_at: str


@dataclass
class DeploymentStatus:
    """Where a deployment is."""

    id: int
    login: str
    state: str
    description: str
    environment: str
    environment_url: str
    log_url: str
    created_at: str


@dataclass
class Deployment:
    """A deployment of a commit to an environment."""

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    description: str | None
    login: str
    created_at: str
    updated_at: str
    payload: Any
    transient: bool
    production: bool
    app: App | None = None
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The newest one; `pending` before there is any."""
        return self.statuses[-1].state if self.statuses else "pending"


@dataclass
class Environment:
    """A protected (or not) environment."""

    id: int
    name: str
    created_at: str
    wait_timer: int = 0
    reviewers: tuple[str, ...] = ()
    """Logins, or `org/team`."""
    prevent_self_review: bool = False
    branch_policy: Literal["protected", "custom"] | None = None
    patterns: tuple[str, ...] = ()
    """Of branches, where the policy is custom."""


@dataclass
class Approval:
    """What somebody said to a run that waited for an environment."""

    login: str
    environments: tuple[str, ...]
    state: Literal["approved", "rejected", "pending"]
    comment: str


@dataclass
class Run:
    """A workflow run."""

    id: int
    name: str
    number: int
    event: str
    head_sha: str
    head_branch: str
    actor: str
    created_at: str
    path: str = ".github/workflows/deploy.yml"
    attempt: int = 1
    status: str = "in_progress"
    conclusion: str | None = None
    head_repository: str = ""
    job: str = "deploy"
    job_id: int = 0
    approvals: list[Approval] = field(default_factory=list)
    pulls: tuple[int, ...] = ()


@dataclass
class Protection:
    """A branch that only pull requests change."""

    branch: str
    kind: Literal["classic", "ruleset"] = "classic"
    bypass: tuple[str, ...] = ()
    """Who may push all the same."""
    checks: tuple[str, ...] = ()
    """Names of checks that have to be green."""
    approvals: int = 1


@dataclass
class Push:
    """A branch that moved, and who moved it."""

    id: int
    login: str
    ref: str
    before: str
    after: str
    at: str
    kind: Literal["push", "force_push", "branch_creation", "branch_deletion", "pr_merge", "merge_queue_merge"] = "push"


@dataclass(frozen=True)
class Mergedness:
    """How and when a pull request was merged."""

    sha: str
    login: str
    at: str
    method: Literal["merge", "squash", "rebase"]
    commits: tuple[str, ...]
    """All commits that came to the base branch by it."""
