"""Reading Git objects through one process that stays (`git cat-file --batch-command`).

A Git process costs about 3 ms to start; a question to one that runs costs some microseconds.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import IO, NamedTuple

from sloth_ci.repo import git
from sloth_ci.repo.errors import GitError, error_of

# Requests are sent in portions that fit any pipe, so that neither side can wait for the other.
_PIPE = 4096
_FOUND = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (\w+) (\d+)\n\Z")


class ObjectInfo(NamedTuple):
    """What Git knows about an object: its full id, `commit`/`tree`/`blob`/`tag`, and its size in bytes."""

    id: str
    type: str
    size: int


class ObjectReader:
    """Answers questions about objects. Threads may share it; each call is one conversation."""

    def __init__(self, git_dir: Path, env: Mapping[str, str]) -> None:
        self._git_dir = git_dir
        self._env = dict(env)
        self._lock = threading.Lock()
        self._process: Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def info(self, names: Sequence[str]) -> list[ObjectInfo | None]:
        """Resolve names (`HEAD`, ids, `<id>:<path>`, `<id>^{commit}`). None where there is no such object.

        Raises GitError where a short id could mean several objects.
        """
        found: list[ObjectInfo | None] = []
        for portion in _portions(names, b"info "):
            with self._lock:
                try:
                    self._send(portion, b"info ")
                    found += [self._header(name) for name in portion]
                except BaseException:
                    self._drop()
                    raise
        return found

    def contents(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of objects, in order. Raises GitError where one is missing or damaged."""
        for portion in _portions(list(ids), b"contents "):
            result = []
            with self._lock:
                try:
                    self._send(portion, b"contents ")
                    for name in portion:
                        header = self._header(name)
                        if header is None:
                            raise GitError(
                                f"object {name} is missing from the repository",
                                "the repository is damaged: `git fsck` names the objects; clone it again",
                                reason="corrupt",
                            )
                        data = self._read(header.size + 1)
                        result.append((name, data[:-1]))
                except BaseException:
                    # Answers may be left in the pipe: the next conversation starts with a new process.
                    self._drop()
                    raise
            yield from result

    def restart(self) -> None:
        """Forget what the process knows: needed after history was deepened, which it keeps in memory."""
        with self._lock:
            self._drop()

    close = restart

    def _send(self, names: Sequence[str], command: bytes) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process, in _drop
            self._process = git.start(
                ["cat-file", "--batch-command", "-z"],
                git_dir=self._git_dir,
                env=self._env,
                stderr=self._errors.fileno(),
                # Ctrl-C is for us: whoever puts things back after it still has to read.
                own_group=True,
            )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"".join(command + _encode(name) + b"\0" for name in names))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def _header(self, name: str) -> ObjectInfo | None:
        line = self._line()
        if match := _FOUND.match(line):
            return ObjectInfo(match[1].decode(), match[2].decode(), int(match[3]))
        for _ in range(name.count("\n")):
            line += self._line()
        if line.endswith(b" ambiguous\n"):
            raise GitError(f"the short id '{name}' could mean several objects", "write more of its digits")
        return None

    def _line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure()
        return line

    def _read(self, size: int) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise self._failure()
        return data

    def _failure(self) -> GitError:
        assert self._process is not None
        assert self._errors is not None
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        stderr = self._errors.read().decode("utf-8", "replace")
        return error_of("cannot read the repository's objects", stderr or "git cat-file ended without a word")

    def _drop(self) -> None:
        process, self._process = self._process, None
        errors, self._errors = self._errors, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
        if errors is not None:
            errors.close()

    def __del__(self) -> None:
        self._drop()


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return  # what was still to be written is of no use to anybody


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _portions(names: Sequence[str], command: bytes) -> Iterator[list[str]]:
    portion: list[str] = []
    size = 0
    for name in names:
        length = len(command) + len(_encode(name)) + 1
        if portion and size + length > _PIPE:
            yield portion
            portion, size = [], 0
        portion.append(name)
        size += length
    if portion:
        yield portion
