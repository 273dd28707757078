"""Measure, print a table, and write bench/results.json.

    python bench/run.py            everything
    python bench/run.py startup    one file of this folder

A measurement is a file with `rows(folder)`, which measures in an empty folder and returns rows `{name, ours, rival, ours_value,
rival_value, unit, ratio, runs, note}`: medians of alternating runs, ours and the rival's in the same run. Real
repositories are read from SLOTH_TEST_DATA; what needs them says so and is left out where it is not set. A run of one
file replaces its rows in results.json and keeps the others.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
Row = dict[str, Any]


def main(names: Sequence[str]) -> None:
    """Run the files named, or all."""
    # Last on the path, so that a file here does not shadow a package of the same name.
    sys.path[:] = [*(entry for entry in sys.path if Path(entry or ".").resolve() != HERE), str(HERE)]
    files = sorted(path for path in HERE.glob("*.py") if "\ndef rows(" in path.read_text())
    known = {path.stem.replace("_", "-"): path for path in files}
    unknown = [name for name in names if name.replace("_", "-") not in known]
    if unknown:
        sys.exit(f"there is no measurement {unknown[0]}; there are: {', '.join(known)}")
    chosen = [name.replace("_", "-") for name in names] or list(known)
    results: list[Row] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in chosen:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sloth-bench-") as folder:
            rows: list[Row] = runpy.run_path(str(known[name]), run_name="bench")["rows"](Path(folder))
        for row in rows:
            results = [kept for kept in results if kept["name"] != row["name"]] + [row]
            print(
                f"{row['name']:28} ours {row['ours_value']:>9} {row['unit']:6} rival {row['rival_value']:>9} {row['unit']:6}"
                f" ×{row['ratio']:<7} {row['note']}"
            )
        if not rows:
            print(f"{name:28} left out: SLOTH_TEST_DATA is not set, or what it measures against is not there")
        sys.stderr.write(f"({name}: {time.monotonic() - started:.0f} s)\n")
    RESULTS.write_text(json.dumps(sorted(results, key=lambda row: str(row["name"])), indent=1) + "\n")
    cores = os.cpu_count()
    print(f"\n{platform.machine()}, {cores} cores, Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
