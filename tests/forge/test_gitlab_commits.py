"""Commits that GitLab makes, and merge requests that ask for one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved
from support.gitlab_shop import FILE, Lab

MESSAGE = "Revert it\n\nbecause\n\nSloth-Reverts: abc\nSloth-Environment: production\n"


def test_it_says_what_was_asked(lab: Lab) -> None:
    before = lab.project.commit("bob", "main", {"README": "of no concern\n"})
    changes: Mapping[str, bytes | None] = {
        FILE: b"\x00\xff\n",
        "src/main.py": None,
        "k8s/ä b.yaml": b"new\n",
        "new/folder/x": b"",
        "top": b"1",
    }
    sha = lab.forge().commit("main", before, MESSAGE, changes)
    git = lab.project.git
    assert (lab.project.head("main"), git.info(sha).parents) == (sha, (before,))
    assert git.info(sha).message.strip() == MESSAGE.strip()
    assert git.git("log", "-1", "--format=%(trailers:key=Sloth-Environment,valueonly)", sha) == "production"
    assert {path: git.file(sha, path) for path in changes} == changes


def test_a_branch_that_has_moved(lab: Lab) -> None:
    before = lab.project.head("main")
    after = lab.project.commit("bob", "main", {"README": "x\n"})
    with pytest.raises(StateMoved, match="main is not at"):
        lab.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert lab.project.head("main") == after


@pytest.mark.parametrize("path", [FILE, "README"])
def test_a_branch_that_moves_at_the_last_moment(lab: Lab, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the same file changed nothing is done; where another one did, the next look finds what was done."""
    before = lab.project.head("main")
    forge = lab.forge()
    send = forge._client.send

    def late(what: str, verb: str, where: str, *args: object, **more: object) -> object:
        if where.endswith("/commits"):
            lab.project.commit("bob", "main", {path: "of bob\n"})
        return send(what, verb, where, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(forge._client, "send", late)
    with pytest.raises(StateMoved, match="main is not at"):
        forge.commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert lab.project.git.file(lab.project.head("main"), path) == b"of bob\n"


def test_a_protected_branch(lab: Lab) -> None:
    lab.project.protect("main")
    before = lab.project.head("main")
    with pytest.raises(BranchRefused, match="not allowed to push"):
        lab.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert lab.project.head("main") == before
    assert lab.fake.record.count("POST", "/repository/commits$") == 0
    assert lab.forge("maintainer").commit("main", before, MESSAGE, {FILE: b"x\n"}) == lab.project.head("main")


def test_a_role_that_is_too_low(lab: Lab) -> None:
    with pytest.raises(ForgeError, match="cannot commit to main"):
        lab.forge("reporter").commit("main", lab.project.head("main"), MESSAGE, {FILE: b"x\n"})
    assert lab.fake.record.count("POST", "/repository/commits$") == 0


def test_without_a_token_it_has_to_be_pushed(lab: Lab) -> None:
    with pytest.raises(ForgeError, match="cannot commit to main: CI_JOB_TOKEN may not") as caught:
        lab.forge(None, job=lab.project.job()).commit("main", lab.project.head("main"), MESSAGE, {FILE: b"x\n"})
    assert not isinstance(caught.value, (StateMoved, BranchRefused))
    assert "SLOTH_TOKEN" in (caught.value.hint or "")
    assert lab.asked() == []


def test_a_lost_answer_is_not_taken_for_a_refusal(lab: Lab) -> None:
    before = lab.project.head("main")
    lab.fake.unhappy.add("lost", method="POST", path="/repository/commits$")
    with pytest.raises(ForgeError, match="does not answer") as caught:
        lab.forge().commit("main", before, MESSAGE, {FILE: b"x\n"})
    assert not isinstance(caught.value, (StateMoved, BranchRefused))
    assert lab.project.head("main") != before
    assert lab.fake.record.count("POST", "/repository/commits$") == 1


# --- merge requests


def branch(lab: Lab) -> str:
    lab.project.commit("bob", "sloth/revert-1", {FILE: "replicas: 1\nback: true\n"})
    return "sloth/revert-1"


def test_it_is_asked_for_once_and_labelled(lab: Lab) -> None:
    name = branch(lab)
    url = lab.forge().request(name, "main", "Revert it", "because\n\nSloth-Reverts: abc")
    again = lab.forge().request(name, "main", "Revert it", "because")
    [pull] = lab.project.pulls.values()
    assert (pull.title, pull.branch, pull.base, pull.body) == (
        "Revert it",
        name,
        "main",
        "because\n\nSloth-Reverts: abc",
    )
    assert url == again
    assert url.endswith("/acme/shop/-/merge_requests/1")
    assert pull.labels == ["sloth-revert"]


def test_one_whose_answer_was_lost_is_found(lab: Lab) -> None:
    lab.fake.unhappy.add("lost", method="POST", path="/merge_requests$")
    url = lab.forge().request(branch(lab), "main", "Revert it", "because")
    assert url.endswith("/merge_requests/1")
    assert len(lab.project.pulls) == 1


def test_one_that_somebody_asks_for_at_the_same_moment(lab: Lab) -> None:
    name = branch(lab)
    lab.project.open_pull("bob", name)
    lab.fake.unhappy.add("empty", method="GET", path="/merge_requests$")
    assert lab.forge().request(name, "main", "Revert it", "because").endswith("/merge_requests/1")


def test_a_branch_of_a_fork_with_the_same_name_is_not_it(lab: Lab) -> None:
    name = branch(lab)
    fork = lab.project.fork("mallory")
    fork.commit("mallory", name, {FILE: "replicas: 0\n"})
    lab.project.open_pull("mallory", name, head_project=fork)
    assert lab.forge().request(name, "main", "Revert it", "because").endswith("/merge_requests/2")


def test_nothing_in_its_text_is_executed(lab: Lab) -> None:
    lab.forge().request(branch(lab), "main", "Revert it", "because\n/merge\n```\n/approve\n```")
    assert lab.fake.quick_actions == []


def test_without_a_token_nobody_asks(lab: Lab) -> None:
    with pytest.raises(ForgeError, match="cannot ask for the merge of x into main: CI_JOB_TOKEN may not"):
        lab.forge(None, job=lab.project.job()).request("x", "main", "Revert it", "because")
    assert lab.asked() == []


def test_a_branch_that_is_not_there(lab: Lab) -> None:
    with pytest.raises(ForgeError, match='Source branch "x" does not exist'):
        lab.forge().request("x", "main", "Revert it", "because")
