"""A change under review as every forge has it: the pull or merge request, what people said to it, and the plan it was told."""

from __future__ import annotations

from typing import Literal

import msgspec


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request of GitHub, a merge request of GitLab."""

    number: int
    """GitLab calls it `iid`."""
    sigil: Literal["#", "!"] = "#"
    """What the forge writes before the number of one."""
    url: str
    title: str
    author: str
    """The login of who opened it."""
    state: Literal["open", "merged", "closed"]
    head_sha: str
    head_branch: str
    base_branch: str
    base_sha: str
    fork: bool
    """Whether its head is in another repository, by somebody who may have no rights in this one."""
    merge_sha: str | None = None
    """The commit that brought it to the base branch; None before that."""

    @property
    def name(self) -> str:
        """As people of its forge write it: `#7`, `!7`."""
        return f"{self.sigil}{self.number}"


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said to one commit, the newest of what they said."""

    person: str
    verdict: Literal["approved", "changes_requested"]
    sha: str | None
    """The commit that was looked at; None where the forge does not say."""
    at: float
    """Unix seconds."""
    may_write: bool
    """Whether the person may push to the repository: the word of others is welcome, and opens no gate."""
    void: str = ""
    """Why an approval counts for nothing whoever gave it, in words that follow the login; empty where there is no such reason."""


class PlanCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The check of a plan on a commit: the forge's own record of what was shown to whoever approved."""

    id: int
    name: str
    digest: str
    """Of the plan, as the forge kept it."""
    completed: float | None
    """Unix seconds; None where it is still running."""
    url: str = ""
    changes: dict[str, str] = {}
    """A digest of each change, by `type resource`: enough to say what differs from a later plan."""


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """What the forge demands of a job that deploys to an environment."""

    environment: str
    reviewers: bool
    """Somebody has to approve the job before it starts."""
    declared: bool
    """This very job has declared the environment, so that the forge held it to its rules."""
    approved_by: tuple[str, ...] = ()
    """Who approved this very run for it."""


Conclusion = Literal["success", "failure", "neutral", "action_required"]
"""`neutral`: nothing to say for or against. `action_required`: a person has to do something first."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A remark on a line of a file of the change."""

    path: str
    line: int
    level: Literal["notice", "warning", "failure"]
    title: str
    message: str


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says, in the Markdown of the forge."""

    name: str
    conclusion: Conclusion
    title: str
    """One line of plain text."""
    summary: str
    text: str = ""
    annotations: tuple[Annotation, ...] = ()
    digest: str = ""
    """Of the plan that it is about; empty for a check that is about no plan."""
    changes: dict[str, str] = {}
    """As `PlanCheck.changes`."""


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Another open pull request that changes the same manifests."""

    number: int
    sigil: Literal["#", "!"] = "#"
    title: str
    url: str
    files: tuple[str, ...]


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment on a pull request."""

    id: int
    author: str
    body: str
    created: float
    """Unix seconds."""
    edited: bool = False
    """Whether it is not what it was when it was written."""
    answered: bool = False
    """Whether we have done what it asks for, or refused it: an event can be sent again."""


Reaction = Literal["eyes", "+1", "-1", "confused"]
"""How a command is acknowledged, as GitHub names it: seen, done, not done, not followed."""

DeploymentState = Literal["in_progress", "success", "failure", "inactive"]
