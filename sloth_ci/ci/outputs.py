"""What a job leaves behind: outputs for later steps or jobs, the summary, and groups in its log."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from sloth_ci.core.errors import UsageError
from sloth_ci.report.text import one_line, visible

NAMES = (
    "has-changes",
    "digest",
    "total",
    "created",
    "updated",
    "deleted",
    "conflicts",
    "max-impact",
    "comment-url",
    "check-url",
    "sync-status",
    "rollback-commit",
    "report-path",
)
"""The outputs of action.yml, and with `SLOTH_` in capitals the variables that later jobs of GitLab have."""


class Outputs(Protocol):
    """Where the results of a job go."""

    log: TextIO

    def set(self, name: str, value: str) -> None:
        """An output. Its value is data: no line of it can name another output."""

    def summary(self, text: str) -> None:
        """Markdown for whoever looks at the job."""

    def group(self, title: str) -> AbstractContextManager[None]:
        """What is logged inside is folded away under a title."""

    def error(self, message: str) -> None:
        """What ended the job, where the runner wants to hear of it beside the log."""


class GitHubOutputs:
    """The files that the runner reads when the step has ended. Outside of a runner nothing is written."""

    def __init__(self, environ: Mapping[str, str], *, log: TextIO | None = None) -> None:
        self._output = environ.get("GITHUB_OUTPUT")
        self._summary = environ.get("GITHUB_STEP_SUMMARY")
        self.log = log or sys.stdout
        self._runner = environ.get("GITHUB_ACTIONS") == "true"

    def set(self, name: str, value: str) -> None:
        """An output. Its value is data: no line of it can name another output."""
        _known(name)
        mark = f"sloth-{secrets.token_hex(16)}"
        self._append(self._output, f"{name}<<{mark}\n{value}\n{mark}\n")

    def summary(self, text: str) -> None:
        """Markdown for the page of the job."""
        self._append(self._summary, text.rstrip("\n") + "\n\n")

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """What is logged inside is folded away under a title."""
        self._say(f"::group::{one_line(title)}" if self._runner else one_line(title))
        try:
            yield
        finally:
            if self._runner:
                self._say("::endgroup::")

    def error(self, message: str) -> None:
        """What ended the job, as an annotation of it. Outside of a runner the command line says it anyway."""
        if self._runner:
            self._say(f"::error title=sloth-ci::{_escaped(message)}")

    def _say(self, line: str) -> None:
        self.log.write(line + "\n")
        self.log.flush()

    def _append(self, path: str | None, text: str) -> None:
        if not path:
            return
        try:
            with Path(path).open("a", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}", f"the runner's files have to be writable by uid {os.getuid()}"
            ) from None


DOTENV = "sloth.env"
"""For `artifacts:reports:dotenv`."""
SUMMARY = "sloth-summary.md"
FINDINGS = "sloth-codequality.json"
JUNIT = "sloth-junit.xml"
REPORT = "sloth-report.html"
"""The report of a job, at the top of its workspace."""


class GitLabOutputs:
    """Files at the top of the checkout, for the template's artifacts, and sections in the log."""

    def __init__(self, folder: Path, *, log: TextIO | None = None, clock: Callable[[], float] = time.time) -> None:
        """What the checkout holds under the names of artifacts is removed: it would pass for what this job has found."""
        self._folder = folder
        self._sections = 0
        self._clock = clock
        self.log = log or sys.stdout
        for name in (DOTENV, SUMMARY, FINDINGS, JUNIT, REPORT):
            _remove(folder / name)

    def set(self, name: str, value: str) -> None:
        """A variable of later jobs. GitLab takes a line for each, and its value as it is."""
        _known(name)
        variable = f"SLOTH_{name.upper().replace('-', '_')}"
        self._append(DOTENV, f"{variable}={one_line(value, _VALUE)}\n")

    def summary(self, text: str) -> None:
        """Markdown in a file: GitLab has no page for it."""
        self._append(SUMMARY, text.rstrip("\n") + "\n\n")

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """A collapsed section: https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections."""
        self._sections += 1
        name = f"sloth_{self._sections}"
        self._say(f"\x1b[0Ksection_start:{self._clock():.0f}:{name}[collapsed=true]\r\x1b[0K{one_line(title)}")
        try:
            yield
        finally:
            self._say(f"\x1b[0Ksection_end:{self._clock():.0f}:{name}\r\x1b[0K")

    def error(self, message: str) -> None:
        """The log says it anyway."""

    def _say(self, line: str) -> None:
        self.log.write(line + "\n")
        self.log.flush()

    def _append(self, name: str, text: str) -> None:
        path = self._folder / name
        try:
            # Only what this job has made is there by now; a link that came since is not followed.
            place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
            with open(place, "a", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(
                f"cannot write {name}: {error.strerror}", f"the checkout has to be writable by uid {os.getuid()}"
            ) from None


_VALUE = 1000
"""Characters of a value: a dotenv report of 5 KB is the most that GitLab takes."""


def _known(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"action.yml has no output {name}")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {path.name}: {error.strerror}", "the checkout has something of that name"
        ) from None


def _escaped(message: str) -> str:
    """As a workflow command carries it: https://github.com/actions/toolkit, docs/commands.md."""
    text = visible(message, keep="\n")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
