"""Commits that GitHub makes, and pull requests that ask for one."""

from __future__ import annotations

from typing import Literal

import pytest

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved
from support.github_shop import FILE, Shop

MESSAGE = "Revert it\n\nbecause\n\nSloth-Reverts: abc\nSloth-Environment: production\n"


def test_it_is_signed_and_says_what_was_asked(shop: Shop) -> None:
    before = shop.repo.head("main")
    sha = shop.forge().commit(
        "main", before, MESSAGE, {FILE: b"\x00\xff\n", "src/main.py": None, "k8s/ä b.yaml": b"new\n"}
    )
    git = shop.repo.git
    assert (shop.repo.head("main"), git.info(sha).parents) == (sha, (before,))
    assert sha in shop.fake.verified
    assert git.info(sha).message == MESSAGE.strip()
    assert git.git("log", "-1", "--format=%(trailers:key=Sloth-Environment,valueonly)", sha) == "production"
    assert (git.file(sha, FILE), git.file(sha, "src/main.py"), git.file(sha, "k8s/ä b.yaml")) == (
        b"\x00\xff\n",
        None,
        b"new\n",
    )


def test_a_message_of_one_line(shop: Shop) -> None:
    sha = shop.forge().commit("main", shop.repo.head("main"), "Revert it", {FILE: b"x\n"})
    assert shop.repo.git.info(sha).message == "Revert it"


def test_a_branch_that_has_moved(shop: Shop) -> None:
    before = shop.repo.head("main")
    shop.repo.commit("bob", "main", {"README": "x\n"})
    with pytest.raises(StateMoved, match="main is not at"):
        shop.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})


@pytest.mark.parametrize("kind", ["classic", "ruleset"])
def test_a_protected_branch(shop: Shop, kind: Literal["classic", "ruleset"]) -> None:
    shop.repo.protect("main", kind=kind)
    before = shop.repo.head("main")
    with pytest.raises(BranchRefused, match="through a pull request"):
        shop.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert shop.repo.head("main") == before


def test_a_missing_permission_is_named(shop: Shop) -> None:
    with pytest.raises(ForgeError, match="cannot commit to main") as caught:
        shop.forge({"contents": "read"}).commit("main", shop.repo.head("main"), MESSAGE, {FILE: b"x\n"})
    assert not isinstance(caught.value, (StateMoved, BranchRefused))
    assert "add `contents: write` to `permissions:`" in (caught.value.hint or "")


def test_a_lost_answer_is_not_taken_for_a_refusal(shop: Shop) -> None:
    before = shop.repo.head("main")
    shop.fake.unhappy.add("lost", path="/graphql")
    with pytest.raises(ForgeError, match="does not answer") as caught:
        shop.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert not isinstance(caught.value, (StateMoved, BranchRefused))
    assert shop.repo.head("main") != before
    assert shop.fake.record.count("POST", "/graphql") == 1


# --- pull requests


def branch(shop: Shop) -> str:
    shop.repo.commit("bob", "sloth/revert-1", {FILE: "replicas: 1\nback: true\n"})
    return "sloth/revert-1"


def test_it_is_asked_for_once_and_labelled(shop: Shop) -> None:
    name = branch(shop)
    url = shop.forge().request(name, "main", "Revert it", "because\n\nSloth-Reverts: abc")
    again = shop.forge().request(name, "main", "Revert it", "because")
    [pull] = shop.repo.pulls.values()
    assert (pull.title, pull.branch, pull.base) == ("Revert it", name, "main")
    assert url == again
    assert url.endswith(f"/acme/shop/pull/{pull.number}")
    assert [label.name for label in pull.labels] == ["sloth-revert"]
    assert pull.body is not None
    assert "GitHub starts no workflows for what a workflow's own token opens" in pull.body
    assert pull.body.endswith("because\n\nSloth-Reverts: abc")
    assert shop.notices == []


def test_a_second_one_finds_the_label_there(shop: Shop) -> None:
    name = branch(shop)
    shop.forge().request(name, "main", "Revert it", "because")
    shop.repo.pulls[1].close("bob")
    shop.repo.commit("bob", name, {FILE: "replicas: 1\nback: again\n"})
    shop.forge().request(name, "main", "Revert it", "because")
    assert [label.name for label in shop.repo.pulls[2].labels] == ["sloth-revert"]
    assert shop.notices == []


def test_one_whose_answer_was_lost_is_found(shop: Shop) -> None:
    shop.fake.unhappy.add("lost", method="POST", path="/pulls$")
    shop.forge().request(branch(shop), "main", "Revert it", "because")
    assert len(shop.repo.pulls) == 1


def test_a_label_that_cannot_be_made_is_only_told(shop: Shop) -> None:
    shop.fake.unhappy.add("422", method="POST", path="/labels$")
    assert shop.forge().request(branch(shop), "main", "Revert it", "because").endswith("/pull/1")
    [notice] = shop.notices
    assert "has no label sloth-revert" in notice


def test_actions_may_not_open_pull_requests_and_the_setting_is_named(shop: Shop) -> None:
    shop.repo.actions_may_open_pulls = False
    with pytest.raises(ForgeError, match="not permitted to create or approve pull requests") as caught:
        shop.forge().request(branch(shop), "main", "Revert it", "because")
    assert "Allow GitHub Actions to create and approve pull requests" in (caught.value.hint or "")


def test_a_persons_pull_request_starts_workflows_and_says_nothing_of_it(shop: Shop) -> None:
    shop.forge(token=shop.fake.token("alice")).request(branch(shop), "main", "Revert it", "because")
    assert shop.repo.pulls[1].body == "because"
