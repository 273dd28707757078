"""Where the files are that travel with the package and are not Python."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def lua_dir() -> Path:
    """The folder of the Lua side: the task builder, `workflow.define`, the strategies."""
    return _assets("lua")


def hooks_dir() -> Path:
    """The folder of the Git hook shims."""
    return _assets("hooks")


def _assets(name: str) -> Path:
    # A wheel carries them inside the package, a checkout has them beside it.
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name
