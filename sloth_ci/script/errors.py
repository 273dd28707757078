"""What can go wrong in a script.

UsageError
└── ScriptError       the Lua is wrong, or ran out of its limits
└── TaskTimeout   a task took longer than it said
ApplyError
└── TaskFailed        a task says that it failed
Interrupted
└── Cancelled         the run was stopped while the script ran
"""

from __future__ import annotations

from sloth_ci.core.errors import ApplyError, Interrupted, UsageError


class ScriptError(UsageError):
    """The Lua is wrong. The message starts with `file:line:` where that is known."""


class TaskTimeout(ScriptError):
    """A task took longer than its `timeout`."""


class TaskFailed(ApplyError):
    """A task returned false, or a table with `success = false`."""


class Cancelled(Interrupted):
    """The run was stopped while this part of it waited or worked."""
