"""What GitHub says no with, and the error that a person can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied, Invalid, Missing, Unclear, plain
from sloth_ci.forge.silence import without_user

_SECONDARY_WAIT = 60.0
"""What GitHub asks for where it names no time."""
_FORKS = "report it from a second workflow, on `workflow_run`, which runs with the rights of this repository"


class Asker(NamedTuple):
    """Who asks: what a refusal has to be explained with."""

    token: str
    environ: Mapping[str, str]
    now: float


class No(NamedTuple):
    """A refusal. `status` is None where there was no answer, and 0 for one that leads to somewhere else."""

    status: int | None
    said: str
    headers: Mapping[str, str] = {}
    types: frozenset[str] = frozenset()
    """Of the errors of GraphQL: `FORBIDDEN`, `STALE_DATA`."""

    @property
    def limited(self) -> bool:
        """Whether it was too much at once, and the same request is fine later."""
        if self.types & {"RATE_LIMITED", "RATE_LIMIT"}:
            return True
        words = self.said.lower()
        return self.status in (403, 429) and (
            self.status == 429
            or "retry-after" in self.headers
            or self.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in words
            or "please wait a few minutes" in words
        )

    @property
    def unclear(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status is None or self.status >= 500 or self.said.startswith("Something went wrong")

    def in_short(self, token: str) -> str:
        """What it is, for whoever waits for it to pass."""
        if self.limited:
            return "GitHub's limit of requests is reached"
        said = plain(self.said, token)
        if self.status is None:
            return f"GitHub does not answer ({said})"
        return f"GitHub said: {said or 'nothing more'} ({self.code})"

    @property
    def code(self) -> str:
        """The status, and for an answer of GraphQL its types."""
        return f"HTTP {self.status}" if self.status != 200 else ", ".join(sorted(self.types)) or "GraphQL"

    def pause(self, attempt: int, now: float) -> float | None:
        """Seconds after which the same request may do better; None where it never will."""
        if not (self.limited or self.unclear):
            return None
        after = self.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        if not self.limited:
            return float(2**attempt)
        reset = self.headers.get("x-ratelimit-reset", "")
        if self.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return max(float(reset) - now, 0.0) + 1.0
        return _SECONDARY_WAIT


def said_in(body: Any) -> str:
    """The words of a refusal, in one line."""
    if not isinstance(body, dict):
        return ""
    parts = [str(body.get("message") or "")]
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if not isinstance(error, dict):
            parts.append(str(error))
        elif error.get("message"):
            parts.append(str(error["message"]))
        else:
            parts.append(" ".join(str(error[key]) for key in ("resource", "field", "code") if error.get(key)))
    return "; ".join(dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip()))


def explained(no: No, what: str, needs: str, asker: Asker) -> ForgeError:
    """The error for a refusal. `what` was tried ("write the comment"), `needs` is the permission that it takes."""
    said = plain(no.said, asker.token)
    if no.limited:
        wait = no.pause(0, asker.now) or 0.0
        until = datetime.fromtimestamp(asker.now + wait, UTC)
        return ForgeError(
            f"cannot {what}: GitHub's limit of requests is reached until {until:%H:%M:%S} UTC ({said})",
            "run it again then; fewer runs at once, or the token of an App of your own, have more room",
        )
    if no.status is None:
        return Unclear(f"cannot {what}: {no.in_short(asker.token)}", _way_there(api_of(asker.environ)))
    if no.status == 0:
        return ForgeError(f"cannot {what}: {said}")
    message = f"cannot {what}: GitHub said: {said or 'nothing more'} ({no.code})"
    if no.unclear:
        return Unclear(message, "look at githubstatus.com, then run it again")
    if no.status == 401:
        return Denied(message, "the token is wrong or has expired: give `github-token: ${{ github.token }}`")
    if no.status == 403 or no.types & {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        return Denied(message, _way_in(no, said, needs, asker))
    if no.status in (404, 410) or "NOT_FOUND" in no.types:
        return Missing(message, f"it is not there, or the token may not see it: it takes `permissions: {needs}`")
    if no.status == 422:
        return Invalid(message)
    return ForgeError(message)


def _way_there(api: str) -> str:
    return (
        f"{api} comes from GITHUB_API_URL, which GitHub Enterprise sets; does the way there lead through a proxy "
        "(HTTPS_PROXY)? Else look at githubstatus.com, then run it again"
    )


def _way_in(no: No, said: str, needs: str, asker: Asker) -> str:
    words = said.lower()
    if "not permitted to create or approve pull requests" in words:
        return (
            "in the settings of the repository (or of its organisation), Actions, General, Workflow permissions, "
            "tick `Allow GitHub Actions to create and approve pull requests`"
        )
    if "authenticate via a github app" in words:
        return "checks are written by Apps alone: give `github-token: ${{ github.token }}`, no personal token"
    if "saml" in words or "sso" in words.split():
        return "authorise the token for the organisation's single sign-on"
    if "archived" in words:
        return "the repository is archived: nothing can be written to it"
    permission = _permission(no.headers.get("x-accepted-github-permissions", ""), needs)
    why = _read_only(asker.environ)
    if why and permission.endswith("write"):
        return f"{why}, so its token can only read, whatever `permissions:` says: {_FORKS}"
    if permission.startswith(("members:", "organization-", "administration:")):
        return f"GITHUB_TOKEN can never do that: give the token of an App that has `{permission}` as `github-token`"
    return f"add `{permission}` to `permissions:` of the job; a token of your own has to be given that right"


def _permission(header: str, needs: str) -> str:
    """The line for the workflow file, from `issues=write; pull_requests=write,metadata=read`.

    What we need is at least what GitHub asks for here: whoever reads a check of ours is about to write one.
    """
    sets = [
        [
            f"{name.strip().replace('_', '-')}: {level.strip()}"
            for name, _, level in (p.partition("=") for p in part.split(","))
        ]
        for part in header.split(";")
        if "=" in part
    ]
    subject = needs.partition(":")[0]
    if not sets or any(name.partition(":")[0] == subject for names in sets for name in names):
        return needs
    return ", ".join(name for name in sets[0] if name != "metadata: read") or needs


def _read_only(environ: Mapping[str, str]) -> str:
    """Why the token of this run can only read; empty where it is not known to be so."""
    if environ.get("GITHUB_EVENT_NAME") not in ("pull_request", "pull_request_review"):
        return ""
    if environ.get("GITHUB_ACTOR") == "dependabot[bot]":
        return "Dependabot started this run"
    try:
        with open(environ.get("GITHUB_EVENT_PATH", ""), encoding="utf-8") as file:
            pull = json.load(file)["pull_request"]
        head, base = pull["head"]["repo"], pull["base"]["repo"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # a guess for a hint, no more: the refusal itself is told in any case
    return "" if head and head["full_name"] == base["full_name"] else "this run is for a pull request from a fork"


def api_of(environ: Mapping[str, str]) -> str:
    """Where the API is, without a user: GitHub Enterprise has its own."""
    return without_user(environ.get("GITHUB_API_URL") or "https://api.github.com")
