"""What stands against a sync is said before somebody tries it: approvals, freezes, locks and holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from support.bodies import deployment
from support.world import World, failing_check

Run = Callable[..., subprocess.CompletedProcess[str]]

LUA = """
gitops.workflow({
    name = "shop", repo = ".", branch = "main", target_path = "k8s", environment = "production",
    destination = { directory = "live" }, rollback_on_failure = true, %s
})
"""
FROZEN = 'freeze = { { from = "2020-01-01", to = "2120-01-01", reason = "for good" } }'
UNTIL = "frozen until Mon 2120-01-01 00:00 UTC: for good"


def lua(world: World, more: str) -> None:
    (world.root / "sloth.lua").write_text(LUA % more)


def test_the_page_of_a_local_preview_says_that_an_approval_is_required(world: World, sloth: Run) -> None:
    for more, word in (
        ("", "not required"),
        ("approval_required = true", "required"),
        ('approval = { from_impact = "critical" }', "not required"),
    ):
        lua(world, more)
        assert f"<td>{word}</td></tr>" in sloth("preview", "--format", "html").stdout, more


def test_a_preview_says_that_a_freeze_holds(world: World, sloth: Run) -> None:
    lua(world, FROZEN)
    assert UNTIL in sloth("preview").stdout
    assert UNTIL in json.loads(sloth("preview", "--format", "json").stdout)["plans"][0]["warnings"]
    lua(world, "")
    sloth("sync")
    lua(world, FROZEN)
    assert UNTIL not in sloth("preview").stdout, "nothing stands against a plan that changes nothing"


def refused(sloth: Run, why: str, *more: str) -> None:
    """A rehearsal says so, and what would change."""
    done = sloth("sync", "--rehearse", *more)
    assert done.returncode == 0, done.stderr
    assert "would be refused" in done.stdout.splitlines()[0]
    assert "would be synced" not in done.stdout
    assert f"would be refused: {why}" in " ".join(done.stdout.split())
    assert "Deployment/shop/web" in done.stdout


def test_a_rehearsal_says_what_would_refuse_the_sync(world: World, sloth: Run) -> None:
    lua(world, FROZEN)
    refused(sloth, f"shop is {UNTIL}")
    lua(world, "")
    refused(sloth, "the approval is for another plan", "--approve", f"{'0' * 32}.{'0' * 32}")
    sloth("lock", "--reason", "Black Friday")
    refused(sloth, "shop is locked by ")
    sloth("unlock")
    assert "would be synced" in sloth("sync", "--rehearse").stdout


def test_a_rehearsal_says_that_a_revision_is_held(world: World, sloth: Run) -> None:
    command = failing_check(world)["health_check"]["command"]
    lua(world, f'sync_policy = {{ health_check = {{ command = "{command}", timeout = "100ms", interval = "50ms" }} }}')
    sloth("sync")
    bad = world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    assert sloth("sync").returncode == 8
    refused(sloth, f"{bad[:10]} was rolled back: ", "--head", bad)
    assert "would be synced" in sloth("sync", "--rehearse", "--head", bad, "--release-hold").stdout


def test_who_locked_it_and_why_is_told_everywhere(world: World, sloth: Run) -> None:
    lua(world, "")
    assert "lock: free" in sloth("doctor").stdout
    assert "shop is locked" in sloth("lock", "--reason", "Black Friday").stderr
    again = sloth("lock", "--reason", "stock-taking").stderr
    assert ": Black Friday already; your reason is not taken" in again
    assert "not taken" not in sloth("lock").stderr
    status = sloth("status").stdout
    assert "locked by " in status
    assert ": Black Friday" in status
    doctor = sloth("doctor")
    assert doctor.returncode == 0
    assert "lock: free" not in doctor.stdout
    assert ": Black Friday" in doctor.stdout
    assert "→ sloth-ci unlock" in doctor.stdout


@pytest.mark.parametrize(
    ("more", "message", "hint"),
    [
        ('depends_on = { "shopp" }', "shop: depends_on: no workflow 'shopp'", "did you mean 'shop'?"),
        (
            'freeze = { { from = "Fri 16:00", to = "Mon 08:00", timezone = "Europe/Berln" } }',
            "no time zone 'Europe/Berln'",
            "did you mean 'Europe/Berlin'?",
        ),
    ],
)
def test_a_wrong_name_is_found_when_the_file_has_been_read(
    world: World, sloth: Run, more: str, message: str, hint: str
) -> None:
    lua(world, more)
    done = sloth("status")
    assert done.returncode == 2
    assert message in done.stderr
    assert hint in done.stderr
