"""The CI system that runs this job: what it hands over, where it looks for results, and the forge that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from sloth_ci.ci.event import Event
from sloth_ci.ci.inputs import Inputs
from sloth_ci.ci.outputs import Outputs
from sloth_ci.ci.ports import Forge
from sloth_ci.core.errors import UsageError


class Pages(NamedTuple):
    """Where a job is looked at; empty where there is no such page."""

    run: str = ""
    summary: str = ""
    """Where its summary is shown, which is Markdown."""
    report: str = ""
    """Where the HTML report is to be had when the job has ended."""


class Runner(Protocol):
    """One CI system. Everything comes from the environment of the job."""

    token_variable: str
    """Where Git looks for the token of a job."""
    findings: bool
    """Whether it reads Code Quality and JUnit reports. GitHub has annotations for that."""

    def read_inputs(self, environ: Mapping[str, str]) -> Inputs:
        """The inputs. Raises UsageError."""

    def read_event(self, environ: Mapping[str, str]) -> Event:
        """Why the job runs. Raises UsageError for what there is nothing to do for."""

    def outputs(self, environ: Mapping[str, str]) -> Outputs:
        """Where results go."""

    def pages(self, environ: Mapping[str, str]) -> Pages:
        """Where people look at the job."""

    def forge(
        self,
        inputs: Inputs,
        event: Event,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None],
        pause: Callable[[float], bool],
    ) -> Forge:
        """The forge, seen with the token of this job."""

    def complete(self, event: Event, forge: Forge) -> Event:
        """The event with what only the forge knows. Raises ForgeError."""


def runner_of(environ: Mapping[str, str]) -> Runner:
    """The one that this is a job of. Raises UsageError outside of both."""
    if environ.get("GITLAB_CI") == "true":
        from sloth_ci.ci.gitlab import GitLabRunner

        return GitLabRunner()
    if environ.get("GITHUB_EVENT_NAME") or environ.get("GITHUB_ACTIONS") == "true":
        from sloth_ci.ci.github import GitHubRunner

        return GitHubRunner()
    raise UsageError(
        "this is no job of GitHub Actions or GitLab CI",
        "outside of CI use sloth-ci preview, sync, run, drift or rollback",
    )
