"""What every measurement needs: processes timed in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
SLOTH = str(BIN / "sloth-ci")
DATA = Path(os.environ["SLOTH_TEST_DATA"]).absolute() if os.environ.get("SLOTH_TEST_DATA") else None


def environment(cache: Path) -> dict[str, str]:
    """As a user has it: compiled modules are kept, the cache is ours."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "SLOTH_CACHE_DIR": str(cache), "NO_COLOR": "1"}


def timed(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], codes: Sequence[int] = (0,)) -> float:
    """Seconds that a process takes from start to end. Raises RuntimeError where it ends with another code."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in codes:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return seconds


def compare(
    name: str,
    ours: tuple[str, Callable[[], float]],
    rival: tuple[str, Callable[[], float]],
    *,
    runs: int = 10,
    note: str = "",
) -> dict[str, Any]:
    """One row: medians of alternating runs, in seconds; `ratio` is the rival's time over ours."""
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(runs):
        mine.append(ours[1]())
        theirs.append(rival[1]())
    a, b = statistics.median(mine), statistics.median(theirs)
    return {
        "name": name,
        "ours": ours[0],
        "rival": rival[0],
        "ours_value": round(a, 3),
        "rival_value": round(b, 3),
        "unit": "s",
        "ratio": round(b / a, 2),
        "runs": runs,
        "note": note,
    }


def git(folder: Path, *arguments: str) -> str:
    """Run Git with an identity of its own."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
