"""What GitLab says no with, and the error that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied, Invalid, Missing, Unclear, plain
from sloth_ci.forge.silence import without_user

_LIMIT_WAIT = 60.0
"""GitLab counts requests by the minute."""
_NOT_A_CA = "GitLab's own CA goes into a file-type CI/CD variable named SSL_CERT_FILE (a path to PEM text)"
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CI_SERVER_TLS_CA_FILE")
"""Where the path of a private CA is, the first that is set: a person's own choice before the runner's."""


class Right(NamedTuple):
    """What a request takes.

    `of_job`: CI_JOB_TOKEN may do it where no other token is there; it may do nothing else. `role` is the least that the
    person or bot of any other token needs in the project, whose scope has to be `api`.
    """

    role: Literal["Reporter", "Developer", "Maintainer"]
    of_job: bool = False
    as_job: bool = False
    """The job's token is the better one: whoever the job is of may deploy."""
    also: str = ""
    """What else it may take, in words."""


READ = Right("Reporter")
READ_BY_JOB = Right("Reporter", of_job=True)
WRITE = Right("Developer")
REPORT = Right("Developer", also=" (on a protected branch one that may push to it or merge into it)")
DEPLOY = Right("Developer", of_job=True, as_job=True)
ADMINISTER = Right("Maintainer")

Kind = Literal["SLOTH_TOKEN", "CI_JOB_TOKEN"]


class Asker(NamedTuple):
    """Who asks: what a refusal has to be explained with."""

    token: Kind
    secrets: tuple[str, ...]
    environ: Mapping[str, str]
    now: float


class No(NamedTuple):
    """A refusal. `status` is None where there was no answer, and 0 for one that leads to somewhere else."""

    status: int | None
    said: str
    headers: Mapping[str, str] = {}
    untrusted: bool = False
    """There was no answer because of the server's certificate."""

    @property
    def limited(self) -> bool:
        """Whether it was too much at once, or at the same moment, and the same request is fine later."""
        return self.status == 429

    @property
    def busy(self) -> bool:
        """Whether somebody else is writing the same thing."""
        return self.status == 409 and "in progress" in self.said.lower()

    @property
    def unclear(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status is None or self.status >= 500

    def in_short(self, *secrets: str) -> str:
        """What it is, for whoever waits for it to pass."""
        if self.limited:
            return "GitLab's limit of requests is reached"
        said = plain(self.said, *secrets)
        if self.status is None:
            return f"GitLab does not answer ({said})"
        return f"GitLab said: {said or 'nothing more'} (HTTP {self.status})"

    def pause(self, attempt: int, now: float) -> float | None:
        """Seconds after which the same request may do better; None where it never will."""
        if self.untrusted or not (self.limited or self.busy or self.unclear):
            return None
        after = self.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        if not self.limited:
            return float(2**attempt)
        reset = self.headers.get("ratelimit-reset", "")
        return max(float(reset) - now, 0.0) + 1.0 if reset.isdigit() else _LIMIT_WAIT


def api_of(environ: Mapping[str, str]) -> str:
    """Where the API is, without a user: each self-managed GitLab has its own."""
    return without_user(environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4")


def said_in(body: Any) -> str:
    """The words of a refusal, in one line: `message` is a text, a list, or a list for each field."""
    if not isinstance(body, dict):
        return ""
    parts: list[str] = []
    for key in ("message", "error", "error_description"):
        value = body.get(key)
        if isinstance(value, dict):
            parts += [
                f"{name} {', '.join(map(str, said)) if isinstance(said, list) else said}"
                for name, said in value.items()
            ]
        elif isinstance(value, list):
            parts += [str(one) for one in value]
        elif value:
            parts.append(str(value))
    return "; ".join(dict.fromkeys(part.strip().rstrip(".") for part in parts if part.strip()))


def no_token(what: str, right: Right) -> Denied:
    """The error where nothing was asked, as no token here may do it."""
    return Denied(f"cannot {what}: CI_JOB_TOKEN may not, and there is no other token", _give(right))


def explained(no: No, what: str, right: Right, asker: Asker) -> ForgeError:
    """The error for a refusal. `what` was tried ("write the note"), `right` is what it takes."""
    said = plain(no.said, *asker.secrets)
    if no.limited:
        until = datetime.fromtimestamp(asker.now + (no.pause(0, asker.now) or 0.0), UTC)
        return ForgeError(
            f"cannot {what}: GitLab's limit of requests is reached until {until:%H:%M:%S} UTC ({said})",
            "run it again then; on your own GitLab an administrator can raise the limit",
        )
    if no.status is None:
        return Unclear(f"cannot {what}: {no.in_short(*asker.secrets)}", _way_there(no, asker.environ))
    if no.status == 0:
        return ForgeError(f"cannot {what}: {said}", "check CI_API_V4_URL")
    message = f"cannot {what}: GitLab said: {said or 'nothing more'} (HTTP {no.status})"
    if no.unclear:
        return Unclear(message, "look at the status page of your GitLab, then run it again")
    if no.status == 401:
        return Denied(message, _wrong_token(asker.token, right))
    if no.status == 403:
        return Denied(message, _way_in(no, right, asker.token))
    if no.status in (404, 410):
        return Missing(message, f"it is not there, or {asker.token} may not see it: {_give(right)}")
    if no.status in (400, 422) or (no.status == 409 and not no.busy):
        return Invalid(message)
    return ForgeError(message)


def _give(right: Right) -> str:
    """A token for all that a job does: one that may do only this would be refused the next thing."""
    role = "Maintainer" if right.role == "Maintainer" else "Developer"
    return (
        f"make a project access token with the scope `api` and the role {role}{right.also}, and give it as the masked "
        "CI/CD variable SLOTH_TOKEN"
    )


def _way_there(no: No, environ: Mapping[str, str]) -> str:
    api = api_of(environ)
    if no.untrusted:
        name = next((name for name in CA_VARIABLES if environ.get(name)), None)
        if name is None:
            return _NOT_A_CA
        return f"the certificates that are trusted come from {environ[name]} ({name}): it has to hold the CA of {api}"
    return f"{api} comes from CI_API_V4_URL; does the way there lead through a proxy (HTTPS_PROXY)? Else run it again"


def _wrong_token(token: Kind, right: Right) -> str:
    if token == "CI_JOB_TOKEN":
        return f"CI_JOB_TOKEN ends with its job, and is not accepted here: {_give(right)}"
    return f"SLOTH_TOKEN is wrong, has expired or was revoked: {_give(right)}"


def _way_in(no: No, right: Right, token: Kind) -> str:
    words = no.said.lower()
    if "insufficient_scope" in words or "insufficient scope" in words:
        return f"{token} has not the scope `api`: {_give(right)}"
    if "archived" in words:
        return "the project is archived: nothing can be written to it"
    if token == "CI_JOB_TOKEN":
        return (
            "CI_JOB_TOKEN may do what whoever started the job may do, in projects whose job token permissions allow this "
            f"one. Else {_give(right)}"
        )
    return f"SLOTH_TOKEN needs the role {right.role} in the project: {_give(right)}"
