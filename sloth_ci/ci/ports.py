"""What a run in CI asks of the forge. `forge.github.GitHub` and `forge.gitlab.GitLab` satisfy it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sloth_ci.core.codeowners import Dialect, Owned
from sloth_ci.core.review import (
    CheckReport,
    Comment,
    DeploymentState,
    Overlap,
    PlanCheck,
    Protection,
    PullRequest,
    Reaction,
    Review,
)
from sloth_ci.engine.ports import Forge as GitForge


class Forge(GitForge, Protocol):
    """A forge with pull requests. Every method raises ForgeError, which names the permission where one is missing."""

    @property
    def requests(self) -> int:
        """How many requests were made so far: forges count them, too."""

    @property
    def owners_dialect(self) -> Dialect:
        """Whose rules its CODEOWNERS files follow."""

    @property
    def speaks(self) -> bool:
        """Whether the token of this run may say anything at all: write comments and checks."""

    # --- the change under review

    def pull_request(self, number: int) -> PullRequest:
        """One pull request, as it is now."""

    def pull_request_of(self, sha: str, into: str) -> PullRequest | None:
        """The pull request that brought a commit to a branch: by merge, squash or rebase. Else the open one whose head it is.

        One into another branch is none, whatever commits they share: its owners and its approvals are about something else.
        """

    def pull_request_from(self, repository: str, branch: str, sha: str) -> PullRequest | None:
        """The open pull request from a branch of a repository (`owner/name`, may be a fork) whose head is that commit."""

    def reviews(self, pull: PullRequest) -> list[Review]:
        """The last word of each person: approving and rejecting reviews, and comments that say `/sloth approve`.

        A dismissed review is no word. A comment counts for the head that it was written on: where that cannot be told
        from the times of the plan's check, `sha` is None.
        """

    def unmet(self, pull: PullRequest) -> list[str]:
        """What the forge's own approval rules still ask for, in words. Empty where it has none, or enforces them itself."""

    def head_since(self, pull: PullRequest) -> float | None:
        """Since when (Unix seconds) the pull request has the head that it has; None where that cannot be told."""

    def pushers(self, pull: PullRequest) -> frozenset[str]:
        """The logins of whose commits are in it, and of who pushed the last one."""

    def owners(self, rules: Sequence[Owned]) -> Mapping[str, frozenset[str]]:
        """For each rule of CODEOWNERS the logins that own it: its people, and the members of its teams."""

    def may_write(self, person: str) -> bool:
        """Whether somebody may push to the repository."""

    def is_head(self, pull: PullRequest) -> bool:
        """Whether a pull request still has the head that it had for this job."""

    def overlaps(self, pull: PullRequest, files: Sequence[str]) -> list[Overlap]:
        """Other open pull requests into the same branch that change one of these files."""

    # --- what we say

    def plan_check(self, sha: str, name: str) -> PlanCheck | None:
        """Our newest check of that name on a commit."""

    def report_check(self, sha: str, report: CheckReport) -> PlanCheck:
        """Say it as a check on a commit. One of ours that has the same name and digest is updated and keeps its time."""

    def comment(self, pull: PullRequest, marker: str, body: str) -> str:
        """Our one comment of this marker on a pull request, written or updated in place. Returns its URL."""

    def find_comment(self, number: int, comment_id: int) -> Comment:
        """A comment on a pull request as it is now."""

    def react(self, number: int, comment_id: int, reaction: Reaction) -> None:
        """Acknowledge a comment on a pull request."""

    # --- deployments

    def protection(self, environment: str) -> Protection | None:
        """What the forge demands for an environment of this run; None where there is no such environment or no rule."""

    def deploying(self, sha: str, environment: str) -> int | None:
        """A deployment of this run, made unless the job has one already. Returns its id; None where none is wanted."""

    def deployed(self, deployment: int, state: DeploymentState, *, description: str, url: str = "") -> None:
        """Say where a deployment is. `success` makes the earlier ones of its environment inactive."""
