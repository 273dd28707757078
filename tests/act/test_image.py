"""The image by itself: what is in it, who may use it, and that signals arrive."""

from __future__ import annotations

from pathlib import Path

import pytest

import sloth_ci
from docker import Docker
from support.waiting import until

# Everything that a program can ask itself is compiled; `__main__` modules never are.
UNCOMPILED = """\
import importlib, os, pkgutil, sys
import sloth_ci, sloth_ci.cli
for module in pkgutil.walk_packages(sloth_ci.__path__, "sloth_ci."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
loaded = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
print(len(loaded), [s.name for s in loaded if s.has_location and s.cached and s.name != "__main__" and not os.path.exists(s.cached)])
"""
WAITING = """\
local workflow = require("workflow")
workflow.define("story", { tasks = { task("wait"):command("touch started; sleep 60"):build() } })
"""


@pytest.fixture
def run(engine_of_containers: Docker, image: str) -> Docker:
    """Docker, where the image has been built."""
    return engine_of_containers


def test_it_says_its_version(run: Docker, image: str) -> None:
    assert run("run", "--rm", "--network", "host", image, "--version") == f"sloth-ci, version {sloth_ci.__version__}"


def test_any_user_has_all_programs_and_cannot_change_them(run: Docker, image: str) -> None:
    script = """\
    set -e
    git --version
    kubectl version --client
    kustomize version
    helm version --short
    command -v ssh
    sloth-ci --version
    for place in "$(command -v sloth-ci)" "$(command -v helm)" /etc/passwd; do test ! -w "$place"; done
    """
    said = run("run", "--rm", "--network", "host", "--user", "4242:4242", image, "sh", "-c", script)
    for word in ("git version 2.", "Client Version: v1.", "v3.", "/usr/bin/ssh", "sloth-ci, version"):
        assert word in said


def test_nothing_is_compiled_at_the_start(run: Docker, image: str) -> None:
    """Nobody who runs it may write the result: it would be done again in every job."""
    said = run("run", "--rm", "--network", "host", "--user", "4242:4242", image, "python", "-c", UNCOMPILED)
    count, uncompiled = said.split(" ", 1)
    assert int(count) > 300
    assert uncompiled == "[]"


def test_git_works_without_the_parts_of_perl_that_are_left_out(run: Docker, image: str) -> None:
    script = """\
    set -e
    cd "$(mktemp -d)"
    export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
    git init -q -b main one && cd one
    echo a > a && git add a && git commit -qm first && git worktree add -q ../two && cd ../two
    echo b > a && git commit -qam second && git revert --no-edit HEAD > /dev/null
    git clone -q --bare . ../bare && git push -q ../bare HEAD:refs/heads/other && git ls-remote ../bare other
    """
    said = run("run", "--rm", "--network", "host", "--user", "4242:4242", image, "sh", "-c", script)
    assert said.endswith("refs/heads/other")


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_of_the_runner_reaches_the_program(run: Docker, image: str, tmp_path: Path, signal: str) -> None:
    (tmp_path / "sloth.lua").write_text(WAITING)
    container = run(
        *("run", "--detach", "--network", "host", "--volume", f"{tmp_path}:/work", "--workdir", "/work", image),
        *("sloth-ci", "run", "--task", "wait"),
    )
    try:
        until((tmp_path / "started").exists, what="the task has begun")
        run("kill", "--signal", signal, container)
        assert run("wait", container) == "130", _logs(run, container)
        assert f"SIG{signal}: stopping" in _logs(run, container)
    finally:
        run("rm", "--force", container)


def _logs(run: Docker, container: str) -> str:
    done = run.attempt("logs", container)
    return done.stdout + done.stderr
