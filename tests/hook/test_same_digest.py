"""One change, three places: the push on a laptop, `sloth-ci preview`, and the report of the pull request have one digest.

The part before the dot is what is wanted. What the destination holds is the other, and only the pull request looks there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.ciworld_github import GitHubCi
from support.github import FakeGitHub
from support.gitrepo import GitRepo
from support.pushing import Pusher, configmap

_OF_PUSH = re.compile(r"digest ([0-9a-f]{32})\b")
_OF_PLAN = re.compile(r"digest ([0-9a-f]{32})\.[0-9a-f]{32}")


@pytest.fixture
def ci(tmp_path: Path, fake_github: FakeGitHub) -> GitHubCi:
    return GitHubCi(tmp_path, fake_github, GitRepo(tmp_path / "source"))


@pytest.fixture
def laptop(tmp_path: Path, ci: GitHubCi) -> Pusher:
    """A clone of the same repository, with the hook."""
    place = tmp_path / "laptop"
    place.mkdir()
    pusher = Pusher.of(place, ci.repo.path)
    pusher.checkout.git("checkout", "-q", "-b", "feature")
    return pusher


def test_the_three_agree(ci: GitHubCi, laptop: Pusher) -> None:
    files = {
        "k8s/web.yaml": dump(deployment(image="web:2")),
        "k8s/more.yaml": configmap("more", a="1"),
        "k8s/key.yaml": dump(body("Secret", "key", data={"token": "b25l"})),
    }
    commit = laptop.checkout.commit("change", files)
    push = laptop.push("origin", "feature")
    assert push.worked, push.said
    previewed = laptop.sloth("preview", "--base", "origin/main", "--head", "HEAD")
    pull = ci.open("alice", "feature")
    assert pull.head == commit
    job = ci.preview(pull)
    assert job.code == 0, job.log
    wanted, live = job.outputs["digest"].split(".")
    assert _OF_PUSH.findall(push.said) == [wanted]
    assert _OF_PLAN.findall(previewed) == [wanted]
    assert live


def test_they_agree_where_main_went_on(ci: GitHubCi, laptop: Pusher) -> None:
    """What is planned is the merge, so that each has to have fetched main."""
    laptop.checkout.commit("change", {"k8s/web.yaml": dump(deployment(image="web:2"))})
    ci.repo.commit("bob", "main", {"k8s/more.yaml": configmap("more", a="1")}, "More")
    laptop.checkout.git("fetch", "-q")
    push = laptop.push("origin", "feature")
    job = ci.preview(ci.open("alice", "feature"))
    wanted = job.outputs["digest"].partition(".")[0]
    assert _OF_PUSH.findall(push.said) == [wanted]
    laptop.checkout.git("merge", "-q", "--no-edit", "origin/main")
    assert _OF_PLAN.findall(laptop.sloth("preview", "--base", "origin/main", "--head", "HEAD")) == [wanted]


def test_they_agree_on_what_is_pushed_to_main_itself(ci: GitHubCi, laptop: Pusher) -> None:
    laptop.checkout.commit("change", {"k8s/web.yaml": dump(deployment(image="web:2"))})
    push = laptop.push("-n", "origin", "feature:main")
    laptop.push("--no-verify", "origin", "feature")
    job = ci.preview(ci.open("alice", "feature"))
    assert _OF_PUSH.findall(push.said) == [job.outputs["digest"].partition(".")[0]]
