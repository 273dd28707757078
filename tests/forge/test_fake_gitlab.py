"""The fake GitLab itself: what it keeps is what GitLab would keep, and nobody says what GitLab would not understand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

import gitlab
import pytest

from support.gitlab import FakeGitLab, MergeRequest, Project, Refused, shapes
from support.gitlab.accounts import AnyLevel, Token
from support.gitlab.asking import ask
from support.gitlab.call import ROUTES
from support.gitlab.fake import Violations
from support.gitrepo import GitRepo

MANIFEST = "k8s/web.yaml"


@pytest.fixture
def project(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> Project:
    """`acme/shop`, where alice and bob are developers and carol is a maintainer, by her group."""
    git = git_repo()
    git.commit("start", {MANIFEST: "replicas: 1\n", "CODEOWNERS": "* @acme/platform\n"})
    made = fake_gitlab.project("acme/shop", from_repo=git)
    for login in ("alice", "bob"):
        made.allow(login, "developer")
    fake_gitlab.group("acme", {"carol": "maintainer"})
    return made


@pytest.fixture
def token(fake_gitlab: FakeGitLab, project: Project) -> Token:
    """A project access token of a developer."""
    return fake_gitlab.project_token(project)


def _pull(project: Project, branch: str = "feature", **about: Any) -> MergeRequest:
    project.commit("alice", branch, {MANIFEST: f"replicas: {len(branch)}\n"})
    return project.open_pull("alice", branch, **about)


def _path(project: Project, rest: str = "") -> str:
    return f"/projects/{project.id}{rest}"


# --- the judge


@pytest.mark.parametrize(
    ("method", "rest", "body", "said"),
    [
        ("POST", "/statuses/main", {"name": "plan"}, "state"),
        ("POST", "/statuses/main", {"state": "fine"}, "fine"),
        ("POST", "/statuses/main", {"state": "success", "external_id": "x"}, "unknown key 'external_id'"),
        ("GET", "/merge_requests?state=open", None, "open"),
        ("GET", "/merge_requests?author=alice", None, "unknown query parameter 'author'"),
        ("POST", "/merge_requests", {"title": "x", "source_branch": "y"}, "target_branch"),
        (
            "POST",
            "/repository/commits",
            {"branch": "x", "commit_message": "y", "actions": [{"action": "edit"}]},
            "edit",
        ),
        ("GET", "/variables", None, "no such operation"),
    ],
)
def test_a_request_that_gitlab_does_not_know_is_refused_and_remembered(
    fake_gitlab: FakeGitLab, project: Project, token: Token, method: str, rest: str, body: Any, said: str
) -> None:
    answer = ask(fake_gitlab, method, _path(project, rest), token, body)
    assert answer.status in (400, 501)
    with pytest.raises(Violations, match=said):
        fake_gitlab.check()
    fake_gitlab.violations.clear()


@pytest.mark.parametrize("wrong", [{"iid": "one"}, {"iids": 1}])
def test_a_wrong_answer_of_the_fake_is_a_violation_too(
    fake_gitlab: FakeGitLab, project: Project, token: Token, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    _pull(project)
    right = shapes.pull
    monkeypatch.setattr(shapes, "pull", lambda found: right(found) | wrong)
    assert ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), token).status == 500
    with pytest.raises(Violations, match=next(iter(wrong))):
        fake_gitlab.check()
    fake_gitlab.violations.clear()


@pytest.mark.parametrize("edition", ["ee", "ce"])
@pytest.mark.parametrize("premium", [True, False])
def test_whatever_can_be_read_is_as_the_description_says(
    fake_gitlab: FakeGitLab, project: Project, edition: Literal["ee", "ce"], premium: bool
) -> None:
    fake_gitlab.edition, project.premium = edition, premium
    pull = _pull(project, body="why")
    pull.request_review("bob")
    pull.approve("bob")
    note = pull.comment("bob", "fine")
    job = project.job(project.pipeline("merge_request_event", pull=pull), environment="production")
    project.protect()
    project.label("deploy")
    project.freeze("0 1 * * *", "0 2 * * *")
    if premium:
        project.approval_rules.append(project.rule(people=["carol"]))
        project.protect_environment("staging", deployers=(30, "bob"), rules=[project.rule(level="maintainer")])
        project.job(environment="staging")
    named = {
        "id": str(project.id),
        "merge_request_iid": "1",
        "noteable_id": "1",
        "note_id": str(note.id),
        "version_id": str(pull.version.id),
        "sha": pull.head,
        "branch": "feature",
        "file_path": quote(MANIFEST, safe=""),
        "name": "main",
        "user_id": str(fake_gitlab.account("bob").id),
        "pipeline_id": str(job.pipeline.id),
        "job_id": str(job.id),
        "environment_id": str(project.environments["production"].id),
        "deployment_id": str(next(iter(project.deployments))),
    }
    queries = {"compare": "?from=main&to=feature", "{file_path}": "?ref=main"}
    reads = [route for route in ROUTES if route.method == "GET"]
    maintainer, of_job = fake_gitlab.token("carol"), project.job_token(job)
    for route in reads:
        group = "/groups/" in route.template
        values = named | ({"id": "acme"} if group else {})
        if "protected_environments" in route.template:
            values["name"] = "staging"
        where = route.template.removeprefix("/api/v4").format_map(values)
        where += next(
            (query for end, query in queries.items() if where.endswith(end) or route.template.endswith(end)), ""
        )
        said = ask(fake_gitlab, "GET", where, of_job if where == "/job" else maintainer)
        missing = route.premium and (
            edition == "ce" or (not premium and route.template.endswith("protected_environments/{name}"))
        )
        assert said.status == (404 if missing else 200), (route.template, said.body)
    assert len(reads) > 40


def test_python_gitlab_finds_all_of_it(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project)
    pull.approve("bob")
    client = gitlab.Gitlab(fake_gitlab.url, private_token=token.value)
    found = client.projects.get("acme/shop")
    assert found.id == project.id
    seen = found.mergerequests.get(pull.number)
    assert (seen.sha, seen.author["username"], seen.state) == (pull.head, "alice", "opened")
    assert [one["user"]["username"] for one in seen.approvals.get().approved_by] == ["bob"]
    assert [one.head_commit_sha for one in seen.diffs.list(get_all=True)] == [pull.head]
    seen.notes.create({"body": "hello"})
    assert [note.body for note in pull.comments] == ["hello"]
    found.commits.get(pull.head).statuses.create({"state": "success", "name": "plan"})
    assert [one.name for one in project.statuses_of(pull.head)] == ["plan"]
    assert [one.iid for one in found.mergerequests.list(iids=[1, 2], state="opened", get_all=True)] == [1]


# --- who may what


@pytest.mark.parametrize(
    ("level", "reads", "says", "status"),
    [
        ("none", 404, 404, 404),
        ("guest", 403, 403, 403),
        ("reporter", 200, 201, 403),
        ("read", 200, 201, 403),
        ("developer", 200, 201, 201),
        ("write", 200, 201, 201),
    ],
)
def test_a_level_opens_what_it_opens(
    fake_gitlab: FakeGitLab, project: Project, level: AnyLevel, reads: int, says: int, status: int
) -> None:
    _pull(project)
    project.allow("eve", level)
    eve = fake_gitlab.token("eve")
    assert ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), eve).status == reads
    assert ask(fake_gitlab, "POST", _path(project, "/merge_requests/1/notes"), eve, {"body": "x"}).status == says
    assert ask(fake_gitlab, "POST", _path(project, "/statuses/feature"), eve, {"state": "success"}).status == status


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [(("api",), 200, 201), (("read_api",), 200, 403), (("read_repository", "write_repository"), 403, 403)],
)
def test_a_scope_opens_what_it_opens(
    fake_gitlab: FakeGitLab, project: Project, scopes: tuple[str, ...], read: int, write: int
) -> None:
    _pull(project)
    given = fake_gitlab.project_token(project, "maintainer", *scopes)
    assert ask(fake_gitlab, "GET", _path(project), given).status == read
    said = ask(fake_gitlab, "POST", _path(project, "/merge_requests/1/notes"), given, {"body": "x"})
    assert said.status == write
    if write == 403:
        assert (said.body["error"], said.body["scope"]) == ("insufficient_scope", "api")


def test_a_token_that_is_none_opens_nothing(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    said = ask(fake_gitlab, "GET", _path(project), Token("glpat-wrong", "alice"))
    assert (said.status, said.body) == (401, {"message": "401 Unauthorized"})
    # A token in the header of the other kind is none either.
    assert ask(fake_gitlab, "GET", "/job", Token(token.value, token.login, "job")).status == 401
    assert ask(fake_gitlab, "GET", _path(project)).body == {"message": "404 Project Not Found"}
    project.visibility = "public"
    assert ask(fake_gitlab, "GET", _path(project)).status == 200
    assert ask(fake_gitlab, "GET", _path(project, "/members/all")).status == 200
    assert ask(fake_gitlab, "POST", _path(project, "/statuses/main"), body={"state": "success"}).status == 401


def test_a_project_token_is_a_bot_of_its_project_alone(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    me = ask(fake_gitlab, "GET", "/user", token).body
    assert re.fullmatch(rf"project_{project.id}_bot_[0-9a-f]+", me["username"])
    assert me["bot"] is True
    assert ask(fake_gitlab, "GET", _path(project, f"/members/all/{me['id']}"), token).body["access_level"] == 30
    other = fake_gitlab.project("acme/other", visibility="internal")
    assert ask(fake_gitlab, "GET", _path(other), token).status == 404


def test_members_are_those_of_the_groups_as_well(fake_gitlab: FakeGitLab, git_repo: Callable[..., GitRepo]) -> None:
    fake_gitlab.group("acme", {"carol": "reporter", "dave": "owner"})
    fake_gitlab.group("acme/web", {"carol": "maintainer", "erin": "guest"})
    made = fake_gitlab.project("acme/web/shop")
    made.allow("alice", "developer")
    asks = fake_gitlab.token("alice")

    def levels(where: str) -> dict[str, int]:
        return {one["username"]: one["access_level"] for one in ask(fake_gitlab, "GET", where, asks).body}

    assert levels("/projects/acme%2Fweb%2Fshop/members/all") == {"dave": 50, "carol": 40, "erin": 10, "alice": 30}
    assert levels(_path(made, "/members")) == {"alice": 30}
    assert levels("/groups/acme%2Fweb/members") == {"carol": 40, "erin": 10}
    assert levels("/groups/acme%2Fweb/members/all") == {"carol": 40, "erin": 10, "dave": 50}
    assert ask(fake_gitlab, "GET", "/groups/acme/members/all", fake_gitlab.token("mallory")).status == 404
    assert made.level("carol") == "maintainer"
    assert ask(fake_gitlab, "GET", "/users?username=CAROL", asks).body[0]["username"] == "carol"
    assert ask(fake_gitlab, "GET", "/users?username=nobody", asks).body == []


# --- merge requests


def test_a_push_is_a_version_and_a_note(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project)
    first = pull.head
    second = pull.push("bob", {MANIFEST: "replicas: 9\n"}, "more of it")
    versions = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1/versions"), token).body
    assert [one["head_commit_sha"] for one in versions] == [second, first]
    assert versions[0]["created_at"] > versions[1]["created_at"]
    notes = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1/notes"), token).body
    assert [(note["system"], note["author"]["username"]) for note in notes] == [(True, "bob")]
    assert "added 1 commit" in notes[0]["body"]
    assert "more of it" in notes[0]["body"]
    events = ask(fake_gitlab, "GET", _path(project, "/events?action=pushed"), token).body
    assert [(one["author_username"], one["push_data"]["ref"], one["push_data"]["commit_to"]) for one in events] == [
        ("bob", "feature", second),
        ("alice", "feature", first),
    ]
    assert project.git.resolve("refs/merge-requests/1/head") == second
    project.delete_branch("alice", "feature")
    seen = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), token).body
    assert (seen["state"], seen["sha"]) == ("opened", second)


@pytest.mark.parametrize(
    ("method", "parents", "merge_commit", "squash_commit"),
    [("merge", 2, True, False), ("squash", 2, True, True), ("rebase", 1, False, False)],
)
def test_a_merge_is_what_its_method_makes_of_it(
    fake_gitlab: FakeGitLab,
    project: Project,
    token: Token,
    method: Literal["merge", "squash", "rebase"],
    parents: int,
    merge_commit: bool,
    squash_commit: bool,
) -> None:
    pull = _pull(project)
    own = pull.push("alice", {"k8s/api.yaml": "replicas: 1\n"})
    project.commit("bob", "main", {"other": "x"})
    sha = pull.merge("carol", method)
    assert project.head() == sha
    assert len(project.git.info(sha).parents) == parents
    assert project.git.file("main", "k8s/api.yaml") == b"replicas: 1\n"
    seen = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), token).body
    assert (seen["state"], seen["merge_user"]["username"]) == ("merged", "carol")
    assert (seen["merge_commit_sha"], bool(seen["squash_commit_sha"])) == (sha if merge_commit else None, squash_commit)
    commits = {sha, pull.head} | ({seen["squash_commit_sha"]} if squash_commit else set())
    for one in commits | ({own} if method != "rebase" else set()):
        found = ask(fake_gitlab, "GET", _path(project, f"/repository/commits/{one}/merge_requests"), token).body
        assert [pull["iid"] for pull in found] == [1], one
    start = project.git.git("rev-list", "--max-parents=0", "main")
    assert ask(fake_gitlab, "GET", _path(project, f"/repository/commits/{start}/merge_requests"), token).body == []


def test_a_fast_forward_needs_a_branch_that_is_up_to_date(project: Project) -> None:
    project.merge_method = "ff"
    pull = _pull(project)
    project.commit("alice", "other-feature", {"other": "x"})
    other = project.open_pull("alice", "other-feature")
    assert pull.merge("carol") == pull.head == project.head()
    with pytest.raises(Refused, match="405"):
        other.merge("carol")


def test_what_cannot_be_merged_is_not(fake_gitlab: FakeGitLab, project: Project) -> None:
    pull = _pull(project, draft=True)
    asks = fake_gitlab.token("carol")
    assert ask(fake_gitlab, "PUT", _path(project, "/merge_requests/1/merge"), asks, {}).status == 405
    ask(fake_gitlab, "PUT", _path(project, "/merge_requests/1"), asks, {"title": "Ready"})
    said = ask(fake_gitlab, "PUT", _path(project, "/merge_requests/1/merge"), asks, {"sha": project.head()})
    assert said.status == 409
    project.commit("bob", "main", {MANIFEST: "replicas: 100\n"})
    seen = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), asks).body
    assert (seen["has_conflicts"], seen["detailed_merge_status"]) == (True, "conflict")
    assert ask(fake_gitlab, "PUT", _path(project, "/merge_requests/1/merge"), asks, {}).status == 422
    project.protect("main", merge="maintainer")
    assert (
        ask(fake_gitlab, "PUT", _path(project, "/merge_requests/1/merge"), fake_gitlab.token("bob"), {}).status == 401
    )
    assert pull.state == "opened"


def test_one_is_opened_only_once(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    project.commit("alice", "feature", {MANIFEST: "replicas: 2\n"})
    wanted = {"title": "Feature", "source_branch": "feature", "target_branch": "main", "labels": "a,b"}
    made = ask(fake_gitlab, "POST", _path(project, "/merge_requests"), token, wanted)
    assert (made.status, made.body["iid"], made.body["labels"]) == (201, 1, ["a", "b"])
    again = ask(fake_gitlab, "POST", _path(project, "/merge_requests"), token, wanted)
    words = "Another open merge request already exists for this source branch: !1"
    assert (again.status, again.body) == (409, {"message": [words]})
    project.pulls[1].close("alice")
    assert ask(fake_gitlab, "POST", _path(project, "/merge_requests"), token, wanted).body["iid"] == 2
    gone = ask(fake_gitlab, "POST", _path(project, "/merge_requests"), token, wanted | {"source_branch": "nothing"})
    assert gone.status == 400


def test_a_merge_request_of_a_fork_is_one_of_the_target(
    fake_gitlab: FakeGitLab, project: Project, token: Token
) -> None:
    project.visibility = "public"
    fork = project.fork("eve")
    fork.commit("eve", "feature", {MANIFEST: "replicas: 66\n"})
    wanted = {"title": "x", "source_branch": "feature", "target_branch": "main", "target_project_id": project.id}
    made = ask(fake_gitlab, "POST", _path(fork, "/merge_requests"), fake_gitlab.token("eve"), wanted).body
    assert (made["project_id"], made["source_project_id"], made["sha"]) == (project.id, fork.id, fork.head("feature"))
    # The commit is in the target as well, and its branch is not.
    assert ask(fake_gitlab, "GET", _path(project, f"/repository/commits/{made['sha']}"), token).status == 200
    assert "feature" not in project.git.branches()
    fork.delete()
    seen = ask(fake_gitlab, "GET", _path(project, "/merge_requests/1"), token).body
    assert seen["source_project_id"] is None


def test_lists_are_filtered_and_sorted(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    for branch in ("a", "bb", "ccc"):
        _pull(project, branch)
    project.pulls[1].close("alice")

    def listed(query: str) -> list[int]:
        return [one["iid"] for one in ask(fake_gitlab, "GET", _path(project, f"/merge_requests?{query}"), token).body]

    assert listed("state=opened") == [3, 2]
    assert listed("state=all&sort=asc") == [1, 2, 3]
    assert listed("source_branch=bb") == [2]
    assert listed("order_by=updated_at") == [1, 3, 2]
    assert listed("author_username=bob") == []
    assert listed("iids[]=1&iids[]=3") == [3, 1]


def test_pages_say_where_the_others_are(fake_gitlab: FakeGitLab, project: Project, token: Token) -> None:
    pull = _pull(project)
    for number in range(5):
        pull.comment("bob", f"note {number}")
    path = _path(project, "/merge_requests/1/notes?sort=asc&per_page=2")
    first = ask(fake_gitlab, "GET", path, token)
    assert [note["body"] for note in first.body] == ["note 0", "note 1"]
    heads = {name: first.headers[name] for name in ("x-page", "x-next-page", "x-prev-page", "x-total", "x-total-pages")}
    assert heads == {"x-page": "1", "x-next-page": "2", "x-prev-page": "", "x-total": "5", "x-total-pages": "3"}
    links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["link"]))
    following = next(where for where, word in links.items() if word == "next").removeprefix(fake_gitlab.api)
    assert [note["body"] for note in ask(fake_gitlab, "GET", following, token).body] == ["note 2", "note 3"]
    last = ask(fake_gitlab, "GET", f"{path}&page=3", token)
    assert (len(last.body), last.headers["x-next-page"]) == (1, "")
    # Of commits GitLab does not count how many there are.
    assert "x-total" not in ask(fake_gitlab, "GET", _path(project, "/repository/commits"), token).headers
