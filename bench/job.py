"""A whole job in the container: the preview of a pull request that changes 200 objects of a cluster, and where its time goes.

The cluster is a control plane of the run's own, GitHub the stateful fake of the tests, on this machine: what it needs to hold each
request against GitHub's description is in the figure. The rival is `kubectl diff`, in the same image, which tells nobody.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cluster_objects as objects
from cluster import established
from measure import SLOTH, compare, environment, timed

sys.path += [str(Path(__file__).resolve().parent.parent / name) for name in ("tests", "scripts")]

import descriptions
import docker
import engines
import make_image
from support.cluster import PARTS, ControlPlane
from support.github import FakeGitHub
from support.gitrepo import GitRepo
from support.waiting import until

SIZE: Final = 200
_LUA: Final = """\
require("gitops").workflow({{
    name = "bench", repo = ".", branch = "main", environment = "production", target_path = "k8s",
    destination = {{ context = "test", namespace = "{namespace}" }}, approval_required = true,
    sync_policy = {{ health_check = {{ enabled = false }} }},
}})
"""
_TOOK: Final = re.compile(r"took [\d.]+ s: (.*); (\d+) requests? to the forge")


def rows(folder: Path) -> list[dict[str, Any]]:
    """One row; none where an engine is missing."""
    parts = {name: path for name in PARTS if (path := engines.find(name, os.environ))}
    described = descriptions.find(os.environ)
    if len(parts) < len(PARTS) or described is None:
        return []
    try:
        with (
            docker.engine(os.environ) as engine,
            ControlPlane.start(folder / "plane", parts) as plane,
            FakeGitHub(folder / "github", described) as fake,
        ):
            return [_Job(folder, engine, plane, fake).row()]
    except docker.DockerError as error:
        print(error)
        return []


class _Job:
    def __init__(self, folder: Path, engine: docker.Docker, plane: ControlPlane, fake: FakeGitHub) -> None:
        self._folder, self._engine, self._plane = folder, engine, plane
        self._image = make_image.build(engine, os.environ)
        self._places = objects.namespaces("job", SIZE)
        self._said: list[str] = []
        self._prepare(fake)

    def row(self) -> dict[str, Any]:
        """Whole jobs, alternating with the rival's."""
        self._preview()  # the comment is there from now on, and updated in place
        made = compare(
            f"job-{SIZE}",
            ("the action: plan, checks, comment, report", self._preview),
            ("kubectl diff --server-side, in the same image", self._diff),
            runs=5,
        )
        took = _TOOK.search(self._said[-1])
        assert took, self._said[-1]
        note = f"a preview of {SIZE} changed objects, as a whole container: {took[1]}; {took[2]} requests to the forge"
        return {**made, "note": note}

    def _prepare(self, fake: FakeGitHub) -> None:
        definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self._plane.api("POST", definition, objects.DEFINITION)
        path = f"{definition}/{objects.DEFINITION['metadata']['name']}"
        until(lambda: established(self._plane.api("GET", path)), what="the kind of the bench is served")
        for place in self._places:
            self._plane.namespace(place)
        source = GitRepo(self._folder / "source")
        objects.write(source.path / "k8s", self._places, SIZE, objects.none)
        source.commit("first", {"sloth.lua": _LUA.format(namespace=self._places[0])})
        given = {**environment(self._folder / "cache"), "KUBECONFIG": str(self._plane.admin)}
        digest = subprocess.run(
            [SLOTH, "preview", "--format", "json"],
            cwd=source.path,
            env=given,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        approved = re.findall(r'"digest": "([^"]+)"', digest)[0]
        timed([SLOTH, "sync", "--approve", approved], cwd=source.path, env=given)
        repo = fake.repository("acme/shop", from_repo=source)
        repo.allow("alice", "write")
        objects.write(source.path / "k8s", self._places, SIZE, objects.every)
        files = {str(p.relative_to(source.path)): p.read_text() for p in (source.path / "k8s").rglob("*.yaml")}
        repo.commit("alice", "feature", files, "All of them")
        event = fake.event("pull_request", repo, pull=repo.open_pull("alice", "feature"))
        self._workspace = GitRepo(self._folder / "workspace")
        self._workspace.git("remote", "add", "origin", str(repo.path))
        self._workspace.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", event.sha)
        self._workspace.git("checkout", "-q", "--detach", event.sha)
        self._workspace.git("remote", "set-url", "origin", repo.clone_url)
        self._environ = {
            **event.environ(self._folder / "runner", self._workspace.path),
            "HOME": str(self._folder / "runner"),
            "INPUT_GITHUB-TOKEN": fake.github_token(repo).value,
            "INPUT_KUBECONFIG": self._plane.admin.read_text(),
        }

    def _preview(self) -> float:
        log = self._folder / "log"
        seconds = self._container(self._environ, [], (0,), log)
        self._said.append(log.read_text())
        return seconds

    def _diff(self) -> float:
        environ = {"KUBECONFIG": str(self._plane.admin), "HOME": str(self._folder / "runner")}
        return self._container(
            environ, ["kubectl", "diff", "--server-side", "--field-manager=sloth-ci", "-R", "-f", "k8s"], (1,), None
        )

    def _container(
        self, environ: Mapping[str, str], command: Sequence[str], codes: Sequence[int], log: Path | None
    ) -> float:
        """Everything has the same path inside and outside."""
        given = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        mounts = ["--volume", f"{self._folder}:{self._folder}", "--workdir", str(self._workspace.path)]
        words = self._engine.command("run", "--rm", "--network", "host", *mounts, *given, self._image, *command)
        if log is None:
            return timed(words, cwd=self._folder, env=self._engine.environ, codes=codes)
        return timed(
            ["sh", "-c", 'exec "$@" 2>"$0"', str(log), *words], cwd=self._folder, env=self._engine.environ, codes=codes
        )
