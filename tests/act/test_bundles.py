"""Two real repositories, each a step of its history further: planned, approved, merged and deployed by jobs in act."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.act import Act
from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.cluster import ControlPlane
    from support.github import FakeGitHub

LUA = """\
require("gitops").workflow({
    name = "%(name)s", repo = ".", branch = "main", environment = "production", target_path = "%(path)s",
    destination = { context = "test", namespace = "%(namespace)s" }, approval_required = true, rollback_on_failure = true,
    -- kwok's pods serve nothing, so no metrics API and no load balancer ever answers.
    sync_policy = { prune_limit = 1.0, health_check = { timeout = "180s", ignore = { "APIService", "Service" } } },
})
"""


def _tree(bundle: Path, revision: str, path: str, into: Path) -> dict[str, bytes | None]:
    """The files below a path of a revision of a bundle."""
    if not into.exists():
        subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(into)], check=True)
    git = ["git", f"--git-dir={into}"]
    names = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", "-z", revision, path], check=True, capture_output=True
    )
    found: dict[str, bytes | None] = {}
    for name in filter(None, names.stdout.decode().split("\0")):
        found[name] = subprocess.run([*git, "show", f"{revision}:{name}"], check=True, capture_output=True).stdout
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "path", "first"),
    [("kube-prometheus", "manifests", "main~1"), ("microservices-demo", "kubernetes-manifests", "main~8")],
)
def test_a_real_repository_goes_through_two_pull_requests(
    tmp_path: Path,
    bundles: Path,
    fake_github: FakeGitHub,
    git_repo: Callable[..., GitRepo],
    act: Act,
    own_control_plane: ControlPlane,
    name: str,
    path: str,
    first: str,
) -> None:
    from support.actworld import ActClusterWorld, needs_root

    needs_root()
    world = ActClusterWorld(tmp_path, fake_github, git_repo("source"), act, own_control_plane, "default")
    start: dict[str, str | bytes | None] = {
        "sloth.lua": LUA % {"name": name, "path": path, "namespace": "default"},
        f"{path}/.keep": "",
        "k8s/web.yaml": None,
    }
    world.repo.commit("alice", "main", start, "To a cluster")
    before: dict[str, bytes | None] = {}
    for step, revision in enumerate((first, "main")):
        files = _tree(bundles / f"{name}.bundle", revision, path, tmp_path / "bundle.git")
        gone: dict[str, bytes | None] = dict.fromkeys(before.keys() - files.keys())
        changed = {file: content for file, content in files.items() if before.get(file) != content}
        world.repo.commit("alice", f"step-{step}", {**changed, **gone}, f"Step {step}")
        before = files
        pull = world.repo.open_pull("alice", f"step-{step}", title=f"Step {step}")
        plan = world.preview(pull)
        assert plan.code == 0, plan.log
        assert int(plan.outputs["total"]) > 0
        comment = world.comment(pull)
        assert len(comment.encode()) < 65_536
        assert comment.count("<details>") == comment.count("</details>")
        pull.approve("bob")
        pull.merge("bob", "squash")
        done = world.deploy()
        assert done.code == 0, done.log
        assert done.outputs["sync-status"] == "succeeded"
        assert (done.outputs["total"], done.outputs["digest"]) == (plan.outputs["total"], plan.outputs["digest"])
    drift = world.job(fake_github.event("schedule", world.repo))
    assert drift.code == 0, drift.log
    assert drift.outputs["has-changes"] == "false", drift.log
