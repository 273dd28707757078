"""The fake GitLab as a process of its own, for a look from a shell or from a container on the host's network.

    cd tests && python -m support.gitlab --folder /tmp/gl --description FILE --project acme/shop=/path/to/clone

Prints one line of JSON with its addresses, and for each project its id, a project access token and the token of a job that
runs, and goes on until it is told to end. What nobody would have understood is printed at the end; then the exit code is 1.
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
from support.gitlab.fake import FakeGitLab


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A fake GitLab on loopback")
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps its repositories")
    parser.add_argument("--description", type=Path, required=True, help="gitlab-openapi.json")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--project", action="append", default=[], metavar="GROUP/NAME=PATH", help="a repository to copy"
    )
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with FakeGitLab(given.folder, given.description, clock=Clock(time.time()), port=given.port) as fake:
        projects = {}
        for pair in given.project:
            name, _, path = pair.partition("=")
            made = fake.project(name, from_path=Path(path))
            made.allow("alice", "maintainer")
            tokens = {"token": fake.project_token(made, "maintainer").value, "job_token": made.job_token().value}
            projects[name] = {"id": made.id, **tokens}
        sys.stdout.write(json.dumps({"url": fake.url, "api": fake.api, "projects": projects}) + "\n")
        sys.stdout.flush()
        ended.wait()
    sys.stderr.writelines(f"{violation}\n" for violation in fake.violations)
    return 1 if fake.violations else 0


if __name__ == "__main__":
    sys.exit(main())
