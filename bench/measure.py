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

Row = dict[str, Any]
Side = tuple[str, Callable[[], float]]
"""What is run, for a reader, and a run of it that says how many seconds it took."""


_LAUNCHER = """\
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def environment(cache: Path) -> dict[str, str]:
    """As a user has it: compiled modules are kept, the cache is ours."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "SLOTH_CACHE_DIR": str(cache), "NO_COLOR": "1"}


def timed(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], codes: Sequence[int] = (0,)) -> float:
    """Seconds that a process takes from start to end. Raises RuntimeError where it ends with another code."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    _check(command, done, codes)
    return seconds


def peak(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], codes: Sequence[int] = (0,)) -> float:
    """The largest memory in MB of a process, or of the largest one that it runs. Raises as `timed` does.

    Linux counts for a process what the one that started it held (`ru_maxrss` outlives exec), so a small one starts it.
    """
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, cwd=cwd, env=env, capture_output=True, check=False)
    _check(command, done, codes)
    return int(done.stdout) / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _check(command: Sequence[str], done: subprocess.CompletedProcess[bytes], codes: Sequence[int]) -> None:
    if done.returncode not in codes:
        said = done.stderr.decode(errors="replace")[-500:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")


def compare(name: str, ours: Side, rival: Side, *, runs: int = 10, note: str = "") -> Row:
    """One row: medians of alternating runs, in seconds; `ratio` is the rival's time over ours."""
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(runs):
        mine.append(ours[1]())
        theirs.append(rival[1]())
    return row(name, ours[0], mine, rival[0], theirs, note=note)


def compare_all(name: str, ours: Side, rivals: Mapping[str, Side], *, budget: float, note: str = "") -> list[Row]:
    """A row for each rival, all measured in the same rounds: ours, then each of them.

    The row of the rival "" has the plain name, the others have theirs behind it. What is run takes its turn as often as
    fits into `budget` seconds, at least once and at most 5 times.
    """
    sides: list[tuple[str | None, Side]] = [(None, ours), *rivals.items()]
    taken: dict[str | None, list[float]] = {suffix: [] for suffix, _ in sides}
    for _ in range(5):
        for suffix, (_, run) in sides:
            times = taken[suffix]
            if not times or sum(times) + times[0] <= budget:
                times.append(run())
    return [
        row(f"{name}-{suffix}" if suffix else name, ours[0], taken[None], label, taken[suffix], note=note)
        for suffix, (label, _) in rivals.items()
    ]


def row(
    name: str, ours: str, mine: Sequence[float], rival: str, theirs: Sequence[float], *, unit: str = "s", note: str
) -> Row:
    """Of several runs of ours and of the rival: less is better. `runs` is the number of the rarer ones."""
    a, b = statistics.median(mine), statistics.median(theirs)
    digits = 3 if unit == "s" else 1
    return {
        "name": name,
        "ours": ours,
        "rival": rival,
        "ours_value": round(a, digits),
        "rival_value": round(b, digits),
        "unit": unit,
        "ratio": round(b / a, 2),
        "runs": min(len(mine), len(theirs)),
        "note": note,
    }


def git(folder: Path, *arguments: str) -> str:
    """Run Git with an identity of its own."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
