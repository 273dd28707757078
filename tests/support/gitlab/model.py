"""What is said about a project, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

State = Literal["created", "pending", "running", "success", "failed", "canceled", "skipped", "manual"]
Source = Literal[
    "push", "web", "trigger", "schedule", "api", "external", "pipeline", "parent_pipeline", "merge_request_event"
]
DeployState = Literal["created", "running", "success", "failed", "canceled", "skipped", "blocked"]
ReviewState = Literal["unreviewed", "reviewed", "requested_changes", "approved", "unapproved", "review_started"]

UNFINISHED: Final = ("pending", "running")


@dataclass
class Award:
    """An emoji on a note."""

    id: int
    name: str
    login: str
    created_at: str


@dataclass
class Note:
    """A comment, or what GitLab itself says about a merge request."""

    id: int
    number: int
    """The iid of its merge request."""
    login: str
    body: str
    created_at: str
    updated_at: str
    system: bool = False
    awards: list[Award] = field(default_factory=list)


@dataclass(frozen=True)
class QuickAction:
    """A command that GitLab found in a text, and executed in the name of its author."""

    login: str
    project: str
    number: int
    command: str
    line: str


@dataclass
class Pipeline:
    """A pipeline."""

    id: int
    iid: int
    sha: str
    ref: str
    source: Source
    login: str
    created_at: str
    number: int | None = None
    """The iid of its merge request."""
    project: str = ""
    tag: bool = False
    before: str = ""


@dataclass
class Status:
    """A commit status: one that was posted, or (as `Job`) one that a job has."""

    id: int
    name: str
    pipeline: Pipeline
    login: str
    created_at: str
    state: State = "created"
    target_url: str | None = None
    description: str | None = None
    coverage: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    retried: bool = False
    """Whether a newer one of its name is in its pipeline."""


@dataclass
class Job(Status):
    """A job of a pipeline."""

    stage: str = "deploy"
    environment: str = ""


@dataclass
class Environment:
    """An environment."""

    id: int
    name: str
    created_at: str
    tier: str = "other"
    external_url: str | None = None
    state: Literal["available", "stopping", "stopped"] = "available"


@dataclass
class DeploymentApproval:
    """What somebody says about a deployment that waits."""

    login: str
    state: Literal["approved", "rejected"]
    comment: str
    created_at: str


@dataclass
class Deployment:
    """A deployment: of a job, or made through the API."""

    id: int
    iid: int
    environment: str
    sha: str
    ref: str
    login: str
    state: DeployState
    created_at: str
    updated_at: str
    tag: bool = False
    job: Job | None = None
    approvals: list[DeploymentApproval] = field(default_factory=list)


@dataclass(frozen=True)
class Rule:
    """Who has to approve, and how many of them: of a merge request or of an environment."""

    id: int
    name: str
    required: int
    people: tuple[str, ...] = ()
    """Nobody in particular where empty."""
    level: int | None = None
    """The access level that is enough, of an environment's rule."""
    group: str = ""
    """The path of the group whose members they are."""


@dataclass
class ProtectedEnvironment:
    """Who may deploy to an environment, and who has to approve it. Premium."""

    name: str
    deployers: tuple[int | str, ...]
    """Access levels and logins."""
    rules: tuple[Rule, ...]


@dataclass
class ProtectedBranch:
    """Who may push to and merge into branches."""

    id: int
    pattern: str
    push: int
    """An access level; 0 means nobody."""
    merge: int
    people: tuple[str, ...] = ()
    """Logins that may push in spite of it. Premium."""
    force: bool = False


@dataclass
class Freeze:
    """A deploy freeze, by two cron expressions."""

    id: int
    start: str
    end: str
    timezone: str
    created_at: str


@dataclass
class Label:
    """A label of the project."""

    id: int
    name: str
    color: str
    description: str | None


@dataclass(frozen=True)
class Version:
    """What a merge request was after a push: GitLab makes one for each."""

    id: int
    head: str
    base: str
    """Where the branch parted from its target."""
    start: str
    """Where the target was."""
    created_at: str


@dataclass
class Push:
    """An event: somebody moved a branch or a tag."""

    id: int
    login: str
    ref: str
    before: str
    after: str
    at: str
    commits: int
    title: str | None


@dataclass
class Merged:
    """How a merge request was merged."""

    login: str
    at: str
    merge_commit: str | None
    squash_commit: str | None
    commits: tuple[str, ...]
    """What came to the target branch."""
