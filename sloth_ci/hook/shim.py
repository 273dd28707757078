"""The few lines of shell that Git runs: what they hold when they are installed, and whether a file is one of them."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import stat
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from sloth_ci.assets import hooks_dir

NAMES: Final = ("pre-push", "pre-commit")
"""The hooks that do something of ours."""
BEFORE: Final = ".sloth-before"
"""What the name of a hook that was there already gets behind it."""

_SETTINGS = "recorded='' everywhere=''"
_HEAD = b"#!/bin/sh\n"
_SEAL = re.compile(rb"#!/bin/sh\n# sloth-ci hook ([0-9a-f]{16})\n")
_RECORDED = re.compile(rb"^recorded=(.*) everywhere=(''|1) #", re.MULTILINE)
_UNSEALED = frozenset({"b71ef1c263601b1cb254bdd825c5a11a6ea947670e4e507df307f3163d9fd24d"})
"""What `sloth-ci init` wrote before the shims were sealed."""


class Kind(Enum):
    """What stands in the place of a hook."""

    NOTHING = "nothing"
    CURRENT = "current"
    OLDER = "older"
    """Ours, of another version or for a sloth-ci in another place."""
    EDITED = "edited"
    """Ours, and somebody changed it."""
    FOREIGN = "foreign"
    CALLING = "calling"
    """Somebody's own, and it runs ours."""
    FOLDER = "folder"


def hook_text(name: str, *, recorded: str, everywhere: bool = False) -> bytes:
    """The shim of a hook as it is installed. `recorded` is the command for when PATH has none.

    The second line seals the rest, so that each version knows those of all others, and what somebody edited is seen.
    """
    text = (hooks_dir() / name).read_text(encoding="utf-8")
    filled = text.replace(
        _SETTINGS, f"recorded={shlex.quote(recorded)} everywhere={'1' if everywhere else shlex.quote('')}"
    )
    rest = filled.encode().removeprefix(_HEAD)
    return _HEAD + b"# sloth-ci hook " + _digest(rest) + b"\n" + rest


def kind_of(path: Path, wanted: bytes) -> Kind:
    """What is at `path`, where the shim `wanted` is to be. Raises OSError where it cannot be read."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return Kind.NOTHING
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    if not stat.S_ISREG(mode):
        return Kind.FOREIGN
    content = path.read_bytes()
    if content == wanted and os.access(path, os.X_OK):
        return Kind.CURRENT
    seal = _SEAL.match(content)
    if seal is None:
        if hashlib.sha256(content).hexdigest() in _UNSEALED:
            return Kind.OLDER
        return Kind.CALLING if f"sloth-ci hook run {path.name}".encode() in content else Kind.FOREIGN
    return Kind.OLDER if seal[1] == _digest(content[seal.end() :]) else Kind.EDITED


def recorded_in(path: Path) -> str:
    """The command that an installed shim falls back to; empty where it names none."""
    found = _RECORDED.search(path.read_bytes())
    words = shlex.split(os.fsdecode(found[1])) if found else []
    return words[0] if words else ""


def this_command(environ: Mapping[str, str]) -> str:
    """The `sloth-ci` that is running, else the one on PATH, with the slashes of a shell; empty where there is none."""
    script = "sloth-ci.exe" if os.name == "nt" else "sloth-ci"
    candidates = (Path(sys.argv[0]).absolute(), Path(sys.executable).absolute().with_name(script))
    running = next((path for path in candidates if path.name == script and path.is_file()), None)
    found = running or shutil.which("sloth-ci", path=environ.get("PATH"))
    return Path(found).as_posix() if found else ""


def _digest(rest: bytes) -> bytes:
    return hashlib.sha256(rest).hexdigest()[:16].encode()
