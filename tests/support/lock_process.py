"""A process that takes the lock of a destination, for races and for holders that die.

    python lock_process.py KUBECONFIG NAMESPACE HOLDER

Says `ready`, waits for a line, tries to take the lock, and says how that went as JSON: `{"won": true, "from": HOLDER}` or
`{"won": false, "message": ..., "hint": ...}`. Then it waits for another line, gives the lock back, and ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sloth_ci.core.errors import LockedError
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.cluster import connect
from sloth_ci.destinations.kubernetes.state import KubernetesHome


def main() -> None:
    kubeconfig, namespace, holder = sys.argv[1:]
    cluster = connect(DestinationSpec(kubeconfig=kubeconfig, namespace=namespace), Path.cwd(), dict(os.environ))
    lock = KubernetesHome(cluster, namespace).lock(holder, 600)
    said: dict[str, object]
    lock.holder()  # the connection is there before the race begins
    _say("ready")
    sys.stdin.readline()
    try:
        before = lock.acquire()
        said = {"won": True, "from": before.holder if before else None}
    except LockedError as error:
        said = {"won": False, "message": error.message, "hint": error.hint}
    _say(json.dumps(said))
    sys.stdin.readline()
    lock.release()
    cluster.client.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
