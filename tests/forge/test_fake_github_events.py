"""Events of the fake GitHub: payloads have the keys of GitHub's own examples, and the environment fits them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.github import FakeGitHub, Pull, Repository
from support.github.events import Event, examples
from support.github.fake import EXAMPLES_FILE
from support.gitrepo import GitRepo


@pytest.fixture
def repo(fake_github: FakeGitHub, git_repo: Callable[..., GitRepo]) -> Repository:
    """`acme/shop`, of an organisation."""
    git = git_repo()
    git.commit("start", {"web.yaml": "replicas: 1\n"})
    fake_github.team("acme", "platform", ["bob"])
    made = fake_github.repository("acme/shop", from_repo=git)
    made.allow("alice", "write")
    return made


@pytest.fixture
def pull(repo: Repository) -> Pull:
    repo.commit("alice", "feature", {"web.yaml": "replicas: 2\n"})
    return repo.open_pull("alice", "feature")


def missing(example: Any, ours: Any, prefix: str = "") -> Iterator[str]:
    """The keys that an example has and ours has not, where ours has anything at all."""
    if isinstance(example, dict) and isinstance(ours, dict):
        for key, part in example.items():
            if key not in ours:
                yield f"{prefix}{key}"
            yield from missing(part, ours.get(key), f"{prefix}{key}.")


EVENTS: dict[str, Callable[[FakeGitHub, Repository, Pull], Event]] = {
    "pull_request": lambda fake, repo, pull: fake.event("pull_request", repo, pull=pull, action="synchronize"),
    "pull_request_target": lambda fake, repo, pull: fake.event("pull_request_target", repo, pull=pull),
    "pull_request_review": lambda fake, repo, pull: fake.event(
        "pull_request_review", repo, pull=pull, review=pull.approve("bob")
    ),
    "issue_comment": lambda fake, repo, pull: fake.event(
        "issue_comment", repo, comment=pull.comment("bob", "/sloth help")
    ),
    "push": lambda fake, repo, pull: fake.event("push", repo, after=pull.merge("bob")),
    "merge_group": lambda fake, repo, pull: fake.event("merge_group", repo, pull=pull),
    "schedule": lambda fake, repo, pull: fake.event("schedule", repo, schedule="5 * * * *"),
    "workflow_dispatch": lambda fake, repo, pull: fake.event("workflow_dispatch", repo, inputs={"command": "sync"}),
    "workflow_run": lambda fake, repo, pull: fake.event(
        "workflow_run", repo, of=repo.run("pull_request", sha=pull.head)
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_payload_has_the_keys_of_githubs_examples(
    fake_github: FakeGitHub, repo: Repository, pull: Pull, name: str
) -> None:
    payload = EVENTS[name](fake_github, repo, pull).payload
    text = json.dumps(payload)
    assert "octocat" not in text.lower()
    assert "codertocat" not in text.lower()
    assert payload["repository"]["full_name"] == "acme/shop"
    known = examples(fake_github.descriptions / EXAMPLES_FILE).get(name.replace("_target", ""), [])
    if name != "schedule":  # no webhook: only a run has it
        assert known
    fitting = [one for one in known if one.get("action") == payload.get("action")] or known
    if fitting:
        best = max(fitting, key=lambda one: len(json.dumps(one)))
        assert set(missing(best, payload)) <= {"installation", "enterprise"}


@pytest.mark.parametrize("name", EVENTS)
def test_the_environment_fits_the_payload(
    fake_github: FakeGitHub, repo: Repository, pull: Pull, tmp_path: Path, name: str
) -> None:
    event = EVENTS[name](fake_github, repo, pull)
    environ = event.environ(tmp_path / "step")
    assert environ["GITHUB_EVENT_NAME"] == name
    assert json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text()) == event.payload
    assert repo.git.resolve(environ["GITHUB_SHA"]) == environ["GITHUB_SHA"]
    assert Path(environ["GITHUB_OUTPUT"]).read_text() == ""
    assert int(environ["GITHUB_RUN_ID"]) in repo.runs
    on_merge = name in ("pull_request", "pull_request_review")
    assert environ["GITHUB_REF"].endswith("/merge") is on_merge
    assert environ["GITHUB_HEAD_REF"] == ("feature" if name.startswith("pull_request") else "")


def test_a_pull_request_runs_on_its_merge(fake_github: FakeGitHub, repo: Repository, pull: Pull) -> None:
    event = fake_github.event("pull_request", repo, pull=pull, action="opened")
    assert event.sha == pull.test_merge
    assert event.payload["pull_request"]["head"]["sha"] == pull.head
    assert event.actor == "alice"


def test_a_push_says_what_it_brought_but_not_which_files(fake_github: FakeGitHub, repo: Repository, pull: Pull) -> None:
    before = repo.head()
    after = pull.merge("bob", "squash")
    payload = fake_github.event("push", repo).payload
    assert (payload["before"], payload["after"], payload["ref"]) == (before, after, "refs/heads/main")
    assert [commit["id"] for commit in payload["commits"]] == [after]
    assert "modified" not in payload["commits"][0]
    assert payload["pusher"]["name"] == "bob"


def test_what_an_event_is_not_about_is_an_error(fake_github: FakeGitHub, repo: Repository, pull: Pull) -> None:
    with pytest.raises(AssertionError, match="not about colour"):
        fake_github.event("push", repo, colour="red")
