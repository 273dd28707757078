"""GitLab CI/CD, as the runner of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from sloth_ci.ci.event import Event
from sloth_ci.ci.gitlab_event import read_event
from sloth_ci.ci.inputs import Inputs, gitlab_variable, read_inputs
from sloth_ci.ci.outputs import GitLabOutputs, Outputs
from sloth_ci.ci.ports import Forge
from sloth_ci.ci.runner import Pages
from sloth_ci.core.errors import ForgeError
from sloth_ci.core.slash import command_line
from sloth_ci.forge.gitlab import GitLab


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
            return replace(event, pull=pull, sha=pull.head_sha, branch=pull.base_branch)
        return replace(event, pull=replace(pull, head_sha=event.sha))
