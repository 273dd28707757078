"""GitHub's events: its own examples of each are read, and what we take from them is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.ci.event import Event
from sloth_ci.ci.github_event import read_event
from sloth_ci.core.errors import UsageError

NAMES = (
    "issue_comment",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "push",
    "repository_dispatch",
    "workflow_dispatch",
    "workflow_run",
)


def read(folder: Path, name: str, payload: Mapping[str, Any], **environ: str) -> Event:
    path = folder / "event.json"
    path.write_text(json.dumps(payload))
    given = {"GITHUB_SHA": "a" * 40, "GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "acme/shop", **environ}
    return read_event({"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), **given})


def examples(descriptions: Path, name: str) -> list[dict[str, Any]]:
    entries = json.loads((descriptions / "webhooks.json").read_bytes())
    return next((entry["examples"] for entry in entries if entry["name"] == name), [])


@pytest.mark.parametrize("name", NAMES)
def test_every_example_of_github_is_read(tmp_path: Path, descriptions: Path, name: str) -> None:
    found = examples(descriptions, name)
    assert found
    for payload in found:
        if name == "issue_comment" and "pull_request" not in payload["issue"]:
            with pytest.raises(UsageError, match="on an issue"):
                read(tmp_path, name, payload)
            continue
        event = read(tmp_path, name, payload)
        assert event.repository
        assert event.sender
        assert len(event.sha) == 40
        if name.startswith("pull_request"):
            pull = event.pull
            assert pull is not None
            assert (pull.number, pull.head_sha) == (
                payload["pull_request"]["number"],
                payload["pull_request"]["head"]["sha"],
            )
            assert event.untrusted == pull.fork


def test_a_pull_request_target_is_trusted_and_dependabot_is_not(tmp_path: Path, descriptions: Path) -> None:
    payload = examples(descriptions, "pull_request")[0]
    payload["pull_request"]["head"]["repo"]["full_name"] = "mallory/fork"
    assert read(tmp_path, "pull_request", payload).untrusted
    assert not read(tmp_path, "pull_request_target", payload).untrusted
    payload["pull_request"]["head"]["repo"] = payload["pull_request"]["base"]["repo"]
    assert not read(tmp_path, "pull_request", payload).untrusted
    assert read(tmp_path, "pull_request", payload, GITHUB_ACTOR="dependabot[bot]").untrusted


def test_a_fork_that_is_gone_is_a_fork(tmp_path: Path, descriptions: Path) -> None:
    payload = examples(descriptions, "pull_request")[0]
    payload["pull_request"]["head"]["repo"] = None
    payload["pull_request"]["user"] = None
    event = read(tmp_path, "pull_request", payload)
    assert event.untrusted
    assert event.pull is not None
    assert event.pull.author == "ghost"


def test_a_tag_and_a_deleted_branch(tmp_path: Path, descriptions: Path) -> None:
    payload = {**examples(descriptions, "push")[0], "ref": "refs/tags/v1", "deleted": False}
    assert read(tmp_path, "push", payload).branch is None
    assert read(tmp_path, "push", {**payload, "ref": "refs/heads/a/b", "deleted": True}).branch == "a/b"
    assert read(tmp_path, "push", {**payload, "deleted": True}).deleted


def test_a_schedule_has_hardly_a_payload(tmp_path: Path) -> None:
    event = read(tmp_path, "schedule", {"schedule": "23 5 * * *"}, GITHUB_ACTOR="alice")
    assert (event.repository, event.branch, event.sha, event.sender) == ("acme/shop", "main", "a" * 40, "alice")


@pytest.mark.parametrize("name", ["deployment", "fork"])
def test_an_event_without_anything_to_do_says_what_there_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name, {})
    assert "pull_request" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"pull_request": 1}', b'{"pull_request": {}}'])
def test_a_payload_that_is_not_one_is_an_error_and_no_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_event({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)})
    with pytest.raises(UsageError, match="cannot be read"):
        read_event({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(tmp_path / "missing")})
