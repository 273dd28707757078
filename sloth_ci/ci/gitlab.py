"""GitLab CI/CD, as the runner of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from sloth_ci.ci.event import Event
from sloth_ci.ci.gitlab_event import read_event
from sloth_ci.ci.inputs import Inputs, gitlab_variable, read_inputs
from sloth_ci.ci.outputs import GitLabOutputs, Outputs
from sloth_ci.ci.ports import Forge
from sloth_ci.ci.runner import Pages
from sloth_ci.core.errors import ForgeError, UsageError
from sloth_ci.core.slash import command_line
from sloth_ci.forge.gitlab import GitLab
from sloth_ci.forge.silence import without_user

_ADDRESSES = ("CI_API_V4_URL", "CI_SERVER_URL", "CI_PROJECT_URL", "CI_MERGE_REQUEST_PROJECT_URL")


def _same_server(environ: Mapping[str, str]) -> None:
    """A variable of one pipeline goes before GitLab's own, and would send the tokens elsewhere. Raises UsageError.

    Whoever sets all of them is not stopped by this: who may set variables at all is a setting of the project.
    """
    places = {name: without_user(environ[name]) for name in _ADDRESSES if environ.get(name)}
    origins = {name: urlsplit(url)[:2] for name, url in places.items()}
    for name, origin in origins.items():
        first = next(iter(origins))
        if origin != origins[first]:
            raise UsageError(
                f"{first} ({places[first]}) and {name} ({places[name]}) are not of one GitLab: no token is sent to either",
                "leave GitLab's own variables as they are",
            )
    host = environ.get("CI_SERVER_HOST", "").lower()
    for name, url in places.items():
        if host and urlsplit(url).hostname != host:
            raise UsageError(
                f"CI_SERVER_HOST ({host}) and {name} ({url}) are not of one GitLab: no token is sent to either",
                "leave GitLab's own variables as they are",
            )


class GitLabRunner:
    """Satisfies `ci.runner.Runner`."""

    token_variable = "SLOTH_TOKEN"
    findings = True

    def read_inputs(self, environ: Mapping[str, str]) -> Inputs:
        return read_inputs(environ, gitlab_variable)

    def read_event(self, environ: Mapping[str, str]) -> Event:
        return read_event(environ)

    def outputs(self, environ: Mapping[str, str]) -> Outputs:
        return GitLabOutputs(Path(environ.get("CI_PROJECT_DIR") or "."))

    def pages(self, environ: Mapping[str, str]) -> Pages:
        job = environ.get("CI_JOB_URL", "")
        return Pages(run=job, report=f"{job}/artifacts/file/sloth-report.html" if job else "")

    def forge(
        self,
        inputs: Inputs,
        event: Event,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None],
        pause: Callable[[float], bool],
    ) -> Forge:
        _same_server(environ)
        # What the runner of a fork's project holds is that project's: nothing of it is for the one the request goes to.
        token = "" if event.untrusted else inputs.token
        if not token:
            notice(
                "there is no SLOTH_TOKEN with the scope `api`, so nothing is written to GitLab: what is found is in the artifacts"
            )
        return GitLab(token, event.repository, environ, notice=notice, pause=pause)

    def complete(self, event: Event, forge: Forge) -> Event:
        """A merge request with its author, which no variable names, and a comment with what it says now.

        What a webhook sends is no more than a pointer: whoever knows the trigger's token can send anything.
        """
        if event.number is None:
            return event
        if event.comment is not None:
            if command_line(event.comment.body) is None:
                return event
            comment = forge.find_comment(event.number, event.comment.id)
            return replace(event, comment=comment, sender=comment.author)
        try:
            pull = forge.pull_request(event.number)
        except ForgeError:
            if event.untrusted:  # a fork's job may not be let in; it asks for no approval either
                return event
            raise
        if event.pull is None:  # from a webhook: it is about what the merge request is now
            return replace(event, pull=pull, sha=pull.head_sha, branch=pull.base_branch, lua_branch=event.branch)
        if pull.base_branch != event.branch:
            raise UsageError(
                f"{pull.name} goes into {pull.base_branch} by now, and this pipeline was made for {event.branch}",
                f"run a new pipeline of {pull.name}",
            )
        return replace(event, pull=replace(pull, head_sha=event.sha))
