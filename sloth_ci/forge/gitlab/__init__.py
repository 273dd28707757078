"""GitLab, gitlab.com or one's own: what a run in GitLab CI asks of it. Importing this loads no client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

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
from sloth_ci.forge.gitlab import commits, merges
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.deployments import Deployments
from sloth_ci.forge.gitlab.freezes import Freezes
from sloth_ci.forge.gitlab.notes import Notes
from sloth_ci.forge.gitlab.people import People
from sloth_ci.forge.gitlab.statuses import Statuses
from sloth_ci.forge.patience import sleep


def _log(message: str) -> None:
    logging.getLogger(__name__).warning(message)


class GitLab:
    """One project of GitLab, seen with the tokens of a job. Satisfies `ci.ports.Forge`.

    Its checks are commit statuses, its pull requests merge requests, its comments notes.
    """

    request_word = "merge request"
    owners_dialect: Dialect = "gitlab"

    def __init__(
        self,
        token: str,
        project: str,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None] = _log,
        pause: Callable[[float], bool] = sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`token` is SLOTH_TOKEN, or empty: then the job's own token (`CI_JOB_TOKEN` of `environ`) does what it may.

        `project` is the path (`group/name`) or the number of the project that merge requests go to; `environ` is that of
        the job (`CI_API_V4_URL`, `CI_PIPELINE_ID`, ...). `notice` gets what a person should know and no error is. `pause`
        waits so many seconds and says whether the run is to end instead (`Stop.wait`): it is how limits are waited out.
        """
        self._project = project
        self._environ = environ
        self._client = Client(token, project, environ, notice=notice, pause=pause, clock=clock)
        self._notes = Notes(self._client)
        self._heads: dict[int, str] = {}
        """Of open merge requests, as they were when they were listed."""
        self._seen: dict[str, PullRequest] = {}
        """Merge requests that were read, by their heads."""
        self._statuses = Statuses(self._client, self._notes.keep, self._changes, self._ref)
        self._people = People(self._client, self._notes, self._statuses)
        self._deployments = Deployments(self._client)
        self._freezes = Freezes(self._client)

    def __repr__(self) -> str:
        return f"GitLab({self._project})"

    @property
    def repository(self) -> str:
        """The URL of the project: a path of three parts, as groups in groups have it, could be one on this machine."""
        for name in ("CI_PROJECT", "CI_MERGE_REQUEST_PROJECT"):
            url = self._environ.get(f"{name}_URL")
            if url and self._project in (self._environ.get(f"{name}_ID"), self._environ.get(f"{name}_PATH")):
                return url
        server = self._environ.get("CI_SERVER_URL") or self._environ.get("CI_API_V4_URL", "").removesuffix("/api/v4")
        return f"{server or 'https://gitlab.com'}/{self._project}"

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._client.requests

    @property
    def speaks(self) -> bool:
        """The job's own token writes neither notes nor statuses."""
        return self._client.has_token

    @property
    def login(self) -> str:
        """Who SLOTH_TOKEN is of: `project_7_bot_...` for a project access token."""
        return self._client.login

    def _known(self, pull: PullRequest | None) -> PullRequest | None:
        if pull is not None:
            self._seen[pull.head_sha] = pull
        return pull

    def _changes(self, sha: str, digest: str) -> dict[str, str]:
        pull = self._seen.get(sha)
        own = self._environ.get("CI_MERGE_REQUEST_IID", "")  # where its head has moved on by now
        return self._notes.changes(pull.number if pull else int(own) if own.isdigit() else None, digest)

    def _ref(self, sha: str) -> str:
        """What a commit is the head of. The branch of a fork is none of this project's, whatever its name is."""
        pull = self._seen.get(sha)
        if pull is not None:
            return f"refs/merge-requests/{pull.number}/head" if pull.fork else pull.head_branch
        return ""

    def pull_request(self, number: int) -> PullRequest:
        found = merges.pull_request(self._client, number)
        self._known(found)
        return found

    def pull_request_of(self, sha: str, into: str) -> PullRequest | None:
        return self._known(merges.pull_request_of(self._client, sha, into))

    def pull_request_from(self, repository: str, branch: str, sha: str) -> PullRequest | None:
        return self._known(merges.pull_request_from(self._client, repository, branch, sha))

    def overlaps(self, pull: PullRequest, files: Sequence[str]) -> list[Overlap]:
        if not files:
            return []
        found = merges.open_requests(self._client, pull, files)
        self._heads |= found.heads
        return found.overlaps

    def is_head(self, pull: PullRequest) -> bool:
        head = self._heads.get(pull.number) or self.pull_request(pull.number).head_sha
        return head == pull.head_sha

    def reviews(self, pull: PullRequest) -> list[Review]:
        self._known(pull)
        return self._people.reviews(pull)

    def unmet(self, pull: PullRequest) -> list[str]:
        """GitLab Premium has approval rules, which hold its merge button and nothing that is deployed by a comment."""
        return self._people.unmet(pull)

    def head_since(self, pull: PullRequest) -> float | None:
        """Since when the head was there with its plan, in Unix seconds; None where that cannot be told.

        What somebody wrote before that was not about this head.
        """
        return self._people.head_since(pull)

    def pushers(self, pull: PullRequest) -> frozenset[str]:
        return self._people.pushers(pull)

    def owners(self, rules: Sequence[Owned]) -> Mapping[str, frozenset[str]]:
        return self._people.owners(rules)

    def may_write(self, person: str) -> bool:
        return self._people.may_write(person)

    def plan_check(self, sha: str, name: str) -> PlanCheck | None:
        return self._statuses.newest(sha, name)

    def report_check(self, sha: str, report: CheckReport) -> PlanCheck:
        return self._statuses.report(sha, report)

    def comment(self, pull: PullRequest, marker: str, body: str) -> str:
        self._known(pull)
        return self._notes.write(pull, marker, body)

    def find_comment(self, number: int, comment_id: int) -> Comment:
        return self._notes.find(number, comment_id)

    def react(self, number: int, comment_id: int, reaction: Reaction) -> None:
        self._notes.react(number, comment_id, reaction)

    def frozen(self) -> str | None:
        return self._freezes.now()

    def protection(self, environment: str) -> Protection | None:
        return self._deployments.protection(environment)

    def deploying(self, sha: str, environment: str) -> int | None:
        return self._deployments.start(sha, environment)

    def deployed(self, deployment: int, state: DeploymentState, *, description: str, url: str = "") -> None:  # noqa: ARG002 - GitLab has no place for it
        self._deployments.say(deployment, state, url)

    def commit(self, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
        return commits.commit(self._client, branch, parent, message, changes)

    def request(self, branch: str, base: str, title: str, body: str) -> str:
        return commits.request(self._client, branch, base, title, body)
