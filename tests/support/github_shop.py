"""A repository of the fake GitHub with people and a pull request, and the product's view of it."""

from __future__ import annotations

from collections.abc import Mapping

from sloth_ci.core.review import CheckReport, PullRequest
from sloth_ci.forge.github import GitHub
from support.github.accounts import Permissions, Token
from support.github.fake import FakeGitHub
from support.github.model import Run
from support.github.pull import Pull
from support.gitrepo import GitRepo

FILE = "k8s/web.yaml"


class Shop:
    """`acme/shop`: alice, bob and carol may write, reader may read, mallory nothing."""

    def __init__(self, fake: FakeGitHub, git: GitRepo) -> None:
        git.commit("start", {FILE: "replicas: 1\n", "src/main.py": "1\n"})
        self.fake = fake
        self.repo = fake.repository("acme/shop", from_repo=git)
        for login in ("alice", "bob", "carol"):
            self.repo.allow(login, "write")
        self.repo.allow("reader", "triage")
        self.repo.allow("mallory", "none")
        self.naps: list[float] = []
        """What was waited, in seconds; nobody waits here."""
        self.notices: list[str] = []

    def nap(self, seconds: float) -> bool:
        """Waits on the fake's clock."""
        self.naps.append(seconds)
        self.fake.clock.advance(seconds)
        return False

    def forge(
        self,
        permissions: Permissions | None = None,
        *,
        token: Token | None = None,
        run: Run | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> GitHub:
        """As a job sees it, with GITHUB_TOKEN unless said otherwise."""
        token = token or self.fake.github_token(self.repo, permissions)
        env = {
            "GITHUB_API_URL": self.fake.api,
            "GITHUB_GRAPHQL_URL": self.fake.graphql_url,
            "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_REPOSITORY": "acme/shop",
        }
        if run:
            env |= {"GITHUB_RUN_ID": str(run.id), "GITHUB_SHA": run.head_sha}
        return GitHub(
            token.value,
            "acme/shop",
            {**env, **(environ or {})},
            notice=self.notices.append,
            pause=self.nap,
            clock=self.fake.clock.now,
        )

    def opened(self, branch: str = "feature", *, login: str = "alice", text: str = "replicas: 2\n") -> Pull:
        """A pull request that changes one manifest."""
        self.repo.commit(login, branch, {FILE: text})
        return self.repo.open_pull(login, branch, title=f"Change {branch}")

    def asked(self) -> list[str]:
        """The requests so far."""
        return [f"{one.method} {one.path}" for one in self.fake.record.exchanges if one.api != "git"]


def plan_report(digest: str = "one.two", *, name: str = "sloth-ci / production", **more: object) -> CheckReport:
    """What a plan's check says."""
    values: dict[str, object] = {"conclusion": "success", "title": "1 change", "summary": "One change.", **more}
    return CheckReport(name=name, digest=digest, **values)  # type: ignore[arg-type]  # a test passes fields as they are


def seen(forge: GitHub, pull: Pull) -> PullRequest:
    """A pull request as the product reads it now."""
    return forge.pull_request(pull.number)
