"""From an error value of Lua to an exception that a user can read."""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from typing import Any

from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.script.context import Context
from sloth_ci.script.errors import ScriptError
from sloth_ci.script.limits import Limits
from sloth_ci.script.wire import text

_POSITION = re.compile(r"^[^\n:]+:\d+: ")
_KEPT = 1000


class Faults:
    """Errors that the host answered with, so that one that nobody catches is raised as it was."""

    def __init__(self) -> None:
        self._errors: OrderedDict[int, SlothError] = OrderedDict()
        self._numbers = itertools.count(1)

    def keep(self, error: SlothError) -> int:
        """The number by which Lua knows it. Only the latest are kept: a script may catch them in a loop."""
        number = next(self._numbers)
        self._errors[number] = error
        if len(self._errors) > _KEPT:
            self._errors.popitem(last=False)
        return number

    def get(self, number: int) -> SlothError | None:
        """The error with this number, while it is kept."""
        return self._errors.get(number)


def failure_of(seen: dict[str, Any], context: Context, faults: Faults, limits: Limits) -> BaseException:
    """The exception for what `lua/host.lua` describes."""
    frames = [text(frame) for frame in seen.get("frames") or []]
    where = text(seen["where"]) if seen.get("where") else (frames[0] if frames else None)
    if "reason" in seen:
        return _stopped(seen["reason"], where, context, limits)
    original = faults.get(seen["mark"]) if "mark" in seen else None
    if original is not None:
        return _placed(original, where)
    message = text(seen["message"]) if seen.get("message") is not None else _nameless(seen["kind"])
    if message.endswith("not enough memory"):
        return ScriptError(
            _at(where, f"the script needs more than {limits.memory // 2**20} MiB of memory"),
            "look for a table or a string that grows without end",
        )
    if not _POSITION.match(message):
        message = _at(where, message)
    callers = [frame for frame in frames if not message.startswith(frame + ":")]
    return ScriptError(message, "called from " + ", ".join(callers) if callers else None)


def _nameless(kind: str) -> str:
    if kind == "nil":
        return "the script raised an error without a value"
    return f"the script raised a {kind} as its error; raise a string, or a table with a message"


def _placed(error: SlothError, where: str | None) -> SlothError:
    """The same error; where the script itself is to blame, with the line to look at."""
    if where and not _POSITION.match(error.message):
        if isinstance(error, UsageError):
            error.message = f"{where}: {error.message}"
            error.args = (error.message,)
        elif not getattr(error, "__notes__", None):
            error.add_note(f"called at {where}")
    return error


def _stopped(reason: str, where: str | None, context: Context, limits: Limits) -> BaseException:
    if reason == "interrupt":
        return KeyboardInterrupt()
    if reason == "timeout":
        return context.timed_out()
    if reason == "cancelled":
        return context.cancelled()
    if reason == "time":
        return ScriptError(
            _at(where, f"the script ran for {limits.seconds:g} s without end"), "look for an endless loop"
        )
    return ScriptError(
        _at(where, f"the script ran {limits.instructions:,} instructions without end"), "look for an endless loop"
    )


def _at(where: str | None, message: str) -> str:
    return f"{where}: {message}" if where else message
