"""A repository on a fake forge whose jobs run for real: `sloth-ci ci` as a process, with what the runner gives it.

What a test asks for here, every forge has: `GitHubCi` and `GitLabCi` say it in the forge's own way, so that one test holds for both.
"""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from sloth_ci.core.yaml import dump
from support import forkserver
from support.bodies import deployment
from support.gitrepo import GitRepo

LUA = """\
local gitops = require("gitops")
gitops.workflow({
    name = "shop", repo = ".", branch = "main", environment = "production", target_path = "k8s",
    destination = { branch = "rendered/production" },
    rollback_on_failure = true,
    %s
    sync_policy = { retry = { delay = 0, limit = 1 }, health_check = { command = "! { cd %s && ! git config test.mended && git grep -q broken rendered/production; }", timeout = "2s", interval = "50ms" } },
})
"""
"""A branch of rendered manifests, so that no cluster is needed; its health fails while it says `broken`, for as long as a busy machine may take to ask once.

Not where Git's configuration says `test.mended`: then what was at fault is mended.
"""

PEOPLE = ("alice", "bob", "carol")
"""Who may write. `eve` may read."""


@dataclass(frozen=True)
class Ended:
    """A job that has ended."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    workspace: Path


class Said(Protocol):
    """A comment."""

    body: str


class Request(Protocol):
    """A pull request, or a merge request, at its forge."""

    number: int
    title: str

    @property
    def head(self) -> str:
        """The commit that it brings."""

    @property
    def branch(self) -> str:
        """Where it comes from."""

    @property
    def comments(self) -> list[Any]:
        """All that was said to it, with `login` and `body`."""

    def push(self, login: str, files: dict[str, str | bytes | None], message: str = ...) -> str:
        """Another commit."""

    def approve(self, login: str) -> Any:
        """Somebody approves it."""

    def comment(self, login: str, body: str) -> Said:
        """Somebody says something."""

    def merge(self, login: str, method: Any = "merge") -> str:
        """Returns the commit on the base branch."""

    def close(self, login: str) -> None:
        """Without a merge."""


class CiWorld(ABC):
    """`acme/shop`: alice writes, bob and carol may approve, eve may read."""

    forge: ClassVar[str]
    us: str
    """The login of our own comments."""
    sigil: ClassVar[str]
    linear: ClassVar[Literal["rebase", "ff"]]
    """The way to merge that leaves each commit on the base branch."""
    most_requests: ClassVar[int]
    """What a preview may ask the API for."""
    owners_file: ClassVar[str]
    repo: Any
    fake: Any

    def __init__(
        self,
        folder: Path,
        fake: Any,
        source: GitRepo,
        *,
        rules: str = "approval_required = true,",
        name: str = "acme/shop",
    ) -> None:
        self.folder, self.fake, self.name = folder, fake, name
        source.commit(
            "first",
            {
                "sloth.lua": LUA % (rules, fake.folder / f"{name}.git"),
                "k8s/web.yaml": dump(deployment(image="web:1")),
                ".gitignore": "live/\n",
            },
        )
        self._jobs = 0
        self._found(source)

    @abstractmethod
    def _found(self, source: GitRepo) -> None:
        """Make the repository and its people."""

    # --- what people do

    def pull(self, image: str = "web:2", *, branch: str = "feature", login: str = "alice", **files: str) -> Any:
        """A request that changes the image."""
        content = {"k8s/web.yaml": dump(deployment(image=image)), **files}
        self.repo.commit(login, branch, content, f"Image {image}")
        return self.open(login, branch, title=f"Image {image}")

    @abstractmethod
    def open(self, login: str, branch: str, base: str = "main", *, title: str = "") -> Any:
        """Ask for the merge of a branch."""

    @abstractmethod
    def protect(self, branch: str) -> None:
        """Let nobody push to a branch."""

    @abstractmethod
    def protect_environment(self, name: str, *, reviewers: list[str]) -> None:
        """Have jobs of an environment approved by these people."""

    @abstractmethod
    def edit_comment(self, comment: Said, login: str, body: str) -> None:
        """Somebody writes something else into a comment."""

    # --- events

    @abstractmethod
    def opened(self, pull: Request, action: str = "opened") -> Any:
        """The event of a request that was opened, pushed to (`synchronize`), or opened again."""

    @abstractmethod
    def commented(self, comment: Said) -> Any:
        """The event of a new comment."""

    @abstractmethod
    def tagged(self, name: str, branch: str) -> Any:
        """The event of a tag that was put on the head of a branch."""

    @abstractmethod
    def merge_group(self, pull: Request) -> Any:
        """The event of a queue that tries the merge; it has a `sha`."""

    # --- jobs

    @abstractmethod
    def job(
        self, event: Any, *, inputs: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
    ) -> Ended:
        """Run the job of an event as the runner does."""

    @abstractmethod
    def preview(self, pull: Request, action: str = "opened", **inputs: str) -> Ended:
        """The job of a request. Inputs have an underscore here for each dash."""

    @abstractmethod
    def review(self, pull: Request, login: str = "bob") -> Ended:
        """Somebody approves, and the job that follows."""

    @abstractmethod
    def deploy(self, after: str = "") -> Ended:
        """The job of a push to main: of its head, or of an older one that comes late."""

    def say(self, pull: Request, login: str, words: str) -> Ended:
        """Somebody comments, and the job that follows."""
        return self.job(self.commented(pull.comment(login, words)))

    @abstractmethod
    def schedule(self) -> Ended:
        """The job of a schedule."""

    @abstractmethod
    def by_hand(self, command: str, *, branch: str = "main", inputs: Mapping[str, str] | None = None) -> Ended:
        """The job that somebody starts."""

    @abstractmethod
    def closed(self, pull: Request) -> Ended:
        """The job of a request that was closed."""

    # --- what is there

    def rendered(self) -> str:
        """What is at the destination; empty where nothing was deployed yet."""
        command = ["git", "-C", str(self.repo.path), "grep", "-h", "", "rendered/production"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def subjects(self, branch: str = "main") -> list[str]:
        """Subjects of a branch, the newest first."""
        return self.git("log", "--format=%s", branch).splitlines()

    def git(self, *args: str) -> str:
        """Git in the repository of the forge."""
        return str(self.repo.git.git(*args))

    def ours(self, pull: Request) -> list[str]:
        """What we said to a request, the oldest first."""
        return [comment.body for comment in pull.comments if comment.login == self.us]

    def comment(self, pull: Request, marker: str = "sloth-ci:preview") -> str:
        """Our one comment of a marker."""
        found = [body for body in self.ours(pull) if body.startswith(f"<!-- {marker} ")]
        assert len(found) <= 1, f"{len(found)} comments of {marker}"
        return found[0] if found else ""

    def answer(self, pull: Request) -> str:
        """Our newest answer to a command."""
        found = [body for body in self.ours(pull) if "sloth-ci:answer" in body]
        return found[-1] if found else ""

    @abstractmethod
    def reactions(self, pull: Request, words: str) -> list[str]:
        """How we acknowledged a comment, in GitHub's names."""

    @abstractmethod
    def checks(self, sha: str) -> dict[str, str]:
        """The newest conclusion of each check of a commit, in GitHub's words, by its name."""

    @abstractmethod
    def deployments(self) -> list[tuple[str, str, str]]:
        """Environment, state and commit of each, the oldest first. What was replaced is a `success` still."""

    @abstractmethod
    def pulls(self) -> list[Any]:
        """All requests."""

    @abstractmethod
    def labels(self, pull: Request) -> list[str]:
        """The labels of one."""

    @abstractmethod
    def requests(self) -> list[Any]:
        """What the API was asked for so far."""

    @abstractmethod
    def said_to_the_api(self) -> str:
        """Everything but what Git itself carries, by a push or in a commit that the API makes."""

    def _run(self, environ: Mapping[str, str], workspace: Path, secrets: list[str]) -> tuple[int, str]:
        done = forkserver.run(["ci"], cwd=workspace, env={**environ, "SLOTH_CACHE_DIR": str(self.folder / "cache")})
        log = done.output
        assert "Traceback" not in log, log
        assert "a fault in sloth-ci" not in log, log
        assert not [secret for secret in secrets if secret in log]
        return done.code, log
