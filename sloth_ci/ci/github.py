"""GitHub Actions, as the runner of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sloth_ci.ci.event import Event
from sloth_ci.ci.github_event import read_event
from sloth_ci.ci.inputs import Inputs, github_variable, read_inputs
from sloth_ci.ci.outputs import GitHubOutputs, Outputs
from sloth_ci.ci.ports import Forge
from sloth_ci.ci.runner import Pages
from sloth_ci.forge.github import GitHub


class GitHubRunner:
    """Satisfies `ci.runner.Runner`."""

    token_variable = "GITHUB_TOKEN"
    findings = False

    def read_inputs(self, environ: Mapping[str, str]) -> Inputs:
        return read_inputs(environ, github_variable)

    def read_event(self, environ: Mapping[str, str]) -> Event:
        return read_event(environ)

    def outputs(self, environ: Mapping[str, str]) -> Outputs:
        return GitHubOutputs(environ)

    def pages(self, environ: Mapping[str, str]) -> Pages:
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        run = f"{server}/{repository}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}"
        return Pages(run=run, summary=run)

    def forge(
        self,
        inputs: Inputs,
        event: Event,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None],
        pause: Callable[[float], bool],
    ) -> Forge:
        return GitHub(inputs.token, event.repository, environ, notice=notice, pause=pause)

    def complete(self, event: Event, forge: Forge) -> Event:  # noqa: ARG002
        """The payload says it all."""
        return event
