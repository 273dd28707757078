"""GitLab's pipelines, from the variables that the runner sets, and from what a webhook sent to a trigger.

Variables: https://docs.gitlab.com/ci/variables/predefined_variables/. A pipeline that a webhook has triggered has the
webhook's body in the file that `TRIGGER_PAYLOAD` names: https://docs.gitlab.com/ci/triggers/#use-a-webhook-payload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sloth_ci.ci.event import Event
from sloth_ci.core.errors import UsageError
from sloth_ci.core.review import Comment, PullRequest

_GATED = {"approved", "unapproved", "approval", "unapproval"}
"""What happens to a merge request that its gate has to be looked at again for."""


def read_event(environ: Mapping[str, str]) -> Event:
    """The event of this job. Raises UsageError for a pipeline that there is nothing to do for, naming those there are."""
    source = environ.get("CI_PIPELINE_SOURCE", "")
    try:
        if environ.get("CI_MERGE_REQUEST_IID"):  # of a child pipeline, too, whose source is `parent_pipeline`
            return _merge_request(environ)
        reader = _READERS.get(source)
        if reader is None:
            raise UsageError(
                f"there is nothing to do for a pipeline of the source '{source}'",
                f"run it on merge_request_event, {', '.join(_READERS)}; or say what to do with SLOTH_COMMAND",
            )
        return reader(environ)
    except KeyError as error:
        raise UsageError(f"a job of the source '{source}' lacks the variable {error}", "GitLab 15.0 sets it") from None


def _merge_request(environ: Mapping[str, str]) -> Event:
    number = int(environ["CI_MERGE_REQUEST_IID"])
    target, origin = environ["CI_MERGE_REQUEST_PROJECT_ID"], environ["CI_MERGE_REQUEST_SOURCE_PROJECT_ID"]
    # In pipelines of merged results and of merge trains, CI_COMMIT_SHA is a merge that nobody has pushed.
    head = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ["CI_COMMIT_SHA"]
    branch = environ["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"]
    train = environ.get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train"
    pull = PullRequest(
        number=number,
        sigil="!",
        url=f"{environ['CI_MERGE_REQUEST_PROJECT_URL']}/-/merge_requests/{number}",
        title=environ.get("CI_MERGE_REQUEST_TITLE", ""),
        author="",
        state="open",
        head_sha=head,
        head_branch=environ["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"],
        base_branch=branch,
        base_sha=environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA") or environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
        fork=target != origin,
    )
    untrusted = environ["CI_PROJECT_ID"] != target
    default = environ.get("CI_DEFAULT_BRANCH", "")
    # Whoever may push makes an unprotected branch, with Lua that nobody has looked at. A fork's default branch is the fork's.
    unprotected = not untrusted and environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED") == "false"
    return Event(
        # In a merge train what counts is the merge with all that is before it in the train.
        kind="merge_group" if train else "pull_request",
        repository=environ["CI_MERGE_REQUEST_PROJECT_PATH"],
        sender=environ.get("GITLAB_USER_LOGIN", ""),
        sha=environ["CI_COMMIT_SHA"] if train else head,
        branch=branch,
        lua_branch=default if unprotected and default else None,
        pull=None if train else pull,
        number=None if train else number,
        default_branch=default,
        # The pipeline of a fork's merge request runs in the fork, unless a member has started it in this project.
        untrusted=untrusted,
    )


def _of_branch(kind: Any, environ: Mapping[str, str]) -> Event:
    return Event(
        kind=kind,
        repository=environ["CI_PROJECT_PATH"],
        sender=environ.get("GITLAB_USER_LOGIN", ""),
        sha=environ["CI_COMMIT_SHA"],
        branch=environ.get("CI_COMMIT_BRANCH") or None,
        default_branch=environ.get("CI_DEFAULT_BRANCH", ""),
    )


def _push(environ: Mapping[str, str]) -> Event:
    before = environ.get("CI_COMMIT_BEFORE_SHA", "")
    # Zeros: of a new branch, and of every pipeline that no push has started.
    return msgspec.structs.replace(_of_branch("push", environ), before=before if before.strip("0") else None)


def _schedule(environ: Mapping[str, str]) -> Event:
    return _of_branch("schedule", environ)


def _by_hand(environ: Mapping[str, str]) -> Event:
    return _of_branch("dispatch", environ)


def _trigger(environ: Mapping[str, str]) -> Event:
    """A webhook's payload, where one came: a comment on a merge request, or what happened to one.

    Who calls the trigger himself has a payload, too: what he gave (GitLab, app/services/ci/pipeline_trigger_service.rb). He says
    with SLOTH_COMMAND what is to be done.
    """
    event = _by_hand(environ)
    path = environ.get("TRIGGER_PAYLOAD")
    if not path:
        return event
    payload = _payload(path)
    kind = payload.get("object_kind")
    if kind is None and environ.get("SLOTH_COMMAND", "").strip() not in {"", "auto"}:
        return event
    if kind in ("note", "merge_request") and event.branch != event.default_branch:
        raise UsageError(
            f"a webhook would be answered with the Lua of {event.branch or 'a tag'}",
            f"have it trigger {event.default_branch}: the URL of the webhook ends in /ref/{event.default_branch}/trigger/pipeline",
        )
    try:
        if kind == "note" and payload["object_attributes"].get("noteable_type") == "MergeRequest":
            return _comment(event, payload)
        if kind == "merge_request":
            return _request(event, payload)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the payload of the webhook lacks {error}", "see docs/gitlab.md of the project") from None
    return msgspec.structs.replace(event, kind="nothing", action=str(kind or "a trigger without SLOTH_COMMAND"))


def _comment(event: Event, payload: Mapping[str, Any]) -> Event:
    note = payload["object_attributes"]
    comment = Comment(id=int(note["id"]), author="", body=str(note["note"]), created=0.0)
    # GitLab tells of updates since 16.4, as `action`; before that of new comments alone.
    action = {"create": "created", "update": "edited"}.get(note.get("action") or "create", "")
    number = int(payload["merge_request"]["iid"])
    return msgspec.structs.replace(event, kind="comment", action=action, number=number, comment=comment)


def _request(event: Event, payload: Mapping[str, Any]) -> Event:
    action, number = str(payload["object_attributes"].get("action")), int(payload["object_attributes"]["iid"])
    if action in _GATED:
        return msgspec.structs.replace(event, kind="review", action=action, number=number)
    if action == "close":
        return msgspec.structs.replace(event, kind="pull_request", action="closed", number=number)
    return msgspec.structs.replace(event, kind="nothing", action=f"merge_request {action}")


def _payload(path: str) -> Mapping[str, Any]:
    try:
        payload = msgspec.json.decode(Path(path).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"the payload of the webhook cannot be read: {error}", "TRIGGER_PAYLOAD names its file"
        ) from None
    if not isinstance(payload, dict):
        raise UsageError("the payload of the webhook is no JSON object")
    return payload


_READERS: Mapping[str, Callable[[Mapping[str, str]], Event]] = {
    "push": _push,
    "parent_pipeline": _push,
    "schedule": _schedule,
    "trigger": _trigger,
    "web": _by_hand,
    "api": _by_hand,
    "pipeline": _by_hand,
    "chat": _by_hand,
}
