"""GitLab's pipelines: why a job runs, from the variables that GitLab documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.ci.event import Event
from sloth_ci.ci.gitlab_event import read_event
from sloth_ci.core.errors import UsageError

HEAD, MERGED, BASE = "a" * 40, "b" * 40, "c" * 40
ALWAYS = {
    "CI_PROJECT_ID": "7",
    "CI_PROJECT_PATH": "acme/shop",
    "CI_DEFAULT_BRANCH": "main",
    "CI_COMMIT_SHA": HEAD,
    "GITLAB_USER_LOGIN": "alice",
}
REQUEST = {
    **ALWAYS,
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_TITLE": "Image 2",
    "CI_MERGE_REQUEST_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_PROJECT_PATH": "acme/shop",
    "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/acme/shop",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
}


def branch(source: str, **environ: str) -> Event:
    return read_event({**ALWAYS, "CI_PIPELINE_SOURCE": source, "CI_COMMIT_BRANCH": "main", **environ})


def test_a_merge_request() -> None:
    event = read_event(REQUEST)
    assert (event.kind, event.repository, event.sha, event.branch) == ("pull_request", "acme/shop", HEAD, "main")
    assert (event.number, event.untrusted, event.relayed) == (12, False, False)
    pull = event.pull
    assert pull is not None
    assert (pull.name, pull.url) == ("!12", "https://gitlab.example/acme/shop/-/merge_requests/12")
    assert (pull.head_branch, pull.base_branch, pull.base_sha, pull.fork) == ("feature", "main", BASE, False)


def test_of_merged_results_the_head_counts_and_not_the_merge_that_gitlab_has_made() -> None:
    event = read_event(
        {
            **REQUEST,
            "CI_COMMIT_SHA": MERGED,
            "CI_MERGE_REQUEST_EVENT_TYPE": "merged_result",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
            "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": BASE,
        }
    )
    assert (event.kind, event.sha) == ("pull_request", HEAD)
    assert event.pull is not None
    assert (event.pull.head_sha, event.pull.base_sha) == (HEAD, BASE)


def test_of_a_merge_train_the_merge_counts() -> None:
    event = read_event(
        {
            **REQUEST,
            "CI_COMMIT_SHA": MERGED,
            "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
        }
    )
    assert (event.kind, event.sha, event.pull, event.number) == ("merge_group", MERGED, None, None)


def test_a_forks_request_is_untrusted_in_the_fork_and_trusted_where_a_member_has_started_it() -> None:
    fork = {**REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "99"}
    there = read_event({**fork, "CI_PROJECT_ID": "99", "CI_PROJECT_PATH": "eve/shop"})
    assert (there.untrusted, there.repository) == (True, "acme/shop")
    assert there.pull is not None
    assert there.pull.fork
    here = read_event(fork)
    assert here.pull is not None
    assert (here.untrusted, here.pull.fork) == (False, True)


def test_a_child_pipeline_of_a_merge_request_is_about_the_merge_request() -> None:
    assert read_event({**REQUEST, "CI_PIPELINE_SOURCE": "parent_pipeline"}).kind == "pull_request"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("push", "push"),
        ("parent_pipeline", "push"),
        ("schedule", "schedule"),
        ("web", "dispatch"),
        ("api", "dispatch"),
        ("pipeline", "dispatch"),
        ("trigger", "dispatch"),
    ],
)
def test_pipelines_of_a_branch(source: str, kind: str) -> None:
    event = branch(source)
    assert (event.kind, event.branch, event.sha, event.sender) == (kind, "main", HEAD, "alice")
    assert event.default_branch == "main"


def test_what_a_branch_held_before() -> None:
    assert branch("push", CI_COMMIT_BEFORE_SHA=BASE).before == BASE
    assert branch("push", CI_COMMIT_BEFORE_SHA="0" * 40).before is None
    assert branch("schedule", CI_COMMIT_BEFORE_SHA=BASE).before is None


def test_a_tag_is_of_no_branch() -> None:
    event = read_event({**ALWAYS, "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"})
    assert (event.kind, event.branch) == ("push", None)


def test_an_unknown_source_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="of the source 'ondemand_dast_scan'") as caught:
        branch("ondemand_dast_scan")
    assert "merge_request_event, push" in (caught.value.hint or "")


def test_a_variable_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="lacks the variable 'CI_MERGE_REQUEST_PROJECT_ID'"):
        read_event({k: v for k, v in REQUEST.items() if k != "CI_MERGE_REQUEST_PROJECT_ID"})


# --- webhooks


def hook(folder: Path, payload: Any) -> Event:
    path = folder / "payload"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    return branch("trigger", TRIGGER_PAYLOAD=str(path))


@pytest.mark.parametrize(
    ("command", "kind", "action"),
    [({}, "nothing", "a trigger without SLOTH_COMMAND"), ({"SLOTH_COMMAND": "auto"}, "nothing", "a trigger without SLOTH_COMMAND"),
     ({"SLOTH_COMMAND": "sync"}, "dispatch", "")],
)  # fmt: skip
def test_who_calls_the_trigger_himself_says_what_is_to_be_done(
    tmp_path: Path, command: dict[str, str], kind: str, action: str
) -> None:
    """GitLab makes a payload of whatever it is called with: app/services/ci/pipeline_trigger_service.rb."""
    path = tmp_path / "payload"
    path.write_text(json.dumps({"id": "7", "ref": "main", "variables": command}))
    event = branch("trigger", TRIGGER_PAYLOAD=str(path), **command)
    assert (event.kind, event.action, event.branch) == (kind, action, "main")


def note(text: str, **attributes: Any) -> dict[str, Any]:
    return {
        "object_kind": "note",
        "object_attributes": {"id": 5, "note": text, "noteable_type": "MergeRequest", **attributes},
        "merge_request": {"iid": 12},
    }


def test_a_comment_is_a_pointer_to_what_is_read_again(tmp_path: Path) -> None:
    event = hook(tmp_path, note("/sloth help", action="create"))
    assert (event.kind, event.action, event.number) == ("comment", "created", 12)
    assert event.comment is not None
    assert (event.comment.id, event.comment.author, event.comment.body) == (5, "", "/sloth help")
    assert hook(tmp_path, note("/sloth help")).action == "created"  # GitLab before 16.4
    assert hook(tmp_path, note("/sloth help", action="update")).action == "edited"


@pytest.mark.parametrize("action", ["approved", "unapproved", "approval", "unapproval"])
def test_an_approval_has_the_gate_looked_at_again(tmp_path: Path, action: str) -> None:
    event = hook(tmp_path, {"object_kind": "merge_request", "object_attributes": {"iid": 12, "action": action}})
    assert (event.kind, event.number, event.pull) == ("review", 12, None)


def test_a_request_that_was_closed(tmp_path: Path) -> None:
    event = hook(tmp_path, {"object_kind": "merge_request", "object_attributes": {"iid": 12, "action": "close"}})
    assert (event.kind, event.action, event.number) == ("pull_request", "closed", 12)


@pytest.mark.parametrize(
    "payload",
    [
        {"object_kind": "push"},
        {"object_kind": "merge_request", "object_attributes": {"iid": 12, "action": "update"}},
        note("/sloth help", noteable_type="Issue"),
        {},
    ],
)
def test_for_much_of_what_webhooks_tell_there_is_nothing_to_do(tmp_path: Path, payload: dict[str, Any]) -> None:
    assert hook(tmp_path, payload).kind == "nothing"


@pytest.mark.parametrize(
    "payload",
    ["", "[]", "nonsense", {"object_kind": "note", "object_attributes": {"noteable_type": "MergeRequest"}}, {"object_kind": "merge_request"}],
)  # fmt: skip
def test_a_payload_that_is_none_is_an_error(tmp_path: Path, payload: Any) -> None:
    with pytest.raises(UsageError, match="payload of the webhook"):
        hook(tmp_path, payload)
