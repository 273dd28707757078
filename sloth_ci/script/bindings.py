"""What Lua may call, by name: arguments checked, then handed to the host."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from sloth_ci import assets
from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.workflow import Duration, did_you_mean, read_table
from sloth_ci.engine import process
from sloth_ci.script import command
from sloth_ci.script.context import Context
from sloth_ci.script.declare import Declarations
from sloth_ci.script.errors import ScriptError
from sloth_ci.script.host import Cancelling, Host, Reader
from sloth_ci.script.reader import clean_source
from sloth_ci.script.runtime import Call
from sloth_ci.script.wire import LuaFunction, fit_integers, text

SLOW: Final = (
    "gitops.workflow", "gitops.create_workflow", "gitops.register_repository", "gitops.sync_workflow",
    "gitops.rollback_workflow", "gitops.generate_diff", "gitops.preview_changes", "gitops.get_workflow_status",
    "gitops.list_workflows", "gitops.start_auto_sync", "gitops.stop_auto_sync", "exec.run", "http.get", "io.read", "sleep",
)  # fmt: skip
"""The calls that leave Lua while they work."""

OURS: Final = ("strategies",)
"""Modules in Lua that `require` knows."""

T = TypeVar("T")


class _ExecOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    timeout: Duration | None = None
    workdir: str | None = None
    env: dict[str, str] = {}
    read_only: bool = False
    """The command changes nothing, so a rehearsal may run it."""


class _HttpOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    timeout: Duration | None = None
    headers: dict[str, str] = {}


class Bindings:
    """The host's side of the functions in `lua/`."""

    def __init__(
        self, host: Host, declarations: Declarations, *, reader: Reader, environ: Mapping[str, str], folder: str
    ) -> None:
        """`folder` is how errors call the folder that `reader` reads."""
        self._host = host
        self._declarations = declarations
        self._reader = reader
        self._environ = environ
        self._folder = folder

    def calls(self) -> dict[str, Call]:
        """All of them, by the name that Lua uses."""
        return {
            "gitops.workflow": self._workflow,
            "gitops.create_workflow": self._create_workflow,
            "gitops.register_repository": self._register_repository,
            "gitops.sync_workflow": self._sync,
            "gitops.rollback_workflow": self._rollback,
            "gitops.generate_diff": lambda c, *a: self._diff(c, "gitops.generate_diff", *a),
            "gitops.preview_changes": lambda c, *a: self._diff(c, "gitops.preview_changes", *a),
            "gitops.get_workflow_status": self._status,
            "gitops.list_workflows": lambda c, *_: self._stoppable(c, self._host.list_workflows),
            "gitops.start_auto_sync": lambda c, *_: self._stoppable(c, self._host.start_auto_sync),
            "gitops.stop_auto_sync": lambda c, *_: self._stoppable(c, self._host.stop_auto_sync),
            "task.build": lambda _, table, where: self._declarations.build(table, where),
            "workflow.define": lambda _, name, table, where: self._declarations.define(name, table, where),
            "log": self._log,
            "io.read": lambda _: self._host.ask(),
            "json.encode": self._json_encode,
            "json.decode": self._json_decode,
            "yaml.encode": self._yaml_encode,
            "yaml.decode": self._yaml_decode,
            "env.get": self._env,
            "exec.run": self._exec,
            "http.get": self._http,
            "require": self._require,
            "sleep": self._sleep,
            "rehearsal": lambda _: self._host.rehearsal,
            "suggest": lambda _, word, known: _suggest(word, known),
        }

    # gitops

    def _workflow(self, context: Context, table: object = None, *_: object) -> tuple[object, ...]:
        workflow_id = self._create(context, table, "gitops.workflow")
        fields = self._host.workflow_info(workflow_id)
        return fields, [name for name, value in fields.items() if value is None]

    def _create_workflow(self, context: Context, table: object = None, *_: object) -> str:
        return self._create(context, table, "gitops.create_workflow")

    def _create(self, context: Context, table: object, what: str) -> str:
        checked = _table(table, what)
        return self._stoppable(context, lambda: self._host.create_workflow(checked, what))

    def _register_repository(self, context: Context, table: object = None, *_: object) -> str:
        checked = _table(table, "gitops.register_repository")
        return self._stoppable(context, lambda: self._host.register_repository(checked))

    def _sync(self, context: Context, workflow: object = None, *_: object) -> tuple[object, ...]:
        workflow_id = _workflow_id(workflow, "gitops.sync_workflow")
        return _done(self._stoppable(context, lambda: self._host.sync_workflow(workflow_id)))

    def _rollback(
        self, context: Context, workflow: object = None, reason: object = None, to: object = None, *_: object
    ) -> tuple[object, ...]:
        what = "gitops.rollback_workflow"
        workflow_id = _workflow_id(workflow, what)
        why, where = _optional(reason, what, 2, "reason"), _optional(to, what, 3, "to")
        return _done(self._stoppable(context, lambda: self._host.rollback_workflow(workflow_id, why, where)))

    def _diff(self, context: Context, what: str, workflow: object = None, *_: object) -> object:
        workflow_id = _workflow_id(workflow, what)
        return self._stoppable(context, lambda: self._host.generate_diff(workflow_id))

    def _status(self, context: Context, workflow: object = None, *_: object) -> object:
        workflow_id = _workflow_id(workflow, "gitops.get_workflow_status")
        return self._stoppable(context, lambda: self._host.get_workflow_status(workflow_id))

    def _stoppable(self, context: Context, work: Callable[[], T]) -> T:
        """Do it; ask the host to stop when the deadline comes or the run is stopped, where the host can."""
        if not isinstance(self._host, Cancelling):
            result = work()
        else:
            with context.calling(self._host.cancel):
                result = work()
        context.check()
        return result

    # the rest

    def _log(self, _: Context, level: str, message: object) -> None:
        self._host.log(level, text(message))  # type: ignore[arg-type]  # modules.lua has no other levels

    def _json_encode(self, _: Context, value: object = None, options: object = None, *_rest: object) -> str:
        data = _plain(value, "json.encode")
        pretty = isinstance(options, dict) and options.get("pretty") is True
        return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2 if pretty else None, sort_keys=True)

    def _json_decode(self, _: Context, source: object = None, *_rest: object) -> object:
        try:
            return fit_integers(json.loads(_text(source, "json.decode", 1, "text"), parse_constant=_no_constant))
        except (ValueError, RecursionError) as error:
            raise ScriptError(f"json.decode: {error}") from None

    def _yaml_encode(self, _: Context, value: object = None, *_rest: object) -> str:
        from sloth_ci.core import yaml

        return yaml.dump(_plain(value, "yaml.encode"))

    def _yaml_decode(self, _: Context, source: object = None, *_rest: object) -> object:
        from sloth_ci.core import yaml

        try:
            documents = yaml.parse(_text(source, "yaml.decode", 1, "text").encode())
        except SlothError as error:
            raise ScriptError(f"yaml.decode: {error.message}", error.hint) from None
        return tuple(fit_integers(document.value) for document in documents) or None

    def _env(self, _: Context, name: object = None, *_rest: object) -> str | None:
        self._trusted("env.get")
        return self._host.environment(_text(name, "env.get", 1, "name"))

    def _exec(self, context: Context, line: object = None, options: object = None, *_: object) -> dict[str, object]:
        return self.run_command(context, line, options)

    def run_command(self, context: Context, line: object, options: object = None) -> dict[str, object]:
        """`exec.run`, which is what a task's shell command goes through, too."""
        self._trusted("exec.run")
        if not self._host.runs_commands:
            raise UsageError(
                "exec.run runs no command for a pull or merge request, whose files it may be, or by hand on another branch",
                "run it in a task: tasks run on merge. What a declaration needs, read from the environment",
            )
        if not isinstance(line, str) and not (
            isinstance(line, list) and line and all(isinstance(word, str) for word in line)
        ):
            raise UsageError(f"exec.run: argument 1 is a command or a list of its words, got {_lua_type(line)}")
        read = read_table({} if options is None else options, _ExecOptions, "exec.run")
        if self._host.rehearsal and not read.read_only:
            self._host.log("info", f"rehearsal: would run {line if isinstance(line, str) else ' '.join(line)}")
            return {"success": True, "code": 0, "stdout": "", "stderr": "", "truncated": False, "timed_out": False}
        return command.run_command(
            line,
            context,
            directory=context.directory / (read.workdir or ""),
            environ={**process.clean_environment(self._environ), **read.env},
            timeout=None if read.timeout is None else float(read.timeout),
        )

    def _http(self, context: Context, url: object = None, options: object = None, *_: object) -> dict[str, object]:
        self._trusted("http.get")
        read = read_table({} if options is None else options, _HttpOptions, "http.get")
        timeout = None if read.timeout is None else float(read.timeout)
        from sloth_ci.script import web  # urllib takes 15 ms to import, and few files ask for it

        return web.get(_text(url, "http.get", 1, "url"), context, headers=read.headers, timeout=timeout)

    def _sleep(self, context: Context, seconds: object = None, *_: object) -> None:
        try:
            duration = Duration.parse(seconds)
        except ValueError as error:
            raise UsageError(f"sleep: {error}") from None
        if not self._host.rehearsal:
            context.wait(duration)

    def _require(self, _: Context, name: str) -> tuple[str, bytes]:
        if name in OURS:
            return f"={name}", (assets.lua_dir() / f"{name}.lua").read_bytes()
        path = f"{name.removesuffix('.lua').replace('.', '/')}.lua"
        source = None if path.startswith("/") or ".." in path.split("/") or "\\" in path else self._reader(path)
        if source is None:
            raise ScriptError(
                f"require: no module '{name}': there is no file {self._folder}{path}",
                "a module is a .lua file beside the workflow file, or one of ours",
            )
        return f"@{self._folder}{path}", clean_source(source)

    def _trusted(self, what: str) -> None:
        if not self._host.trusted:
            raise UsageError(
                f"{what} is for trusted code, and this Lua comes from a pull or merge request",
                "it works once the workflow file is on the base branch",
            )


