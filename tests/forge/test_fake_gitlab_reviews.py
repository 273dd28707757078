"""Reviews and notes on the fake GitLab: who approved what and when, and what a text sets in motion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.gitlab import FakeGitLab, MergeRequest, Project, Refused, shapes
from support.gitlab.accounts import Token
from support.gitlab.asking import ask
from support.gitrepo import GitRepo

MANIFEST = "k8s/web.yaml"


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/shop`, where alice and bob are developers and carol is a maintainer."""
    git = git_repo()
    git.commit("start", {MANIFEST: "replicas: 1\n"})
    made = fake_gitlab.project("acme/shop", from_repo=git)
    for login in ("alice", "bob"):
        made.allow(login, "developer")
    made.allow("carol", "maintainer")
    return made


@pytest.fixture
def token(fake_gitlab: FakeGitLab, project: Project) -> Token:
    """A project access token of a developer."""
    return fake_gitlab.project_token(project)


def _pull(project: Project, **about: Any) -> MergeRequest:
    project.commit("alice", "feature", {MANIFEST: "replicas: 2\n"})
    return project.open_pull("alice", "feature", **about)


def _path(project: Project, rest: str) -> str:
    return f"/projects/{project.id}{rest}"


# --- approvals


def test_an_approval_has_a_time_and_may_be_taken_back(fake_gitlab: FakeGitLab, project: Project) -> None:
    pull = _pull(project)
    bob = fake_gitlab.token("bob")
    path = _path(project, "/merge_requests/1")
    assert ask(fake_gitlab, "POST", f"{path}/approve", bob, {"sha": project.head()}).status == 409
    said = ask(fake_gitlab, "POST", f"{path}/approve", bob, {"sha": pull.head})
    assert said.status == 201
    assert [(one["user"]["username"], one["approved_at"]) for one in said.body["approved_by"]] == [
        ("bob", shapes.time(pull.approvals["bob"]))
    ]
    assert ask(fake_gitlab, "POST", f"{path}/approve", bob, {}).status == 401
    pull.push("alice", {MANIFEST: "replicas: 3\n"})
    assert list(pull.approvals) == ["bob"]
    project.reset_approvals_on_push = True
    pull.push("alice", {MANIFEST: "replicas: 4\n"})
    assert ask(fake_gitlab, "GET", f"{path}/approvals", bob).body["approved_by"] == []
    assert ask(fake_gitlab, "POST", f"{path}/unapprove", bob).status == 404
    pull.approve("bob")
    assert ask(fake_gitlab, "POST", f"{path}/unapprove", bob).body["approved_by"] == []


def test_reviewers_have_states(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project)
    pull.request_review("bob", "carol")
    pull.approve("carol")
    pull.request_changes("bob")

    def states() -> dict[str, str]:
        said = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1/reviewers"), token)
        return {one["user"]["username"]: one["state"] for one in said.body}

    assert states() == {"bob": "requested_changes", "carol": "approved"}
    pull.request_changes("carol", "")
    assert (states()["carol"], list(pull.approvals)) == ("requested_changes", [])


def test_rules_are_a_thing_of_premium(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project)
    project.approval_rules.append(project.rule(2, people=["bob", "carol"], name="Platform"))
    path = _path(project, "/merge_requests/1")
    assert ask(fake_gitlab, "GET", f"{path}/approval_state", token).body["rules"] == []
    # Where no rule is to be met, everything is approved: nobody has to have done it.
    assert ask(fake_gitlab, "GET", f"{path}/approvals", token).body["approved"] is True
    project.premium = True
    pull.approve("bob")
    rule = ask(fake_gitlab, "GET", f"{path}/approval_state", token).body["rules"][0]
    assert (rule["name"], rule["approvals_required"], rule["approved"]) == ("Platform", 2, False)
    assert [one["username"] for one in rule["approved_by"]] == ["bob"]
    said = ask(fake_gitlab, "GET", f"{path}/approvals", token).body
    assert (said["approved"], said["approvals_left"]) == (False, 1)
    with pytest.raises(Refused, match="405"):
        pull.merge("carol")
    pull.approve("carol")
    pull.merge("carol")
    fake_gitlab.edition = "ce"
    assert ask(fake_gitlab, "GET", f"{path}/approval_state", token).body == {"error": "404 Not Found"}


