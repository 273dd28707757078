"""Runs `sloth-ci` as a process of its own without importing it anew each time: half a second of each job's one or two.

One server a test process. It has imported the program and does nothing else; for each run it forks, and the child gets the
folder, the environment and the files of that run, as a new process has them.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypedDict


class _Wanted(TypedDict):
    args: list[str]
    cwd: str
    env: dict[str, str]
    files: list[str]
    """For stdout and stderr."""


class Done(NamedTuple):
    """What a run came to."""

    code: int
    output: str
    """Its stdout, then its stderr."""


def run(args: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Done:
    """Run `sloth-ci ARGS` in a folder, with an environment, and wait."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        wanted: _Wanted = {"args": [*args], "cwd": str(cwd), "env": {**env}, "files": [*map(str, files)]}
        server = _server()
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(wanted) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer, "the fork server has ended"
        return Done(int(answer), "".join(file.read_text(encoding="utf-8") for file in files))


@functools.cache
def _server() -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-m", "support.forkserver"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def end() -> None:
        assert server.stdin
        assert server.stdout
        server.stdin.close()
        server.wait()
        server.stdout.close()

    atexit.register(end)
    return server


def _serve() -> None:
    import github  # noqa: F401 - imported here, so that no child has to
    import gitlab  # noqa: F401

    import sloth_ci.ci.github
    import sloth_ci.ci.gitlab
    import sloth_ci.ci.main
    import sloth_ci.cli
    import sloth_ci.report.terminal  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        wanted: _Wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(wanted)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _become(wanted: _Wanted) -> NoReturn:
    """Be the run. Never returns."""
    from sloth_ci.cli import main

    out, err = (os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in wanted["files"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(wanted["env"])
    os.chdir(wanted["cwd"])
    code = 0
    try:
        main(wanted["args"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does it, which this child does not come back to
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
