"""A repository of the fake forge, as a test sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from support.forges.bare import ZERO, Signature
from support.forges.clock import iso
from support.github.accounts import ACTIONS_BOT, Account, App, Level, at_least
from support.github.bare import Bare
from support.github.model import (
    Approval,
    CheckRun,
    CheckSuite,
    Comment,
    Deployment,
    DeploymentStatus,
    Environment,
    Label,
    Protection,
    Push,
    Run,
    Status,
)
from support.github.pull import Pull, Refused

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub

BODY_LIMIT = 65_536
"""Characters of a comment, as GitHub's error says it."""


class Repository:
    """Its Git is a real bare repository; what is said about it is kept here."""

    def __init__(
        self, fake: FakeGitHub, owner: Account, name: str, git: Bare, *, private: bool, parent: Repository | None
    ) -> None:
        self.fake = fake
        self.id = fake.next_id()
        self.owner = owner
        self.name = name
        self.git = git
        self.private = private
        self.parent = parent
        self.default_branch = "main"
        self.created_at = iso(fake.clock.now())
        self.levels: dict[str, Level] = {}
        self.team_levels: dict[str, Level] = {}
        self.pulls: dict[int, Pull] = {}
        self.comments: dict[int, Comment] = {}
        self.labels: dict[str, Label] = {}
        self.suites: list[CheckSuite] = []
        self.checks: dict[int, CheckRun] = {}
        self.statuses: list[Status] = []
        self.deployments: dict[int, Deployment] = {}
        self.environments: dict[str, Environment] = {}
        self.runs: dict[int, Run] = {}
        self.protections: dict[str, Protection] = {}
        self.pushes: list[Push] = []
        self.actions_may_open_pulls = True
        """The setting "Allow GitHub Actions to create and approve pull requests"."""
        self._numbers = 0

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"

    @property
    def path(self) -> Path:
        """The folder of the bare repository."""
        return self.git.path

    @property
    def clone_url(self) -> str:
        """Where Git finds it, over HTTP."""
        return f"{self.fake.url}/{self.full_name}.git"

    # --- people

    def allow(self, login: str, level: Level) -> None:
        """Give somebody a level on it."""
        self.fake.account(login)
        self.levels[login] = level

    def allow_team(self, team: str, level: Level) -> None:
        """Give a team of the owner (its slug) a level on it."""
        self.team_levels[team] = level

    def level(self, login: str) -> Level:
        """What somebody may do: by themselves, through a team, or as everybody where it is public."""
        found: list[Level] = [self.levels.get(login, "none"), "none" if self.private else "read"]
        if login == self.owner.login:
            found.append("admin")
        for slug, level in self.team_levels.items():
            team = self.fake.teams.get((self.owner.login, slug))
            if team and login in team.members:
                found.append(level)
        return next(level for level in ("admin", "maintain", "write", "triage", "read", "none") if level in found)

    def may_push(self, login: str) -> bool:
        """Whether somebody may push, so far as no branch is protected."""
        return at_least(self.level(login), "write")

    # --- Git

    def head(self, branch: str = "") -> str:
        """The sha of a branch, by default of the default branch."""
        sha = self.git.resolve(f"refs/heads/{branch or self.default_branch}")
        assert sha, f"{self.full_name} has no branch {branch or self.default_branch}"
        return sha

    def commit(
        self, login: str, branch: str, files: Mapping[str, str | bytes | None], message: str = "change", start: str = ""
    ) -> str:
        """Somebody pushes a commit. A branch that is not there is made from `start`, by default the default branch."""
        before = self.git.resolve(f"refs/heads/{branch}")
        parent = before or self.head(start)
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        tree = self.git.changed_tree(parent, content)
        self.fake.clock.advance(1)
        who = Signature(*self.fake.identity(login), self.fake.clock.now())
        sha = self.git.commit_tree(tree, [parent], message, who, who)
        self.git.set_ref(f"refs/heads/{branch}", sha)
        self.moved(login, branch, before or ZERO, sha)
        return sha

    def delete_branch(self, login: str, branch: str) -> None:
        """Somebody deletes a branch, which closes the open pull request that comes from it."""
        before = self.head(branch)
        self.fake.clock.advance(1)
        self.git.set_ref(f"refs/heads/{branch}", None)
        self.moved(login, branch, before, ZERO)

    def moved(
        self,
        login: str,
        branch: str,
        before: str,
        after: str,
        *,
        kind: Literal["push", "pr_merge", "merge_queue_merge"] = "push",
    ) -> None:
        """Note that somebody moved a branch, and let the pull requests see it."""
        push = Push(self.fake.next_id(), login, f"refs/heads/{branch}", before, after, iso(self.fake.clock.now()), kind)
        if before == ZERO:
            push.kind = "branch_creation"
        elif after == ZERO:
            push.kind = "branch_deletion"
        elif not self.git.contains(after, before):
            push.kind = "force_push"
        self.pushes.append(push)
        self.git.known |= self.git.objects()
        for repository in self.fake.repositories.values():
            for pull in repository.pulls.values():
                pull.refresh()

    def fork(self, login: str) -> Repository:
        """Somebody's own copy."""
        return self.fake.repository(f"{login}/{self.name}", from_path=self.path, private=self.private, parent=self)

    def delete(self) -> None:
        """It is gone. Pull requests from it stay, and come from nowhere."""
        del self.fake.repositories[self.full_name]

    def protect(
        self,
        branch: str,
        *,
        kind: Literal["classic", "ruleset"] = "classic",
        bypass: Sequence[str] = (),
        checks: Sequence[str] = (),
        approvals: int = 1,
    ) -> None:
        """Let only pull requests change a branch."""
        self.protections[branch] = Protection(branch, kind, tuple(bypass), tuple(checks), approvals)
        self.git.protect({name: (rule.kind, rule.bypass) for name, rule in self.protections.items()})

    def refuse_protected(self, branch: str, login: str) -> None:
        """Raises Refused where somebody may not change a branch directly, as the API says it."""
        rule = self.protections.get(branch)
        if rule is None or login in rule.bypass:
            return
        if rule.kind == "ruleset":
            raise Refused(422, "Repository rule violations found\n\nChanges must be made through a pull request.\n\n")
        raise Refused(422, "Changes must be made through a pull request.")

    # --- pull requests

    def open_pull(
        self,
        login: str,
        branch: str,
        base: str = "",
        *,
        title: str = "A change",
        body: str | None = None,
        head_repository: Repository | None = None,
        draft: bool = False,
    ) -> Pull:
        """Somebody opens a pull request, from a fork where `head_repository` says so. Raises Refused."""
        base = base or self.default_branch
        head_repository = head_repository or self
        if not head_repository.git.resolve(f"refs/heads/{branch}"):
            raise Refused(422, "Validation Failed", errors=[_invalid("PullRequest", "head")])
        if not self.git.resolve(f"refs/heads/{base}"):
            raise Refused(422, "Validation Failed", errors=[_invalid("PullRequest", "base")])
        at = self.fake.clock.tick()
        label = f"{head_repository.owner.login}:{branch}"
        for other in self.pulls.values():
            same = other.state == "open" and other.base == base and other.branch == branch
            if same and other.head_repository is head_repository:
                raise Refused(422, "Validation Failed", errors=[_custom(f"A pull request already exists for {label}.")])
        self.fake.account(login)
        number = self._next_number()
        pull = Pull(
            self, self.fake.next_id(), number, login, title, body, branch, base, head_repository, at, at, "", draft
        )
        if not pull.commits():
            raise Refused(422, "Validation Failed", errors=[_custom(f"No commits between {base} and {branch}")])
        self.pulls[number] = pull
        return pull

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def comment(self, number: int, login: str, body: str, app: App | None = None) -> Comment:
        """Somebody writes a comment. Raises Refused where it is too long."""
        check_body(body)
        self.fake.account(login)
        at = self.fake.clock.tick()
        comment = Comment(self.fake.next_id(), number, login, body, at, at, app)
        self.comments[comment.id] = comment
        return comment

    def edit_comment(self, comment: Comment, login: str, body: str) -> None:
        """Somebody changes a comment. Raises Refused where it is too long."""
        check_body(body)
        at = self.fake.clock.tick()
        if body != comment.body:
            comment.edits.append((login, at, comment.body))
        comment.body, comment.updated_at = body, at

    # --- environments, runs

    def environment(
        self,
        name: str,
        *,
        reviewers: Sequence[str] = (),
        wait_timer: int = 0,
        prevent_self_review: bool = False,
        branch_policy: Literal["protected", "custom"] | None = None,
        patterns: Sequence[str] = (),
    ) -> Environment:
        """An environment and its rules; a reviewer is a login, or `org/team`."""
        made = Environment(
            self.fake.next_id(),
            name,
            self.fake.clock.tick(),
            wait_timer,
            tuple(reviewers),
            prevent_self_review,
            branch_policy,
            tuple(patterns),
        )
        self.environments[name] = made
        return made

    def run(
        self,
        event: str = "push",
        *,
        sha: str = "",
        branch: str = "",
        actor: str = "alice",
        name: str = "deploy",
        environment: str = "",
    ) -> Run:
        """A workflow run that is under way. With `environment`, its job has declared it, which makes a deployment."""
        fake = self.fake
        fake.account(actor)
        branch = branch or self.default_branch
        sha = sha or self.head(branch)
        number = 1 + sum(run.name == name for run in self.runs.values())
        run = Run(fake.next_id(), name, number, event, sha, branch, actor, fake.clock.tick(), job_id=fake.next_id())
        run.head_repository = self.full_name
        run.pulls = tuple(pull.number for pull in self.pulls.values() if pull.head == sha and not pull.fork)
        self.runs[run.id] = run
        if environment:
            self.declare(run, environment)
        return run

    def declare(self, run: Run, environment: str) -> Deployment:
        """What Actions does for a job that has `environment:`, when it starts."""
        fake = self.fake
        if environment not in self.environments:  # named by a job, it comes to be
            self.environment(environment)
        at = fake.clock.tick()
        made = Deployment(
            fake.next_id(), run.head_sha, run.head_branch, "deploy", environment, None, ACTIONS_BOT, at, at, {}, False, False
        )  # fmt: skip
        self.deployments[made.id] = made
        log = f"{fake.url}/{self.full_name}/actions/runs/{run.id}/job/{run.job_id}"
        made.statuses.append(
            DeploymentStatus(fake.next_id(), ACTIONS_BOT, "in_progress", "", environment, "", log, fake.clock.tick())
        )
        return made

    def approve_run(
        self,
        run: Run,
        login: str,
        *environments: str,
        comment: str = "",
        state: Literal["approved", "rejected"] = "approved",
    ) -> None:
        """A required reviewer lets a run into environments."""
        self.fake.account(login)
        self.fake.clock.tick()
        run.approvals.append(Approval(login, environments, state, comment))

    # --- looking

    def checks_of(self, sha: str, name: str = "") -> list[CheckRun]:
        """The check runs of a commit, the oldest first."""
        return [run for run in self.checks.values() if run.suite.head_sha == sha and name in ("", run.name)]  # fmt: skip

    def deployments_of(self, environment: str) -> list[Deployment]:
        """The deployments to an environment, the oldest first."""
        return [made for made in self.deployments.values() if made.environment == environment]


def check_body(body: str) -> None:
    """Raises Refused for a text that is too long for a comment."""
    if len(body) > BODY_LIMIT:
        message = f"Body is too long (maximum is {BODY_LIMIT} characters)"
        error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message}
        raise Refused(422, "Validation Failed", errors=[error])
    if not body.strip():
        raise Refused(
            422, "Validation Failed", errors=[{"resource": "IssueComment", "code": "missing_field", "field": "body"}]
        )


def _invalid(resource: str, field: str) -> dict[str, str]:
    return {"resource": resource, "field": field, "code": "invalid"}


def _custom(message: str) -> dict[str, str]:
    return {"resource": "PullRequest", "code": "custom", "message": message}
