"""Play scenarios for every tool that is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from measure import SLOTH
from rivals import built, tool, version

from scoreboard import ROOT, table
from scoreboard.judge import Truth, Verdict
from scoreboard.ours import Ours
from scoreboard.play import NotApplied, Played, play
from scoreboard.scenario import Scenario
from scoreboard.scenarios import GROUPS
from scoreboard.tools import Make, client_side, kapp, server_side
from support.cluster import PARTS, ControlPlane

RESULTS: Final = ROOT / "bench/scoreboard.json"
DOCUMENT: Final = ROOT / "docs/scoreboard.md"
OURS: Final = "sloth-ci"
Result = dict[str, Any]
_PLACE: Final = re.compile(r"sb-[0-9a-f]{8}")


class Contestant(NamedTuple):
    """A tool."""

    label: str
    """For a reader, with its version where it is a rival's."""
    make: Make


def main(names: Sequence[str]) -> int:
    """Play the scenarios that are named, or all. Returns 1 where ours is not right in all of them."""
    chosen = [
        (group, one) for group, scenarios in GROUPS.items() for one in scenarios if not names or one.name in names
    ]
    unknown = set(names) - {scenario.name for _, scenario in chosen}
    if unknown:
        sys.exit(f"there is no scenario {', '.join(sorted(unknown))}")
    contestants = _contestants()
    engines_found = {name: tool(name) for name in PARTS}
    with (
        tempfile.TemporaryDirectory(prefix="sloth-scoreboard-") as folder,
        ControlPlane.start(Path(folder, "control-plane"), engines_found, tool("kubectl")) as plane,
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
    ):

        def round_of(item: tuple[str, Scenario]) -> Result:
            group, scenario = item
            return _round(plane, Path(folder), group, scenario, contestants, told=bool(names))

        board = list(pool.map(round_of, chosen))
    totals = {name: _total(name, board) for name in contestants}
    for name, contestant in contestants.items():
        print(f"{contestant.label:44} {totals[name]}")
    if not names:
        labels = {name: contestant.label for name, contestant in contestants.items()}
        content = {"command": "make scoreboard", "tools": labels, "totals": totals, "scenarios": board}
        RESULTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        DOCUMENT.write_text(table.page(RESULTS), encoding="utf-8")
    return 0 if totals[OURS]["clean"] == len(board) else 1


def _contestants() -> dict[str, Contestant]:
    client = subprocess.run(
        [str(tool("kubectl")), "version", "--client", "-o", "json"], check=True, capture_output=True, text=True
    )
    release = json.loads(client.stdout)["clientVersion"]["gitVersion"]
    found = {
        OURS: Contestant("sloth-ci preview", lambda place, scenario: Ours(place, scenario, SLOTH)),
        "kubectl-server-side": Contestant(f"kubectl diff --server-side ({release})", server_side),
        "kubectl": Contestant(f"kubectl diff ({release})", client_side),
    }
    program = built("kapp")
    if program is not None:
        found["kapp"] = Contestant(f"kapp deploy --diff-run ({version('kapp')})", kapp(program))
    return found


def _round(
    plane: ControlPlane,
    folder: Path,
    group: str,
    scenario: Scenario,
    contestants: Mapping[str, Contestant],
    *,
    told: bool,
) -> Result:
    """One scenario, for every tool."""
    results: dict[str, Result] = {}
    truth: Result = {}
    for name, contestant in contestants.items():
        tries = [_played(plane, folder, scenario, name, contestant, told=told)]
        if name != OURS and isinstance(tries[0], Played) and not tries[0].verdict.clean:
            tries.append(_played(plane, folder, scenario, name, contestant, told=told))
        played = min(tries, key=_faults)
        if isinstance(played, NotApplied):
            results[name] = {"not_applied": _plain(played.args)}
            continue
        own = _truth(played.truth)
        truth = truth or own
        results[name] = _verdict(played.verdict) | ({} if own == truth else {"truth": own})
    sys.stderr.write(f"{scenario.name}\n")
    about = {"scenario": scenario.name, "group": group, "description": scenario.description}
    return {**about, "truth": truth, "tools": results}


def _played(
    plane: ControlPlane, folder: Path, scenario: Scenario, name: str, contestant: Contestant, *, told: bool
) -> Played | NotApplied:
    place = Path(tempfile.mkdtemp(dir=folder, prefix=f"{scenario.name}-{name}-"))
    try:
        played = play(plane, tool("kubectl"), place, scenario, contestant.make)
    except NotApplied as error:
        return error
    if told:
        print(f"--- {scenario.name}, {contestant.label}\n{played.claims.text}\n{played.truth}\n{played.verdict}")
    return played


def _faults(played: Played | NotApplied) -> int:
    if isinstance(played, NotApplied):
        return sys.maxsize
    verdict = played.verdict
    return len(verdict.false_changes) + len(verdict.missed_changes) + len(verdict.missed_conflicts)


def _truth(truth: Truth) -> Result:
    return {"changes": _plain(map(str, truth.changes - truth.refused)), "conflicts": _plain(map(str, truth.conflicts))}


def _verdict(verdict: Verdict) -> Result:
    return {
        "false_changes": _plain(verdict.false_changes),
        "missed_changes": _plain(verdict.missed_changes),
        "missed_conflicts": _plain(verdict.missed_conflicts),
        "shown": _plain(verdict.shown),
    }


def _plain(names: Iterable[str]) -> list[str]:
    """Names that are the same in every run: without the random name of a namespace."""
    return sorted(_PLACE.sub("shop", name) for name in names)


def _total(name: str, board: Sequence[Result]) -> Result:
    results = [result for scenario in board if "not_applied" not in (result := scenario["tools"][name])]
    counts = {key: sum(len(result[key]) for result in results) for key in table.COUNTS}
    clean = sum(not any(result[key] for key in table.COUNTS) for result in results)
    return {**counts, "clean": clean, "played": len(results)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
