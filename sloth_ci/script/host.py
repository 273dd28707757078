"""What a script needs from the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from sloth_ci.core.events import Level

Reader = Callable[[str], bytes | None]
"""Reads a file beside the workflow file by its relative path; None where there is none. It never leaves its folder."""


class Host(Protocol):
    """The functions of `gitops`, and what else a script can ask. Methods may be called from several threads at a time.

    Tables are plain data, except that functions of the script in them are callables. What cannot be done is raised as a
    SlothError and reaches the script as an error; what was done and went wrong is returned.
    """

    trusted: bool
    """False for code of a pull request: it gets neither commands, nor HTTP, nor the environment."""
    runs_commands: bool
    """False while the work tree is that of a pull request: its programs do not run, whoever asks for them."""

    @property
    def rehearsal(self) -> bool:
        """Whether every mutation is a dry-run."""

    def register_repository(self, table: dict[str, object]) -> str:
        """Returns the id."""

    def create_workflow(self, table: dict[str, object], what: str) -> str:
        """Returns the id. `what` is the function that the script called, for errors."""

    def workflow_info(self, workflow_id: str) -> dict[str, object]:
        """The fields of the object that `gitops.workflow` returns; None where a field has no value."""

    def generate_diff(self, workflow_id: str) -> dict[str, object] | None:
        """None only where there is nothing to change and nothing wrong."""

    def sync_workflow(self, workflow_id: str) -> tuple[bool, str | None]:
        """Whether it worked, and else why not."""

    def rollback_workflow(self, workflow_id: str, reason: str | None, to: str | None) -> tuple[bool, str | None]:
        """Whether it worked, and else why not."""

    def get_workflow_status(self, workflow_id: str) -> dict[str, object]:
        """The state of one workflow."""

    def list_workflows(self) -> list[dict[str, object]]:
        """All workflows that were declared."""

    def start_auto_sync(self) -> None:
        """Sync what has `auto_sync = true`, again and again or once, as the place of the run allows."""

    def stop_auto_sync(self) -> None:
        """Stop that."""

    def ask(self) -> str:
        """The answer of a person, or of the gate in CI: "y" or ""."""

    def log(self, level: Level, message: str) -> None:
        """A line for the reader."""

    def environment(self, name: str) -> str | None:
        """A variable of the environment. Raises UsageError for one that a script may not see."""


@runtime_checkable
class Cancelling(Protocol):
    """A host whose calls can be stopped from outside."""

    def cancel(self, thread: int) -> None:
        """Ask the call that runs in this thread (`threading.get_ident`) to come to an end soon, cleanly."""
