"""What a preview says, against what the sync then does: all scenarios of bench/scoreboard, for ours alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoreboard.judge import Claims, Truth, judge
from scoreboard.ours import ours
from scoreboard.place import Key
from scoreboard.play import play
from scoreboard.scenario import Scenario
from scoreboard.scenarios import ALL
from scoreboard.tools import client_side, server_side

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


def by_name(name: str) -> Scenario:
    return next(scenario for scenario in ALL if scenario.name == name)


def test_the_judge_sees_what_a_diff_does_not_say(control_plane: ControlPlane, kubectl: Path, tmp_path: Path) -> None:
    scaled = play(control_plane, kubectl, tmp_path / "a", by_name("autoscaler-declared"), client_side)
    [deployment] = scaled.truth.overwritten
    assert scaled.truth.overwritten == {deployment: ["kube-controller-manager"]}
    assert scaled.verdict.missed_conflicts == scaled.verdict.shown == [str(deployment)]
    hidden = play(control_plane, kubectl, tmp_path / "b", by_name("conflict-beside-a-change"), server_side)
    assert [name.rpartition("/")[2] for name in hidden.verdict.missed_changes] == ["settings"]


def test_a_claim_that_does_not_come_true_is_false() -> None:
    one, other, third = (Key("ConfigMap", "shop", name) for name in ("a", "b", "c"))
    verdict = judge(Claims({one, other}, {third}, {third}), Truth({other}))
    assert (verdict.false_changes, verdict.missed_changes) == ([str(one)], [])
    assert verdict.false_conflicts == [str(third)]
    assert not verdict.clean
    assert judge(Claims({one}), Truth(beside={one})).clean
    assert judge(Claims({one}, {one}, {one}), Truth(refused={one})).clean
