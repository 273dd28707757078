"""Two real repositories, revision by revision, into a directory and onto a branch, and three revisions back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.objects import digest_of, normalise
from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.core.yaml import flatten, parse
from sloth_ci.engine.preview import preview
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync
from support.world import Listener, Person

Objects = dict[str, str]
"""kind/namespace/name → digest."""


def git(*args: str, cwd: Path) -> str:
    return subprocess.run(["git", *args], cwd=cwd, check=True, capture_output=True, text=True).stdout


def objects_of(*texts: bytes) -> Objects:
    found: Objects = {}
    for text in texts:
        for document in parse(text):
            for item in flatten(document):
                body: Any = item.value
                if isinstance(body, dict) and "kind" in body and "metadata" in body:
                    meta = body["metadata"]
                    name = f"{body['kind']}/{meta.get('namespace', '')}/{meta['name']}"
                    found[name] = digest_of(normalise(body))
    return found


def plain(folder: Path) -> Objects:
    return objects_of(*(path.read_bytes() for path in sorted(folder.rglob("*.y*ml"))))


def run(*command: str | Path) -> Objects:
    return objects_of(subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout)


class Replay:
    """A bundle's history, pushed to a bare origin one revision at a time."""

    def __init__(self, folder: Path, bundle: Path, tools: list[Path]) -> None:
        self.folder = folder
        self.work = folder / "work"
        git("clone", "-q", str(bundle), str(self.work), cwd=folder)
        self.revisions = git("rev-list", "--reverse", "HEAD", cwd=self.work).split()
        self.origin = folder / "origin.git"
        git("init", "-q", "--bare", "-b", "main", str(self.origin), cwd=folder)
        path = os.pathsep.join([*(str(tool.parent) for tool in tools), os.environ["PATH"]])
        self.environ = {**os.environ, "PATH": path}

    def push(self, revision: str) -> None:
        git("push", "-q", str(self.origin), f"{revision}:refs/heads/main", cwd=self.work)

    def session(self) -> Session:
        return Session(
            root=self.folder,
            environ=self.environ,
            cache_dir=self.folder / "cache",
            observer=Listener(),
            gate=Person(),
            holder="replay",
        )

    def workflow(self, destination: dict[str, str], target: str, kind: str) -> WorkflowSpec:
        table = {
            "repository": {"url": str(self.origin), "branch": "main"},
            "target_path": target,
            "destination": destination,
            "render": {"type": kind},
            "sync_policy": {"prune_limit": 1.0},
        }
        return read_table(table, WorkflowSpec, "workflow")

    def checkout(self, revision: str) -> Path:
        git("checkout", "-q", revision, cwd=self.work)
        return self.work

    def live(self, destination: dict[str, str]) -> Objects:
        if "directory" in destination:
            return plain(self.folder / destination["directory"])
        into = self.folder / "rendered"
        git("clone", "-q", "-b", destination["branch"], str(self.origin), str(into), cwd=self.folder)
        return plain(into)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("destination", [{"directory": "live"}, {"branch": "rendered"}], ids=["directory", "branch"])
@pytest.mark.parametrize(
    ("bundle", "target", "kind"),
    [
        ("kube-prometheus", "manifests", "plain"),
        ("microservices-demo", "kubernetes-manifests", "plain"),
        ("microservices-demo", "kustomize", "kustomize"),
        ("microservices-demo", "helm-chart", "helm"),
    ],
)
def test_every_revision_and_three_back(
    tmp_path: Path,
    bundles: Path,
    kustomize: Path,
    helm: Path,
    bundle: str,
    target: str,
    kind: str,
    destination: dict[str, str],
) -> None:
    replay = Replay(tmp_path, bundles / f"{bundle}.bundle", [kustomize, helm])
    workflow = replay.workflow(destination, target, kind)
    truth: dict[str, Callable[[Path], Objects]] = {
        "plain": plain,
        "kustomize": lambda folder: run(kustomize, "build", folder),
        "helm": lambda folder: run(helm, "template", "release-name", folder, "--include-crds"),
    }
    for revision in replay.revisions:
        replay.push(revision)
        plan = preview(replay.session(), workflow)
        assert not plan.conflicts
        outcome = sync(replay.session(), workflow, approved=plan)
        assert outcome.status == ("succeeded" if plan.changes else "nothing"), outcome.message
        assert {(c.type, c.ref) for c in plan.changes} == {(i.action, i.ref) for i in outcome.items}
        assert not preview(replay.session(), workflow).changes
    back = replay.revisions[-4]
    outcome_back = rollback(replay.session(), workflow, reason="three back", to=back)
    assert outcome_back.status == "succeeded", outcome_back.message
    assert outcome_back.revert_status == "committed"
    wanted = truth[kind](replay.checkout(back) / target)
    assert replay.live(destination) == wanted
    git("fetch", "-q", str(replay.origin), "main", cwd=replay.work)
    assert git("rev-parse", f"FETCH_HEAD:{target}", cwd=replay.work) == git(
        "rev-parse", f"{back}:{target}", cwd=replay.work
    )
    assert not preview(replay.session(), workflow).changes
