"""The fake GitHub as a process of its own, for a look from a shell or from a container on the host's network.

    cd tests && python -m support.github --folder /tmp/gh --descriptions DIR --repository acme/shop=/path/to/clone

Prints one line of JSON with its addresses and a token for each repository, and runs until it is told to end. What nobody
would have understood is printed at the end; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from pathlib import Path

from support.forges.clock import Clock
from support.github.fake import FakeGitHub


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A fake GitHub on loopback")
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps its repositories")
    parser.add_argument("--descriptions", type=Path, required=True, help="what scripts/descriptions.py got")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--repository", action="append", default=[], metavar="OWNER/NAME=PATH", help="a repository to copy"
    )
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with FakeGitHub(given.folder, given.descriptions, clock=Clock(time.time()), port=given.port) as fake:
        tokens = {}
        for pair in given.repository:
            name, _, path = pair.partition("=")
            made = fake.repository(name, from_path=Path(path))
            tokens[name] = fake.github_token(made).value
        addresses = {"url": fake.url, "api": fake.api, "graphql": fake.graphql_url}
        sys.stdout.write(json.dumps({**addresses, "tokens": tokens}) + "\n")
        sys.stdout.flush()
        ended.wait()
    sys.stderr.writelines(f"{violation}\n" for violation in fake.violations)
    return 1 if fake.violations else 0


if __name__ == "__main__":
    sys.exit(main())
