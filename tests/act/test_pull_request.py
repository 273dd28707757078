"""README's workflow file on GitHub: from a pull request to its deployment, in act, with the published form of the action."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.act import ARTIFACTS, Act
from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.actworld import ActWorld
    from support.github import FakeGitHub

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


@pytest.fixture
def world(tmp_path: Path, fake_github: FakeGitHub, git_repo: Callable[..., GitRepo], act: Act) -> ActWorld:
    """A workflow that asks for one approval."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a workspace to the runner's user")
    from support.actworld import ActWorld

    return ActWorld(tmp_path, fake_github, git_repo("source"), act)


def test_from_the_plan_to_the_deployment(world: ActWorld) -> None:
    pull = world.pull()
    job = world.preview(pull)
    assert world.ran[-1].jobs == {"preview": "success"}, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "action_required"}
    assert "waiting for approval" in world.comment(pull)
    assert (job.outputs["total"], job.outputs["created"], job.outputs["has-changes"]) == ("1", "1", "true")
    assert "Deployment/shop/web" in job.summary
    assert (job.workspace / ARTIFACTS / "sloth-report" / "sloth-report.html").exists()

    job = world.review(pull)
    assert world.ran[-1].jobs == {"preview": "success"}, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "success"}

    sha = pull.merge("bob", "squash")
    job = world.deploy()
    assert world.ran[-1].jobs == {"deploy": "success"}, job.log
    assert job.outputs["sync-status"] == "succeeded"
    assert "web:2" in world.rendered()
    assert [(d.environment, d.state, d.sha) for d in world.repo.deployments.values()] == [
        ("production", "success", sha)
    ]
