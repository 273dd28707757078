"""Pull requests: read, found by a commit, and the others that touch the same files."""

from __future__ import annotations

from typing import Literal

import pytest

from sloth_ci.ci.ports import Forge
from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.github import GitHub
from support.github_shop import FILE, Shop, seen


def test_it_is_a_forge(shop: Shop) -> None:
    forge: Forge = shop.forge()
    assert isinstance(forge, GitHub)
    assert forge.repository == "acme/shop"
    assert shop.forge().login == "github-actions[bot]"
    assert shop.asked() == ["POST /api/graphql"]


def test_one_as_it_is_now(shop: Shop) -> None:
    pull = shop.opened()
    found = seen(shop.forge(), pull)
    assert (found.number, found.title, found.author, found.state) == (1, "Change feature", "alice", "open")
    assert (found.head_sha, found.head_branch, found.base_branch) == (pull.head, "feature", "main")
    assert (found.base_sha, found.fork, found.merge_sha) == (shop.repo.head("main"), False, None)
    pull.close("bob")
    assert seen(shop.forge(), pull).state == "closed"


def test_a_number_that_is_not_there(shop: Shop) -> None:
    with pytest.raises(ForgeError, match="cannot read pull request #99") as caught:
        shop.forge().pull_request(99)
    assert "permissions: pull-requests: read" in (caught.value.hint or "")


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_the_one_that_brought_a_commit(shop: Shop, method: Literal["merge", "squash", "rebase"]) -> None:
    pull = shop.opened()
    pull.push("alice", {"src/main.py": "2\n"})
    shop.repo.commit("bob", "main", {"README": "between\n"})
    sha = pull.merge("bob", method)
    found = shop.forge().pull_request_of(sha, "main")
    assert found is not None
    assert (found.number, found.state, found.merge_sha) == (pull.number, "merged", sha)


def test_each_commit_of_a_rebase_belongs_to_it(shop: Shop) -> None:
    pull = shop.opened()
    pull.push("alice", {"src/main.py": "2\n"})
    sha = pull.merge("bob", "rebase")
    found = shop.forge().pull_request_of(shop.repo.git.info(sha).parents[0], "main")
    assert found is not None
    assert found.number == pull.number


def test_an_open_one_by_its_head(shop: Shop) -> None:
    pull = shop.opened()
    found = shop.forge().pull_request_of(pull.head, "main")
    assert found is not None
    assert found.number == pull.number


def test_an_open_one_by_an_older_commit_is_none(shop: Shop) -> None:
    pull = shop.opened()
    before = pull.head
    pull.push("alice", {"src/main.py": "2\n"})
    assert shop.forge().pull_request_of(before, "main") is None


def test_a_commit_that_was_pushed_without_one(shop: Shop) -> None:
    pull = shop.opened()
    sha = shop.repo.commit("bob", "main", {"README": "x\n"}, f"fix (#{pull.number})")
    assert shop.forge().pull_request_of(sha, "main") is None
    assert shop.forge().pull_request_of("f" * 40, "main") is None


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_one_that_githubs_index_does_not_know_yet(
    shop: Shop, method: Literal["merge", "squash"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first seconds after a merge `/commits/SHA/pulls` is empty."""
    pull = shop.opened()
    sha = pull.merge("bob", method)
    forge = shop.forge()
    pages = forge._client.pages
    monkeypatch.setattr(
        forge._client, "pages", lambda *args, **more: [] if args[1].endswith("/pulls") else pages(*args, **more)
    )
    found = forge.pull_request_of(sha, "main")
    assert found is not None
    assert found.number == pull.number


def test_one_from_a_fork_by_its_branch(shop: Shop) -> None:
    fork = shop.repo.fork("mallory")
    fork.commit("mallory", "feature", {FILE: "replicas: 5\n"})
    shop.opened()
    pull = shop.repo.open_pull("mallory", "feature", head_repository=fork)
    forge = shop.forge()
    found = forge.pull_request_from("mallory/shop", "feature", pull.head)
    assert found is not None
    assert (found.number, found.fork) == (pull.number, True)
    assert forge.pull_request_from("mallory/shop", "feature", "f" * 40) is None
    assert forge.pull_request_from("mallory/other", "feature", pull.head) is None


def test_others_that_change_the_same_files(shop: Shop) -> None:
    one, two = shop.opened("one"), shop.opened("two")
    shop.repo.commit("bob", "three", {"src/main.py": "2\n"})
    shop.repo.open_pull("bob", "three")
    shop.opened("four").close("bob")
    shop.repo.commit("bob", "release", {"README": "r\n"})
    shop.repo.commit("bob", "five", {FILE: "x: 1\n"}, start="release")
    shop.repo.open_pull("bob", "five", "release")
    forge = shop.forge()
    pull = seen(forge, one)
    before = len(shop.asked())
    [found] = forge.overlaps(pull, [FILE, "k8s/other.yaml"])
    assert (found.number, found.title, found.files) == (two.number, "Change two", (FILE,))
    assert forge.overlaps(pull, []) == []
    assert shop.asked()[before:] == ["POST /api/graphql"]
