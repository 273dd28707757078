"""What a job leaves behind: outputs for later steps, the summary, and groups in its log."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

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
"""The outputs of action.yml."""


class Outputs:
    """The files that the runner reads when the step has ended. Outside of a runner nothing is written."""

    def __init__(self, environ: Mapping[str, str], *, log: TextIO | None = None) -> None:
        self._output = environ.get("GITHUB_OUTPUT")
        self._summary = environ.get("GITHUB_STEP_SUMMARY")
        self.log = log or sys.stdout
        self._runner = environ.get("GITHUB_ACTIONS") == "true"

    def set(self, name: str, value: str) -> None:
        """An output. Its value is data: no line of it can name another output."""
        if name not in NAMES:
            raise ValueError(f"action.yml has no output {name}")
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


def _escaped(message: str) -> str:
    """As a workflow command carries it: https://github.com/actions/toolkit, docs/commands.md."""
    text = visible(message, keep="\n")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
