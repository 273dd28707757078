"""`exec.run`: a command of trusted code, with a timeout, limited output and no secrets in its environment."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from sloth_ci.core.secrets import is_secret_name
from sloth_ci.script.context import Context
from sloth_ci.script.errors import ScriptError

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes that are kept of each of stdout and stderr."""

_POLL: Final = 0.1
_GRACE: Final = 3.0
_TIMED_OUT: Final = 124


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables whose name says that they hold a secret."""
    return {name: value for name, value in environ.items() if not is_secret_name(name)}


def run_command(
    command: str | list[str], context: Context, *, directory: Path, environ: Mapping[str, str], timeout: float | None
) -> dict[str, object]:
    """Run a command and wait. A string goes to `sh -c`, a list runs as it is.

    Returns `success, code, stdout, stderr, truncated, timed_out`; `code` is 124 after `timeout` seconds, as with
    timeout(1), and 128 + n for signal n. Raises ScriptError where it cannot be started, and what `Context.check` raises
    when the task has to end; then the whole process group is gone.
    """
    arguments = ["sh", "-c", command] if isinstance(command, str) else command
    if not directory.is_dir():
        raise ScriptError(f"exec.run: there is no folder '{directory}'")
    try:
        process = subprocess.Popen(
            arguments,
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScriptError(f"exec.run: cannot run '{arguments[0]}': {reason}", "is it installed, and on PATH?") from None
    timed_out = False
    with process:
        output = _Output(process)
        try:
            limit = None if timeout is None else time.monotonic() + timeout
            while not output.pump():
                context.check()
                if limit is not None and time.monotonic() > limit:
                    timed_out = True
                    break
        finally:
            if process.poll() is None:
                _end(process, output)
    code = _TIMED_OUT if timed_out else process.returncode
    return {
        "success": code == 0,
        "code": 128 - code if code < 0 else code,
        "stdout": output.text("stdout"),
        "stderr": output.text("stderr"),
        "truncated": output.truncated,
        "timed_out": timed_out,
    }


class _Output:
    """Reads both pipes, keeps the first MAX_OUTPUT bytes of each, and lets the rest go."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.truncated = False
        self._selector = selectors.DefaultSelector()
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert pipe is not None  # both are PIPE
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, name)

    def pump(self) -> bool:
        """Read what is there, or wait a moment for it. True when the process has ended and all is read."""
        ended = self._process.poll() is not None
        events = self._selector.select(0 if ended else _POLL) if self._selector.get_map() else []
        if not self._selector.get_map() and not ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL)
        for key, _ in events:
            self._read(key)
        # A grandchild may hold a pipe open for ever: what is there when the process ends is all.
        return ended and not events

    def _read(self, key: selectors.SelectorKey) -> None:
        pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]  # the pipes that were registered
        chunk = os.read(pipe.fileno(), 65536)
        if not chunk:
            self._selector.unregister(pipe)
            return
        kept = self._kept[key.data]
        room = MAX_OUTPUT - len(kept)
        kept += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room

    def text(self, name: str) -> str:
        """What was kept of one of them; bytes that are no text are replaced."""
        return self._kept[name].decode(errors="replace")


def _end(process: subprocess.Popen[bytes], output: _Output) -> None:
    """Ask the process group to end, and after a moment make it."""
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        limit = None if patience is None else time.monotonic() + patience
        while process.poll() is None and (limit is None or time.monotonic() < limit):
            output.pump()
        if process.returncode is not None and number == signal.SIGTERM and not _group_lives(process.pid):
            return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
