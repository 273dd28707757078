"""The fake GitHub itself: what it keeps is what GitHub would keep, and nobody says what GitHub would not understand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from github import Auth, Github, GithubException

from support.forges.clock import seconds_of
from support.github import FakeGitHub, Pull, Refused, Repository, shapes_pull
from support.github.accounts import Token
from support.github.asking import ask
from support.github.fake import Violations
from support.gitrepo import GitRepo

MANIFEST = "k8s/web.yaml"


@pytest.fixture
def repo(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Repository:
    """`acme/shop`, where alice and bob may write."""
    git = git_repo()
    git.commit("start", {MANIFEST: "replicas: 1\n", "CODEOWNERS": "* @acme/platform\n"})
    made = fake_github.repository("acme/shop", from_repo=git)
    made.allow("alice", "write")
    made.allow("bob", "maintain")
    return made


@pytest.fixture
def token(fake_github: FakeGitHub, repo: Repository) -> Token:
    """GITHUB_TOKEN with all permissions."""
    return fake_github.github_token(repo)


def client(fake: FakeGitHub, token: Token) -> Github:
    """PyGithub, without the pauses that it makes."""
    return Github(
        auth=Auth.Token(token.value),
        base_url=fake.api,
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


# --- the judge


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/repos/acme/shop/check-runs", {"name": "plan"}, "head_sha"),
        ("POST", "/repos/acme/shop/check-runs", {"name": "plan", "head_sha": "HEAD", "conclusion": "fine"}, "fine"),
        (
            "POST",
            "/repos/acme/shop/check-runs",
            {"name": "plan", "head_sha": "HEAD", "digest": "x"},
            "unknown key 'digest'",
        ),
        ("GET", "/repos/acme/shop/pulls?state=open&sort=size", None, "size"),
        ("GET", "/repos/acme/shop/pulls?author=alice", None, "unknown query parameter 'author'"),
        ("POST", "/repos/acme/shop/deployments", {"environment": "production"}, "ref"),
        ("GET", "/repos/acme/shop/secrets", None, "no such operation"),
    ],
)
def test_a_request_that_github_does_not_know_is_refused_and_remembered(
    fake_github: FakeGitHub,
    repo: Repository,
    token: Token,
    method: str,
    path: str,
    body: dict[str, str] | None,
    said: str,
) -> None:
    if body and body.get("head_sha"):
        body = {**body, "head_sha": repo.head()}
    answer = ask(fake_github, method, path, token, body)
    assert answer.status in (422, 501)
    with pytest.raises(Violations, match=said):
        fake_github.check()
    fake_github.violations.clear()


def test_a_wrong_answer_of_the_fake_is_a_violation_too(
    fake_github: FakeGitHub, repo: Repository, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = _pull(repo)
    pull.comment("bob", "hello")
    monkeypatch.setattr(shapes_pull, "comment", lambda repo, said: {"id": "one"})
    assert ask(fake_github, "GET", f"/repos/acme/shop/issues/{pull.number}/comments", token).status == 500
    with pytest.raises(Violations, match="the fake's own answer"):
        fake_github.check()
    fake_github.violations.clear()


def test_a_path_with_slashes_is_one_parameter(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    found = client(fake_github, token).get_repo("acme/shop").get_contents(MANIFEST)
    assert not isinstance(found, list)
    assert found.decoded_content == b"replicas: 1\n"


def test_a_folder_is_a_list(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    shop = client(fake_github, token).get_repo("acme/shop")
    for path, expected in (("/", [("CODEOWNERS", "file"), ("k8s", "dir")]), ("k8s", [(MANIFEST, "file")])):
        found = shop.get_contents(path)
        assert isinstance(found, list)
        assert [(entry.path, entry.type) for entry in found] == expected
    assert ask(fake_github, "GET", "/repos/acme/shop/contents/nowhere", token).status == 404


def test_files_of_every_kind_of_change(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    text = "".join(f"line {number}\n" for number in range(20))
    repo.commit("alice", "main", {"moved.yaml": text, "gone.yaml": "a: 1\n", "data.bin": b"\0one"})
    repo.commit(
        "alice",
        "feature",
        {
            "moved.yaml": None,
            "k8s/mövéd.yaml": text + "more\n",
            "gone.yaml": None,
            "new.yaml": "diff --git a b\n@@ not a hunk\n-x\n",
            "data.bin": b"\0two",
            MANIFEST: "replicas: 2\n",
        },
    )
    pull = repo.open_pull("alice", "feature")
    shop = client(fake_github, token).get_repo("acme/shop")
    found = {file.filename: file for file in shop.get_pull(pull.number).get_files()}
    assert {name: (file.status, file.additions, file.deletions) for name, file in found.items()} == {
        "k8s/mövéd.yaml": ("renamed", 1, 0),
        "gone.yaml": ("removed", 0, 1),
        "new.yaml": ("added", 3, 0),
        "data.bin": ("modified", 0, 0),
        MANIFEST: ("modified", 1, 1),
    }
    assert found["k8s/mövéd.yaml"].previous_filename == "moved.yaml"
    assert found["new.yaml"].patch == "@@ -0,0 +1,3 @@\n+diff --git a b\n+@@ not a hunk\n+-x"
    assert found[MANIFEST].patch == "@@ -1 +1 @@\n-replicas: 1\n+replicas: 2"


# --- who may what


def _pull(repo: Repository, branch: str = "feature") -> Pull:
    repo.commit("alice", branch, {MANIFEST: f"replicas: 2 # {branch}\n"})
    return repo.open_pull("alice", branch, title="More")


@pytest.mark.parametrize(
    ("permissions", "method", "path", "body", "needed"),
    [
        ({"contents": "read"}, "POST", "check-runs", {"name": "x", "head_sha": "HEAD"}, "checks=write"),
        ({"checks": "read"}, "POST", "check-runs", {"name": "x", "head_sha": "HEAD"}, "checks=write"),
        ({"contents": "write"}, "POST", "issues/1/comments", {"body": "x"}, "issues=write; pull_requests=write"),
        ({"contents": "read"}, "POST", "deployments", {"ref": "main"}, "deployments=write"),
        ({"contents": "write"}, "GET", "pulls/1", None, "pull_requests=read"),
        ({}, "GET", "environments/production", None, "actions=read"),
    ],
)
def test_a_missing_permission_is_named_in_the_header(
    fake_github: FakeGitHub,
    repo: Repository,
    permissions: dict[str, str],
    method: str,
    path: str,
    body: dict[str, str] | None,
    needed: str,
) -> None:
    _pull(repo)
    if body and "head_sha" in body:
        body = {**body, "head_sha": repo.head()}
    token = fake_github.github_token(repo, permissions)  # type: ignore[arg-type]  # read and write, as parametrized
    answer = ask(fake_github, method, f"/repos/acme/shop/{path}", token, body)
    assert (answer.status, answer.body["message"]) == (403, "Resource not accessible by integration")
    assert answer.headers["x-accepted-github-permissions"] == needed


def test_a_fork_token_only_reads(fake_github: FakeGitHub, repo: Repository) -> None:
    pull = _pull(repo)
    token = fake_github.github_token(repo, fork=True)
    assert ask(fake_github, "GET", f"/repos/acme/shop/pulls/{pull.number}", token).status == 200
    path = f"/repos/acme/shop/issues/{pull.number}/comments"
    assert ask(fake_github, "POST", path, token, {"body": "hello"}).status == 403


def test_github_token_is_no_user_and_sees_no_teams(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fake_github.team("acme", "platform", ["bob"])
    path = "/orgs/acme/teams/platform/members"
    assert ask(fake_github, "GET", "/user", token).status == 403
    assert ask(fake_github, "GET", path, token).status == 403
    mine = fake_github.token("alice")
    assert ask(fake_github, "GET", "/user", mine).body["login"] == "alice"
    assert [member["login"] for member in ask(fake_github, "GET", path, mine).body] == ["bob"]


def test_a_private_repository_is_not_there_for_others(fake_github: FakeGitHub, repo: Repository) -> None:
    assert ask(fake_github, "GET", "/repos/acme/shop", fake_github.token("mallory")).status == 404
    assert ask(fake_github, "GET", "/repos/acme/shop").status == 401
    unknown = Token("ghp_unknown", "alice")
    assert ask(fake_github, "GET", "/repos/acme/shop", unknown).body["message"] == "Bad credentials"


def test_levels_are_coarse_in_permission_and_exact_in_role_name(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    repo.allow("tina", "triage")
    fake_github.team("acme", "platform", ["petra"])
    repo.allow_team("platform", "write")
    fake_github.account("nobody")

    def level(login: str) -> tuple[str, str]:
        body = ask(fake_github, "GET", f"/repos/acme/shop/collaborators/{login}/permission", token).body
        return body["permission"], body["role_name"]

    assert {login: level(login) for login in ("bob", "tina", "petra", "nobody")} == {
        "bob": ("write", "maintain"),
        "tina": ("read", "triage"),
        "petra": ("write", "write"),
        "nobody": ("none", "none"),
    }
    path = "/repos/acme/shop/collaborators/ghost/permission"
    assert ask(fake_github, "GET", path, token).status == 404


# --- pull requests


def test_a_pull_request_follows_its_branch_until_it_is_merged(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    pull = _pull(repo)
    found = client(fake_github, token).get_repo("acme/shop").get_pull(pull.number)
    assert (found.state, found.mergeable, found.user.login, found.head.sha) == (
        "open",
        True,
        "alice",
        repo.head("feature"),
    )
    assert [file.filename for file in found.get_files()] == [MANIFEST]
    pull.push("alice", {MANIFEST: "replicas: 3\n"})
    found.update()
    assert (found.head.sha, found.commits) == (repo.head("feature"), 2)
    merged = pull.merge("bob")
    head = repo.head("feature")
    repo.commit("alice", "feature", {MANIFEST: "replicas: 4\n"})
    found.update()
    assert (found.merged, found.merge_commit_sha, found.head.sha) == (True, merged, head)


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_the_pull_request_of_a_commit_is_found_however_it_was_merged(
    fake_github: FakeGitHub, repo: Repository, token: Token, method: Any
) -> None:
    pull = _pull(repo)
    pull.push("alice", {MANIFEST: "replicas: 3\n"})
    other = _pull(repo, "other")
    repo.commit("alice", "main", {"README.md": "x\n"})
    sha = pull.merge("bob", method)
    assert repo.git.file("main", MANIFEST) == b"replicas: 3\n"
    assert len(repo.git.info(sha).parents) == (2 if method == "merge" else 1)
    found = ask(fake_github, "GET", f"/repos/acme/shop/commits/{sha}/pulls", token).body
    assert [(one["number"], one["merge_commit_sha"]) for one in found] == [(pull.number, sha)]
    open_ones = ask(fake_github, "GET", f"/repos/acme/shop/commits/{other.head}/pulls", token).body
    assert [one["number"] for one in open_ones] == [other.number]


def test_a_pull_request_with_a_conflict_cannot_be_merged(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    pull = _pull(repo)
    repo.commit("bob", "main", {MANIFEST: "replicas: 9\n"})
    found = ask(fake_github, "GET", f"/repos/acme/shop/pulls/{pull.number}", token).body
    assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
    with pytest.raises(Refused, match="not mergeable"):
        pull.merge("bob")


def test_reviews_are_of_a_commit_and_nobody_approves_their_own(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    pull = _pull(repo)
    pull.approve("bob")
    first = pull.head
    pull.push("alice", {MANIFEST: "replicas: 3\n"})
    pull.dismiss(pull.request_changes("bob"))
    found = list(client(fake_github, token).get_repo("acme/shop").get_pull(pull.number).get_reviews())
    assert [(one.user.login, one.state, one.commit_id) for one in found] == [
        ("bob", "APPROVED", first),
        ("bob", "DISMISSED", repo.head("feature")),
    ]
    with pytest.raises(Refused):
        pull.approve("alice")


def test_a_branch_that_is_deleted_closes_its_pull_request(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    pull, merged = _pull(repo), _pull(repo, "other")
    sha = merged.merge("bob")
    for branch in ("feature", "other"):
        repo.delete_branch("bob", branch)
    shop = client(fake_github, token).get_repo("acme/shop")
    assert (shop.get_pull(pull.number).state, shop.get_pull(pull.number).merged) == ("closed", False)
    assert shop.get_pull(merged.number).merged is True
    assert shop.get_commit(sha).commit.verification.verified is True
    assert shop.get_commit(merged.head).commit.verification.verified is False


def test_a_pull_request_from_a_fork(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    fork = repo.fork("mallory")
    fork.commit("mallory", "evil", {MANIFEST: "replicas: 0\n"})
    pull = repo.open_pull("mallory", "evil", head_repository=fork)
    found = ask(fake_github, "GET", f"/repos/acme/shop/pulls/{pull.number}", token).body
    assert found["head"]["repo"]["full_name"] == "mallory/shop"
    assert found["head"]["repo"]["fork"] is True
    assert found["author_association"] == "NONE"
    assert repo.git.resolve(f"refs/pull/{pull.number}/head") == fork.head("evil")


def test_who_and_what_was_deleted_is_nobody_and_nowhere(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    fork = repo.fork("mallory")
    fork.commit("mallory", "evil", {MANIFEST: "replicas: 0\n"})
    pull = repo.open_pull("mallory", "evil", head_repository=fork)
    fork.delete()
    pull.approve("ghost")
    pull.comment("ghost", "fine")
    fake_github.account("ghost").gone = True
    path = f"/repos/acme/shop/pulls/{pull.number}"
    assert ask(fake_github, "GET", path, token).body["head"]["repo"] is None
    assert ask(fake_github, "GET", f"{path}/reviews", token).body[0]["user"] is None
    comments = f"/repos/acme/shop/issues/{pull.number}/comments"
    assert ask(fake_github, "GET", comments, token).body[0]["user"] is None


def test_the_merge_queue_lands_the_commit_that_was_checked(
    fake_github: FakeGitHub, repo: Repository, token: Token
) -> None:
    pull = _pull(repo)
    event = fake_github.event("merge_group", repo, pull=pull)
    assert event.payload["merge_group"]["base_ref"] == "refs/heads/main"
    pull.land(event.sha)
    assert repo.head() == event.sha
    found = ask(fake_github, "GET", f"/repos/acme/shop/commits/{event.sha}/pulls", token).body
    assert [(one["number"], one["merge_commit_sha"]) for one in found] == [(pull.number, event.sha)]
    assert fake_github.event("push", repo).payload["after"] == event.sha


# --- comments, lists, time


def test_a_comment_is_written_edited_and_too_long(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    pull = _pull(repo)
    shop = client(fake_github, token).get_repo("acme/shop")
    made = shop.get_pull(pull.number).create_issue_comment("x" * 65_536)
    assert (made.user.login, made.user.type) == ("github-actions[bot]", "Bot")
    made.edit("short")
    assert made.updated_at > made.created_at
    made.create_reaction("eyes")
    assert [reaction.content for reaction in made.get_reactions()] == ["eyes"]
    with pytest.raises(GithubException, match="65536") as raised:
        made.edit("x" * 65_537)
    assert raised.value.status == 422
    assert [comment.body for comment in pull.comments] == ["short"]


def test_lists_come_in_pages(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    pull = _pull(repo)
    for number in range(45):
        pull.comment("bob", f"comment {number}")
    path = f"/repos/acme/shop/issues/{pull.number}/comments"
    first = ask(fake_github, "GET", path, token)
    assert len(first.body) == 30
    assert 'rel="next"' in first.headers["link"]
    assert f"{fake_github.api}{path}?page=2" in first.headers["link"]
    last = ask(fake_github, "GET", f"{path}?per_page=20&page=3", token)
    assert [comment["body"] for comment in last.body] == [f"comment {number}" for number in range(40, 45)]
    assert 'rel="next"' not in last.headers["link"]
    found = client(fake_github, token).get_repo("acme/shop").get_pull(pull.number).get_issue_comments()
    assert len(list(found)) == 45


def test_time_is_the_tests_and_only_goes_on(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    pull = _pull(repo)
    one = pull.comment("bob", "one")
    fake_github.clock.advance(3600)
    two = pull.comment("bob", "two")
    assert seconds_of(two.created_at) - seconds_of(one.created_at) == 3601


def test_everything_that_was_said_can_be_searched(fake_github: FakeGitHub, repo: Repository, token: Token) -> None:
    pull = _pull(repo)
    ask(fake_github, "POST", f"/repos/acme/shop/issues/{pull.number}/comments", token, {"body": "a canary"})
    ask(fake_github, "GET", "/repos/acme/shop/commits/canary-branch", token)
    said = fake_github.everything_said()
    assert "a canary" in said
    assert "canary-branch" in said
    assert token.value not in said
    assert fake_github.record.count("POST", r"/issues/\d+/comments$") == 1
    assert fake_github.record.matching("POST")[0].login == "github-actions[bot]"
