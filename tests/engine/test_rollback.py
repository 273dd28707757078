"""Rollback: to the previous commit, a commit, a moment, a backup; and what Git gets."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import RolledBackError, UsageError
from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.world import World, configmap, failing_check

WEB = "shop/deployment.apps-web.yaml"
START = 1_800_000_000.0


def synced(world: World, versions: int = 3) -> list[str]:
    """Versions 1, 2, ... each synced at START + 100 × n. Returns their commits."""
    workflow = world.workflow()
    commits = []
    for version in range(1, versions + 1):
        files = {"k8s/web.yaml": deployment(image=f"web:{version}"), f"k8s/v{version}.yaml": configmap(f"v{version}")}
        commits.append(world.push(f"version {version}", files))
        moment = START + 100 * version
        world.sync(workflow, session=world.session(clock=lambda moment=moment: moment))
    return commits


def test_previous_restores_the_destination_and_reverts_in_git(world: World) -> None:
    commits = synced(world)
    outcome = world.rollback(world.workflow(), reason="it is slow")
    assert (outcome.status, outcome.revert_status) == ("succeeded", "committed")
    assert "image: web:2" in world.live()[WEB]
    assert "shop/configmap-v3.yaml" not in world.live()
    world.pull()
    body = world.checkout.git("log", "-1", "--format=%B")
    assert "it is slow" in body
    assert f"Sloth-Reverts: {commits[2]}" in body
    assert world.checkout.files() == [".gitignore", "k8s/v1.yaml", "k8s/v2.yaml", "k8s/web.yaml"]
    assert world.sync(world.workflow()).status == "nothing"


def test_a_second_call_does_nothing(world: World) -> None:
    synced(world)
    world.rollback(world.workflow())
    before, log = world.live(), world.log()
    again = world.rollback(world.workflow())
    assert again.status == "nothing"
    assert (world.live(), world.log()) == (before, log)


def test_after_an_automatic_rollback_a_manual_one_does_nothing(world: World) -> None:
    workflow = world.workflow(sync_policy=failing_check(world))
    world.sync(workflow)
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    world.sync(workflow)
    before, log = world.live(), world.log()
    assert world.rollback(workflow).status == "nothing"
    assert (world.live(), world.log()) == (before, log)


@pytest.mark.parametrize("by", ["commit", "time", "seconds"])
def test_to_a_commit_or_a_moment_undoes_everything_since(world: World, by: str) -> None:
    commits = synced(world)
    to = {"commit": commits[0][:12], "time": "2027-01-15T08:02:30Z", "seconds": str(START + 150)}[by]
    outcome = world.rollback(world.workflow(), to=to)
    assert outcome.status == "succeeded"
    assert sorted(world.live()) == ["shop/configmap-v1.yaml", WEB]
    world.pull()
    assert world.checkout.files() == [".gitignore", "k8s/v1.yaml", "k8s/web.yaml"]
    assert "image: web:1" in world.checkout.show("k8s/web.yaml")


def test_to_a_backup_brings_back_what_was_live_even_if_git_never_had_it(world: World) -> None:
    synced(world, 2)
    file = world.root / "live" / WEB
    file.write_text(file.read_text().replace("web:2", "web:hotfix"))
    world.push("version 3", {"k8s/web.yaml": deployment(image="web:3")})
    outcome = world.sync(world.workflow())
    assert outcome.backup is not None
    back = world.rollback(world.workflow(), to=outcome.backup)
    assert back.status == "succeeded"
    assert "image: web:hotfix" in world.live()[WEB]
    world.pull()
    assert "image: web:2" in world.checkout.show("k8s/web.yaml")


def test_what_was_left_behind_is_held(world: World) -> None:
    synced(world, 2)
    hook = world.origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nwhile read o n r; do case $r in refs/heads/main) echo protected >&2; exit 1;; esac; done\n"
    )
    hook.chmod(0o755)
    outcome = world.rollback(world.workflow())
    assert outcome.revert_status == "pull_request"
    assert "sloth/revert-" in outcome.message
    with pytest.raises(RolledBackError, match=" was rolled back: because"):
        world.sync(world.workflow())


def test_a_later_commit_on_the_branch_survives(world: World) -> None:
    synced(world, 2)
    world.push("meanwhile", {"k8s/later.yaml": configmap("later"), "README.md": "hello\n"})
    world.rollback(world.workflow())
    world.pull()
    assert world.checkout.files() == [".gitignore", "README.md", "k8s/later.yaml", "k8s/v1.yaml", "k8s/web.yaml"]


def test_a_revert_that_conflicts_restores_the_folder(world: World) -> None:
    synced(world, 2)
    world.push("on top", {"k8s/web.yaml": deployment(image="web:2b"), "docs/x": "x\n"})
    world.rollback(world.workflow())
    world.pull()
    assert "image: web:1" in world.checkout.show("k8s/web.yaml")
    assert "docs/x" in world.checkout.files()


def test_merge_and_squash_commits_are_undone(world: World) -> None:
    synced(world, 1)
    for number, squash in ((2, False), (3, True)):
        world.checkout.branch(f"feature{number}")
        world.checkout.commit("step", {f"k8s/f{number}.yaml": dump(configmap(f"f{number}"))})
        world.checkout.checkout("main")
        world.checkout.merge(f"feature{number}", squash=squash)
        world.checkout.git("push", "-q", "origin", "main")
        workflow = world.workflow()
        world.sync(workflow)
        assert world.rollback(workflow).revert_status == "committed"
        world.pull()
        assert f"k8s/f{number}.yaml" not in world.checkout.files()


@pytest.mark.parametrize("to", ["nonsense", "b-123", "2020-01-01", "0" * 40])
def test_a_target_that_there_is_not_says_what_there_is(world: World, to: str) -> None:
    synced(world, 2)
    with pytest.raises(UsageError) as caught:
        world.rollback(world.workflow(), to=to)
    assert caught.value.hint


def test_a_time_that_has_not_been_is_no_target(world: World) -> None:
    synced(world, 2)
    for to in ("2999-01-01T12:00:00Z", "32503680000"):
        with pytest.raises(UsageError, match=f"^{to} is in the future"):
            world.rollback(world.workflow(), to=to)


def test_nothing_to_go_back_to(world: World) -> None:
    with pytest.raises(UsageError, match="never synced"):
        world.rollback(world.workflow())
    world.sync(world.workflow())
    with pytest.raises(UsageError, match="nothing before"):
        world.rollback(world.workflow())


def test_a_rollback_that_is_not_healthy_is_told_and_blocks_nothing(world: World) -> None:
    synced(world, 2)
    never = {"health_check": {"command": "exit 1", "timeout": "20ms", "interval": "10ms"}}
    outcome = world.rollback(world.workflow(sync_policy=never))
    assert (outcome.status, outcome.health, outcome.revert_status) == ("failed", "degraded", "committed")
    assert "image: web:1" in world.live()[WEB]
    assert "not healthy after" in outcome.message
    world.pull()
    world.push("next", {"k8s/web.yaml": deployment(image="web:3")})
    assert world.sync(world.workflow()).status == "succeeded"


def test_further_back_after_an_automatic_rollback_holds_what_was_live(world: World) -> None:
    commits = synced(world, 2)
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    world.sync(world.workflow(sync_policy=failing_check(world)))
    outcome = world.rollback(world.workflow(), to=commits[0])
    assert outcome.held == commits[1]
    assert "image: web:1" in world.live()[WEB]
    world.pull()
    assert "image: web:1" in world.checkout.show("k8s/web.yaml")


def test_git_away_restores_the_destination_and_the_next_run_reverts(world: World) -> None:
    policy = failing_check(world)
    workflow = world.workflow(sync_policy=policy)
    world.sync(workflow)
    before = world.live()
    bad = world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    away = world.folder / "away.git"

    def unplug(step: str) -> None:
        if step == "applied":
            world.origin.rename(away)

    outcome = world.sync(workflow, session=world.session(checkpoint=unplug))
    assert outcome.rolled_back, outcome.message
    assert world.live() == before
    away.rename(world.origin)
    after = world.sync(workflow, session=world.session(clock=lambda: START * 2))
    assert after.status == "nothing"
    assert world.log()[0].startswith(f"Revert {bad[:10]}")
    assert world.live() == before
