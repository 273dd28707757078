"""Who owns what by CODEOWNERS, and what GitLab's own approval rules still ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sloth_ci.core.codeowners import Owned
from sloth_ci.core.errors import ForgeError
from support.gitlab import FakeGitLab
from support.gitlab_shop import Lab, seen
from support.gitrepo import GitRepo


@pytest.fixture
def premium(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Lab:
    return Lab(fake_gitlab, git_repo(), premium=True)


def test_owners_are_people_and_the_members_of_groups(lab: Lab) -> None:
    lab.fake.group("acme", {"lead": "owner"})
    lab.fake.group("acme/platform", {"bob": "developer"})
    lab.fake.group("acme/platform/deep", {"carol": "developer"})
    rules = [
        Owned("/k8s/", (), ("acme/platform",), (), names=("alice",)),
        Owned("/deep/", (), ("acme/platform/deep",), ()),
        Owned("/all/", (), (), (), names=("acme",)),
        Owned("*.yaml", (), (), ("ops@example.com",)),
    ]
    found = lab.forge(token=lab.fake.token("lead")).owners(rules)
    assert found == {
        "/k8s/": frozenset({"alice", "lead", "bob"}),
        "/deep/": frozenset({"lead", "bob", "carol"}),
        "/all/": frozenset({"lead"}),
        "*.yaml": frozenset({"ops@example.com"}),
    }
    assert lab.notices == []


def test_a_group_that_the_token_does_not_see_is_nobody_and_that_is_said(lab: Lab) -> None:
    lab.fake.group("strangers/platform", {"bob": "developer"})
    rule = Owned("/k8s/", (), ("strangers/platform",), (), names=("nobody",))
    forge = lab.forge()
    for _ in range(2):
        assert forge.owners([rule]) == {"/k8s/": frozenset({"@strangers/platform", "nobody"})}
    assert [notice.split(":")[0] for notice in lab.notices] == [
        "CODEOWNERS names @nobody",
        "CODEOWNERS names @strangers/platform",
    ]
    assert "the access token of a group above it" in lab.notices[0]


def test_a_role_is_that_of_direct_members_and_no_higher_one(lab: Lab) -> None:
    lab.fake.group("acme", {"lead": "maintainer"})
    lab.project.allow("maint", "maintainer")
    rules = [
        Owned("/a/", (), (), (), roles=("maintainer",)),
        Owned("/b/", (), (), (), roles=("developer", "owner")),
        Owned("/c/", (), (), (), roles=("owner",)),
    ]
    assert lab.forge().owners(rules) == {
        "/a/": frozenset({"maint"}),
        "/b/": frozenset({"alice", "bob", "carol", "@@owner", lab.us}),
        "/c/": frozenset({"@@owner"}),
    }


def test_an_owner_may_be_written_in_any_case(lab: Lab) -> None:
    lab.project.allow("Dora", "developer")
    assert lab.forge().owners([Owned("*", (), (), (), names=("dORA", "bob"))]) == {"*": frozenset({"Dora", "bob"})}


def test_an_owner_by_a_public_address(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = lab.forge()
    some = forge._client.some_pages

    def shown(*args: object, **more: object) -> object:
        found, rest = some(*args, **more)  # type: ignore[arg-type]
        return [{**one, "public_email": f"{one['username']}@example.com"} for one in found], rest

    monkeypatch.setattr(forge._client, "some_pages", shown)
    rules = [Owned("*", (), (), ("Bob@example.com", "mallory@example.com"))]
    assert forge.owners(rules) == {"*": frozenset({"bob", "mallory"})}


# --- the forge's own rules


def test_rules_that_ask_for_more_are_said(premium: Lab) -> None:
    project = premium.project
    project.approval_rules = [
        project.rule(2, people=("bob", "carol"), name="security"),
        project.rule(0, name="nobody"),
        project.rule(1, people=("bob",), name="done"),
    ]
    pull = premium.opened()
    pull.approve("bob")
    forge = premium.forge()
    assert forge.unmet(seen(forge, pull)) == ["1 more approval by GitLab's rule 'security'"]
    pull.approve("carol")
    assert forge.unmet(seen(forge, pull)) == []


def test_free_has_no_rules(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge()
    assert forge.unmet(seen(forge, pull)) == []
    lab.fake.unhappy.add("404", path="/approval_state$")
    assert forge.unmet(seen(forge, pull)) == []


def test_rules_that_cannot_be_read_are_an_error(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge()
    known = seen(forge, pull)
    lab.fake.unhappy.add("403", path="/approval_state$")
    with pytest.raises(ForgeError, match="cannot read the approval rules of !1"):
        forge.unmet(known)
