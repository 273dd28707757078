"""The pre-push hook as Git runs it, against building base and head with kubectl and comparing the text.

Each run pushes a commit that nobody has pushed before, on top of the one before it: what the hook remembers is of earlier pushes,
as it is for a person on a branch. The rival finds both sides checked out. It says less (no impact, no conflicts, Secrets in the
clear), and `flux-local`, which is nearer, needs the `flux` program, that its package does not bring.
"""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import SLOTH, compare, environment, git, timed
from preview import MANIFEST
from rivals import tool

FILES = 1000
CHANGED = 3
OVERLAYS = 20
LUA = 'gitops.workflow({ name = "shop", repo = ".", environment = "%s", target_path = "%s" })\n'
RUNS = 10


class Repository:
    """A checkout with the hook installed, its bare remote, and a tree of base and one of head for the rival."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.path = folder / "shop"
        self.path.mkdir(parents=True)
        self._env = environment(folder / "cache") | {"PATH": _path()}
        git(self.path, "init", "-q", "-b", "main")
        self._commit(files)
        git(folder, "clone", "-q", "--bare", "shop", "remote.git")
        git(self.path, "remote", "add", "origin", "../remote.git")
        git(self.path, "fetch", "-q")
        git(self.path, "remote", "set-head", "origin", "main")
        git(self.path, "checkout", "-q", "-b", "feature")
        timed([SLOTH, "hook", "install", "--pre-push"], cwd=self.path, env=self._env)
        self.base, self.head = folder / "base", folder / "head"
        for tree in (self.base, self.head):
            git(self.path, "worktree", "add", "-q", "--detach", str(tree), "main")

    def hook(self, change: Callable[[], dict[str, str]]) -> Callable[[], float]:
        """Commit, and run the hook for the push of it."""

        def run() -> float:
            commit = self._commit(change())
            git(self.head, "checkout", "-q", commit)
            refs = self.path.parent / "refs"
            refs.write_text(f"refs/heads/feature {commit} refs/heads/feature {'0' * 40}\n")
            return self.timed(f".git/hooks/pre-push origin ../remote.git < {shlex.quote(str(refs))}")

        return run

    def timed(self, script: str, *codes: int) -> float:
        """Seconds of a script in the checkout."""
        return timed(["sh", "-c", script], cwd=self.path, env=self._env, codes=codes or (0,))

    def _commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        git(self.path, "add", "-A")
        git(self.path, "commit", "-qm", "a change")
        return git(self.path, "rev-parse", "HEAD")


def rows(folder: Path) -> list[dict[str, Any]]:
    """A folder of plain manifests, and overlays of one base."""
    return [_plain(folder / "plain"), _overlays(folder / "overlays")]


def _plain(folder: Path) -> dict[str, Any]:
    names = [f"team-{number % 50}/app-{number}.yaml" for number in range(FILES)]
    files = {f"k8s/{name}": _manifest(number, 1) for number, name in enumerate(names)}
    # For the rival alone: what is plain for us becomes a kustomization outside the folder that is deployed.
    listed = "".join(f"- k8s/{name}\n" for name in names)
    repository = Repository(
        folder, {**files, "kustomization.yaml": f"resources:\n{listed}", "sloth.lua": LUA % ("production", "k8s")}
    )
    replicas = _counting()

    def change() -> dict[str, str]:
        count = next(replicas)
        return {f"k8s/{names[number]}": _manifest(number, count) for number in (0, FILES // 3, FILES - 1)}

    ours = repository.hook(change)
    ours()
    kubectl = shlex.quote(str(tool("kubectl")))
    script = f"{kubectl} kustomize {repository.base} > ../a && {kubectl} kustomize {repository.head} > ../b; diff -u ../a ../b"
    return compare(
        f"pre-push-{FILES}",
        ("the pre-push hook, warm", ours),
        ("kubectl kustomize on base and head, then diff -u", lambda: repository.timed(script, 1)),
        runs=RUNS,
        note=f"the whole hook: {FILES:,} manifests, {CHANGED} changed since the last push",
    )


def _overlays(folder: Path) -> dict[str, Any]:
    names = [f"env-{number:02}" for number in range(OVERLAYS)]
    files = {f"base/app-{number}.yaml": _manifest(number, 1) for number in range(10)}
    files["base/kustomization.yaml"] = "resources:\n" + "".join(f"- app-{number}.yaml\n" for number in range(10))
    files |= {f"overlays/{name}/kustomization.yaml": _overlay(name, 1) for name in names}
    files["sloth.lua"] = "".join(LUA % (name, f"overlays/{name}") for name in names)
    repository = Repository(folder, files)
    replicas = _counting()
    ours = repository.hook(lambda: {"overlays/env-07/kustomization.yaml": _overlay("env-07", next(replicas))})
    ours()
    kubectl = shlex.quote(str(tool("kubectl")))
    build = " && ".join(
        f"mkdir -p ../{side} && for o in {' '.join(names)}; do {kubectl} kustomize {tree}/overlays/$o > ../{side}/$o; done"
        for side, tree in (("a", repository.base), ("b", repository.head))
    )
    return compare(
        f"pre-push-kustomize-{OVERLAYS}",
        ("the pre-push hook, warm", ours),
        (
            "kubectl kustomize on all of base and head, then diff -r",
            lambda: repository.timed(f"{build}; diff -r ../a ../b", 1),
        ),
        runs=RUNS,
        note=f"the whole hook: {OVERLAYS} overlays of ten Deployments, one of them touched since the last push, and built",
    )


def _counting() -> Iterator[int]:
    return itertools.count(2)


def _manifest(number: int, replicas: int) -> str:
    return MANIFEST.format(n=number, team=number % 50, replicas=replicas)


def _overlay(name: str, replicas: int) -> str:
    count = f"replicas:\n- name: app-0\n  count: {replicas}\n"
    return f"resources: [../../base]\nnamePrefix: {name}-\n{count}"


def _path() -> str:
    """The same kubectl for both, and our command for the hook."""
    return os.pathsep.join((str(Path(SLOTH).parent), str(tool("kubectl").parent), os.environ["PATH"]))
