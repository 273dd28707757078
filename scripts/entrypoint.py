#!/opt/sloth-ci/bin/python
"""How the container image starts: as the action, with an option of sloth-ci, or with a command of any kind.

    docker run IMAGE                        what a job of GitHub does: sloth-ci ci
    docker run IMAGE --version              sloth-ci --version
    docker run IMAGE sloth-ci preview       as it is; so does GitLab's runner, which asks for a shell

No shell comes in between: Debian's drops variables like `INPUT_GITHUB-TOKEN`, whose names it could not say. The process
is the same from the first to the last, so that a signal of the runner reaches the program.
"""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Become what is asked for."""
    if arguments and not arguments[0].startswith("-"):
        try:
            os.execvp(arguments[0], arguments)  # noqa: S606 (running what it is told to is what an entry point is for)
        except OSError as error:
            sys.exit(f"{arguments[0]}: {error.strerror}; a command of sloth-ci is: sloth-ci {arguments[0]}")
    from sloth_ci.cli import main as sloth_ci

    sloth_ci(arguments or ["ci"])


if __name__ == "__main__":
    main(sys.argv[1:])
