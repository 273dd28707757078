"""Running a command of the workflow: it ends when it has to, with everything it started, and its output has an end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from sloth_ci.core.secrets import is_secret_variable

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes that are kept of each of stdout and stderr."""

_POLL: Final = 0.1
_GRACE: Final = 3.0
_TIMED_OUT: Final = 124


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that hold a secret: what a command gets."""
    return {name: value for name, value in environ.items() if not is_secret_variable(name, value)}


class Finished(NamedTuple):
    """How a command ended. `code` is 124 after a timeout, as with timeout(1), and 128 + n for signal n."""

    code: int
    stdout: str
    stderr: str
    truncated: bool
    timed_out: bool


def run_command(
    command: str | list[str],
    *,
    directory: Path,
    environ: Mapping[str, str],
    timeout: float | None,
    check: Callable[[], None],
    keep_end: bool = False,
) -> Finished:
    """Run a command and wait. A string goes to `sh -c`, a list runs as it is.

    Of output over `MAX_OUTPUT` the beginning is kept, or with `keep_end` the end. `check` is called now and then, and raises when the command has to end. Then, and after `timeout` seconds, its whole
    process group ends with it. Raises OSError or ValueError where it cannot be started.
    """
    process = subprocess.Popen(
        ["sh", "-c", command] if isinstance(command, str) else command,
        cwd=directory,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    timed_out = False
    with process:
        output = _Output(process, keep_end=keep_end)
        try:
            limit = None if timeout is None else time.monotonic() + timeout
            while not output.pump():
                check()
                if limit is not None and time.monotonic() > limit:
                    timed_out = True
                    break
        finally:
            if process.poll() is None:
                _end(process, output)
    code = _TIMED_OUT if timed_out else process.returncode
    return Finished(
        code=128 - code if code < 0 else code,
        stdout=output.text("stdout"),
        stderr=output.text("stderr"),
        truncated=output.truncated,
        timed_out=timed_out,
    )


class _Output:
    """Reads both pipes, keeps the first or the last MAX_OUTPUT bytes of each, and lets the rest go."""

    def __init__(self, process: subprocess.Popen[bytes], *, keep_end: bool) -> None:
        self._process = process
        self._keep_end = keep_end
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
        kept += chunk
        over = len(kept) - MAX_OUTPUT
        if over > 0:
            self.truncated = True
            if self._keep_end:
                del kept[:over]
            else:
                del kept[MAX_OUTPUT:]

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
