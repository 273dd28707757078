"""Merge requests: read, found by a commit, and the others that touch the same files."""

from __future__ import annotations

from typing import Literal

import pytest

from sloth_ci.ci.ports import Forge
from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.gitlab import GitLab
from support.gitlab_shop import FILE, Lab, seen


def test_it_is_a_forge(lab: Lab) -> None:
    forge: Forge = lab.forge()
    assert isinstance(forge, GitLab)
    assert (forge.repository, forge.request_word, forge.speaks) == (lab.project.url, "merge request", True)
    assert lab.forge().login == lab.us
    assert lab.asked() == ["GET /user"]


def test_a_project_by_its_number_still_has_its_address(lab: Lab) -> None:
    environ = {"CI_MERGE_REQUEST_PROJECT_ID": str(lab.project.id), "CI_MERGE_REQUEST_PROJECT_URL": lab.project.url}
    pull = lab.opened()
    forge = GitLab(lab.bot().value, str(lab.project.id), {"CI_API_V4_URL": lab.fake.api, **environ})
    assert forge.repository == lab.project.url
    assert forge.pull_request(pull.number).head_sha == pull.head


def test_one_as_it_is_now(lab: Lab) -> None:
    pull = lab.opened()
    found = seen(lab.forge(), pull)
    assert (found.name, found.title, found.author, found.state) == ("!1", "Change feature", "alice", "open")
    assert (found.head_sha, found.head_branch, found.base_branch) == (pull.head, "feature", "main")
    assert (found.base_sha, found.fork, found.merge_sha) == (lab.project.head("main"), False, None)
    assert found.url.endswith("/acme/shop/-/merge_requests/1")
    pull.close("bob")
    assert seen(lab.forge(), pull).state == "closed"


def test_the_base_is_the_target_branch_at_the_last_push(lab: Lab) -> None:
    pull = lab.opened()
    before = lab.project.head("main")
    lab.project.commit("bob", "main", {"README": "between\n"})
    assert seen(lab.forge(), pull).base_sha == before


def test_a_number_that_is_not_there(lab: Lab) -> None:
    with pytest.raises(ForgeError, match="cannot read merge request !99") as caught:
        lab.forge().pull_request(99)
    assert "scope `api` and the role Developer" in (caught.value.hint or "")


@pytest.mark.parametrize("tokens", ["bot", "job"])
@pytest.mark.parametrize(
    ("method", "setting"),
    [("merge", "merge"), ("squash", "merge"), ("squash", "ff"), ("rebase", "ff"), ("merge", "rebase")],
)
def test_the_one_that_brought_a_commit(
    lab: Lab, method: Literal["merge", "squash", "rebase"], setting: Literal["merge", "rebase", "ff"], tokens: str
) -> None:
    lab.project.merge_method = setting
    pull = lab.opened()
    pull.push("alice", {"src/main.py": "2\n"})
    lab.project.commit("bob", "main", {"README": "between\n"})
    sha = pull.merge("bob", method)
    forge = lab.forge() if tokens == "bot" else lab.forge(None, job=lab.project.job())
    found = forge.pull_request_of(sha, "main")
    assert found is not None
    assert (found.number, found.state, found.merge_sha) == (pull.number, "merged", sha)


def test_each_commit_of_a_rebase_belongs_to_it(lab: Lab) -> None:
    lab.project.merge_method = "ff"
    pull = lab.opened()
    pull.push("alice", {"src/main.py": "2\n"})
    sha = pull.merge("bob", "rebase")
    found = lab.forge().pull_request_of(lab.project.git.info(sha).parents[0], "main")
    assert found is not None
    assert found.number == pull.number


def test_an_open_one_by_its_head_and_none_by_an_older_commit(lab: Lab) -> None:
    pull = lab.opened()
    before = pull.head
    after = pull.push("alice", {"src/main.py": "2\n"})
    found = lab.forge().pull_request_of(after, "main")
    assert found is not None
    assert (found.number, found.state) == (pull.number, "open")
    assert lab.forge().pull_request_of(before, "main") is None


def test_a_commit_that_was_pushed_without_one(lab: Lab) -> None:
    pull = lab.opened()
    sha = lab.project.commit("bob", "main", {"README": "x\n"}, f"fix\n\nSee merge request acme/shop!{pull.number}")
    assert lab.forge().pull_request_of(sha, "main") is None
    assert lab.forge().pull_request_of("f" * 40, "main") is None


