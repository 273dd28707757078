"""How a CI runner reads the log of a job."""

from __future__ import annotations

import re


def commands_in(log: str) -> list[str]:
    """The workflow commands that GitHub's runner finds, by the rules of its ActionCommand.cs.

    `::name ...::` after white space at the start of a line; `##[name ...]` anywhere. The names are not checked against
    the known ones, so that no command of tomorrow slips through.
    """
    found = []
    for line in re.split(r"\r\n|\n", log):
        start = line.lstrip()
        if start.startswith("::") and start.find("::", 2) >= 0:
            found.append(line)
        first = line.find("##[")
        if first >= 0 and line.find("]", first) >= 0:
            found.append(line)
    return found
