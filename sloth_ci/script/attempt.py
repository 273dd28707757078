"""One task from its condition to its artifacts."""

from __future__ import annotations

import glob
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sloth_ci.core.errors import SlothError
from sloth_ci.script.bindings import Bindings
from sloth_ci.script.context import Context
from sloth_ci.script.declare import Task
from sloth_ci.script.errors import Cancelled, ScriptError, TaskFailed
from sloth_ci.script.host import Host
from sloth_ci.script.outcome import Artifact, TaskOutcome
from sloth_ci.script.runtime import Machine
from sloth_ci.script.wire import LuaFunction, text

Deps = Mapping[str, Mapping[str, Any]]


class Attempt:
    """Runs one task. Nothing that goes wrong in the task is raised: it is the outcome."""

    def __init__(
        self,
        task: Task,
        params: Mapping[str, object],
        deps: Deps,
        *,
        machine: Machine,
        bindings: Bindings,
        host: Host,
        context: Context,
    ) -> None:
        """`context` is the one whose `stop` ends the task; its directory is that of the run."""
        self._task = task
        self._params = {**task.params, **params}
        self._deps = deps
        self._machine = machine
        self._bindings = bindings
        self._host = host
        self._context = context
        self._context.task = task.name
        self._context.directory /= task.workdir or ""
        self._attempts = 0
        self._started = time.monotonic()

    def run(self) -> TaskOutcome:
        """Condition, attempts, artifacts, on_success or on_failure."""
        try:
            ended = self._condition() or self._attempts_until_success()
        except SlothError as error:
            ended = self._outcome("failed", error.message, error=error)
        return self._after(ended)

    def _condition(self) -> TaskOutcome | None:
        task = self._task
        if task.run_if is not None and not self._holds(task.run_if):
            return self._outcome("skipped", "its run_if does not hold")
        if task.abort_if is not None and self._holds(task.abort_if):
            return self._outcome("aborted", f"task '{task.name}' aborted the run: its abort_if holds")
        return None

    def _holds(self, condition: LuaFunction | str) -> bool:
        """A function holds when it returns something true, a shell command when it exits with 0."""
        self._clock()
        if isinstance(condition, str):
            return bool(self._bindings.run_command(self._context, condition, {"read_only": True})["success"])
        values = self._machine.call(condition, (self._params, self._deps), self._context)
        return bool(values) and values[0] is not None and values[0] is not False

    def _attempts_until_success(self) -> TaskOutcome:
        delays = self._task.retry.delays()
        while True:
            outcome = self._once()
            if outcome.status != "failed" or isinstance(outcome.error, Cancelled) or self._attempts > len(delays):
                return outcome
            delay = delays[self._attempts - 1]
            self._host.log(
                "warn",
                f"task '{self._task.name}' failed: {outcome.message}; "
                f"retry {self._attempts} of {len(delays)} in {delay:g} s",
            )
            self._context.deadline = None
            self._context.wait(delay)

    def _once(self) -> TaskOutcome:
        self._attempts += 1
        self._clock()
        try:
            success, message, output = self._command()
            self._context.check()
            artifacts = self._artifacts() if success else ()
        except SlothError as error:
            return self._outcome("failed", error.message, error=error)
        return self._outcome("succeeded" if success else "failed", message, output=output, artifacts=artifacts)

    def _clock(self) -> None:
        """Start the clock of the timeout."""
        self._context.timeout = self._task.timeout
        self._context.deadline = None if self._task.timeout is None else time.monotonic() + self._task.timeout

    def _command(self) -> tuple[bool, str, dict[str, Any]]:
        command = self._task.command
        if isinstance(command, str):
            ran = self._bindings.run_command(self._context, command)
            return bool(ran["success"]), _shell_message(ran), ran
        values = self._machine.call(command, (self._params, self._deps), self._context)
        return read_result(self._task.name, values)

    def _artifacts(self) -> tuple[Artifact, ...]:
        if self._host.rehearsal:
            return ()  # nothing was made
        found: list[Artifact] = []
        for pattern in self._task.artifacts:
            paths = [
                path for name in sorted(glob.glob(pattern, root_dir=self._context.directory, recursive=True))
                if (path := self._context.directory / name).is_file()
            ]  # fmt: skip
            if not paths:
                raise TaskFailed(f"task '{self._task.name}' left no artifact '{pattern}'")
            found += [_artifact(path, self._context.directory) for path in paths]
        return tuple(found)

    def _after(self, ended: TaskOutcome) -> TaskOutcome:
        """Call on_success(params, output) or on_failure(params, message)."""
        task = self._task
        try:
            self._clock()
            if ended.status == "succeeded" and task.on_success is not None:
                self._machine.call(task.on_success, (self._params, ended.output), self._context)
            elif ended.status == "failed" and task.on_failure is not None and not self._context.cancel.is_set():
                self._machine.call(task.on_failure, (self._params, ended.message), self._context)
        except SlothError as error:
            if ended.status == "failed":
                self._host.log("error", f"task '{task.name}': on_failure failed: {error.message}")
            else:
                return self._outcome("failed", f"on_success failed: {error.message}", error=error)
        return ended

    def _outcome(self, status: Any, message: str, **more: Any) -> TaskOutcome:
        return TaskOutcome(
            self._task.name, status, message, attempts=self._attempts, seconds=time.monotonic() - self._started, **more
        )


def read_result(task: str, values: list[Any]) -> tuple[bool, str, dict[str, Any]]:
    """What a task's function returned: `{success =, message =, ...}`, or a boolean, a message and a table.

    Nothing at all is a success; nil is not (Lua's own functions return nil and a message when they fail).
    """
    if not values:
        return True, "", {}
    first = values[0]
    if isinstance(first, dict | list):
        output = _table(first)
        success = output.get("success", True)
        if not isinstance(success, bool):
            raise ScriptError(f"task '{task}' returned a table whose 'success' is neither true nor false")
        return success, _message(task, output.get("message")), output
    if isinstance(first, bool) or first is None:
        output = _table(values[2]) if len(values) > 2 and isinstance(values[2], dict | list) else {}
        message = _message(task, values[1] if len(values) > 1 else None)
        return first is True, message, {"success": first is True, "message": message, **output}
    raise ScriptError(
        f"task '{task}' returned neither a table nor true or false", 'return {success = true, message = "..."}'
    )


def _table(value: dict[Any, Any] | list[Any]) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value, start=1))


def _message(task: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | float | bytes):
        return text(value)
    raise ScriptError(f"task '{task}' returned a message that is no string")


def _shell_message(ran: Mapping[str, object]) -> str:
    if ran["success"]:
        return ""
    last = str(ran["stderr"] or ran["stdout"]).strip().rpartition("\n")[2][:200]
    return f"exit code {ran['code']}" + (f": {last}" if last else "")


def _artifact(path: Path, folder: Path) -> Artifact:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return Artifact(str(name), path.stat().st_size, digest)
