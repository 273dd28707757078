"""A project of the fake GitLab with people and a merge request, and the product's view of it."""

from __future__ import annotations

from collections.abc import Mapping

from sloth_ci.core.review import CheckReport, PullRequest
from sloth_ci.forge.gitlab import GitLab
from support.gitlab import FakeGitLab, MergeRequest, Project
from support.gitlab.accounts import AnyLevel, Token
from support.gitlab.model import Job
from support.gitrepo import GitRepo

FILE = "k8s/web.yaml"


class Lab:
    """`acme/shop`: alice, bob and carol may write, reader may read, mallory nothing."""

    def __init__(self, fake: FakeGitLab, git: GitRepo, *, premium: bool = False) -> None:
        git.commit("start", {FILE: "replicas: 1\n", "src/main.py": "1\n"})
        self.fake = fake
        self.project: Project = fake.project("acme/shop", from_repo=git, premium=premium)
        for login in ("alice", "bob", "carol"):
            self.project.allow(login, "developer")
        self.project.allow("reader", "reporter")
        fake.account("mallory")
        self.naps: list[float] = []
        """What was waited, in seconds; nobody waits here."""
        self.notices: list[str] = []
        self._tokens: dict[AnyLevel, Token] = {}

    def nap(self, seconds: float) -> bool:
        """Waits on the fake's clock."""
        self.naps.append(seconds)
        self.fake.clock.advance(seconds)
        return False

    def bot(self, level: AnyLevel = "developer") -> Token:
        """SLOTH_TOKEN: a project access token of a role, the same one each time."""
        if level not in self._tokens:
            self._tokens[level] = self.fake.project_token(self.project, level)
        return self._tokens[level]

    def forge(
        self,
        level: AnyLevel | None = "developer",
        *,
        token: Token | None = None,
        job: Job | None = None,
        project: Project | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> GitLab:
        """As a job sees it, with SLOTH_TOKEN of a role (None: without), and with `job` with CI_JOB_TOKEN, too."""
        env = {"CI_API_V4_URL": self.fake.api, "CI_DEFAULT_BRANCH": "main"}
        if job is not None:
            env |= {
                "CI_JOB_TOKEN": self.project.job_token(job).value,
                "CI_JOB_URL": f"{self.project.url}/-/jobs/{job.id}",
                "CI_PIPELINE_ID": str(job.pipeline.id),
                "CI_COMMIT_SHA": job.pipeline.sha,
            }
        given = token or (self.bot(level) if level else None)
        return GitLab(
            given.value if given else "",
            (project or self.project).full_name,
            {**env, **(environ or {})},
            notice=self.notices.append,
            pause=self.nap,
            clock=self.fake.clock.now,
        )

    @property
    def us(self) -> str:
        """Whose the token of a developer is."""
        return self.bot().login

    def opened(self, branch: str = "feature", *, login: str = "alice", text: str = "replicas: 2\n") -> MergeRequest:
        """A merge request that changes one manifest."""
        self.project.commit(login, branch, {FILE: text})
        return self.project.open_pull(login, branch, title=f"Change {branch}")

    def asked(self) -> list[str]:
        """The requests so far."""
        return [f"{one.method} {one.path}" for one in self.fake.record.exchanges if one.api != "git"]


def plan_report(digest: str = "one.two", *, name: str = "sloth-ci / production", **more: object) -> CheckReport:
    """What a plan's check says."""
    values: dict[str, object] = {"conclusion": "success", "title": "1 change", "summary": "One change.", **more}
    return CheckReport(name=name, digest=digest, **values)  # type: ignore[arg-type]  # a test passes fields as they are


def seen(forge: GitLab, pull: MergeRequest) -> PullRequest:
    """A merge request as the product reads it now."""
    return forge.pull_request(pull.number)