def test_the_author_approves_only_without_premium(project: Project) -> None:
    pull = _pull(project)
    project.author_approval = False
    with pytest.raises(Refused, match="401"):
        pull.approve("alice")
    project.author_approval = True
    pull.approve("alice")
    assert list(pull.approvals) == ["alice"]


# --- notes


def test_a_note_is_written_changed_and_deleted_by_its_author(
    fake_gitlab: FakeGitLab, project: Project, token: Token
) -> None:
    pull = _pull(project)
    path = _path(project, "/merge_requests/1/notes")
    made = ask(fake_gitlab, "POST", path, token, {"body": "one"}).body
    one = f"{path}/{made['id']}"
    assert ask(fake_gitlab, "PUT", one, fake_gitlab.token("bob"), {"body": "x"}).status == 403
    changed = ask(fake_gitlab, "PUT", one, token, {"body": "two"}).body
    assert (changed["body"], changed["updated_at"] > made["updated_at"]) == ("two", True)
    assert ask(fake_gitlab, "PUT", one, fake_gitlab.token("carol"), {"body": "three"}).status == 200
    eyes = {"name": "eyes"}
    assert ask(fake_gitlab, "POST", f"{one}/award_emoji", token, eyes).status == 201
    assert ask(fake_gitlab, "POST", f"{one}/award_emoji", token, eyes).status == 404
    assert [given["name"] for given in ask(fake_gitlab, "GET", f"{one}/award_emoji", token).body] == ["eyes"]
    assert ask(fake_gitlab, "DELETE", one, token).status == 204
    assert ask(fake_gitlab, "GET", one, token).status == 404
    assert pull.comments == []


def test_a_note_has_an_end(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    _pull(project)
    path = _path(project, "/merge_requests/1/notes")
    assert ask(fake_gitlab, "POST", path, token, {"body": "x" * 1_000_000}).status == 201
    said = ask(fake_gitlab, "POST", path, token, {"body": "x" * 1_000_001})
    assert (said.status, "too long" in said.body["message"]) == (400, True)
    assert ask(fake_gitlab, "POST", path, token, {"body": "  "}).status == 400


@pytest.mark.parametrize(
    ("body", "commands"),
    [
        ("hello\n/merge", ["merge"]),
        ("/label ~deploy\nhello", ["label"]),
        ("hello\r\n/CLOSE\r\nbye", ["close"]),
        ("<b>x</b>\n/approve", ["approve"]),
        ("```\nunclosed\n/merge", ["merge"]),
        ("see /merge", []),
        ("/sloth apply", []),
        ("/merged", []),
        ("`/merge`", []),
        ("```yaml\n/merge\n```", []),
        ("<pre>\n/merge\n</pre>", []),
        (">>>\n/merge\n>>>", []),
        (" /merge", []),
    ],
)
def test_a_quick_action_is_executed_wherever_gitlab_finds_one(
    fake_gitlab: FakeGitLab, project: Project, token: Token, body: str, commands: list[str]
) -> None:
    pull = _pull(project)
    said = ask(fake_gitlab, "POST", _path(project, "/merge_requests/1/notes"), token, {"body": body})
    assert said.status == 201
    assert [action.command for action in fake_gitlab.quick_actions] == commands
    assert all((action.login, action.number) == (token.login, 1) for action in fake_gitlab.quick_actions)
    assert (pull.comments[0].body == body) is (not commands)


def test_a_note_of_commands_alone_is_none(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project, body="why\n/label ~x")
    assert (
        ask(fake_gitlab, "POST", _path(project, "/merge_requests/1/notes"), token, {"body": "/approve"}).status == 202
    )
    assert [(action.command, action.login) for action in fake_gitlab.quick_actions] == [
        ("label", "alice"),
        ("approve", token.login),
    ]
    assert (pull.comments, pull.body) == ([], "why")
