"""The action as a user's workflow runs it: the container, its inputs, outputs, exit codes, and whose workspace it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.act import Act
from support.gitrepo import GitRepo
from support.waiting import until

# What GitHub's runners are: container actions are root, the workspace is this user's.
RUNNER = 1001
DOCTOR = """\
on: push
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: sloth
        uses: sloth-runner/gitops@v1
        with:
          command: doctor
"""
RUN = DOCTOR.replace("command: doctor", "command: run\n          task: wait")
LUA = """\
gitops.workflow({ name = "shop", repo = ".", target_path = "manifests", destination = { directory = ".sloth/live" } })
"""
WAIT = """\
local workflow = require("workflow")
workflow.define("story", { tasks = { task("wait"):command("touch started; sleep 60"):build() } })
"""
MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: { name: shop, namespace: shop }
data: { banner: "%s" }
"""


@pytest.fixture
def shop(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """A repository with a workflow, as checked out by a job."""
    repo = git_repo("shop")
    repo.commit("first", {"sloth.lua": LUA, "manifests/config.yaml": MANIFEST % "Sale"})
    return repo


def _pushed(repo: GitRepo) -> dict[str, Any]:
    """What a payload has to say of a push."""
    repository = {"full_name": "acme/shop"}
    return {"ref": "refs/heads/main", "after": repo.head, "repository": repository, "sender": {"login": "alice"}}


def test_the_published_action_runs_in_its_container(act: Act, shop: GitRepo) -> None:
    ran = act.run(shop.path, DOCTOR, payload=_pushed(shop))
    assert ran.jobs == {"check": "success"}, ran.text
    assert "git version" in ran.printed
    assert "/usr/local/bin/helm" in ran.printed


def test_a_workspace_of_another_user_is_read_as_that_user(act: Act, shop: GitRepo) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    payload = _pushed(shop)
    for place, _, files in os.walk(shop.path):
        os.chown(place, RUNNER, RUNNER)
        for name in files:
            os.chown(Path(place, name), RUNNER, RUNNER)
    ran = act.run(shop.path, DOCTOR, payload=payload)
    assert ran.jobs == {"check": "success"}, ran.text
    assert "dubious ownership" not in ran.text
    made = [path for path in shop.path.rglob("*") if path.lstat().st_uid != RUNNER]
    assert made == [], "no file of root's is left behind"


def test_a_wrong_input_is_told_and_fails_the_step(act: Act, shop: GitRepo) -> None:
    ran = act.run(shop.path, DOCTOR.replace("command: doctor", "command: docter"), payload=_pushed(shop))
    assert ran.jobs == {"check": "failure"}
    assert ran.exit_code == 2, ran.text
    assert "'doctor'" in ran.text


def test_a_cancelled_job_ends_at_the_next_safe_point(act: Act, shop: GitRepo) -> None:
    shop.commit("a task", {"sloth.lua": LUA + WAIT})
    with act.running(shop.path, RUN, payload=_pushed(shop)) as job:
        until((shop.path / "started").exists, what="the task has begun")
        job.signal("TERM")
        ran = job.wait()
    assert ran.exit_code == 130, ran.text
    assert "SIGTERM: stopping at the next safe point" in ran.printed
