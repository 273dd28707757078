"""What a preview says, against what the sync then does: all scenarios of bench/scoreboard, for ours alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoreboard.ours import ours
from scoreboard.place import Key
from scoreboard.play import play
from scoreboard.scenario import Scenario
from scoreboard.scenarios import ALL

from support.cluster import ControlPlane


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_preview_says_what_the_sync_does(
    control_plane: ControlPlane, kubectl: Path, tmp_path: Path, scenario: Scenario
) -> None:
    played = play(control_plane, kubectl, tmp_path, scenario, ours)
    verdict, truth = played.verdict, played.truth
    assert verdict.clean, f"{verdict}\n{truth}\n{played.claims.text}"

    def names(keys: set[Key]) -> set[str]:
        return {f"{key.kind}/{key.name}" for key in keys}

    # A scenario in which nothing happens of what it tells proves nothing.
    assert names(truth.changes - truth.refused) == played.changes
    assert names(truth.conflicts) == played.conflicts
    if played.again is not None:
        assert not played.again.changes, played.again.text


def test_every_scenario_has_a_name_of_its_own() -> None:
    assert len({scenario.name for scenario in ALL}) == len(ALL)
