"""exec.run: commands for trusted scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sloth_ci.engine import process
from sloth_ci.script.context import Context
from sloth_ci.script.errors import ScriptError


def run_command(
    command: str | list[str], context: Context, *, directory: Path, environ: Mapping[str, str], timeout: float | None
) -> dict[str, object]:
    """Run a command for a script. See `engine.process.run_command`, and what `Context.check` raises.

    Returns `success, code, stdout, stderr, truncated, timed_out`. Raises ScriptError where it cannot be started.
    """
    if not directory.is_dir():
        raise ScriptError(f"exec.run: there is no folder '{directory}'")
    try:
        ended = process.run_command(command, directory=directory, environ=environ, timeout=timeout, check=context.check)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        program = "sh" if isinstance(command, str) else command[0]
        raise ScriptError(f"exec.run: cannot run '{program}': {reason}", "is it installed, and on PATH?") from None
    return {"success": ended.code == 0, **ended._asdict()}
