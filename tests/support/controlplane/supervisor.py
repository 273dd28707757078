"""A control plane in a process of its own, which lives as long as somebody is connected to it.

    python -m support.controlplane.supervisor FOLDER '{"etcd": PATH, ...}'

The processes of a control plane must end with the tests, also with tests that were killed. So nobody who uses it is its
parent: each holds a connection to the Unix socket in FOLDER, which the kernel closes however its owner ends, and after the
last one everything stops. If the supervisor itself is killed, Linux kills its children (PR_SET_PDEATHSIG).

Who connects reads `ready` or `failed: ...`, and may then write `stop NAME`, `start NAME` or `restart NAME`; the answer is
`done` or `failed: ...`. A message is a JSON string on a line of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from support.controlplane.parts import API, CLIENTS, Plane, StartError

SOCKET: Final = "socket"
LOG: Final = "supervisor.log"
_FIRST: Final = 20.0
"""Seconds within which the one who started this connects."""
_PDEATHSIG: Final = 1


class Supervisor:
    """Starts, restarts and stops the parts of one control plane."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Bring everything up. Raises StartError."""
        for names in self.plane.order:
            for name in names:
                self.start(name)
            for name in names:
                self.plane.wait(name, self._ended)
        self.plane.furnish()

    def start(self, name: str) -> None:
        """Start one part; nothing happens if it runs."""
        if name in self._running and self._running[name].poll() is None:
            return
        with (self.plane.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self.plane.command(name),
                cwd=self.plane.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.plane.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Safe here: this process has one thread, which also is the parent that the signal is about.
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )

    def stop(self, name: str) -> None:
        """End one part at once. Nothing it has acknowledged is lost: that is etcd's to keep."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def obey(self, line: str) -> str:
        """Do what a connection asks for."""
        verb, _, name = line.partition(" ")
        try:
            if verb in {"stop", "restart"}:
                self.stop(name)
            if verb in {"start", "restart"}:
                self.start(name)
                self.plane.wait(name, lambda: self._ended(besides=CLIENTS))
                if name == API:
                    self._connect_again()
        except StartError as error:
            return f"failed: {error}"
        except KeyError:
            return f"failed: there is no {name} running"
        return "done"

    def _connect_again(self) -> None:
        """Start what uses the API server anew: after an outage of 20 seconds it would try again only a minute later.

        (client-go's reflectors double their pause up to 30 s, and up to double that by chance. Some parts give up.)
        """
        for name in CLIENTS:
            if name in self._running:
                self.stop(name)
                self.start(name)

    def _ended(self, besides: Collection[str] = ()) -> str | None:
        ended = (name for name, process in self._running.items() if process.poll() is not None)
        return next((name for name in ended if name not in besides), None)

    def stop_all(self) -> None:
        """End everything, at once."""
        for process in self._running.values():
            process.kill()
        while self._running:
            self._running.popitem()[1].wait()


def serve(listener: socket.socket, supervisor: Supervisor, greeting: str) -> None:
    """Talk to whoever connects, until the last one has gone."""
    unread: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while events := selector.select(None if unread else _FIRST):
            for key, _ in events:
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if connection is listener:
                    newcomer, _ = listener.accept()
                    selector.register(newcomer, selectors.EVENT_READ)
                    unread[newcomer] = b""
                    _say(newcomer, greeting)
                    continue
                got = _read(connection)
                *lines, unread[connection] = (unread[connection] + got).split(b"\n")
                for line in lines:
                    _say(connection, supervisor.obey(json.loads(line)))
                if not got:
                    selector.unregister(connection)
                    del unread[connection]
                    if not unread:
                        supervisor.stop_all()  # first, so that the last one may wait for the end of the connection
                    connection.close()
            if not unread or greeting != "ready":
                break
        for connection in unread:
            connection.close()


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionError:
        return b""


def _say(connection: socket.socket, message: str) -> None:
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except ConnectionError:
        return  # it has gone; the next read says so


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _ended(_signal: int, _frame: Any) -> None:
    raise SystemExit(1)


def main(folder: Path, engines: Mapping[str, Path]) -> None:
    """Return at once, and leave a process that runs until nobody is connected to it any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET))
        listener.listen()
        if os.fork():
            return
        os.setsid()  # Ctrl-C in the terminal is for the tests, and they end this
        signal.signal(signal.SIGTERM, _ended)
        with (folder / LOG).open("ab") as log:
            for stream in (1, 2):
                os.dup2(log.fileno(), stream)
        supervisor = Supervisor(Plane.make(folder, engines))
        try:
            greeting = "ready"
            try:
                supervisor.start_all()
            except StartError as error:
                greeting = f"failed: {error}"
            serve(listener, supervisor, greeting)
        finally:
            supervisor.stop_all()


if __name__ == "__main__":
    main(Path(sys.argv[1]), {name: Path(path) for name, path in json.loads(sys.argv[2]).items()})