def test_one_that_gitlabs_index_does_not_know_yet(lab: Lab) -> None:
    pull = lab.opened()
    sha = pull.merge("bob", "merge")
    lab.fake.unhappy.add("empty", method="GET", path=f"/commits/{sha}/merge_requests$")
    found = lab.forge().pull_request_of(sha, "main")
    assert found is not None
    assert found.number == pull.number


def test_one_from_a_fork_by_its_branch(lab: Lab) -> None:
    fork = lab.project.fork("mallory")
    other = lab.project.fork("alice")
    for project in (fork, other):
        project.allow("carol", "reporter")
    fork.commit("mallory", "feature", {FILE: "replicas: 5\n"})
    lab.opened()
    pull = lab.project.open_pull("mallory", "feature", head_project=fork)
    forge = lab.forge(token=lab.fake.token("carol"))  # a project's token sees no other project
    found = forge.pull_request_from("mallory/shop", "feature", pull.head)
    assert found is not None
    assert (found.number, found.fork) == (pull.number, True)
    assert forge.pull_request_from(str(fork.id), "feature", pull.head) == found
    assert forge.pull_request_from("mallory/shop", "feature", "f" * 40) is None
    assert forge.pull_request_from("alice/shop", "feature", pull.head) is None
    assert forge.pull_request_from("acme/shop", "feature", pull.head) is None


def test_one_from_a_branch_of_the_project(lab: Lab) -> None:
    pull = lab.opened()
    found = lab.forge(None, job=lab.project.job()).pull_request_from("Acme/shop", "feature", pull.head)
    assert found is not None
    assert (found.number, found.fork) == (pull.number, False)


def test_one_whose_fork_is_gone_is_still_of_a_fork(lab: Lab) -> None:
    fork = lab.project.fork("mallory")
    fork.commit("mallory", "feature", {FILE: "replicas: 5\n"})
    pull = lab.project.open_pull("mallory", "feature", head_project=fork)
    fork.delete()
    assert seen(lab.forge(), pull).fork


# --- the others


def test_others_that_change_the_same_files(lab: Lab) -> None:
    one, two = lab.opened("one"), lab.opened("two")
    lab.project.commit("bob", "three", {"src/main.py": "2\n"})
    lab.project.open_pull("bob", "three")
    lab.opened("four").close("bob")
    lab.project.commit("bob", "release", {"README": "r\n"})
    lab.project.commit("bob", "five", {FILE: "x: 1\n"}, start="release")
    lab.project.open_pull("bob", "five", "release")
    lab.project.commit("bob", "six", {FILE: None, "k8s/moved.yaml": "replicas: 1\n"})
    six = lab.project.open_pull("bob", "six", title="Move it")
    forge = lab.forge()
    pull = seen(forge, one)
    before = forge.requests
    found = forge.overlaps(pull, [FILE, "k8s/other.yaml"])
    assert [(other.number, other.sigil, other.title, other.files) for other in found] == [
        (two.number, "!", "Change two", (FILE,)),
        (six.number, "!", "Move it", (FILE,)),
    ]
    assert found[0].url.endswith("/merge_requests/2")
    assert forge.overlaps(pull, []) == []
    assert forge.requests - before == 4
    assert lab.notices == []


def test_the_heads_that_were_listed_are_not_asked_for_again(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge()
    known = seen(forge, pull)
    assert forge.is_head(known)
    forge.overlaps(known, [FILE])
    before = forge.requests
    assert forge.is_head(known)
    assert forge.requests == before
    pull.push("alice", {"src/main.py": "2\n"})
    assert not lab.forge().is_head(known)


def test_of_many_others_the_last_twenty_are_compared(lab: Lab) -> None:
    one = lab.opened("one")
    for number in range(22):
        lab.opened(f"other-{number}")
    forge = lab.forge()
    pull = seen(forge, one)
    before = forge.requests
    found = forge.overlaps(pull, [FILE])
    assert [other.number for other in found] == list(range(4, 24))
    assert forge.requests - before == 21
    assert lab.notices == ["only the 20 open merge requests that were touched last were compared with this one"]


def test_without_a_token_the_others_are_not_known(lab: Lab) -> None:
    one = lab.opened("one")
    lab.opened("two")
    forge = lab.forge(None, job=lab.project.job())
    assert forge.overlaps(seen(forge, one), [FILE]) == []
    [notice] = lab.notices
    assert "without SLOTH_TOKEN it is not known" in notice
