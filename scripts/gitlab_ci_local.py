"""Get gitlab-ci-local, which plays GitLab's runner in the tests, and rsync, which it copies a job's files with.

    python scripts/gitlab_ci_local.py      get what is missing, and print where it is

gitlab-ci-local/package-lock.json pins it and what it is made of. rsync is a package of the machine's: as root on Debian it is
installed here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import docker
import node_packages
from docker import DockerError
from node_packages import NodeError

NAME: Final = "gitlab-ci-local"
_SCRIPT: Final = "gitlab-ci-local/dist/index.js"
MEND: Final = "make tools"


def find(environ: Mapping[str, str]) -> Path | None:
    """The script to run with node; None if it, or rsync, has to be got first."""
    return node_packages.find(NAME, _SCRIPT, environ) if _rsync(environ) else None


def lacks(environ: Mapping[str, str]) -> str:
    """What is missing, in words; empty where nothing is."""
    missing = [] if node_packages.find(NAME, _SCRIPT, environ) else [f"no {NAME} (it needs Node and npm)"]
    return " and ".join([*missing, *([] if _rsync(environ) else ["no rsync"])])


def install(environ: Mapping[str, str]) -> None:
    """Get what is missing. Raises NodeError or DockerError, which say what to do."""
    node_packages.install(NAME, _SCRIPT, environ)
    if not _rsync(environ):
        docker.install_packages(["rsync"], environ, otherwise=f"{NAME} needs rsync: install it")


def _rsync(environ: Mapping[str, str]) -> bool:
    return shutil.which("rsync", path=environ.get("PATH")) is not None


def main() -> int:
    """Get it, and print where it is. The exit code is 1 if something is missing at the end."""
    try:
        install(os.environ)
    except (NodeError, DockerError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
    found = find(os.environ)
    print(f"{NAME} {found or 'missing'}")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
