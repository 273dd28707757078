"""A preview of two revisions, Git to Git, against rendering both with kubectl and comparing the text.

The rival is what people script today: check out both revisions, `kubectl kustomize` each, `diff -u` the results. It
says less (no impact, no conflicts, no keyed lists, and Secrets in the clear), and it is the nearest there is without a
cluster. Plain folders get a kustomization that lists their files, outside the time that is taken.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import DATA, SLOTH, compare, environment, git, timed
from rivals import tool

SIZES = (500, 5000)
CHANGED = 3
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  namespace: team-{team}
  labels: {{app: app-{n}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      containers:
      - name: main
        image: registry.example/app-{n}:1.0.0
        env:
        - {{name: LOG_LEVEL, value: info}}
        resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}
"""


def rows(folder: Path) -> list[dict[str, Any]]:
    """Two real repositories, and two made ones of which one is ten times as large."""
    found = []
    if DATA is not None:
        found += [_kube_prometheus(folder), _microservices(folder)]
    return [*found, *_scale(folder)]


def _kube_prometheus(folder: Path) -> dict[str, Any]:
    repository = _clone(folder, "kube-prometheus")
    command = [SLOTH, "preview", "--base", "start", "--head", "main"]
    cache = folder / "cold"

    def cold() -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return timed(command, cwd=repository, env=environment(cache), codes=(0, 4))

    rival = _rival(repository, "start", "main", "manifests")
    note = "preview of the first against the last revision of kube-prometheus, 80 files and 55,000 lines, cold"
    return compare("preview-kube-prometheus-cold", ("sloth-ci preview, cold", cold), rival, note=note)


def _microservices(folder: Path) -> dict[str, Any]:
    repository = _clone(folder, "microservices-demo")
    base = git(repository, "rev-parse", "HEAD")
    for name in ("frontend", "adservice", "cartservice"):
        path = repository / "kubernetes-manifests" / f"{name}.yaml"
        path.write_text(path.read_text().replace("cpu: 100m", "cpu: 150m").replace("cpu: 200m", "cpu: 250m"))
    git(repository, "commit", "-qam", "three files")
    command = [SLOTH, "preview", "--base", base, "--head", "HEAD", "--target-path", "kubernetes-manifests"]
    env = environment(folder / "warm")
    timed(command, cwd=repository, env=env)
    rival = _rival(repository, base, "HEAD", "kubernetes-manifests")
    ours = ("sloth-ci preview, warm", lambda: timed(command, cwd=repository, env=env))
    return compare(
        "preview-microservices-3-files", ours, rival, note="preview of three changed files of microservices-demo, warm"
    )


def _scale(folder: Path) -> list[dict[str, Any]]:
    runs: dict[int, Callable[[], float]] = {}
    for size in SIZES:
        repository = folder / f"repository-{size}"
        _make(repository, size)
        env = environment(folder / f"cache-{size}")
        command = [SLOTH, "preview", "--base", "base", "--head", "main", "--target-path", "k8s"]
        timed(command, cwd=repository, env=env)
        runs[size] = lambda command=command, repository=repository, env=env: timed(command, cwd=repository, env=env)  # type: ignore[misc]
    small, large = SIZES
    scale = compare(
        f"preview-{large}-against-{small}",
        (f"{large} manifests, {CHANGED} changed", runs[large]),
        (f"{small} manifests, {CHANGED} changed", runs[small]),
        note="preview of 3 changed of 5,000 manifests, warm; the rival is the same of 500: the cost follows the change",
    )
    # The rival takes a minute and a half for 5000 objects, so it is asked for the small repository alone.
    against = compare(
        f"preview-{small}",
        (f"{small} manifests, {CHANGED} changed, warm", runs[small]),
        _rival(folder / f"repository-{small}", "base", "main", "k8s"),
        note=f"preview of {CHANGED} changed of {small} manifests, warm",
    )
    return [scale, against]


def _clone(folder: Path, name: str) -> Path:
    if DATA is None:
        raise RuntimeError("SLOTH_TEST_DATA is not set")
    git(folder, "clone", "-q", str(DATA / f"{name}.bundle"), name)
    return folder / name


def _rival(repository: Path, base: str, head: str, path: str) -> tuple[str, Callable[[], float]]:
    kubectl = tool("kubectl")
    sides = []
    for side, revision in (("base", base), ("head", head)):
        tree = repository.parent / f"{repository.name}-{side}"
        git(repository, "worktree", "add", "-q", "--detach", str(tree), revision)
        target = tree / path
        if not (target / "kustomization.yaml").exists():
            files = sorted(file.relative_to(target) for file in target.rglob("*.yaml"))
            listed = "".join(f"- {file}\n" for file in files)
            (target / "kustomization.yaml").write_text(f"resources:\n{listed}")
        sides.append(target)
    script = f'"{kubectl}" kustomize "{sides[0]}" > a.txt && "{kubectl}" kustomize "{sides[1]}" > b.txt && diff -u a.txt b.txt'
    env = environment(repository.parent / "unused")

    def run() -> float:
        return timed(["sh", "-c", script], cwd=repository.parent, env=env, codes=(1,))

    return "kubectl kustomize on both, then diff -u", run


def _make(path: Path, files: int) -> None:
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for number in range(files):
        _write(path, number, replicas=1)
    git(path, "add", "-A")
    git(path, "commit", "-qm", "base")
    git(path, "tag", "base")
    for number in range(CHANGED):
        _write(path, number * (files // CHANGED - 1), replicas=2)
    git(path, "commit", "-qam", "three changes")


def _write(path: Path, number: int, *, replicas: int) -> None:
    team = number % 50
    file = path / "k8s" / f"team-{team}" / f"app-{number}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MANIFEST.format(n=number, team=team, replicas=replicas))
