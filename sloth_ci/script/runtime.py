"""The Lua machine: the only place that imports lupa.

One Lua state, and one lock around it: whoever holds the lock runs Lua. A question to the host that may take long leaves
Lua (the coroutine yields) and the lock is free meanwhile, so tasks in several threads take turns, and a host may call a
Lua function from whatever thread it likes. Only bytes cross the border (see `wire`), so no Python object is in Lua and no
Lua object in Python.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sloth_ci import assets
from sloth_ci.core.errors import SlothError
from sloth_ci.script.context import Context
from sloth_ci.script.errors import Cancelled, ScriptError, TaskTimeout
from sloth_ci.script.failures import Faults, failure_of
from sloth_ci.script.limits import Limits
from sloth_ci.script.watchdog import Watchdog
from sloth_ci.script.wire import LuaFunction, Wire

Call = Callable[..., object]
"""A host function: `call(context, *arguments)`. A tuple is several values. SlothErrors reach Lua as error values."""

_MODULES: Final = (
    "wire", "jobs", "guard", "host", "modules", "gitops", "task", "workflow",
)  # fmt: skip
_TIME, _TIMEOUT, _CANCELLED = 1, 2, 3
_NO_VALUES: Final = b"\x90"


class Machine:
    """A sandboxed Lua state. Its methods may be called from any thread."""

    def __init__(
        self,
        calls: Mapping[str, Call],
        *,
        slow: Sequence[str] = (),
        limits: Limits | None = None,
        context: Callable[[], Context],
    ) -> None:
        """`calls` is what Lua may call, by name; those in `slow` leave Lua while they work.

        `context` makes the context of a callback from a thread of the host; one from the thread that a task called the
        host in belongs to that task.
        """
        import lupa.lua54 as lupa

        self._calls = calls
        self._slow = frozenset(slow)
        self._limits = limits or Limits()
        self._new_context = context
        self._wire = Wire(self._callback)
        self._faults = Faults()
        self._watchdog = Watchdog(self._limits.silence)
        weakref.finalize(self, self._watchdog.close)
        self._turn = threading.Condition()
        self._busy: int | None = None
        self._inside = False
        self._broken: BaseException | None = None
        self._context: Context | None = None
        self._calling = threading.local()
        self._entered = 0.0
        self._spent: dict[int, float] = {}
        self._lua_error = lupa.LuaError
        self._lua = lupa.LuaRuntime(
            encoding=None,
            source_encoding="UTF-8",
            attribute_filter=_no_attributes,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=False,
            max_memory=self._limits.memory,
        )
        self._enter_lua = self._boot(slow)

    def _boot(self, slow: Sequence[str]) -> Callable[..., Any]:
        self._lua.set_max_memory(0)  # the limit is for scripts
        folder = assets.lua_dir()
        sources = [item for name in _MODULES for item in (name.encode(), (folder / f"{name}.lua").read_bytes())]
        boot = self._lua.compile((folder / "sandbox.lua").read_bytes(), name=b"=sandbox.lua", mode="t")
        entry: Callable[..., Any] = boot(
            self._call_now, self._tick, self._limit, " ".join(slow).encode(), self._limits.instructions, *sources
        )
        return entry

    def run_file(self, name: str, text: bytes, context: Context) -> list[Any]:
        """Run the text of a file; returns what it returns. `name` is how errors call it."""
        return self._drive(context, b"chunk", 0, f"@{name}".encode(), text)

    def call(self, function: LuaFunction, arguments: Sequence[object], context: Context) -> list[Any]:
        """Call a function of the script; returns all its values."""
        return self._drive(context, b"call", function.number, self._wire.encode(arguments))

    def set_global(self, name: str, value: object) -> None:
        """Give the script a global variable."""
        self._drive(self._new_context(), b"global", 0, name.encode(), self._wire.encode([value]))

    def close(self) -> None:
        """Stop watching. Nothing may run afterwards."""
        self._watchdog.close()

    def _callback(self, function: LuaFunction, arguments: tuple[object, ...]) -> list[object]:
        payload = self._wire.encode(arguments)
        context = getattr(self._calling, "context", None) or self._new_context()
        return self._drive(context, b"call", function.number, payload, callback=True)

    def _drive(self, context: Context, action: bytes, number: int, *rest: bytes, callback: bool = False) -> list[Any]:
        """Run a piece of Lua to its end, and do what it asks on the way, without the lock."""
        while True:
            status, payload, number, extra = self._enter(context, action, number, *rest, callback=callback)
            if status == b"done":
                values: list[Any] = self._wire.decode(payload)
                return values
            if status != b"host":
                raise failure_of(self._wire.decode(payload), context, self._faults, self._limits)
            try:
                reply = self._answer(payload.decode(), extra, context)
            except BaseException:
                self._enter(context, b"drop", number)
                raise
            action, rest = b"resume", (reply,)

    def _enter(
        self, context: Context, action: bytes, number: int, *rest: bytes, callback: bool = False
    ) -> tuple[bytes, bytes, int, bytes]:
        with self._my_turn(callback=callback):
            self._context = context
            # No limit until Lua has the reins: an allocation that fails out here could not be unwound.
            self._lua.set_max_memory(0)
            resumed = action in (b"resume", b"drop")
            self._entered = time.monotonic() - (self._spent.pop(number, 0.0) if resumed else 0.0)
            self._watchdog.alive()
            try:
                status, payload, job, extra = self._enter_lua(action, number, *rest)
            except self._lua_error as error:
                raise failure_of(
                    {"kind": "string", "message": str(error)}, context, self._faults, self._limits
                ) from None
            finally:
                self._watchdog.rest()
            broken, self._broken = self._broken, None
            if broken is not None:
                raise broken
            if status == b"host":
                self._spent[job] = time.monotonic() - self._entered
            return status, payload, job, extra

    @contextmanager
    def _my_turn(self, *, callback: bool) -> Iterator[None]:
        """Hold the lock.

        Raises ScriptError where waiting for it could be for ever: for a callback while Lua is kept busy by a call of the
        host, which may itself be what waits for the callback.
        """
        me = threading.get_ident()
        with self._turn:
            while self._busy is not None:
                if self._busy == me or (callback and self._inside):
                    raise ScriptError(
                        "a Lua function was called back while the script waits inside table.sort or string.gsub",
                        "do not call gitops functions in a function given to table.sort or string.gsub",
                    )
                self._turn.wait()
            self._busy = me
        try:
            yield
        finally:
            with self._turn:
                self._busy = None
                self._turn.notify_all()

    def _answer(self, name: str, payload: bytes, context: Context) -> bytes:
        """Do what Lua asks. Errors become the answer, but not those that end the task, nor faults of ours."""
        outer = getattr(self._calling, "context", None)
        self._calling.context = context
        try:
            context.check()
            result = self._calls[name](context, *self._wire.decode(payload))
            values = result if isinstance(result, tuple) else (result,)
            return self._wire.encode((True, *values))
        except (TaskTimeout, Cancelled):
            raise
        except SlothError as error:
            return self._wire.encode((False, error.message, error.hint, self._faults.keep(error)))
        finally:
            self._calling.context = outer

    # What Lua calls. These take and return bytes and numbers alone, and never raise into Lua, where the script could
    # get hold of the exception.

    def _call_now(self, name: bytes, payload: bytes) -> bytes:
        self._lua.set_max_memory(0)
        self._watchdog.rest()
        started = time.monotonic()
        context = self._context
        assert context is not None  # somebody entered
        called = name.decode()
        if called in self._slow:
            with self._turn:
                self._inside = True
                self._turn.notify_all()
        try:
            return self._answer(called, payload, context)
        except BaseException as error:  # noqa: BLE001 (raised again by _enter)
            # Not for the script: it is stopped, by an answer of no values, and the error goes on outside.
            self._broken = error
            return _NO_VALUES
        finally:
            self._inside = False
            self._entered += time.monotonic() - started
            self._watchdog.alive()

    def _limit(self, on: bool) -> None:
        self._lua.set_max_memory(self._limits.memory if on else 0)

    def _tick(self) -> int | None:
        """Whether the script has to stop. A signal that arrived meanwhile is raised in here: Lua takes it as a stop."""
        self._watchdog.alive()
        context = self._context
        assert context is not None  # somebody entered
        if context.cancel.is_set():
            return _CANCELLED
        if context.late:
            return _TIMEOUT
        return _TIME if time.monotonic() - self._entered > self._limits.seconds else None


def _no_attributes(_owner: object, name: object, _setting: bool) -> object:
    raise AttributeError(name)
