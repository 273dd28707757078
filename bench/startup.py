"""How long a person waits for `sloth-ci --help`, and for kubectl's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from measure import SLOTH, compare, environment, timed
from rivals import tool


def rows(folder: Path) -> list[dict[str, Any]]:
    """One row."""
    env = environment(folder)
    kubectl = str(tool("kubectl"))
    timed([SLOTH, "--help"], cwd=folder, env=env)
    return [
        compare(
            "startup",
            ("sloth-ci --help", lambda: timed([SLOTH, "--help"], cwd=folder, env=env)),
            ("kubectl --help", lambda: timed([kubectl, "--help"], cwd=folder, env=env)),
            note="the help, as a whole process; of packages it imports click alone, and of ours eight small modules",
        )
    ]
