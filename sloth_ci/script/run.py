"""A workflow file, loaded, and the tasks it declared, run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.workflow import did_you_mean
from sloth_ci.script.attempt import Attempt
from sloth_ci.script.bindings import SLOW, Bindings
from sloth_ci.script.context import Context
from sloth_ci.script.declare import Declarations, Definition, Hook, Task
from sloth_ci.script.graph import check_graph, with_dependencies
from sloth_ci.script.host import Host, Reader
from sloth_ci.script.limits import Limits
from sloth_ci.script.outcome import RunOutcome, TaskOutcome
from sloth_ci.script.reader import beside, clean_source
from sloth_ci.script.runtime import Machine
from sloth_ci.script.schedule import run_tasks

# Inside `Script`, `list` is a method.
_Values = list[Any]
_Outcomes = list[RunOutcome]


class Listed(NamedTuple):
    """A task, as `run --list` shows it."""

    name: str
    workflow: str | None
    """The definition it belongs to; None for a task that runs only when it is named."""
    description: str
    depends_on: tuple[str, ...]
    where: str


_Listing = list[Listed]


def load(
    file: Path,
    host: Host,
    *,
    reader: Reader | None = None,
    values: Mapping[str, object] | None = None,
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    limits: Limits | None = None,
) -> Script:
    """Run a workflow file to its end and return what it declared.

    `reader` reads the file and those beside it, by their path in its folder; without it, the disk does. `values` and
    `params` are what the script sees under these names. `environ` is what its commands get, without secrets, and
    `directory` where they run; without one, beside the file. Raises ScriptError, and whatever the host raises and the
    script does not catch.
    """
    script = Script(
        file,
        host,
        reader=reader or beside(file.parent),
        values=values or {},
        params=params or {},
        environ=os.environ if environ is None else environ,
        directory=directory or file.parent,
        limits=limits,
    )
    try:
        script.run_file()
    except BaseException:
        script.close()
        raise
    return script


class Script:
    """A loaded file. Close it, or use it as a context manager."""

    def __init__(
        self,
        file: Path,
        host: Host,
        *,
        reader: Reader,
        values: Mapping[str, object],
        params: Mapping[str, str],
        environ: Mapping[str, str],
        directory: Path,
        limits: Limits | None,
    ) -> None:
        self._file = file
        self._host = host
        self._reader = reader
        self._params = dict(params)
        self._directory = directory
        self._declarations = Declarations()
        self._live: dict[int, Context] = {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        shown = _shown(file)
        self._name = str(shown)
        folder = "" if shown.parent == Path() else f"{shown.parent}/"
        self._bindings = Bindings(host, self._declarations, reader=reader, environ=environ, folder=folder)
        self._machine = Machine(self._bindings.calls(), slow=SLOW, limits=limits, context=self._new_context)
        self._machine.set_global("params", self._params)
        self._machine.set_global("values", dict(values))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the Lua state."""
        self._machine.close()

    def run_file(self) -> None:
        """Run the file. `load` does it."""
        source = self._reader(self._file.name)
        if source is None:
            raise UsageError(f"there is no workflow file '{self._name}'", "create one with `sloth-ci init`")
        with self._context() as context:
            self._machine.run_file(self._name, clean_source(source), context)
        check_graph(self._single_tasks(), "the file")

    @property
    def tasks(self) -> dict[str, Task]:
        """Every task by its name; one of a definition goes before one that was only built."""
        tasks = dict(self._declarations.built)
        for definition in self._declarations.definitions.values():
            tasks.update(definition.tasks)
        return tasks

    @property
    def workflow_definitions(self) -> dict[str, Definition]:
        """What `workflow.define` declared, in order."""
        return self._declarations.definitions

    def list(self) -> _Listing:
        """All tasks, those of definitions first."""
        listed = [
            Listed(task.name, definition.name, task.description, task.depends_on, task.where)
            for definition in self._declarations.definitions.values()
            for task in definition.tasks.values()
        ]
        inside = {id(task) for d in self._declarations.definitions.values() for task in d.tasks.values()}
        return listed + [
            Listed(task.name, None, task.description, task.depends_on, task.where)
            for task in self._declarations.built.values()
            if id(task) not in inside
        ]

    def run_definitions(self) -> _Outcomes:
        """Run the tasks of every `workflow.define`, one definition after the other, until one of them fails."""
        outcomes: _Outcomes = []
        for definition in self._declarations.definitions.values():
            outcomes.append(self._run(definition.name, definition.tasks, definition))
            if not outcomes[-1].success:
                break
        return outcomes

    def run_task(self, name: str, params: Mapping[str, str] | None = None) -> RunOutcome:
        """Run one task, after all it depends on. `workflow/task` names one of a definition.

        Raises UsageError where there is no such task, or more than one.
        """
        definition, task = self._find(name)
        tasks = definition.tasks if definition else self._single_tasks()
        chosen = {each: tasks[each] for each in with_dependencies([task.name], tasks)}
        return self._run(definition.name if definition else name, chosen, definition, params)

    def _single_tasks(self) -> dict[str, Task]:
        """What a built task can depend on: built tasks, and those of definitions under a name of their own."""
        return {**self.tasks, **self._declarations.built}

    def _find(self, name: str) -> tuple[Definition | None, Task]:
        definitions = self._declarations.definitions
        found = [
            (d, t) for d in definitions.values() for t in d.tasks.values() if name in (t.name, f"{d.name}/{t.name}")
        ]
        if len(found) > 1:
            names = ", ".join(f"{definition.name}/{task.name}" for definition, task in found)
            raise UsageError(f"there is more than one task '{name}'", f"say which: {names}")
        if found:
            return found[0]
        if name in self._declarations.built:
            return None, self._declarations.built[name]
        if not self.tasks:
            raise UsageError(f"there is no task '{name}': {self._name} declares none")
        raise UsageError(f"there is no task '{name}' in {self._name}", did_you_mean(name, [*self.tasks]))

    def _run(
        self,
        name: str,
        tasks: Mapping[str, Task],
        definition: Definition | None,
        params: Mapping[str, str] | None = None,
    ) -> RunOutcome:
        self._stopped = threading.Event()
        given = self._given(params)
        refused = self._call_hook(definition, "on_start", given)
        if refused and refused[0] is False:
            why = str(refused[1]) if len(refused) > 1 and refused[1] is not None else "on_start returned false"
            skipped = {each: TaskOutcome(each, "not_run", why) for each in tasks}
            return RunOutcome(name, skipped, why, aborted=True)
        outcomes: dict[str, TaskOutcome] = {}

        def run(task: Task) -> TaskOutcome:
            outcomes[task.name] = self._run_one(task, given, definition, outcomes)
            return outcomes[task.name]

        ended = run_tasks(tasks, run, parallel=definition.parallel if definition else 1, stop=self.stop)
        aborted = next((outcome for outcome in ended.values() if outcome.status == "aborted"), None)
        result = RunOutcome(name, ended, aborted.message if aborted else "", aborted=aborted is not None)
        outputs = {each: outcome.output for each, outcome in ended.items() if outcome.attempts}
        self._call_hook(definition, "on_complete", result.success, outputs)
        return result

    def _run_one(
        self, task: Task, params: Mapping[str, object], definition: Definition | None, before: Mapping[str, TaskOutcome]
    ) -> TaskOutcome:
        deps = {name: before[name].output for name in task.depends_on}
        try:
            self._call_hook(definition, "on_task_start", task.name)
            with self._context() as context:
                attempt = Attempt(
                    task, params, deps,
                    machine=self._machine, bindings=self._bindings, host=self._host, context=context,
                )  # fmt: skip
                outcome = attempt.run()
            if outcome.status in ("succeeded", "failed"):
                self._call_hook(
                    definition, "on_task_complete", task.name, outcome.status == "succeeded", outcome.output
                )
        except SlothError as error:
            return TaskOutcome(task.name, "failed", error.message, error=error)
        return outcome

    def _call_hook(self, definition: Definition | None, hook: Hook, *arguments: object) -> _Values:
        function = definition.hooks.get(hook) if definition else None
        if function is None:
            return []
        with self._context() as context:
            return self._machine.call(function, arguments, context)

    def _given(self, params: Mapping[str, str] | None) -> dict[str, object]:
        """The parameters of a run. Where the file has one workflow, nobody has to say which is meant."""
        given: dict[str, object] = {**self._params, **(params or {})}
        if "workflow_id" not in given:
            workflows = self._host.list_workflows()
            if len(workflows) == 1:
                given["workflow_id"] = workflows[0]["id"]
        return given

    def _new_context(self) -> Context:
        return Context(self._directory, cancel=self._stopped)

    @contextmanager
    def _context(self) -> Iterator[Context]:
        context = self._new_context()
        with self._lock:
            self._live[id(context)] = context
        try:
            yield context
        finally:
            with self._lock:
                del self._live[id(context)]

    def stop(self) -> None:
        """Have whatever runs now come to an end: Lua, commands, and calls of the host."""
        with self._lock:
            live = [*self._live.values()]
        for context in live:
            context.stop()


def _shown(file: Path) -> Path:
    """How errors call the file: relative to the working directory where it is in there."""
    try:
        return file.absolute().relative_to(Path.cwd())
    except ValueError:
        return file
