"""docs/scoreboard.md, made from bench/scoreboard.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Result = Mapping[str, Any]
COUNTS: Final = {
    "false_changes": "false change",
    "missed_changes": "missed change",
    "missed_conflicts": "missed conflict",
}

_TOP: Final = """\
# Scoreboard of correctness

<!-- Made by `make scoreboard` from what it measured; the scenarios are in bench/scoreboard/scenarios. -->

A diff is believed when it is right. Each of these {scenarios} scenarios is played on a real cluster, for every tool in a
namespace of its own: the tool applies manifests, then something happens in the cluster, then the tool is asked what it
would change for the next manifests, and then it applies them. Every object is read before and after.

- A **false change**: it says that an object changes, and nothing of the object does.
- A **missed change**: a field that is declared, now or before, changes, and it said nothing of the object.
- A **missed conflict**: the apply overwrites what somebody else set, or is refused, and the diff did not say so. In
  italics where the diff shows the value like any other edit, without a word whose it is.

What changes is found by applying, with the same tool, and never by opinion: where tools apply in different ways, each is
held to its own. An error that names no object counts for every object. A rival whose result is not clean is played a
second time, and the better result counts; sloth-ci is played once. `make scoreboard` plays all of it again.
"""


def page(path: Path) -> str:
    """The whole document."""
    board = json.loads(path.read_text(encoding="utf-8"))
    tools: Mapping[str, str] = board["tools"]
    parts = [_TOP.format(scenarios=len(board["scenarios"])), _totals(board, tools)]
    for group in dict.fromkeys(scenario["group"] for scenario in board["scenarios"]):
        parts += [f"## {group}\n", _table([s for s in board["scenarios"] if s["group"] == group], tools)]
    return "\n".join(parts)


def _totals(board: Mapping[str, Any], tools: Mapping[str, str]) -> str:
    rows = [["", *tools.values()], ["---", *["--:"] * len(tools)]]
    rows += [[f"{word}s", *(str(board["totals"][name][key]) for name in tools)] for key, word in COUNTS.items()]
    clean = [f"{board['totals'][name]['clean']} of {board['totals'][name]['played']}" for name in tools]
    return _markdown([*rows, ["scenarios without any", *clean]])


def _table(scenarios: Sequence[Result], tools: Mapping[str, str]) -> str:
    rows = [["scenario", *tools.values()], ["---"] * (len(tools) + 1)]
    for scenario in scenarios:
        cells = [_cell(scenario["tools"][name]) for name in tools]
        rows.append([f"`{scenario['scenario']}`: {scenario['description']}", *cells])
    return _markdown(rows)


def _cell(result: Result) -> str:
    if "not_applied" in result:
        return "cannot apply it"
    said = []
    for key, word in COUNTS.items():
        count = len(result[key])
        if count:
            text = word if count == 1 else f"{count} {word}s"
            said.append(f"*{text}*" if key == "missed_conflicts" and result["shown"] == result[key] else text)
    return ", ".join(said) or "✓"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)
