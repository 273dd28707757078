"""Running kustomize, kubectl and helm: no shell, no credentials, no network, no end that does not come."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import IO, NamedTuple

from sloth_ci.core.errors import RenderError

TIMEOUT = 120.0
"""Seconds that one run of a tool may take."""

_MAX_OUTPUT = 256 * 2**20
_MAX_ERRORS = 8 * 2**10
_MAX_MEMORY = 4 * 2**30

_NOWHERE = "http://127.0.0.1:9"
_NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

_WAYS = {
    "kustomize": "install kustomize or kubectl and put it on PATH",
    "helm": "install helm and put it on PATH",
}


class Tool(NamedTuple):
    """A program on this machine."""

    name: str
    path: str
    identity: str
    """Changes when the program is replaced: what it made before may not be what it makes now."""


class Finished(NamedTuple):
    """A run that came to its end."""

    code: int
    output: bytes
    errors: str


class Stopped(Exception):
    """The tool did not come to its own end."""


class ToolMissing(RenderError):
    """A program that this machine does not have: nothing is wrong with the files."""


def find(environ: Mapping[str, str], *names: str) -> Tool:
    """The first of some programs that is on PATH. Raises ToolMissing that says how to get one."""
    for name in names:
        path = shutil.which(name, path=environ.get("PATH", os.defpath))
        if path is not None:
            real = os.path.realpath(path)
            about = os.stat(real)
            return Tool(name, os.path.abspath(path), f"{real} {about.st_size} {about.st_mtime_ns}")
    what = " or ".join(names)
    raise ToolMissing(f"{what} is needed to render this, and there is none on PATH", _WAYS[names[0]])


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A private folder that is gone afterwards. What is rendered may hold secrets."""
    with tempfile.TemporaryDirectory(prefix="sloth-render-", ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        (home / "home").mkdir()
        (home / "tree").mkdir()
        yield home


def run(
    tool: Tool,
    arguments: Sequence[str],
    home: Path,
    environ: Mapping[str, str],
    *,
    network: bool = False,
    timeout: float = TIMEOUT,
) -> Finished:
    """Run a program in its own process group with an environment of its own.

    `home` is a `workspace`. Raises Stopped, and RenderError when the program cannot be started.
    """
    with tempfile.TemporaryFile(dir=home) as errors:
        process: subprocess.Popen[bytes] | None = None
        try:
            process = subprocess.Popen(
                [tool.path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=home / "tree",
                env=_environment(home, environ, network),
                start_new_session=True,
            )
            output = _collect(process, timeout)
        except OSError as error:
            raise RenderError(f"{tool.path} cannot be run: {error.strerror}", _WAYS.get(tool.name)) from None
        finally:
            # Also where a signal ends us before anybody waits for it.
            if process is not None:
                _kill(process)
                process.wait()
                if process.stdout:
                    process.stdout.close()
        return Finished(process.returncode, output, _ends(errors).decode("utf-8", "replace"))


def _collect(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """All that the process writes. The whole group is killed when it takes too long; who calls this ends it in any case."""
    _limit_memory(process.pid)
    deadline = time.monotonic() + timeout
    timer = Timer(timeout, _kill, [process])
    timer.daemon = True  # nobody waits for it, whatever ends this
    timer.start()
    try:
        output = _read(process.stdout) if process.stdout else b""
        if len(output) > _MAX_OUTPUT:
            raise Stopped(f"wrote more than {_MAX_OUTPUT // 2**20} MiB and was stopped")
        process.wait()
    finally:
        timer.cancel()
    if process.returncode < 0 and time.monotonic() >= deadline:
        raise Stopped(f"was stopped after {timeout:g} seconds")
    if process.returncode < 0:
        raise Stopped(f"was ended by {signal.Signals(-process.returncode).name}")
    return output


def _read(stream: IO[bytes]) -> bytes:
    """Everything, and a little more than the limit at most."""
    pieces: list[bytes] = []
    total = 0
    while total <= _MAX_OUTPUT and (piece := stream.read(1 << 16)):
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)


def _ends(stream: IO[bytes]) -> bytes:
    """How a text starts and how it ends: the cause of an error is often the last that is said."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if size <= 2 * _MAX_ERRORS:
        return stream.read()
    start = stream.read(_MAX_ERRORS)
    stream.seek(-_MAX_ERRORS, os.SEEK_END)
    return start + b"\n...\n" + stream.read()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group of a process that has not been waited for: its number cannot be somebody else's yet."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _limit_memory(pid: int) -> None:
    """A template can ask for a list of a billion numbers. Linux only: elsewhere the timeout has to do."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))


def _environment(home: Path, environ: Mapping[str, str], network: bool) -> dict[str, str]:
    """PATH and a home of its own. No token, no kubeconfig; no way to the network unless it is allowed."""
    own = str(home / "home")
    env = {
        "PATH": environ.get("PATH", os.defpath),
        "HOME": own,
        "TMPDIR": own,
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": f"{own}/config",
        "XDG_CACHE_HOME": f"{own}/cache",
        "XDG_DATA_HOME": f"{own}/data",
        "HELM_CONFIG_HOME": f"{own}/config/helm",
        "HELM_CACHE_HOME": f"{own}/cache/helm",
        "HELM_DATA_HOME": f"{own}/data/helm",
        "HELM_PLUGINS": f"{own}/plugins",
        "KUBECONFIG": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if network:
        return env | {name: environ[name] for name in _NETWORK if name in environ}
    # Remote references are refused before a tool runs; this holds what that check might not know of.
    return env | {"GIT_ALLOW_PROTOCOL": "none", "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": ""}
