"""The fake GitHub's Git and its GraphQL: real pushes, real refusals, and a commit that is made only where one thinks."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.github import FakeGitHub, Repository
from support.github.accounts import Token
from support.github.asking import ask, query
from support.gitrepo import GitRepo

COMMIT = """
mutation ($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url signature { isValid } } ref { name } }
}
"""


@pytest.fixture
def repo(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Repository:
    """`acme/shop`, where alice may write."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n", "old.yaml": "a: 1\n"})
    made = fake_github.repository("acme/shop", from_repo=git)
    made.allow("alice", "write")
    return made


def remote(repo: Repository, token: Token) -> str:
    """The address of a repository, with the token as a runner's checkout has it."""
    return repo.clone_url.replace("http://", f"http://x-access-token:{token.value}@")


def clone(repo: Repository, token: Token, folder: Path) -> GitRepo:
    subprocess.run(["git", "clone", "--quiet", remote(repo, token), str(folder)], check=True, capture_output=True)
    return GitRepo(folder)


def push(git: GitRepo, refspec: str = "HEAD:main", *options: str) -> tuple[int, str]:
    done = subprocess.run(
        ["git", "-C", str(git.path), "push", *options, "origin", refspec], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


# --- Git


def test_a_push_moves_the_branch_and_the_pull_request(
    fake_github: FakeGitHub, repo: Repository, tmp_path: Path
) -> None:
    token = fake_github.token("alice")
    git = clone(repo, token, tmp_path / "clone")
    git.branch("feature")
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    assert push(git, "feature")[0] == 0
    pull = repo.open_pull("alice", "feature")
    sha = git.commit("canary in a message", {"web.yaml": "replicas: 3\n"})
    push(git, "feature")
    assert pull.head == sha
    assert [(made.login, made.kind) for made in repo.pushes] == [("alice", "branch_creation"), ("alice", "push")]
    assert "canary in a message" in fake_github.everything_said()
    assert "replicas: 1" not in fake_github.everything_said()
    git.git("commit", "--quiet", "--amend", "--message", "other")
    assert push(git, "feature")[0] != 0
    assert push(git, "feature", "--force")[0] == 0
    shown = ask(fake_github, "GET", "/repos/acme/shop/activity?ref=refs/heads/feature", token).body
    assert [one["activity_type"] for one in shown] == ["force_push", "push", "branch_creation"]
    first = ask(fake_github, "GET", "/repos/acme/shop/activity?per_page=2", token)
    following = first.headers["link"].partition("<")[2].partition(">")[0].removeprefix(fake_github.api)
    rest = ask(fake_github, "GET", following, token)
    assert first.body + rest.body == shown
    assert "link" not in rest.headers


def test_the_merge_of_a_pull_request_is_at_a_ref_of_its_own(
    fake_github: FakeGitHub, repo: Repository, tmp_path: Path
) -> None:
    repo.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    pull = repo.open_pull("alice", "feature")
    repo.commit("alice", "main", {"other.yaml": "b: 1\n"})
    git = clone(repo, fake_github.github_token(repo), tmp_path / "clone")
    git.git("fetch", "--quiet", "origin", f"refs/pull/{pull.number}/merge")
    assert git.sha("FETCH_HEAD") == pull.test_merge
    assert git.show("web.yaml", "FETCH_HEAD") == "replicas: 2"
    assert git.show("other.yaml", "FETCH_HEAD") == "b: 1"


@pytest.mark.parametrize(("kind", "code"), [("classic", "GH006"), ("ruleset", "GH013")])
def test_a_push_to_a_protected_branch_is_refused(
    fake_github: FakeGitHub, repo: Repository, tmp_path: Path, kind: Any, code: str
) -> None:
    repo.protect("main", kind=kind, bypass=["root"])
    before = repo.head()
    git = clone(repo, fake_github.github_token(repo), tmp_path / "clone")
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    status, said = push(git)
    assert status != 0
    assert code in said
    assert "Changes must be made through a pull request." in said
    assert repo.head() == before
    assert push(git, "HEAD:elsewhere")[0] == 0
    repo.allow("root", "admin")
    git.git("remote", "set-url", "origin", remote(repo, fake_github.token("root")))
    assert push(git)[0] == 0


def test_git_lets_in_whom_the_token_says(fake_github: FakeGitHub, repo: Repository, tmp_path: Path) -> None:
    git = clone(repo, fake_github.github_token(repo, {"contents": "read"}), tmp_path / "clone")
    git.commit("more", {"web.yaml": "replicas: 2\n"})
    status, said = push(git)
    assert status != 0
    assert "403" in said
    for token in (fake_github.github_token(repo, {"checks": "write"}), fake_github.token("mallory")):
        with pytest.raises(subprocess.CalledProcessError) as raised:
            clone(repo, token, tmp_path / token.login)
        assert b"not found" in raised.value.stderr


def test_github_token_changes_no_workflow(fake_github: FakeGitHub, repo: Repository, tmp_path: Path) -> None:
    path = ".github/workflows/ci.yml"
    repo.commit("alice", "main", {path: "on: push\n"})
    token = fake_github.github_token(repo)
    git = clone(repo, token, tmp_path / "clone")
    git.commit("workflow", {path: "on: pull_request\n"})
    for refspec in ("HEAD:main", "HEAD:elsewhere"):
        status, said = push(git, refspec)
        assert status != 0
        assert f"update workflow `{path}` without `workflows` permission" in said
    sent = about(repo)
    sent["fileChanges"]["deletions"] = [{"path": path}]
    assert "`workflows` permission" in query(fake_github, token, COMMIT, input=sent)["errors"][0]["message"]
    git.git("reset", "--quiet", "--hard", "HEAD~1")
    git.commit("manifest", {"web.yaml": "replicas: 2\n"})
    assert push(git)[0] == 0
    git.git("remote", "set-url", "origin", remote(repo, fake_github.token("alice")))
    git.commit("workflow", {path: "on: pull_request\n"})
    assert push(git)[0] == 0


def test_a_state_ref_moves_only_from_where_one_thinks(
    fake_github: FakeGitHub, repo: Repository, tmp_path: Path
) -> None:
    git = clone(repo, fake_github.github_token(repo), tmp_path / "clone")
    git.git("checkout", "--quiet", "--orphan", "state")
    first = git.commit("state", {"state.json": "{}"})
    assert push(git, "HEAD:refs/sloth/state", "--force-with-lease=refs/sloth/state:")[0] == 0
    git.commit("state", {"state.json": "[]"})
    assert push(git, "HEAD:refs/sloth/state", "--force-with-lease=refs/sloth/state:")[0] != 0
    assert push(git, "HEAD:refs/sloth/state", f"--force-with-lease=refs/sloth/state:{first}")[0] == 0
    assert repo.pushes == []  # of branches alone


# --- GraphQL


def about(repo: Repository, head: str = "", **files: str | None) -> dict[str, Any]:
    """The input of a commit on main."""
    names = {name.replace("_", "."): text for name, text in files.items()}
    return {
        "branch": {"repositoryNameWithOwner": "acme/shop", "branchName": "main"},
        "expectedHeadOid": head or repo.head(),
        "message": {"headline": "Revert", "body": "Sloth-Reverts: 1"},
        "fileChanges": {
            "additions": [
                {"path": name, "contents": base64.b64encode(text.encode()).decode()}
                for name, text in names.items()
                if text is not None
            ],
            "deletions": [{"path": name} for name, text in names.items() if text is None],
        },
    }


def test_a_commit_is_made_and_signed_by_github(fake_github: FakeGitHub, repo: Repository) -> None:
    token = fake_github.github_token(repo, {"contents": "write"})
    before = repo.head()
    said = query(fake_github, token, COMMIT, input=about(repo, web_yaml="replicas: 0\n", old_yaml=None))
    made = said["data"]["createCommitOnBranch"]
    assert made["commit"]["oid"] == repo.head() != before
    assert made["commit"]["signature"] == {"isValid": True}
    info = repo.git.info(repo.head())
    assert (info.parents, info.message) == ((before,), "Revert\n\nSloth-Reverts: 1")
    assert (info.author[0], info.committer[0]) == ("github-actions[bot]", "GitHub")
    assert repo.git.file("main", "web.yaml") == b"replicas: 0\n"
    assert repo.git.file("main", "old.yaml") is None
    shown = ask(fake_github, "GET", f"/repos/acme/shop/commits/{repo.head()}", token).body
    assert shown["commit"]["verification"]["verified"] is True
    assert shown["committer"]["login"] == "web-flow"


def test_of_two_commits_on_one_head_one_is_stale(fake_github: FakeGitHub, repo: Repository) -> None:
    token = fake_github.github_token(repo)
    inputs = [about(repo, web_yaml=f"replicas: {number}\n") for number in range(4)]
    query(fake_github, token, "{ viewer { login } }")  # the schema is read by one
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda sent: query(fake_github, token, COMMIT, input=sent), inputs))
    errors = [answer["errors"][0] for answer in said if answer.get("errors")]
    assert len(errors) == 3
    assert {error["type"] for error in errors} == {"STALE_DATA"}
    assert f'Expected branch to point to "{inputs[0]["expectedHeadOid"]}"' in errors[0]["message"]
    assert len(repo.git.commits(inputs[0]["expectedHeadOid"], repo.head())) == 1


