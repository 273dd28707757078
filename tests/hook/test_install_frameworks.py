"""Our hooks in pre-commit and prek.

Everything is real: both frameworks, the environments that they build from this repository and the package index (once per run;
`try-repo` of pre-commit builds its own), Git, a push and a commit through the hooks that they install. PATH has no sloth-ci.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.frameworks import BIN, FRAMEWORKS, Frameworks
from support.gitrepo import GitRepo
from support.project import ROOT
from support.world import configmap

# Building an environment takes what the index takes.
pytestmark = pytest.mark.timeout(600)

WORKFLOW = """\
local gitops = require("gitops")
gitops.workflow({ name = "shop", repo = ".", branch = "main", target_path = "k8s", destination = { directory = "live" } })
"""


@pytest.fixture(scope="session")
def frameworks(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Frameworks:
    base = tmp_path_factory.getbasetemp()
    return Frameworks((base if worker_id == "master" else base.parent) / "frameworks")


class User:
    """A repository of somebody who has our hooks by a framework, and nothing else of ours."""

    def __init__(self, repo: GitRepo, origin: Path, name: str, environ: dict[str, str]) -> None:
        self.repo = repo
        self.origin = origin
        self.name = name
        self.environ = environ

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.repo.path,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def change(self, **files: str) -> subprocess.CompletedProcess[str]:
        """A commit through the hooks."""
        self.repo.write({f"k8s/{name}.yaml": text for name, text in files.items()})
        self.repo.git("add", "--all")
        return self.run("git", "commit", "-m", "change")

    def unchecked(self, **files: str) -> None:
        """A commit of files at the top and in k8s, past the hooks."""
        self.repo.write({name if name.endswith(".lua") else f"k8s/{name}.yaml": text for name, text in files.items()})
        self.repo.git("add", "--all")
        self.repo.git("commit", "-q", "--no-verify", "-m", "unchecked")

    def has(self, branch: str) -> bool:
        return bool(self.repo.git("-C", str(self.origin), "branch", "--list", branch))


@pytest.fixture(params=FRAMEWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def user(frameworks: Frameworks, name: str, tmp_path: Path, git_repo: Callable[..., GitRepo]) -> User:
    repo = git_repo("a user's")
    repo.commit(
        "first",
        {
            ".pre-commit-config.yaml": frameworks.config(),
            "sloth.lua": WORKFLOW,
            "k8s/a.yaml": dump(configmap("a", k="v")),
        },
    )
    origin = repo.clone_bare(tmp_path / "origin.git")
    repo.git("remote", "set-head", "origin", "main")
    made = User(repo, origin, name, frameworks.environment(name))
    installed = made.run(name, "install", "--hook-type", "pre-push", "--hook-type", "pre-commit")
    assert installed.returncode == 0, installed.stderr
    return made


@pytest.mark.parametrize("command", [("pre-commit", "validate-manifest"), ("prek", "validate-manifest")], ids=" ".join)
def test_the_manifest_is_valid(command: tuple[str, str]) -> None:
    done = subprocess.run(
        [BIN / command[0], command[1], ROOT / ".pre-commit-hooks.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_a_push_shows_what_it_would_change(user: User) -> None:
    committed = user.change(a=dump(configmap("a", k="w")))
    assert committed.returncode == 0, committed.stderr
    assert "sloth-ci validate" in committed.stderr
    pushed = user.run("git", "push", "origin", "main:change")
    said = pushed.stdout + pushed.stderr
    assert pushed.returncode == 0, said
    assert "ConfigMap/" in said
    assert "1 updated" in said
    assert user.has("change")


def test_a_conflict_stops_the_push_and_the_way_past_it_is_named(user: User) -> None:
    twice = dump(configmap("b", k="v"))
    user.unchecked(b=twice, c=twice)
    pushed = user.run("git", "push", "origin", "main:conflict")
    said = pushed.stdout + pushed.stderr
    assert pushed.returncode != 0
    assert "duplicate_resource" in said
    assert "git push --no-verify" in said
    assert "SLOTH_SKIP=1" in said
    assert not user.has("conflict")
    user.environ["SLOTH_SKIP"] = "1"
    assert user.run("git", "push", "origin", "main:conflict").returncode == 0
    assert user.has("conflict")


def test_a_fault_does_not_stop_the_push(user: User) -> None:
    """The workflow of the base cannot be read, so that nothing can be said."""
    user.unchecked(**{"sloth.lua": "error('broken')\n"})
    user.repo.git("push", "-q", "--no-verify", "origin", "main")
    user.unchecked(a=dump(configmap("a", k="w")))
    pushed = user.run("git", "push", "origin", "main:fault")
    said = pushed.stdout + pushed.stderr
    assert pushed.returncode == 0, said
    assert "no preview" in said
    assert "SLOTH_DEBUG=1" in said
    assert user.has("fault")


def test_a_manifest_that_is_wrong_stops_the_commit(user: User) -> None:
    before = user.repo.head
    twice = dump(configmap("b", k="v"))
    done = user.change(b=twice, c=twice)
    assert done.returncode != 0
    assert "k8s/b.yaml" in done.stderr
    assert "git commit --no-verify" in done.stderr
    assert user.repo.head == before


def test_a_commit_of_something_else_is_not_looked_at(user: User) -> None:
    user.repo.write({"README.md": "# text\n"})
    user.repo.git("add", "--all")
    done = user.run("git", "commit", "-m", "text")
    assert done.returncode == 0
    assert "Skipped" in done.stderr


@pytest.mark.parametrize("hook", ["sloth-preview", "sloth-validate"])
def test_it_can_be_tried_without_any_configuration(
    frameworks: Frameworks, name: str, hook: str, tmp_path: Path, git_repo: Callable[..., GitRepo]
) -> None:
    """`try-repo` builds what it needs from this repository alone: pre-commit each time, prek where it has none yet."""
    frameworks.environment(name)  # skips where there is no index
    repo = git_repo("tried")
    repo.commit("first", {"sloth.lua": WORKFLOW, "k8s/a.yaml": dump(configmap("a", k="v"))})
    origin = repo.clone_bare(tmp_path / "origin.git")
    repo.git("remote", "set-head", "origin", "main")
    if hook == "sloth-preview":
        repo.commit("change", {"k8s/a.yaml": dump(configmap("a", k="w"))})
        refs = ["--from-ref", "origin/main", "--to-ref", "HEAD", "--remote-name", "origin", "--remote-url", str(origin)]
        refs += ["--remote-branch", "refs/heads/x", "--local-branch", "refs/heads/main"] if name == "pre-commit" else []
        arguments = ["--hook-stage", "pre-push", *refs]
    else:
        repo.write({"k8s/b.yaml": dump(configmap("a", k="v"))})
        repo.git("add", "--all")
        arguments = []
    done = subprocess.run(
        [BIN / name, "try-repo", str(frameworks.source), hook, *arguments],
        cwd=repo.path,
        env=frameworks.outside(name, tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == (0 if hook == "sloth-preview" else 1), said
    assert ("1 updated" if hook == "sloth-preview" else "k8s/b.yaml:1: ConfigMap/shop/a") in said
