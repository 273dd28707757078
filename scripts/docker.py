"""A Docker engine for the tests: the one that answers, else a private one that leaves the machine's network alone.

    python scripts/docker.py images -a      any docker command, with the engine that the tests use

The private engine (root on Linux, Debian's docker.io) lives in `~/.cache/sloth-ci/docker`. Whoever comes first starts it,
the last one out ends it; one that was left behind by killed users serves the next ones and ends with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

MEND: Final = "make image"
PACKAGES: Final = {"dockerd": "docker.io", "debootstrap": "debootstrap"}
"""Programs, and the packages of Debian that have them."""
_START: Final = 60.0
"""Seconds within which an engine has to answer, or to be gone."""


class DockerError(Exception):
    """There is no engine, or it refused; the message says what to do."""


class Docker:
    """The docker command, bound to one engine."""

    def __init__(self, program: str, environ: Mapping[str, str], host: str | None = None) -> None:
        self._program = program
        self.private = host is not None
        kept = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
        self.address: dict[str, str] = (
            {"DOCKER_HOST": host} if host else {name: environ[name] for name in kept if name in environ}
        )
        """The variables that lead another program to the engine."""
        others = {name: value for name, value in environ.items() if name not in kept}
        self.environ = {**others, **self.address, "DOCKER_BUILDKIT": "0"}

    def command(self, *args: str) -> list[str]:
        """The command line, for who runs it on his own."""
        return [self._program, *args]

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        """Run it and return what it printed. Raises DockerError with its own words."""
        done = self.attempt(*args, stdin=stdin)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise DockerError(f"docker {args[0]} ended with {done.returncode}: {said[-3000:]}")
        return done.stdout.strip()

    def attempt(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        return subprocess.run(
            self.command(*args),
            env=self.environ,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@contextlib.contextmanager
def engine(environ: Mapping[str, str]) -> Iterator[Docker]:
    """Use an engine. Raises DockerError where there is none and none can be started."""
    program = shutil.which("docker", path=environ.get("PATH"))
    if program:
        there = Docker(program, environ)
        if there.attempt("version").returncode == 0:
            yield there
            return
    daemon = shutil.which("dockerd", path=environ.get("PATH"))
    if not program or not daemon or os.geteuid() != 0:
        raise DockerError(
            f"no Docker engine answers, and none can be started: start Docker, or as root on Debian get one by `{MEND}`"
        )
    with _Private(daemon, folder(environ)) as host:
        yield Docker(program, environ, host)


def folder(environ: Mapping[str, str]) -> Path:
    """Where the private engine lives, outside every work tree."""
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    return Path(cache, "sloth-ci", "docker")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes that ask for this lock; it goes with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(environ: Mapping[str, str]) -> None:
    """Get what a private engine needs from Debian's packages. Does nothing where an engine answers or all is there.

    Raises DockerError.
    """
    path = environ.get("PATH")
    program = shutil.which("docker", path=path)
    if program and Docker(program, environ).attempt("version").returncode == 0:
        return
    with locked(folder(environ) / "install.lock"):
        missing = [package for name, package in PACKAGES.items() if not shutil.which(name, path=path)]
        if missing:
            refused = "no Docker engine answers, and one can only be installed as root on Debian: start Docker"
            install_packages(missing, environ, otherwise=refused)


def install_packages(packages: Sequence[str], environ: Mapping[str, str], *, otherwise: str) -> None:
    """Install packages of Debian, as root. Raises DockerError, with `otherwise` where this is no such machine."""
    if os.geteuid() != 0 or not shutil.which("apt-get", path=environ.get("PATH")):
        raise DockerError(otherwise)
    print(f"installing {' and '.join(packages)}", flush=True)
    # RUNLEVEL: the machine is not to be given a service, with a bridge and firewall rules of its own.
    env = {**environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DockerError(f"apt-get {command[0]} ended with {done.returncode}: {done.stdout[-2000:].strip()}")


class _Private:
    """One user of the private engine. Its name is a shared lock on `users`: with the last one gone, it can be taken alone."""

    def __init__(self, daemon: str, home: Path) -> None:
        self._daemon = daemon
        self._home = home
        # Short: the path of a Unix socket may have 107 bytes, and home folders can be deep.
        self._run = Path("/run/sloth-ci-docker", hashlib.sha256(str(home).encode()).hexdigest()[:12])
        self._held = contextlib.ExitStack()

    def __enter__(self) -> str:
        self._run.mkdir(parents=True, exist_ok=True)
        with locked(self._home / "lock"):
            users = self._held.enter_context((self._home / "users").open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                if not self._answers():
                    self._start()
            except BaseException:
                self._held.close()
                raise
        return self._host

    def __exit__(self, *_: object) -> None:
        with locked(self._home / "lock"):
            self._held.close()
            with (self._home / "users").open("a") as users:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return  # others use it
            self._stop()

    @property
    def _host(self) -> str:
        return f"unix://{self._run}/docker.sock"

    def _answers(self) -> bool:
        if not self._pid():
            return False
        return Docker("docker", os.environ, self._host).attempt("version").returncode == 0

    def _pid(self, file: str = "dockerd.pid") -> int | None:
        """The engine's process, or that of its containerd."""
        try:
            pid = int((self._run / file).read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        """Whether it runs, and is of this engine: the number in a stale file may be anybody's by now."""
        try:
            command = Path("/proc", str(pid), "cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(self._run) + b"/" in command

    def _start(self) -> None:
        if self._pid():
            self._stop()  # it runs and does not answer
        if containerd := self._pid("exec/containerd/containerd.pid"):
            self._kill(
                containerd
            )  # it is on its way after a dockerd that was killed; the new one would take it for alive
        (self._run / "dockerd.pid").unlink(missing_ok=True)
        log = self._home / "dockerd.log"
        command: Sequence[str | Path] = (
            # Nobody's child: it may have to outlive the one who starts it.
            *("sh", "-c", '"$@" </dev/null >"$0" 2>&1 & echo $!', log),
            *(self._daemon, "--host", self._host, "--data-root", self._home / "data"),
            *("--exec-root", self._run / "exec", "--pidfile", self._run / "dockerd.pid"),
            # Nothing of the machine's network is touched; containers use the host's.
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        )
        done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, text=True, start_new_session=True, check=True)
        pid = int(done.stdout)
        deadline = time.monotonic() + _START
        while not self._answers():
            if not self._is_ours(pid):
                raise DockerError(f"dockerd does not start: {self._last_words()}")
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGTERM)
                raise DockerError(f"dockerd does not answer after {_START:g} s: {self._last_words()}")
            time.sleep(0.1)

    def _kill(self, pid: int, with_: signal.Signals = signal.SIGKILL) -> None:
        deadline = time.monotonic() + _START
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, with_)
            while self._is_ours(pid):  # the engine's file goes before it does
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    deadline += _START
                time.sleep(0.05)

    def _last_words(self) -> str:
        lines = (self._home / "dockerd.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def _stop(self) -> None:
        pid = self._pid()
        if not pid:
            return
        self._kill(pid, signal.SIGTERM)
        # Docker leaves network namespaces behind as mounts, and where it was killed, its data mounted on itself, which is
        # no `ismount`. A disk that somebody has mounted there is one, and stays.
        left = [place for place in (self._run / "exec/netns").glob("*") if os.path.ismount(place)]
        left += [place for place in [self._home / "data"] if not os.path.ismount(place)]
        for place in left:
            subprocess.run(["umount", str(place)], check=False, capture_output=True)
        with contextlib.suppress(OSError):  # a leftover of one that had to be killed is in nobody's way
            shutil.rmtree(self._run)


def main(arguments: Sequence[str]) -> int:
    """Run a docker command."""
    try:
        with engine(os.environ) as docker:
            return subprocess.run(docker.command(*arguments), env=docker.environ, check=False).returncode
    except DockerError as error:
        print(f"docker: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
