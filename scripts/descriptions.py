"""Get what GitHub says about its own API, for the fake GitHub of the tests, once per version, outside the work tree.

    python scripts/descriptions.py      get what is missing, and print where it is

The files are in packages of npm: GitHub's OpenAPI description, its GraphQL schema, and examples of the payloads of events.
`descriptions.json` beside this script pins the version and the integrity (sha512) of each, as a lock file of npm does.
`SLOTH_TEST_DESCRIPTIONS` names a folder with the files for those who have no npm.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

PINS: Final = Path(__file__).resolve().with_suffix(".json")
VARIABLE: Final = "SLOTH_TEST_DESCRIPTIONS"
MEND: Final = "make tools"


class FetchError(Exception):
    """A description cannot be had; the message says what to do."""


class Package(NamedTuple):
    """A package of npm, and what is wanted of it."""

    name: str
    version: str
    integrity: str
    """`sha512-` and the digest in Base64, as npm writes it."""
    files: Mapping[str, str]
    """The path of a file in the package, and its name here."""


def packages() -> Sequence[Package]:
    """What is pinned."""
    return [Package(**pin) for pin in json.loads(PINS.read_bytes())]


def find(environ: Mapping[str, str]) -> Path | None:
    """The folder with all the files; None if they have to be fetched first."""
    chosen = environ.get(VARIABLE)
    place = Path(chosen).absolute() if chosen else folder(environ)
    return place if all((place / name).is_file() for package in packages() for name in package.files.values()) else None


def folder(environ: Mapping[str, str]) -> Path:
    """The cache folder of the pinned versions; another pin means another folder."""
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    return Path(cache, "sloth-ci", "descriptions", hashlib.sha256(PINS.read_bytes()).hexdigest()[:16])


def fetch(environ: Mapping[str, str]) -> None:
    """Get what is missing. Two processes may call this at once: one gets it, the other waits for it and finds it done.

    Raises FetchError.
    """
    target = folder(environ)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, however that ends
        if all((target / name).is_file() for package in packages() for name in package.files.values()):
            return
        npm = shutil.which("npm", path=environ.get("PATH"))
        if not npm:
            raise FetchError(
                f"npm is needed to get GitHub's descriptions of its API: install it, or name them by {VARIABLE}"
            )
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as scratch:
            made = Path(scratch, "files")
            made.mkdir()
            for package in packages():
                _unpack(package, _pack(npm, package, Path(scratch), environ), made)
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)


def _pack(npm: str, package: Package, scratch: Path, environ: Mapping[str, str]) -> Path:
    """The archive of a package, when it is the pinned one."""
    wanted = f"{package.name}@{package.version}"
    print(f"getting {wanted}", flush=True)
    place = Path(tempfile.mkdtemp(dir=scratch))
    # Nothing of the package is run, and no project's npm configuration is read.
    command = [npm, "pack", wanted, "--ignore-scripts", "--silent", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=place, env=dict(environ), capture_output=True, text=True, check=False)
    archives = list(place.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise FetchError(f"npm could not get {wanted}: {reason}")
    got = "sha512-" + base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if got != package.integrity:
        raise FetchError(f"{wanted} is not what {PINS.name} pins: it has the integrity {got}")
    return archives[0]


def _unpack(package: Package, archive: Path, target: Path) -> None:
    with tarfile.open(archive) as members:
        for path, name in package.files.items():
            try:
                source = members.extractfile(f"package/{path}")
            except KeyError:
                source = None
            if source is None:
                raise FetchError(f"{package.name}@{package.version} has no file {path}")
            (target / name).write_bytes(source.read())


def main() -> int:
    """Get the files, and print where they are. The exit code is 1 if one is missing at the end."""
    try:
        if not os.environ.get(VARIABLE) and not find(os.environ):
            fetch(os.environ)
    except FetchError as error:
        print(f"descriptions: {error}", file=sys.stderr)
    place = find(os.environ)
    print(f"descriptions of GitHub's API {place or 'missing'}")
    return 0 if place else 1


if __name__ == "__main__":
    sys.exit(main())
