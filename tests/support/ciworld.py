"""A repository on the fake GitHub whose jobs run for real: `sloth-ci ci` as a process, with what the runner gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.github import FakeGitHub
from support.github.accounts import Permissions
from support.github.events import Event
from support.github.pull import Pull
from support.gitrepo import GitRepo

LUA = """\
local gitops = require("gitops")
gitops.workflow({
    name = "shop", repo = ".", branch = "main", environment = "production", target_path = "k8s",
    destination = { branch = "rendered/production" },
    rollback_on_failure = true,
    %s
    sync_policy = { retry = { delay = 0, limit = 1 }, health_check = { command = "! git -C %s grep -q broken rendered/production", timeout = "100ms", interval = "50ms" } },
})
"""
"""A branch of rendered manifests, so that no cluster is needed; its health fails while it says `broken`."""

PREVIEW: Permissions = {"contents": "read", "checks": "write", "pull_requests": "write", "metadata": "read"}
DEPLOY: Permissions = {**PREVIEW, "contents": "write", "deployments": "write", "actions": "read"}


@dataclass(frozen=True)
class Ended:
    """A job that has ended."""

    code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    workspace: Path


class CiWorld:
    """`acme/shop`: alice writes, bob and carol may approve, eve may read."""

    def __init__(
        self, folder: Path, fake: FakeGitHub, source: GitRepo, *, rules: str = "approval_required = true,"
    ) -> None:
        self.folder, self.fake = folder, fake
        source.commit(
            "first",
            {
                "sloth.lua": LUA % (rules, fake.folder / "acme" / "shop.git"),
                "k8s/web.yaml": dump(deployment(image="web:1")),
                ".gitignore": "live/\n",
            },
        )
        self.repo = fake.repository("acme/shop", from_repo=source)
        for login in ("alice", "bob", "carol"):
            self.repo.allow(login, "write")
        self.repo.allow("eve", "read")
        self._jobs = 0

    def pull(self, image: str = "web:2", *, branch: str = "feature", login: str = "alice", **files: str) -> Pull:
        """A pull request that changes the image."""
        content = {"k8s/web.yaml": dump(deployment(image=image)), **files}
        self.repo.commit(login, branch, content, f"Image {image}")
        return self.repo.open_pull(login, branch, title=f"Image {image}")

    def job(
        self,
        event: Event,
        permissions: Permissions = DEPLOY,
        *,
        fork: bool = False,
        env: Mapping[str, str] | None = None,
        into: Mapping[str, bytes] | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a job as the runner does: a checkout of the event's commit, inputs, and a token with these permissions.

        `into` are files that an earlier step left in the workspace; `inputs` have the names of the action's.
        """
        self._jobs += 1
        place = self.folder / f"job-{self._jobs}"
        workspace = self._checkout(event, place / "workspace")
        for name, content in (into or {}).items():
            (workspace / name).write_bytes(content)
        token = self.fake.github_token(self.repo, permissions, fork=fork)
        given = {"github-token": token.value, **(inputs or {})}
        environ = {
            **os.environ,
            **event.environ(place / "runner", workspace),
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "SLOTH_CACHE_DIR": str(self.folder / "cache"),
            **(env or {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "sloth_ci.cli", "ci"],
            cwd=workspace,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        log = done.stdout + done.stderr
        assert "Traceback" not in log, log
        assert "a fault in sloth-ci" not in log, log
        assert token.value not in log
        outputs = read_outputs((place / "runner" / "GITHUB_OUTPUT").read_text())
        return Ended(done.returncode, log, outputs, (place / "runner" / "GITHUB_STEP_SUMMARY").read_text(), workspace)

    def _checkout(self, event: Event, workspace: Path) -> Path:
        """As actions/checkout leaves it: the commit of the event, detached, and no credentials."""
        checkout = GitRepo(workspace)
        checkout.git("remote", "add", "origin", str(self.repo.path))
        checkout.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", event.sha)
        checkout.git("checkout", "-q", "--detach", event.sha)
        checkout.git("remote", "set-url", "origin", self.repo.clone_url)
        return workspace

    # --- what happens at the forge, and the job that it starts

    def preview(self, pull: Pull, action: str = "opened", **inputs: str) -> Ended:
        """The job of a pull request. Inputs have an underscore here for each dash."""
        event = self.fake.event("pull_request", self.repo, pull=pull, action=action)
        return self.job(event, PREVIEW, inputs={name.replace("_", "-"): value for name, value in inputs.items()})

    def review(self, pull: Pull, login: str = "bob") -> Ended:
        """Somebody approves, and the job that follows."""
        review = pull.approve(login)
        return self.job(self.fake.event("pull_request_review", self.repo, pull=pull, review=review), PREVIEW)

    def deploy(self, after: str = "") -> Ended:
        """The job of a push to main: of its head, or of an older one that comes late."""
        return self.job(self.fake.event("push", self.repo, after=after))

    def say(self, pull: Pull, login: str, words: str) -> Ended:
        """Somebody comments, and the job that follows."""
        comment = pull.comment(login, words)
        return self.job(self.fake.event("issue_comment", self.repo, comment=comment))

    # --- what is there

    def rendered(self) -> str:
        """What is at the destination; empty where nothing was deployed yet."""
        command = ["git", "-C", str(self.repo.path), "grep", "-h", "", "rendered/production"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def subjects(self, branch: str = "main") -> list[str]:
        """Subjects of a branch, the newest first."""
        return self.repo.git.git("log", "--format=%s", branch).splitlines()

    def comment(self, pull: Pull, marker: str = "sloth-ci:preview") -> str:
        """Our one comment of a marker."""
        found = [c.body for c in pull.comments if c.login == "github-actions[bot]" and marker in c.body]
        assert len(found) <= 1, f"{len(found)} comments of {marker}"
        return found[0] if found else ""

    def checks(self, sha: str) -> dict[str, str]:
        """The newest conclusion of each check of a commit, by its name."""
        runs = sorted((run for run in self.repo.checks.values() if run.suite.head_sha == sha), key=lambda run: run.id)
        return {run.name: run.conclusion or run.status for run in runs}


def read_outputs(text: str) -> dict[str, str]:
    """As actions/runner reads the file: `name<<mark`, lines, `mark`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, _, mark = line.partition("<<")
        value = []
        for inner in lines:
            if inner == mark:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found