def _done(result: tuple[bool, str | None]) -> tuple[object, ...]:
    worked, message = result
    return (True,) if worked else (False, message)


def _suggest(word: str, known: list[str]) -> str:
    """Like `did_you_mean`, and `sync` means `sync_workflow`."""
    longer = sorted((name for name in known if name.startswith(word)), key=len)
    return f"did you mean '{longer[0]}'?" if word and longer else did_you_mean(word, known)


def _lua_type(value: object) -> str:
    for kinds, name in (
        ((type(None),), "nil"), ((bool,), "a boolean"), ((int, float), "a number"), ((str, bytes), "a string"),
        ((LuaFunction,), "a function"),
    ):  # fmt: skip
        if isinstance(value, kinds):
            return name
    return "a table"


def _text(value: object, what: str, position: int, name: str) -> str:
    if isinstance(value, str):
        return value
    raise UsageError(f"{what}: argument {position} ({name}) is a string, got {_lua_type(value)}")


def _optional(value: object, what: str, position: int, name: str) -> str | None:
    return None if value is None else _text(value, what, position, name)


def _table(value: object, what: str) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise UsageError(
        f"{what}: argument 1 is a table with keys, got {'a list' if isinstance(value, list) else _lua_type(value)}"
    )


def _workflow_id(value: object, what: str) -> str:
    """An id, or the object that `gitops.workflow` returned."""
    if isinstance(value, dict) and isinstance(value.get("workflow_id"), str):
        value = value["workflow_id"]
    if isinstance(value, str) and value:
        return value
    got = "an empty string" if value == "" else _lua_type(value)
    raise UsageError(
        f"{what}: argument 1 (workflow_id) is the id of a workflow, got {got}",
        "gitops.create_workflow returns it, gitops.workflow has it as workflow_id",
    )


def _plain(value: Any, what: str) -> Any:
    """Data without functions and without numbers that no document can hold; its keys are strings."""
    if isinstance(value, dict):
        return {_key(key): _plain(item, what) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, what) for item in value]
    if isinstance(value, LuaFunction):
        raise ScriptError(f"{what}: a function is no data")
    if isinstance(value, float) and not math.isfinite(value):
        raise ScriptError(f"{what}: {value} is no number that a document can hold")
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
