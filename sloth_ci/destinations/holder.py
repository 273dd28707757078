"""Who holds a lock, and whether that process still runs, as far as this machine can tell."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sloth_ci.core.ledger import LockInfo


def this_process(*, token: str, holder: str, acquired: float, expires: float) -> LockInfo:
    """The entry of a lock that this process holds. `holder` is for a person; the times are Unix seconds."""
    return LockInfo(
        token=token,
        holder=holder,
        host=socket.gethostname(),
        boot=_boot_id(),
        pid=os.getpid(),
        acquired=acquired,
        expires=expires,
    )


def is_gone(info: LockInfo) -> bool:
    """Whether a holder ran on this machine and its process has ended. Of other machines nothing is known: False."""
    here = info.host == socket.gethostname() and info.boot == _boot_id()
    return here and not _alive(info.pid)


def _boot_id() -> str:
    """Tells one boot of one kernel, and one container on it, from all others: only within it are pids compared."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    """Whether a process runs. One that ended and that nobody has collected yet does not, though it can be signalled."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # The state is the first word behind the name, which is in brackets and may hold anything (proc(5)).
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in {"Z", "X"}
