"""`CiWorld` on GitLab: the fake GitLab, and what the runner of GitLab CI gives a job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from support.ciworld import PEOPLE, CiWorld, Ended, Request, Said
from support.gitlab import FakeGitLab, MergeRequest, Project
from support.gitlab.environ import Event
from support.gitlab.model import Note
from support.gitrepo import GitRepo

_REACTIONS: Final = {"eyes": "eyes", "thumbsup": "+1", "thumbsdown": "-1", "confused": "confused"}
_CHECKS: Final = {"success": "success", "failed": "failure", "pending": "action_required"}


class GitLabCi(CiWorld):
    """`acme/shop` on GitLab. A job has SLOTH_TOKEN, the token of a maintainer of the project."""

    forge = "gitlab"
    sigil = "!"
    linear = "ff"
    most_requests = 18
    owners_file: ClassVar[str] = ".gitlab/CODEOWNERS"
    repo: Project
    fake: FakeGitLab

    def _found(self, source: GitRepo) -> None:
        self.repo = self.fake.project(self.name, from_repo=source, premium=True)
        for login in PEOPLE:
            self.repo.allow(login, "developer")
        self.repo.allow("eve", "reporter")
        self.token = self.fake.project_token(self.repo, "maintainer")
        self.us = self.token.login

    def open(self, login: str, branch: str, base: str = "main", *, title: str = "") -> MergeRequest:
        return self.repo.open_pull(login, branch, base, title=title or branch)

    def protect(self, branch: str) -> None:
        self.repo.protect(branch, push="none", merge="developer")

    def protect_environment(self, name: str, *, reviewers: list[str]) -> None:
        self.repo.protect_environment(name, rules=[self.repo.rule(1, people=reviewers)])

    def edit_comment(self, comment: Said, login: str, body: str) -> None:
        assert isinstance(comment, Note)
        self.repo.edit_comment(comment, login, body)

    def opened(self, pull: Request, action: str = "opened") -> Event:  # noqa: ARG002 - a pipeline is the same for each
        return self.fake.event("merge_request_event", self.repo, pull=pull)

    def commented(self, comment: Said) -> Event:
        return self.fake.event("trigger", self.repo, note=comment)

    def tagged(self, name: str, branch: str) -> Event:
        self.git("tag", name, branch)
        return self.fake.event("push", self.repo, tag=name)

    def merge_group(self, pull: Request) -> Event:
        return self.fake.event("merge_request_event", self.repo, pull=pull, kind="merge_train")

    def job(
        self,
        event: Event,
        *,
        inputs: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        token: bool = True,
    ) -> Ended:
        """Run a job as the runner does. `inputs` have the names of the action's; without `token` there is no SLOTH_TOKEN."""
        self._jobs += 1
        place = self.folder / f"job-{self._jobs}"
        workspace = self._checkout(event, place / "workspace")
        given = {f"SLOTH_{name.upper().replace('-', '_')}": value for name, value in (inputs or {}).items()}
        variables = {"SLOTH_TOKEN": self.token.value} if token else {}
        environ = {**os.environ, **event.environ(place / "runner", workspace), **variables, **given, **(env or {})}
        code, log = self._run(environ, workspace, [self.token.value, event.token.value])
        event.project.finish(event.job, "failed" if code else "success")
        return Ended(code, log, self._outputs(workspace), _text(workspace / "sloth-summary.md"), workspace)

    def _outputs(self, workspace: Path) -> dict[str, str]:
        """As GitLab reads a dotenv report, with the names of the action's outputs."""
        lines = _text(workspace / "sloth.env").splitlines()
        pairs = dict(line.split("=", 1) for line in lines)
        return {name.removeprefix("SLOTH_").lower().replace("_", "-"): value for name, value in pairs.items()}

    def _checkout(self, event: Event, workspace: Path) -> Path:
        """As the runner leaves it: the commit of the pipeline, detached, and its token in the address of `origin`."""
        shutil.rmtree(workspace, ignore_errors=True)
        checkout = GitRepo(workspace)
        checkout.git("remote", "add", "origin", str(event.project.path))
        pipeline = f"refs/pipelines/{event.pipeline.id}"
        checkout.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", f"+{pipeline}:{pipeline}")
        checkout.git("checkout", "-q", "--detach", event.sha)
        url = event.project.clone_url.replace("://", f"://gitlab-ci-token:{event.token.value}@", 1)
        checkout.git("remote", "set-url", "origin", url)
        return workspace

    def preview(self, pull: Request, action: str = "opened", **inputs: str) -> Ended:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.job(self.opened(pull, action), inputs=given)

    def review(self, pull: Request, login: str = "bob") -> Ended:
        pull.approve(login)
        return self.job(self.fake.event("trigger", self.repo, pull=pull, action="approved", sender=login))

    def deploy(self, after: str = "") -> Ended:
        return self.job(self.fake.event("push", self.repo, branch="main", sha=after))

    def schedule(self) -> Ended:
        return self.job(self.fake.event("schedule", self.repo, branch="main"))

    def by_hand(self, command: str, *, branch: str = "main", inputs: Mapping[str, str] | None = None) -> Ended:
        event = self.fake.event("web", self.repo, branch=branch)
        return self.job(event, inputs={"command": command, **(inputs or {})})

    def closed(self, pull: Request) -> Ended:
        return self.job(self.fake.event("trigger", self.repo, pull=pull, action="close"))

    def reactions(self, pull: Request, words: str) -> list[str]:
        found = [award.name for note in pull.comments if note.body == words for award in note.awards]
        return [_REACTIONS[name] for name in found]

    def checks(self, sha: str) -> dict[str, str]:
        found = [one for one in self.repo.statuses_of(sha) if one.login == self.us]
        return {one.name: _CHECKS[one.state] for one in sorted(found, key=lambda one: one.id)}

    def deployments(self) -> list[tuple[str, str, str]]:
        states = {"failed": "failure"}
        found = sorted(self.repo.deployments.values(), key=lambda made: made.id)
        return [(made.environment, states.get(made.state, made.state), made.sha) for made in found]

    def pulls(self) -> list[MergeRequest]:
        return list(self.repo.pulls.values())

    def labels(self, pull: Request) -> list[str]:
        return list(self.repo.pulls[pull.number].labels)

    def requests(self) -> list[Any]:
        return [f"{one.method} {one.path}" for one in self.fake.record.exchanges if one.api != "git"]

    def said_to_the_api(self) -> str:
        said = self.fake.record.matching(api="rest")
        return "\n".join(one.body for one in said if not one.path.endswith("/repository/commits"))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
