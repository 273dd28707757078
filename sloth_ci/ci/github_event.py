"""GitHub's events, from the payload that the runner leaves in a file.

The payloads are those of https://docs.github.com/webhooks; the tests read GitHub's own examples of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sloth_ci.ci.event import Event
from sloth_ci.core.errors import UsageError
from sloth_ci.forge.github_payload import comment_of, pull_of

Payload = Mapping[str, Any]
_BRANCH = "refs/heads/"
_DEPENDABOT = "dependabot[bot]"


def read_event(environ: Mapping[str, str]) -> Event:
    """The event of this job. Raises UsageError for one that there is nothing to do for, naming those there are."""
    name = environ.get("GITHUB_EVENT_NAME", "")
    reader = _READERS.get(name)
    if reader is None:
        raise UsageError(
            f"there is nothing to do for the event '{name}'",
            f"run it on {', '.join(_READERS)}; or say what to do with the input `command`",
        )
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    try:
        event = reader(payload, environ)
        return msgspec.structs.replace(event, default_branch=_default_branch(payload))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"the payload of the event '{name}' lacks {error}", "this is a fault of the runner") from None


def _payload(path: str) -> Payload:
    try:
        payload = msgspec.json.decode(Path(path).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"the event of this job cannot be read: {error}", "GITHUB_EVENT_PATH names its file") from None
    if not isinstance(payload, dict):
        raise UsageError("the event of this job is no JSON object")
    return payload


def _pull_request(payload: Payload, environ: Mapping[str, str]) -> Event:
    pull = pull_of(payload["pull_request"])
    # `pull_request_target` has a token and secrets; whoever uses it wants the plan against the destinations.
    untrusted = environ.get("GITHUB_EVENT_NAME") != "pull_request_target" and (
        pull.fork or environ.get("GITHUB_ACTOR") == _DEPENDABOT
    )
    return Event(
        kind="pull_request",
        action=payload.get("action", ""),
        repository=_repository(payload),
        sender=_sender(payload, environ),
        sha=pull.head_sha,
        branch=pull.base_branch,
        pull=pull,
        number=pull.number,
        untrusted=untrusted,
        relayed=untrusted,
    )


def _review(payload: Payload, environ: Mapping[str, str]) -> Event:
    # The payload's pull request is a short one here, but has all that we read.
    return msgspec.structs.replace(_pull_request(payload, environ), kind="review")


def _merge_group(payload: Payload, environ: Mapping[str, str]) -> Event:
    group = payload["merge_group"]
    return Event(
        kind="merge_group",
        action=payload.get("action", ""),
        repository=_repository(payload),
        sender=_sender(payload, environ),
        sha=group["head_sha"],
        branch=group["base_ref"].removeprefix(_BRANCH),
    )


def _push(payload: Payload, environ: Mapping[str, str]) -> Event:
    ref = payload["ref"]
    return Event(
        kind="push",
        repository=_repository(payload),
        sender=_sender(payload, environ),
        sha=payload["after"],
        before=_unless_new(payload.get("before", "")),
        branch=ref.removeprefix(_BRANCH) if ref.startswith(_BRANCH) else None,
        deleted=bool(payload.get("deleted")),
    )


def _unless_new(sha: str) -> str | None:
    """A branch that is new had nothing but zeros before."""
    return sha if sha.strip("0") else None


def _schedule(payload: Payload, environ: Mapping[str, str]) -> Event:
    return _of_branch("schedule", payload, environ)


def _dispatch(payload: Payload, environ: Mapping[str, str]) -> Event:
    return _of_branch("dispatch", payload, environ)


def _of_branch(kind: Any, payload: Payload, environ: Mapping[str, str]) -> Event:
    ref = environ.get("GITHUB_REF", "")
    return Event(
        kind=kind,
        repository=_repository(payload) or environ["GITHUB_REPOSITORY"],
        sender=_sender(payload, environ),
        sha=environ["GITHUB_SHA"],
        branch=ref.removeprefix(_BRANCH) if ref.startswith(_BRANCH) else None,
    )


def _comment(payload: Payload, environ: Mapping[str, str]) -> Event:
    issue, comment = payload["issue"], payload["comment"]
    if "pull_request" not in issue:
        raise UsageError("the comment is on an issue, and commands are given on pull requests")
    return Event(
        kind="comment",
        action=payload.get("action", ""),
        repository=_repository(payload),
        sender=_sender(payload, environ),
        sha=environ["GITHUB_SHA"],
        branch=environ.get("GITHUB_REF", "").removeprefix(_BRANCH) or None,
        number=issue["number"],
        comment=comment_of(comment),
    )


def _workflow_run(payload: Payload, environ: Mapping[str, str]) -> Event:
    run = payload["workflow_run"]
    return Event(
        kind="relay",
        action=payload.get("action", ""),
        repository=_repository(payload),
        sender=_sender(payload, environ),
        sha=run["head_sha"],
        run_id=run["id"],
        head_branch=run["head_branch"],
        head_repository=(run.get("head_repository") or {}).get("full_name"),
    )


_READERS: Mapping[str, Callable[[Payload, Mapping[str, str]], Event]] = {
    "pull_request": _pull_request,
    "pull_request_target": _pull_request,
    "pull_request_review": _review,
    "merge_group": _merge_group,
    "push": _push,
    "schedule": _schedule,
    "workflow_dispatch": _dispatch,
    "repository_dispatch": _dispatch,
    "issue_comment": _comment,
    "workflow_run": _workflow_run,
}


def _repository(payload: Payload) -> str:
    return str((payload.get("repository") or {}).get("full_name", ""))


def _default_branch(payload: Payload) -> str:
    return str((payload.get("repository") or {}).get("default_branch", ""))


def _sender(payload: Payload, environ: Mapping[str, str]) -> str:
    return str((payload.get("sender") or {}).get("login") or environ.get("GITHUB_ACTOR", ""))
