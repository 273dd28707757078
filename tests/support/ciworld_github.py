"""`CiWorld` on GitHub: the fake GitHub, and what the runner of GitHub Actions gives a job."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from support.ciworld import PEOPLE, CiWorld, Ended, Request, Said
from support.github import FakeGitHub
from support.github.accounts import ACTIONS_BOT, Permissions
from support.github.events import Event
from support.github.model import Comment
from support.github.pull import Pull
from support.github.repository import Repository
from support.gitrepo import GitRepo

PREVIEW: Permissions = {"contents": "read", "checks": "write", "pull_requests": "write", "metadata": "read"}
DEPLOY: Permissions = {**PREVIEW, "contents": "write", "deployments": "write", "actions": "read"}


class GitHubCi(CiWorld):
    """`acme/shop` on GitHub."""

    forge = "github"
    us = ACTIONS_BOT
    sigil = "#"
    linear = "rebase"
    most_requests = 12
    owners_file: ClassVar[str] = ".github/CODEOWNERS"
    repo: Repository
    fake: FakeGitHub

    def _found(self, source: GitRepo) -> None:
        self.repo = self.fake.repository(self.name, from_repo=source)
        for login in PEOPLE:
            self.repo.allow(login, "write")
        self.repo.allow("eve", "read")

    def open(self, login: str, branch: str, base: str = "main", *, title: str = "") -> Pull:
        return self.repo.open_pull(login, branch, base, title=title or branch)

    def protect(self, branch: str) -> None:
        self.repo.protect(branch)

    def protect_environment(self, name: str, *, reviewers: list[str]) -> None:
        self.repo.environment(name, reviewers=reviewers)

    def edit_comment(self, comment: Said, login: str, body: str) -> None:
        assert isinstance(comment, Comment)
        self.repo.edit_comment(comment, login, body)

    def opened(self, pull: Request, action: str = "opened") -> Event:
        return self.fake.event("pull_request", self.repo, pull=pull, action=action)

    def commented(self, comment: Said) -> Event:
        return self.fake.event("issue_comment", self.repo, comment=comment)

    def tagged(self, name: str, branch: str) -> Event:
        event = self.fake.event("push", self.repo, branch=branch)
        return dataclasses.replace(event, payload={**event.payload, "ref": f"refs/tags/{name}"})

    def merge_group(self, pull: Request) -> Event:
        return self.fake.event("merge_group", self.repo, pull=pull)

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
            **(env or {}),
        }
        code, log = self._run(environ, workspace, [token.value])
        outputs = read_outputs((place / "runner" / "GITHUB_OUTPUT").read_text())
        return Ended(code, log, outputs, (place / "runner" / "GITHUB_STEP_SUMMARY").read_text(), workspace)

    def _checkout(self, event: Event, workspace: Path) -> Path:
        """As actions/checkout leaves it: the commit of the event, detached, and no credentials."""
        checkout = GitRepo(workspace)
        checkout.git("remote", "add", "origin", str(self.repo.path))
        checkout.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", event.sha)
        checkout.git("checkout", "-q", "--detach", event.sha)
        checkout.git("remote", "set-url", "origin", self.repo.clone_url)
        return workspace

    def preview(self, pull: Request, action: str = "opened", **inputs: str) -> Ended:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.job(self.opened(pull, action), PREVIEW, inputs=given)

    def review(self, pull: Request, login: str = "bob") -> Ended:
        review = pull.approve(login)
        return self.job(self.fake.event("pull_request_review", self.repo, pull=pull, review=review), PREVIEW)

    def deploy(self, after: str = "") -> Ended:
        return self.job(self.fake.event("push", self.repo, after=after))

    def schedule(self) -> Ended:
        return self.job(self.fake.event("schedule", self.repo))

    def by_hand(self, command: str, *, branch: str = "main", inputs: Mapping[str, str] | None = None) -> Ended:
        event = self.fake.event("workflow_dispatch", self.repo, branch=branch, inputs={"command": command})
        return self.job(event, inputs={"command": command, **(inputs or {})})

    def closed(self, pull: Request) -> Ended:
        return self.job(self.opened(pull, "closed"))

    def reactions(self, pull: Request, words: str) -> list[str]:
        return [
            reaction.content for comment in pull.comments if comment.body == words for reaction in comment.reactions
        ]

    def checks(self, sha: str) -> dict[str, str]:
        runs = sorted((run for run in self.repo.checks.values() if run.suite.head_sha == sha), key=lambda run: run.id)
        return {run.name: run.conclusion or run.status for run in runs}

    def deployments(self) -> list[tuple[str, str, str]]:
        found = self.repo.deployments.values()
        return [(d.environment, "success" if d.state == "inactive" else d.state, d.sha) for d in found]

    def pulls(self) -> list[Pull]:
        return list(self.repo.pulls.values())

    def labels(self, pull: Request) -> list[str]:
        return [label.name for label in self.repo.pulls[pull.number].labels]

    def requests(self) -> list[Any]:
        return [f"{one.method} {one.path}" for one in self.fake.record.exchanges if one.api != "git"]

    def said_to_the_api(self) -> str:
        said = [one.body for api in ("rest", "graphql") for one in self.fake.record.matching(api=api)]
        return "\n".join(body for body in said if "createCommitOnBranch" not in body)


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
