"""How tasks ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sloth_ci.core.errors import SlothError
from sloth_ci.script.errors import TaskFailed

Status = Literal["succeeded", "failed", "skipped", "not_run", "aborted"]


@dataclass(frozen=True)
class Artifact:
    """A file that a task left: path as it was found, size in bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TaskOutcome:
    """How one task ended, and why."""

    name: str
    status: Status
    message: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    """What its dependents see as `deps[name]`."""
    attempts: int = 0
    seconds: float = 0.0
    artifacts: tuple[Artifact, ...] = ()
    error: SlothError | None = None
    """What it failed of; None where it only said that it failed."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run of tasks ended."""

    name: str
    """Of the definition, or of the task that was asked for."""
    tasks: Mapping[str, TaskOutcome]
    """In the order of the file."""
    message: str = ""
    """Why the run was aborted."""
    aborted: bool = False

    @property
    def success(self) -> bool:
        """Whether nothing failed and nobody aborted it. Nothing to do is a success."""
        return not self.aborted and all(task.status in ("succeeded", "skipped") for task in self.tasks.values())

    def check(self) -> None:
        """Raise what the first task failed of, or TaskFailed."""
        for task in self.tasks.values():
            if task.status == "failed":
                raise task.error or TaskFailed(f"task '{task.name}' failed: {task.message}")
        if self.aborted:
            raise TaskFailed(f"'{self.name}' was aborted: {self.message}")
