"""Programs for Node that `make lint` and the tests use, once per version, outside the work tree.

Each has a folder here with its package.json and a package-lock.json that says no address: npm takes the packages from the
registry that it is set up for, and each has to have the integrity (sha512) that is written there. To pin a newer one:
`npm install --package-lock-only` in that folder, and take the `resolved` lines out again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docker import folder, locked

HERE: Final = Path(__file__).resolve().parent
_FILES: Final = ("package.json", "package-lock.json")


class NodeError(Exception):
    """A program cannot be had; the message says what to do."""


def find(name: str, script: str, environ: Mapping[str, str]) -> Path | None:
    """The script of a program that is installed: its path below node_modules. None where it is not, or there is no Node."""
    found = _place(name, environ) / "node_modules" / script
    return found if found.is_file() and shutil.which("node", path=environ.get("PATH")) else None


def install(name: str, script: str, environ: Mapping[str, str]) -> Path:
    """Install a program by its lock file, if it is not there yet. No script of a package is run. Raises NodeError."""
    npm = shutil.which("npm", path=environ.get("PATH"))
    if not npm or not shutil.which("node", path=environ.get("PATH")):
        raise NodeError(f"{name} needs Node: there is no node, or no npm")
    place = _place(name, environ)
    program = place / "node_modules" / script
    with locked(place.parent / "lock"):
        if program.is_file():
            return program
        with tempfile.TemporaryDirectory(prefix="install-", dir=place.parent) as scratch:
            for file in _FILES:
                shutil.copy(HERE / name / file, scratch)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            done = subprocess.run(command, cwd=scratch, env=dict(environ), check=False, capture_output=True, text=True)
            if done.returncode:
                raise NodeError(f"npm cannot install {name}: {done.stderr.strip()}")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            Path(scratch, "node_modules").replace(place / "node_modules")
    if not program.is_file():
        raise NodeError(f"{name} has no {script}")
    return program


def _place(name: str, environ: Mapping[str, str]) -> Path:
    """The cache folder of the pinned packages; another pin means another folder."""
    state = hashlib.sha256(b"".join((HERE / name / file).read_bytes() for file in _FILES)).hexdigest()[:12]
    return folder(environ).parent / "node" / f"{name}-{state}"
