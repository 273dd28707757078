"""A project on the fake GitLab whose jobs run as a user's do: his `.gitlab-ci.yml`, the template, and GitLab's runner."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from support.ciworld import Ended
from support.ciworld_gitlab import GitLabCi
from support.cluster import ControlPlane
from support.clusterside import CLUSTER_LUA, OnCluster
from support.gitlab import FakeGitLab, MergeRequest
from support.gitlab.environ import Event
from support.gitlabci import CiLocal, File, Given, Ran, Running, Value
from support.gitrepo import GitRepo
from support.project import ROOT

USER_FILE: Final = ROOT / "lua/templates/gitlab.yml"
"""What `sloth-ci init --ci gitlab` writes."""


class CiLocalWorld(GitLabCi):
    """As GitLabCi, but which job a pipeline has, and what that is given, is the matter of the user's file and of the template."""

    def __init__(
        self,
        folder: Path,
        fake: FakeGitLab,
        source: GitRepo,
        ci: CiLocal,
        *,
        rules: str = "approval_required = true,",
        user_file: str = "",
    ) -> None:
        self.ci = ci
        self.user_file = user_file or USER_FILE.read_text(encoding="utf-8")
        self.ran: list[tuple[str, Ran]] = []
        """The jobs, by their names, and what gitlab-ci-local said of them."""
        self.variables: dict[str, Value] = {}
        """CI/CD variables of the project, besides SLOTH_TOKEN; a fork has none of them."""
        super().__init__(folder, fake, source, rules=rules)

    def _found(self, source: GitRepo) -> None:
        source.commit("CI", {".gitlab-ci.yml": self.user_file})
        super()._found(source)

    def job(
        self,
        event: Event,
        *,
        inputs: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        token: bool = True,
        start: str = "",
        meanwhile: Callable[[Running], None] | None = None,
    ) -> Ended:
        """Run the one job that starts by itself, or the manual one that somebody starts; `inputs` are variables of the pipeline.

        `meanwhile` is done while it runs.
        """
        self._jobs += 1
        place = self.folder / f"job-{self._jobs}"
        workspace = self._checkout(event, place / "workspace")
        given = self._given(event, place, workspace, inputs=inputs, env=env, token=token)
        listed = self.ci.jobs(workspace, given)
        ready = [job for job in listed.values() if (job.name == start if start else job.when == "on_success")]
        assert len(ready) == 1, f"the pipeline has {listed}"
        (found,) = ready
        event.job.name, event.job.stage = found.name, found.stage
        if found.environment.get("action", "start") == "start" and found.environment:
            event.project.declare(event.job, found.environment["name"])
        given = self._given(event, place, workspace, inputs=inputs, env=env, token=token)
        with self.ci.running(workspace, found.name, given) as running:
            if meanwhile:
                meanwhile(running)
            ran = running.wait()
        self.ran.append((found.name, ran))
        event.project.finish(event.job, "failed" if ran.exit_code else "success")
        assert "Traceback" not in ran.text, ran.text
        assert "a fault in sloth-ci" not in ran.text, ran.text
        assert not [secret for secret in (self.token.value, event.token.value) if secret in ran.text]
        outputs = {name.removeprefix("SLOTH_").lower().replace("_", "-"): value for name, value in ran.dotenv.items()}
        summary = ran.artifacts / "sloth-summary.md"
        told = summary.read_text(encoding="utf-8") if summary.exists() else ""
        return Ended(ran.exit_code, ran.text, outputs, told, ran.artifacts)

    def _given(
        self,
        event: Event,
        place: Path,
        workspace: Path,
        *,
        inputs: Mapping[str, str] | None,
        env: Mapping[str, str] | None,
        token: bool,
    ) -> Given:
        predefined = event.environ(place / "runner", workspace)
        del predefined["CI_PROJECT_DIR"]  # the executor's
        pipeline: dict[str, Value] = {}
        if payload := predefined.pop("TRIGGER_PAYLOAD", ""):
            pipeline["TRIGGER_PAYLOAD"] = File(Path(payload).read_text(encoding="utf-8"))
        for name, value in (inputs or {}).items():
            pipeline[f"SLOTH_{name.upper().replace('-', '_')}"] = value
        ours = {"SLOTH_TOKEN": self.token.value, **self.variables} if event.project is self.repo else {}
        if not token:
            ours.pop("SLOTH_TOKEN", None)
        return Given(predefined=predefined, project={**ours, **(env or {})}, pipeline=pipeline)


class CiLocalClusterWorld(OnCluster, CiLocalWorld):
    """`CiLocalWorld`, whose workflow goes to a namespace of a real cluster.

    The kubeconfig is in the scope of the environment, in base64 as a masked variable has to be, and as a file for all others.
    """

    def __init__(
        self, folder: Path, fake: FakeGitLab, source: GitRepo, ci: CiLocal, plane: ControlPlane, namespace: str
    ) -> None:
        super().__init__(folder, fake, source, ci)
        self.plane, self.namespace = plane, namespace
        kubeconfig = plane.admin.read_text(encoding="utf-8")
        masked = base64.b64encode(kubeconfig.encode()).decode()
        self.variables = {"SLOTH_KUBECONFIG": {"production": masked, "*": File(kubeconfig)}}
        self.repo.commit("alice", "main", {"sloth.lua": CLUSTER_LUA % namespace, **self.web("web:1")}, "To a cluster")

    def pull(
        self, image: str = "web:2", *, branch: str = "feature", login: str = "alice", **files: str
    ) -> MergeRequest:
        content = {**self.web(image), **files}
        self.repo.commit(login, branch, content, f"Image {image}")
        return self.open(login, branch, title=f"Image {image}")
