"""A repository on the fake GitHub whose jobs run as a user's do: his workflow files, in act, with the container action."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from support.act import ARTIFACTS, Act, Ran, Running
from support.ciworld import Ended
from support.ciworld_github import DEPLOY, GitHubCi
from support.cluster import ControlPlane
from support.clusterside import CLUSTER_LUA, OnCluster
from support.github import FakeGitHub
from support.github.accounts import Permissions
from support.github.events import Event
from support.github.pull import Pull
from support.gitrepo import GitRepo
from support.project import ROOT

RUNNER: Final = 1001
"""Who owns the workspace on GitHub's runners; container actions are started as root."""
TEMPLATE: Final = ROOT / "lua/templates/github.yml"
"""The workflow file that `sloth-ci init` writes and the README shows."""
FORKS: Final = ROOT / "lua/templates/github-forks.yml"
# Paths in the container are not those of the runner; where the container's files are is act's business.
_OWN: Final = ("GITHUB_EVENT_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")


class ActWorld(GitHubCi):
    """As GitHubCi, but nothing is taken from the work tree: the image has the program, the workflow file says how it is run."""

    def __init__(
        self, folder: Path, fake: FakeGitHub, source: GitRepo, act: Act, *, rules: str = "approval_required = true,"
    ) -> None:
        super().__init__(folder, fake, source, rules=rules)
        self.act = act
        self.ran: list[Ran] = []
        """What act said of each job."""
        self.secrets: dict[str, str] = {}
        """Of the repository, by name; a fork's job has none."""

    def job(
        self,
        event: Event,
        permissions: Permissions = DEPLOY,
        *,
        fork: bool = False,
        env: Mapping[str, str] | None = None,
        into: Mapping[str, bytes] | None = None,
        inputs: Mapping[str, str] | None = None,
        workflow: Path = TEMPLATE,
        artifacts: Path | None = None,
        meanwhile: Callable[[Running], None] | None = None,
    ) -> Ended:
        """Run the jobs that a workflow file has for an event.

        `artifacts` is the workspace of a job whose artifacts this one may download; `meanwhile` is done while it runs.
        """
        assert not inputs, "the workflow file says what the inputs are"
        self._jobs += 1
        place = self.folder / f"job-{self._jobs}"
        if event.name == "workflow_run":
            workspace = place / "workspace"  # it checks nothing out
            workspace.mkdir(parents=True)
        else:
            workspace = self._checkout(event, place / "workspace")
        if artifacts:
            shutil.copytree(artifacts / ARTIFACTS, workspace / ARTIFACTS)
        for name, content in (into or {}).items():
            (workspace / name).write_bytes(content)
        give_to(workspace, RUNNER)
        token = self.fake.github_token(self.repo, permissions, fork=fork)
        said = event.environ(place / "runner", workspace)
        runner = {name: value for name, value in said.items() if name.startswith("GITHUB_") and name not in _OWN}
        with self.act.running(
            workspace,
            workflow,
            event=event.name,
            payload=event.payload,
            runner={**runner, **(env or {})},
            actor=event.actor,
            secrets={} if fork else self.secrets,
            token=token.value,
        ) as running:
            if meanwhile:
                meanwhile(running)
            ran = running.wait()
        self.ran.append(ran)
        assert "Traceback" not in ran.text, ran.text
        assert "a fault in sloth-ci" not in ran.text, ran.text
        assert token.value not in ran.text
        return Ended(ran.exit_code, ran.text, ran.outputs, ran.summary, workspace)


def needs_root() -> None:
    """Skip where the workspace cannot be given to the runner's user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a workspace to the runner's user")


def give_to(folder: Path, owner: int) -> None:
    """Make somebody the owner of all that is in a folder."""
    for place, _, files in os.walk(folder):
        os.chown(place, owner, owner)
        for name in files:
            os.chown(Path(place, name), owner, owner, follow_symlinks=False)


class ActClusterWorld(OnCluster, ActWorld):
    """`ActWorld`, whose workflow goes to a namespace of a real cluster. The kubeconfig is a secret of the repository."""

    def __init__(
        self, folder: Path, fake: FakeGitHub, source: GitRepo, act: Act, plane: ControlPlane, namespace: str
    ) -> None:
        super().__init__(folder, fake, source, act)
        self.plane, self.namespace = plane, namespace
        kubeconfig = base64.b64encode(plane.admin.read_bytes()).decode()
        self.secrets = {"SLOTH_KUBECONFIG": kubeconfig, "SLOTH_PREVIEW_KUBECONFIG": kubeconfig}
        self.repo.commit("alice", "main", {"sloth.lua": CLUSTER_LUA % namespace, **self.web("web:1")}, "To a cluster")

    def pull(self, image: str = "web:2", *, branch: str = "feature", login: str = "alice", **files: str) -> Pull:
        pull: Pull = super().pull(image, branch=branch, login=login, **self.web(image), **files)
        return pull