@pytest.mark.parametrize(
    ("kind", "type"), [("classic", "BRANCH_PROTECTION_RULE_VIOLATION"), ("ruleset", "UNPROCESSABLE")]
)
def test_a_commit_on_a_protected_branch_is_refused(
    fake_github: FakeGitHub, repo: Repository, kind: Any, type: str
) -> None:
    repo.protect("main", kind=kind)
    before = repo.head()
    said = query(fake_github, fake_github.github_token(repo), COMMIT, input=about(repo, web_yaml="replicas: 0\n"))
    assert (said["data"], said["errors"][0]["type"]) == ({"createCommitOnBranch": None}, type)
    assert "Changes must be made through a pull request." in said["errors"][0]["message"]
    assert repo.head() == before


def test_a_commit_needs_the_permission(fake_github: FakeGitHub, repo: Repository) -> None:
    token = fake_github.github_token(repo, {"contents": "read"})
    said = query(fake_github, token, COMMIT, input=about(repo, web_yaml="x"))
    assert said["errors"][0]["type"] == "FORBIDDEN"
    assert said["errors"][0]["message"] == "Resource not accessible by integration"


def test_open_pull_requests_come_with_their_files(fake_github: FakeGitHub, repo: Repository) -> None:
    for branch in ("one", "two", "three"):
        repo.commit("alice", branch, {f"{branch}.yaml": "a: 1\n"})
        repo.open_pull("alice", branch, title=branch)
    repo.pulls[2].close("alice")
    text = """
      query ($owner: String!, $name: String!, $after: String) {
        viewer { login }
        repository(owner: $owner, name: $name) {
          pullRequests(states: OPEN, first: 1, after: $after) {
            pageInfo { hasNextPage endCursor }
            nodes { number title author { login } files(first: 100) { nodes { path } } }
          }
        }
      }
    """
    token = fake_github.github_token(repo)
    found: list[Any] = []
    after = None
    while True:
        data = query(fake_github, token, text, owner="acme", name="shop", after=after)["data"]
        page = data["repository"]["pullRequests"]
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert data["viewer"]["login"] == "github-actions[bot]"
    assert [(one["number"], one["author"]["login"], one["files"]["nodes"]) for one in found] == [
        (1, "alice", [{"path": "one.yaml"}]),
        (3, "alice", [{"path": "three.yaml"}]),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ viewer { name2 } }", "Cannot query field 'name2'"),
        ("{ viewer { login ", "Syntax Error"),
        ("{ viewer { bio } }", "the fake has no User.bio"),
        ('query { repository(owner: "acme") { name } }', r"Argument .*name"),
    ],
)
def test_a_query_that_github_does_not_know_is_a_violation(
    fake_github: FakeGitHub, repo: Repository, text: str, said: str
) -> None:
    assert query(fake_github, fake_github.token("alice"), text)["errors"]
    assert [words for words in fake_github.violations if re.search(said, words)]
    fake_github.violations.clear()


def test_a_list_has_to_say_how_much_of_it(fake_github: FakeGitHub, repo: Repository) -> None:
    text = '{ repository(owner: "acme", name: "shop") { pullRequests { totalCount } } }'
    said = query(fake_github, fake_github.token("alice"), text)
    assert said["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"
