"""What a script declares: tasks and definitions, their tables checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Duration, Retry, read_table
from sloth_ci.script.graph import check_graph
from sloth_ci.script.wire import LuaFunction

_BUILT: Final = "\0task"
_UNBUILT: Final = "\0builder"
_DEFAULT_PARALLEL: Final = 4

Hook = Literal["on_start", "on_task_start", "on_task_complete", "on_complete"]
HOOKS: Final[tuple[Hook, ...]] = ("on_start", "on_task_start", "on_task_complete", "on_complete")


class _TaskTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A task as a table; the builder makes the same one."""

    name: str
    description: str = ""
    command: Any = None
    run: Any = None
    depends_on: str | list[str] = []
    timeout: Duration | None = None
    retries: int | Retry = 0
    workdir: str | None = None
    run_if: Any = None
    abort_if: Any = None
    on_success: Any = None
    on_failure: Any = None
    params: dict[str, Any] = {}
    artifacts: str | list[str] = []


class _DefinitionTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The second argument of `workflow.define`."""

    tasks: Any
    description: str = ""
    version: str | int | float = ""
    parallel: bool | int = False
    max_parallel: int | None = None
    on_start: Any = None
    on_task_start: Any = None
    on_task_complete: Any = None
    on_complete: Any = None


@dataclass(frozen=True)
class Task:
    """A task. A command is a function of the script or a line for the shell; so are its conditions."""

    name: str
    description: str
    command: LuaFunction | str
    where: str
    """`file:line` of its declaration, or an empty string."""
    depends_on: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds, for each attempt."""
    retry: Retry = field(default_factory=lambda: Retry(limit=0))
    workdir: str | None = None
    run_if: LuaFunction | str | None = None
    abort_if: LuaFunction | str | None = None
    on_success: LuaFunction | None = None
    on_failure: LuaFunction | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """What `workflow.define` declares."""

    name: str
    description: str
    version: str
    tasks: Mapping[str, Task]
    """In the order of the file."""
    hooks: Mapping[Hook, LuaFunction]
    parallel: int
    """How many tasks may run at a time."""
    where: str


class Declarations:
    """Everything that a script declared, in order."""

    def __init__(self) -> None:
        self.built: dict[str, Task] = {}
        self.definitions: dict[str, Definition] = {}

    def build(self, table: object, where: str) -> None:
        """`task(...):build()`."""
        name = table.get("name") if isinstance(table, dict) else None
        task = _task_of(table, f"task '{name}'", where)
        other = self.built.get(task.name)
        if other is not None:
            raise UsageError(f"task '{task.name}' is built twice, first at {other.where or 'an unknown place'}")
        self.built[task.name] = task

    def define(self, name: object, table: object, where: str) -> None:
        """`workflow.define(...)`."""
        if not isinstance(name, str) or not name:
            raise UsageError("workflow.define: the first argument is the name, a string")
        if name in self.definitions:
            raise UsageError(
                f"workflow '{name}' is defined twice, first at {self.definitions[name].where or 'an unknown place'}"
            )
        if not isinstance(table, dict):
            raise UsageError(f"workflow.define: the second argument of '{name}' is a table with its tasks")
        if not table:
            raise UsageError(f"workflow '{name}' has no tasks", "give tasks = { ... }")
        what = f"workflow '{name}'"
        read = read_table(table, _DefinitionTable, what)
        hooks = {hook: _function(getattr(read, hook), f"{what}: {hook}") for hook in HOOKS}
        tasks = self._tasks(read.tasks, what, where)
        check_graph(tasks, what, self.built)
        self.definitions[name] = Definition(
            name=name,
            description=read.description,
            version=str(read.version),
            tasks=tasks,
            hooks={hook: function for hook, function in hooks.items() if function is not None},
            parallel=_parallel(read, what),
            where=where,
        )

    def _tasks(self, table: object, what: str, where: str) -> dict[str, Task]:
        """A list of tables and built tasks, or a table from names to them."""
        if isinstance(table, dict) and (_BUILT in table or _UNBUILT in table or "command" in table):
            raise UsageError(f"{what}: 'tasks' is one task", "write tasks = { ... } with braces around it")
        if isinstance(table, dict):
            entries = [(str(key), entry) for key, entry in table.items()]
        elif isinstance(table, list):
            entries = [("", entry) for entry in table]
        else:
            raise UsageError(f"{what}: 'tasks' is a list of tasks, or a table from names to tasks")
        tasks: dict[str, Task] = {}
        for position, (key, entry) in enumerate(entries, start=1):
            task = self._entry(key, entry, f"{what}: task {repr(key) if key else position}", where)
            if task.name in tasks:
                raise UsageError(f"{what}: two tasks are called '{task.name}'")
            tasks[task.name] = task
        return tasks

    def _entry(self, key: str, entry: object, what: str, where: str) -> Task:
        if not isinstance(entry, dict):
            raise UsageError(f"{what}: expected a table or a built task", "build tasks before they are used")
        if _UNBUILT in entry:
            raise UsageError(f"{what}: this task is not built", "end it with :build()")
        if _BUILT in entry:
            built = self.built.get(str(entry[_BUILT]))
            if built is None:
                raise UsageError(f"{what}: there is no such task")
            return built
        if key and entry.get("name", key) != key:
            raise UsageError(f"{what}: it calls itself '{entry['name']}'", "leave its name out, or use the key")
        if not key and "name" not in entry:
            raise UsageError(f"{what}: it has no name", 'give name = "...", or write tasks as { name = {...} }')
        return _task_of({**entry, "name": key} if key else entry, what, where)


def _task_of(table: object, what: str, where: str) -> Task:
    read = read_table(table, _TaskTable, what)
    if read.command is not None and read.run is not None:
        raise UsageError(f"{what}: 'run' and 'command' are the same; give one")
    command = _callable(read.command if read.run is None else read.run, f"{what}: command")
    if command is None:
        raise UsageError(f"{what}: it has no command", "give it a function or a shell command")
    retry = Retry(limit=read.retries) if isinstance(read.retries, int) else read.retries
    if retry.limit < 0:
        raise UsageError(f"{what}: 'retries': a number of times, not {retry.limit}")
    return Task(
        name=read.name,
        description=read.description,
        command=command,
        where=where,
        depends_on=tuple(dict.fromkeys(_strings(read.depends_on))),
        timeout=None if read.timeout is None else float(read.timeout),
        retry=retry,
        workdir=read.workdir,
        run_if=_callable(read.run_if, f"{what}: run_if"),
        abort_if=_callable(read.abort_if, f"{what}: abort_if"),
        on_success=_function(read.on_success, f"{what}: on_success"),
        on_failure=_function(read.on_failure, f"{what}: on_failure"),
        params=read.params,
        artifacts=tuple(_strings(read.artifacts)),
    )


def _strings(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _callable(value: object, what: str) -> LuaFunction | str | None:
    if value is None or isinstance(value, LuaFunction | str):
        return value
    raise UsageError(f"{what} is a function or a shell command")


def _function(value: object, what: str) -> LuaFunction | None:
    if value is None or isinstance(value, LuaFunction):
        return value
    raise UsageError(f"{what} is a function")


def _parallel(read: _DefinitionTable, what: str) -> int:
    asked = read.parallel
    limit = read.max_parallel if read.max_parallel is not None else _DEFAULT_PARALLEL
    if limit < 1 or (not isinstance(asked, bool) and asked < 1):
        raise UsageError(f"{what}: the number of tasks at a time is at least 1")
    if isinstance(asked, bool):
        return limit if asked else 1
    return asked if read.max_parallel is None else min(asked, limit)
