"""Bring up the control plane of the tests for a person, until Ctrl-C.

    python scripts/make_cluster.py          prints the line that points kubectl and sloth-ci to it

Nothing of it survives: the next one is empty again. What becomes of a pod is in tests/support/controlplane/kwok.yaml.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import engines

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.cluster import PARTS, ControlPlane, ControlPlaneError


def main() -> int:
    """Run until a signal ends it. The exit code is 1 if it does not come up."""
    wanted = (*PARTS, "kubectl")
    try:
        if any(not engines.find(name, os.environ) for name in wanted):
            engines.build(os.environ)
    except engines.BuildError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    found = {name: path for name in wanted if (path := engines.find(name, os.environ))}
    missing = [name for name in wanted if name not in found]
    if missing:
        print(f"cluster: {engines.variable(missing[0])} names no program", file=sys.stderr)
        return 1
    # A termination ends like Ctrl-C, so that the folder goes, too. What a shell starts in the background ignores Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="sloth-cluster-") as folder:
            show(Path(folder), found)
    except ControlPlaneError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def show(folder: Path, found: Mapping[str, Path]) -> NoReturn:
    """Start a control plane, say where it is, and wait for the signal that ends both."""
    with ControlPlane.start(folder, found, found["kubectl"]) as plane:
        print(f"export KUBECONFIG={shlex.quote(str(plane.admin))}")
        print(f"# {plane.server}; logs are beside the kubeconfig, kubectl is {found['kubectl']}")
        print("# Ctrl-C ends it", flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    sys.exit(main())
