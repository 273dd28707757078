"""A rollback whose revert goes to GitHub: signed, or as a pull request. The engine, Git over HTTP and the API together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.github_shop import Shop
from support.gitrepo import GitRepo
from support.world import World, failing_check

FILE = "k8s/app.yaml"


class Story:
    """What is on GitHub's main is synced into a directory, and becomes unhealthy where it says `broken`."""

    def __init__(self, shop: Shop, world: World) -> None:
        self.shop = shop
        self.world = world

    @property
    def workflow(self) -> WorkflowSpec:
        return self.world.workflow(
            repository={"url": "acme/shop", "branch": "main"},
            environment="production",
            sync_policy=failing_check(self.world),
        )

    def merge(self, image: str) -> str:
        """Merge a pull request that deploys an image. Returns the commit on main."""
        branch = f"deploy-{image}"
        self.shop.repo.commit("alice", branch, {FILE: dump(deployment(image=image))})
        return self.shop.repo.open_pull("alice", branch, title=f"Deploy {image} [skip ci]").merge("bob", "squash")

    def sync(self) -> SyncOutcome:
        """As a job does it, with a token of its own."""
        token = self.shop.fake.github_token(self.shop.repo)
        env: dict[str, str] = {
            **os.environ,
            "GITHUB_SERVER_URL": self.shop.fake.url,
            "GITHUB_TOKEN": token.value,
        }
        more: dict[str, Any] = {"environ": env, "forge": self.shop.forge(token=token)}
        return self.world.sync(self.workflow, session=self.world.session(**more))

    def fail(self) -> tuple[str, SyncOutcome]:
        """Deploy what is good, then what is not."""
        self.merge("good")
        assert self.sync().status == "succeeded"
        bad = self.merge("broken")
        return bad, self.sync()


@pytest.fixture
def story(shop: Shop, tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Story:
    (tmp_path / "world").mkdir()
    return Story(shop, World(tmp_path / "world", git_repo))


def test_the_revert_is_a_signed_commit(story: Story) -> None:
    bad, outcome = story.fail()
    git, head = story.shop.repo.git, story.shop.repo.head("main")
    assert (outcome.status, outcome.rolled_back, outcome.revert) == ("failed", True, head)
    assert head in story.shop.fake.verified
    assert git.info(head).parents == (bad,)
    assert git.info(head).tree == git.info(git.info(bad).parents[0]).tree
    assert git.git("log", "-1", "--format=%(trailers:key=Sloth-Reverts,valueonly)", head) == bad
    assert "skip ci]" not in git.info(head).message
    assert story.sync().status == "nothing"
    assert story.shop.repo.head("main") == head


@pytest.mark.parametrize("kind", ["classic", "ruleset"])
def test_a_protected_branch_gets_a_labelled_pull_request(story: Story, kind: Literal["classic", "ruleset"]) -> None:
    story.shop.repo.protect("main", kind=kind)
    bad, outcome = story.fail()
    assert outcome.rolled_back
    assert story.shop.repo.head("main") == bad
    pull = story.shop.repo.pulls[max(story.shop.repo.pulls)]
    assert (pull.login, pull.branch, pull.base) == ("github-actions[bot]", f"sloth/revert-{bad[:10]}", "main")
    assert [label.name for label in pull.labels] == ["sloth-revert"]
    assert f"/acme/shop/pull/{pull.number}" in outcome.message
    assert "skip ci]" not in f"{pull.title}{pull.body}"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_revert_that_was_merged_is_done(story: Story, method: Literal["merge", "squash", "rebase"]) -> None:
    story.shop.repo.protect("main")
    story.fail()
    pull = story.shop.repo.pulls[max(story.shop.repo.pulls)]
    live = story.world.live()
    pull.merge("bob", method)
    assert story.sync().status == "nothing"
    assert story.world.live() == live
    assert max(story.shop.repo.pulls) == pull.number


def test_a_setting_that_forbids_pull_requests_is_named(story: Story) -> None:
    story.shop.repo.protect("main")
    story.shop.repo.actions_may_open_pulls = False
    bad, outcome = story.fail()
    assert outcome.rolled_back
    assert "Allow GitHub Actions to create and approve pull requests" in outcome.message
    assert f"open one from sloth/revert-{bad[:10]} into main" in outcome.message
    assert story.shop.repo.git.resolve(f"sloth/revert-{bad[:10]}")


def test_an_api_that_is_away_does_not_keep_git_from_it(story: Story) -> None:
    story.merge("good")
    story.sync()
    bad = story.merge("broken")
    story.shop.fake.unhappy.add("502", path="/graphql", times=100)
    outcome = story.sync()
    head = story.shop.repo.head("main")
    assert outcome.rolled_back
    assert (outcome.revert, story.shop.repo.git.info(head).parents) == (head, (bad,))
    assert head not in story.shop.fake.verified
    assert "which is not signed" in outcome.message


def test_a_lost_answer_makes_one_commit(story: Story) -> None:
    story.merge("good")
    story.sync()
    bad = story.merge("broken")
    story.shop.fake.unhappy.add("lost", path="/graphql")
    outcome = story.sync()
    head = story.shop.repo.head("main")
    assert (outcome.revert, story.shop.repo.git.info(head).parents) == (head, (bad,))
    assert head in story.shop.fake.verified
