"""GitHub, and GitHub Enterprise: what a run in GitHub Actions asks of it. Importing this loads no client."""

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
from sloth_ci.forge.github import commits, pulls
from sloth_ci.forge.github.checks import Checks
from sloth_ci.forge.github.client import Client
from sloth_ci.forge.github.comments import Thread
from sloth_ci.forge.github.deployments import Deployments
from sloth_ci.forge.github.people import People
from sloth_ci.forge.patience import sleep


def _log(message: str) -> None:
    logging.getLogger(__name__).warning(message)


class GitHub:
    """One repository of GitHub, seen with the token of a job. Satisfies `ci.ports.Forge`."""

    request_word = "pull request"
    owners_dialect: Dialect = "github"

    def __init__(
        self,
        token: str,
        repository: str,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None] = _log,
        pause: Callable[[float], bool] = sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`repository` is `owner/name`; `environ` is that of the job (`GITHUB_API_URL`, `GITHUB_RUN_ID`, ...).

        `notice` gets what a person should know and no error is. `pause` waits so many seconds and says whether the run
        is to end instead (`Stop.wait`): it is how GitHub's limits are waited out.
        """
        self.repository = repository
        self._notice = notice
        self._client = Client(token, repository, environ, notice=notice, pause=pause, clock=clock)
        self._thread = Thread(self._client)
        self._heads: dict[int, str] = {}
        """Of open pull requests, as they were when they were listed."""
        self._checks = Checks(self._client)
        self._people = People(self._client, self._thread, self._checks)
        self._deployments = Deployments(self._client)

    def __repr__(self) -> str:
        return f"GitHub({self.repository})"

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._client.requests

    @property
    def speaks(self) -> bool:
        """A job of GitHub has a token, and what it may not do with it is an error that names the permission."""
        return True

    @property
    def login(self) -> str:
        """Who the token is of: `github-actions[bot]` for a job's own."""
        return self._client.login

    def pull_request(self, number: int) -> PullRequest:
        return pulls.pull_request(self._client, number)

    def pull_request_of(self, sha: str, into: str) -> PullRequest | None:
        return pulls.pull_request_of(self._client, sha, into)

    def pull_request_from(self, repository: str, branch: str, sha: str) -> PullRequest | None:
        return pulls.pull_request_from(self._client, repository, branch, sha)

    def overlaps(self, pull: PullRequest, files: Sequence[str]) -> list[Overlap]:
        if not files:
            return []
        found = pulls.open_pulls(self._client, pull, files)
        self._heads |= found.heads
        return found.overlaps

    def is_head(self, pull: PullRequest) -> bool:
        head = self._heads.get(pull.number) or self.pull_request(pull.number).head_sha
        return head == pull.head_sha

    def reviews(self, pull: PullRequest) -> list[Review]:
        return self._people.reviews(pull)

    def unmet(self, pull: PullRequest) -> list[str]:  # noqa: ARG002
        """GitHub holds a merge to its own rules, and who may go round them is its administrators' business."""
        return []

    def head_since(self, pull: PullRequest) -> float | None:
        """Since when the head was there with its plan, in Unix seconds; None where that cannot be told, as of a fork.

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
        return self._checks.newest(sha, name)

    def report_check(self, sha: str, report: CheckReport) -> PlanCheck:
        return self._checks.report(sha, report)

    def comment(self, pull: PullRequest, marker: str, body: str) -> str:
        return self._thread.write(pull.number, marker, body)

    def find_comment(self, number: int, comment_id: int) -> Comment:  # noqa: ARG002 - GitHub counts them by repository
        return self._thread.find(comment_id)

    def react(self, number: int, comment_id: int, reaction: Reaction) -> None:  # noqa: ARG002 - likewise
        self._thread.react(comment_id, reaction)

    def frozen(self) -> str | None:
        """GitHub has no freezes; those of the Lua file are held anyway."""
        return None

    def protection(self, environment: str) -> Protection | None:
        return self._deployments.protection(environment)

    def deploying(self, sha: str, environment: str) -> int | None:
        return self._deployments.start(sha, environment)

    def deployed(self, deployment: int, state: DeploymentState, *, description: str, url: str = "") -> None:
        self._deployments.say(deployment, state, description, url)

    def commit(self, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
        return commits.commit(self._client, branch, parent, message, changes)

    def request(self, branch: str, base: str, title: str, body: str) -> str:
        return commits.request(self._client, self._notice, branch, base, title, body)
