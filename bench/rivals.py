"""The programs that people use today for the same job.

kubectl is the one of the tests (`make tools`). Each folder of `tools/` is a Go module that pins another: it is built once
per version when it is first measured, outside the work tree, from sources that Go fetches and verifies by go.sum.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import engines

SOURCES: Final = Path(__file__).resolve().parent / "tools"
_FLAGS: Final = ("-trimpath", "-buildvcs=false", "-modcacherw", "-ldflags=-s -w")


def tool(name: str) -> Path:
    """A program that `make tools` brings. Raises RuntimeError where it is not there."""
    found = engines.find(name, os.environ)
    if found is None:
        raise RuntimeError(f"there is no {name}; get it with make tools")
    return found


@cache
def built(name: str) -> Path | None:
    """A program of `tools/`; None where it cannot be built, after saying why: its rows are left out then."""
    source = SOURCES / name
    package = _found(r"^tool (\S+)$", source)
    target = _folder(name, source)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, however that ends
        if target.exists():
            return target
        go = shutil.which("go")
        if go is None:
            sys.stderr.write(f"{name} is left out: Go is needed to build it\n")
            return None
        sys.stderr.write(f"building {target.parent.name} (minutes, once)\n")
        new = target.with_suffix(".new")
        # Nicely: whoever builds on a busy machine has other things to do.
        command = ["nice", go, "build", *_FLAGS, "-o", str(new), package]
        if subprocess.run(command, cwd=source, env={**os.environ, "CGO_ENABLED": "0"}, check=False).returncode:
            sys.stderr.write(f"{name} is left out: Go could not build it, see above\n")
            return None
        new.replace(target)
    return target


def version(name: str) -> str:
    """The release that is pinned: `v0.66.0`."""
    source = SOURCES / name
    package = _found(r"^tool (\S+)$", source)
    module = max(
        re.findall(r"^\s*(\S+) v\S+", (source / "go.mod").read_text(), re.MULTILINE), key=lambda m: _shared(m, package)
    )
    return _found(rf"^\s*{re.escape(module)} (v\S+)", source)


def _shared(module: str, package: str) -> int:
    return len(module) if f"{package}/".startswith(f"{module}/") else 0


def _found(pattern: str, source: Path) -> str:
    found = re.search(pattern, (source / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{source / 'go.mod'} does not say {pattern}")
    return found[1]


def _folder(name: str, source: Path) -> Path:
    cached = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    state = hashlib.sha256(" ".join(_FLAGS).encode())
    for file in ("go.mod", "go.sum"):
        state.update((source / file).read_bytes())
    return Path(cached, "sloth-ci", "rivals", f"{name}-{version(name)}-{state.hexdigest()[:10]}", name)
