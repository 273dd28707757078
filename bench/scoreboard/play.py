"""One scenario, played for one tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoreboard.judge import Claims, Truth, Verdict, by_key, compare, judge, look
from scoreboard.place import Place
from scoreboard.scenario import Scenario
from scoreboard.tools import Make
from support.cluster import ControlPlane


@dataclass
class Played:
    """What came out."""

    claims: Claims
    truth: Truth
    verdict: Verdict
    again: Claims | None
    """What the diff says once all is applied; None where not all of it was."""
    changes: frozenset[str]
    """What the scenario expects, with the names of this place."""
    conflicts: frozenset[str]


class NotApplied(Exception):
    """The tool cannot even put the first manifests in place."""


def play(plane: ControlPlane, kubectl: Path, folder: Path, scenario: Scenario, make: Make) -> Played:
    """Apply, let things happen, ask for the diff, apply, and compare. Raises NotApplied."""
    place = Place(plane, folder, kubectl)
    with place.stack:
        for event in scenario.setting:
            event(place)
        tool = make(place, scenario)
        if scenario.before:
            tool.declare(scenario.before)
            if refused := tool.apply().refused:
                raise NotApplied(", ".join(map(str, refused)))
        for event in scenario.events:
            event(place)
        former, declared = place.bodies([*scenario.formerly, *scenario.before]), place.bodies(scenario.next)
        tool.declare(scenario.next)
        before = look(place, former, declared)
        claims = tool.diff(list(before))
        for event in scenario.later:
            event(place)
        applied = tool.apply()
        after = look(place, former, declared)
        truth = compare(before, after, by_key(place, former, declared), tool)
        truth.refused |= applied.refused
        truth.unknown |= applied.unknown
        again = None if applied.refused else tool.diff(list(before))
        expected = [frozenset(map(place.fill, names)) for names in (scenario.changes, scenario.conflicts)]
    return Played(claims, truth, judge(claims, truth), again, *expected)
