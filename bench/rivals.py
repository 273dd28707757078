"""The programs that people use today for the same job."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import engines


def tool(name: str) -> Path:
    """A program that `make tools` brings. Raises RuntimeError where it is not there."""
    found = engines.find(name, os.environ)
    if found is None:
        raise RuntimeError(f"there is no {name}; get it with make tools")
    return found
