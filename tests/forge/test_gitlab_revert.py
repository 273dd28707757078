"""A rollback whose revert goes to GitLab: as a commit, or as a merge request. The engine, Git over HTTP and the API together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.gitlab_shop import Lab
from support.gitrepo import GitRepo
from support.world import World, failing_check

FILE = "k8s/app.yaml"


class Story:
    """What is on GitLab's main is synced into a directory, and becomes unhealthy where it says `broken`."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.lab = lab
        self.world = world

    @property
    def workflow(self) -> WorkflowSpec:
        return self.world.workflow(
            repository={"url": self.lab.project.clone_url, "branch": "main"},
            environment="production",
            sync_policy=failing_check(self.world),
        )

    def merge(self, image: str) -> str:
        """Merge a merge request that deploys an image. Returns the commit on main."""
        branch = f"deploy-{image}"
        self.lab.project.commit("alice", branch, {FILE: dump(deployment(image=image))})
        return self.lab.project.open_pull("alice", branch, title=f"Deploy {image} [skip ci]").merge("bob", "squash")

    def sync(self, *, token: bool = True) -> SyncOutcome:
        """As a job does it, with SLOTH_TOKEN or with its own token alone."""
        job = self.lab.project.job()
        env: dict[str, str] = {**os.environ, "CI_SERVER_URL": self.lab.fake.url}
        if token:
            env["SLOTH_TOKEN"] = self.lab.bot().value
        else:
            env["CI_JOB_TOKEN"] = self.lab.project.job_token(job).value
        forge = self.lab.forge("developer" if token else None, job=job, environ={"CI_SERVER_URL": self.lab.fake.url})
        more: dict[str, Any] = {"environ": env, "forge": forge}
        return self.world.sync(self.workflow, session=self.world.session(**more))

    def fail(self, *, token: bool = True) -> tuple[str, SyncOutcome]:
        """Deploy what is good, then what is not."""
        self.merge("good")
        assert self.sync(token=token).status == "succeeded"
        bad = self.merge("broken")
        return bad, self.sync(token=token)


@pytest.fixture
def story(lab: Lab, tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Story:
    lab.project.merge_method = "ff"  # a squash is then one commit on main
    (tmp_path / "world").mkdir()
    return Story(lab, World(tmp_path / "world", git_repo))


def test_the_revert_is_a_commit_of_gitlab(story: Story) -> None:
    bad, outcome = story.fail()
    git, head = story.lab.project.git, story.lab.project.head("main")
    assert (outcome.status, outcome.rolled_back, outcome.revert) == ("failed", True, head)
    assert story.lab.fake.record.count("POST", "/repository/commits$") == 1
    assert git.info(head).parents == (bad,)
    assert git.info(head).tree == git.info(git.info(bad).parents[0]).tree
    assert git.git("log", "-1", "--format=%(trailers:key=Sloth-Reverts,valueonly)", head) == bad
    assert "skip ci]" not in git.info(head).message
    assert story.sync().status == "nothing"
    assert story.lab.project.head("main") == head


def test_a_protected_branch_gets_a_labelled_merge_request(story: Story) -> None:
    story.lab.project.protect("main")
    bad, outcome = story.fail()
    assert outcome.rolled_back
    assert story.lab.project.head("main") == bad
    pull = story.lab.project.pulls[max(story.lab.project.pulls)]
    assert (pull.login, pull.branch, pull.base) == (story.lab.us, f"sloth/revert-{bad[:10]}", "main")
    assert pull.labels == ["sloth-revert"]
    assert f"/acme/shop/-/merge_requests/{pull.number}" in outcome.message
    assert "skip ci]" not in f"{pull.title}{pull.body}"
    assert story.lab.fake.quick_actions == []


@pytest.mark.parametrize("method", ["squash", "rebase"])
def test_a_revert_that_was_merged_is_done(story: Story, method: Literal["squash", "rebase"]) -> None:
    story.lab.project.protect("main")
    story.fail()
    pull = story.lab.project.pulls[max(story.lab.project.pulls)]
    live = story.world.live()
    pull.merge("bob", method)
    assert story.sync().status == "nothing"
    assert story.world.live() == live
    assert max(story.lab.project.pulls) == pull.number


def test_a_jobs_own_token_pushes_where_the_project_lets_it(story: Story) -> None:
    story.lab.project.job_token_may_push = True
    bad, outcome = story.fail(token=False)
    head = story.lab.project.head("main")
    assert outcome.rolled_back
    assert (outcome.revert, story.lab.project.git.info(head).parents) == (head, (bad,))
    assert story.lab.fake.record.count("POST", "/repository/commits$") == 0


def test_where_nothing_may_be_pushed_the_destination_is_put_back_all_the_same(story: Story) -> None:
    story.merge("good")
    story.sync()
    good = story.world.live()
    bad = story.merge("broken")
    with pytest.raises(ForgeError, match="You are not allowed to upload code"):
        story.sync(token=False)
    assert story.world.live() == good
    assert story.lab.project.head("main") == bad


def test_an_api_that_is_away_does_not_keep_git_from_it(story: Story) -> None:
    story.merge("good")
    story.sync()
    bad = story.merge("broken")
    story.lab.fake.unhappy.add("502", path="/repository/", times=100)
    outcome = story.sync()
    head = story.lab.project.head("main")
    assert outcome.rolled_back
    assert (outcome.revert, story.lab.project.git.info(head).parents) == (head, (bad,)), outcome.message


def test_a_lost_answer_makes_one_commit(story: Story) -> None:
    story.merge("good")
    story.sync()
    bad = story.merge("broken")
    story.lab.fake.unhappy.add("lost", method="POST", path="/repository/commits$")
    outcome = story.sync()
    head = story.lab.project.head("main")
    assert (outcome.revert, story.lab.project.git.info(head).parents) == (head, (bad,))
