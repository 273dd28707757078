"""Sync to a directory: what is applied, what is refused, what is remembered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sloth_ci.core.errors import ApprovalError, ConflictError, LockedError, RolledBackError, UnreachableError
from sloth_ci.core.ledger import BACKUP_LIMIT
from sloth_ci.engine.place import locked, open_place
from support.bodies import body, deployment
from support.world import World, configmap, failing_check

WEB = "shop/deployment.apps-web.yaml"


def test_the_first_sync_creates_and_a_second_has_nothing_to_do(world: World) -> None:
    workflow = world.workflow()
    assert [c.type for c in world.preview(workflow).changes] == ["create"]
    outcome = world.sync(workflow)
    assert (outcome.status, outcome.count("applied")) == ("succeeded", 1)
    assert "image: web:1" in world.live()[WEB]
    assert world.preview(workflow).changes == ()
    assert world.sync(workflow).status == "nothing"
    state = world.status(workflow)
    assert (state["status"], state["last_sync_result"]["status"]) == ("synced", "succeeded")
    assert state["last_sync_result"]["commit_hash"] == world.checkout.head


def test_updates_and_prunes_only_what_it_put_there(world: World) -> None:
    workflow = world.workflow()
    world.push("second", {"k8s/b.yaml": configmap("b")})
    world.sync(workflow)
    stranger = world.root / "live" / "shop" / "configmap-mine.yaml"
    stranger.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: shop}\n")
    world.push("third", {"k8s/web.yaml": deployment(image="web:2")}, delete=("k8s/b.yaml",))
    outcome = world.sync(workflow)
    assert sorted((i.action, str(i.ref)) for i in outcome.items) == [
        ("delete", "ConfigMap/shop/b"),
        ("update", "Deployment/shop/web"),
    ]
    assert sorted(world.live()) == ["shop/configmap-mine.yaml", WEB]


def test_what_the_preview_said_is_what_the_sync_does(world: World) -> None:
    workflow = world.workflow()
    world.sync(workflow)
    world.push("more", {"k8s/web.yaml": deployment(replicas=5), "k8s/c.yaml": configmap("c")})
    plan = world.preview(workflow)
    outcome = world.sync(workflow, approved=plan)
    assert {(c.type, c.ref) for c in plan.changes} == {(i.action, i.ref) for i in outcome.items}
    assert outcome.digest == plan.digest


def test_another_plan_than_the_approved_one_is_refused_and_told(world: World) -> None:
    workflow = world.workflow()
    world.sync(workflow)
    world.push("a", {"k8s/web.yaml": deployment(image="web:2")})
    plan = world.preview(workflow)
    world.push("b", {"k8s/c.yaml": configmap("c")})
    before = world.live()
    with pytest.raises(ApprovalError, match="approved 1 change, now 2: new is create ConfigMap/shop/c"):
        world.sync(workflow, approved=plan)
    with pytest.raises(ApprovalError, match="the revision renders something else"):
        world.sync(workflow, approved=plan.digest)
    assert world.live() == before


def test_a_hand_edit_of_a_field_that_would_change_makes_an_approval_stale(world: World) -> None:
    workflow = world.workflow()
    world.sync(workflow)
    world.push("a", {"k8s/web.yaml": deployment(image="web:2")})
    plan = world.preview(workflow)
    file = world.root / "live" / WEB
    file.write_text(file.read_text().replace("web:1", "web:hotfix"))
    with pytest.raises(ApprovalError, match="different is update Deployment/shop/web"):
        world.sync(workflow, approved=plan)
    with pytest.raises(ApprovalError, match="the destination changed since the approval"):
        world.sync(workflow, approved=plan.digest)


def test_an_approval_is_asked_for_the_very_plan_that_is_applied(world: World) -> None:
    workflow = world.workflow(approval_required=True)
    world.person.approves = False
    with pytest.raises(ApprovalError, match="not approved"):
        world.sync(workflow)
    assert not (world.root / "live").exists()
    world.person.approves = True
    outcome = world.sync(workflow)
    assert [plan.digest for plan in world.person.shown][-1] == outcome.digest
    assert world.sync(workflow).status == "nothing", "nothing to change needs no approval"
    assert len(world.person.shown) == 2


def test_conflicts_stop_it_before_anything_is_written(world: World) -> None:
    workflow = world.workflow()
    world.push("twice", {"k8s/again.yaml": deployment(image="other")})
    with pytest.raises(ConflictError, match=r"declared in .*again.yaml:1 and again in .*web.yaml:1"):
        world.sync(workflow)
    assert not (world.root / "live").exists()


def test_a_file_of_somebody_else_is_not_taken_over(world: World) -> None:
    (world.root / "live").mkdir()
    theirs = world.root / "live" / "all.yaml"
    theirs.write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n")
    with pytest.raises(ConflictError, match=r"the file all.yaml, which sloth-ci did not write"):
        world.sync(world.workflow())
    assert world.live() == {"all.yaml": theirs.read_text()}


def test_two_workflows_do_not_fight_over_an_object(world: World) -> None:
    world.sync(world.workflow(name="one"))
    world.push("a", {"k8s/web.yaml": deployment(image="web:2")})
    with pytest.raises(ConflictError, match=r"workflow one-[0-9a-f]+ owns it"):
        world.sync(world.workflow(name="two"))
    assert world.sync(world.workflow(name="one")).status == "succeeded"


def test_a_second_sync_is_refused_and_names_the_holder(world: World) -> None:
    workflow = world.workflow()
    place = open_place(world.session(holder="alice on ci-7"), workflow)
    with locked(place), pytest.raises(LockedError, match="locked by alice on ci-7"):
        world.sync(workflow)
    assert world.sync(workflow).status == "succeeded"


def test_an_expired_lock_is_taken_over_and_said_so(world: World) -> None:
    workflow = world.workflow()
    now = 1_800_000_000.0
    open_place(world.session(holder="bob", clock=lambda: now), workflow).lock.acquire()
    with pytest.raises(LockedError, match="locked by bob"):
        world.sync(workflow, session=world.session(clock=lambda: now + 599))
    world.sync(workflow, session=world.session(clock=lambda: now + 601))
    assert "took the lock over from bob" in world.listener.text()


def test_a_failing_health_check_puts_the_destination_and_git_back(world: World) -> None:
    workflow = world.workflow(sync_policy=failing_check(world))
    world.sync(workflow)
    before = world.live()
    bad = world.push("bad", {"k8s/web.yaml": deployment(image="broken"), "k8s/new.yaml": configmap("new")})
    outcome = world.sync(workflow)
    assert (outcome.status, outcome.rolled_back, outcome.health) == ("failed", True, "degraded")
    assert world.live() == before
    assert world.log()[0].startswith(f"Revert {bad[:10]}")
    world.pull()
    assert world.checkout.files() == [".gitignore", "k8s/web.yaml"]
    message = world.checkout.git("log", "-1", "--format=%B")
    assert f"Sloth-Reverts: {bad}" in message
    assert "not healthy after 0.1 s: command: exit code 1" in message
    assert world.status(workflow)["status"] == "degraded"
    assert world.sync(workflow).status == "nothing", "the reverted branch is what is live"


def test_what_failed_is_held_until_the_tree_differs(world: World) -> None:
    workflow = world.workflow(sync_policy=failing_check(world))
    world.sync(workflow)
    files = {"k8s/web.yaml": deployment(image="broken")}
    bad = world.push("bad", files)
    world.sync(workflow)
    with pytest.raises(RolledBackError, match=f"^{bad[:10]} was rolled back: not healthy"):
        world.sync(workflow, head=bad)
    world.pull()
    world.push("the same again", files)
    with pytest.raises(RolledBackError, match="which was rolled back: not healthy"):
        world.sync(workflow)
    again = world.sync(workflow, release_hold=True)
    assert again.rolled_back
    world.pull()
    world.push("mended", {"k8s/web.yaml": deployment(image="web:3")})
    assert world.sync(workflow).status == "succeeded"


def test_without_rollback_on_failure_it_stays_and_is_failed(world: World) -> None:
    workflow = world.workflow(sync_policy=failing_check(world), rollback_on_failure=False)
    world.sync(workflow)
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    outcome = world.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", False)
    assert "broken" in world.live()[WEB]
    assert world.status(workflow)["status"] == "failed"
    assert world.log()[0] == "bad"


def test_failure_mode_ignore_succeeds_says_so_and_prunes_nothing(world: World) -> None:
    policy = failing_check(world)
    policy["health_check"]["failure_mode"] = "ignore"
    workflow = world.workflow(sync_policy=policy)
    world.push("two", {"k8s/b.yaml": configmap("b")})
    world.sync(workflow)
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")}, delete=("k8s/b.yaml",))
    outcome = world.sync(workflow)
    assert (outcome.status, outcome.health) == ("succeeded", "degraded")
    assert "shop/configmap-b.yaml" in world.live()
    world.push("good", {"k8s/web.yaml": deployment(image="web:9")})
    world.sync(workflow)
    assert "shop/configmap-b.yaml" not in world.live(), "what was left is pruned as soon as it is healthy"


def test_the_first_sync_has_no_good_commit_to_go_back_to(world: World) -> None:
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    workflow = world.workflow(sync_policy=failing_check(world))
    outcome = world.sync(workflow)
    assert outcome.rolled_back
    assert world.live() == {}
    assert world.log()[0] == "bad"


def test_hooks_run_around_it_and_a_failing_one_rolls_back(world: World) -> None:
    marks = world.folder / "marks"
    policy = {"pre_sync_hooks": [f"echo pre $SLOTH_REVISION >> {marks}"], "post_sync_hooks": [f"echo post >> {marks}"]}
    world.sync(world.workflow(sync_policy=policy))
    assert marks.read_text() == f"pre {world.checkout.head}\npost\n"
    world.push("second", {"k8s/web.yaml": deployment(image="web:2")})
    outcome = world.sync(world.workflow(sync_policy={"post_sync_hooks": ["echo why; exit 3"]}))
    assert outcome.rolled_back
    assert "post_sync_hooks[1] failed: exit code 3: why" in outcome.message
    assert "web:1" in world.live()[WEB]


def test_a_hook_that_fails_before_the_first_change_reverts_nothing(world: World) -> None:
    world.sync(world.workflow())
    world.push("second", {"k8s/web.yaml": deployment(image="web:2")})
    outcome = world.sync(world.workflow(sync_policy={"pre_sync_hooks": ["exit 1"]}))
    assert (outcome.status, outcome.rolled_back) == ("failed", False)
    assert world.log()[0] == "second"
    assert world.sync(world.workflow()).status == "succeeded"


def test_checks_by_function_and_by_url(world: World) -> None:
    told: list[dict[str, str]] = []

    def check(about: dict[str, str]) -> tuple[bool, str]:
        told.append(about)
        return len(told) > 2, "warming up"

    policy = {"health_check": {"lua": check, "interval": "10ms", "timeout": "5s"}}
    outcome = world.sync(world.workflow(sync_policy=policy))
    assert outcome.health == "healthy"
    assert len(told) == 3
    assert told[0]["SLOTH_DESTINATION"] == "live"
    world.push("second", {"k8s/web.yaml": deployment(image="web:2")})
    policy = {"health_check": {"http": "http://127.0.0.1:9/", "interval": "10ms", "timeout": "50ms"}}
    assert "http: no answer" in world.sync(world.workflow(sync_policy=policy)).message


def test_a_rehearsal_writes_nothing(world: World) -> None:
    outcome = world.sync(world.workflow(), session=world.session(rehearsal=True))
    assert (outcome.dry_run, outcome.status, len(outcome.items)) == (True, "succeeded", 1)
    assert not (world.root / "live").exists()
    assert not world.checkout.git("ls-remote", str(world.origin), "refs/sloth/*")


def test_a_destination_that_cannot_be_read_or_written_is_named(world: World) -> None:
    (world.root / "live").write_text("in the way")
    with pytest.raises(UnreachableError, match="directory live cannot be read: Not a directory"):
        world.sync(world.workflow())
    (world.root / "live").unlink()
    (world.root / "live").mkdir()
    (world.root / "live" / "shop").write_text("in the way")
    outcome = world.sync(world.workflow())
    assert (outcome.status, outcome.rolled_back) == ("failed", False), "nothing was changed, so nothing is undone"
    assert "Deployment/shop/web: cannot write" in outcome.message
    assert "File exists" in outcome.message
    (world.root / "live" / "shop").unlink()
    assert world.sync(world.workflow()).status == "succeeded", "and nothing is held"


def test_state_is_kept_in_git_refs_and_nowhere_else(world: World, tmp_path: Path) -> None:
    world.sync(world.workflow())
    refs = world.checkout.git("ls-remote", str(world.origin), "refs/sloth/*").split()[1::2]
    assert len(refs) == 1
    assert world.workflow().id in refs[0]
    assert sorted(p.name for p in world.root.iterdir()) == [".git", ".gitignore", "k8s", "live"]


def test_an_ended_holder_that_nobody_collected_holds_nothing(world: World) -> None:
    victim = subprocess.Popen(["true"])
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now, until `wait` below
    place = open_place(world.session(), world.workflow())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: victim.pid)
        place.lock.acquire()
    assert world.sync(world.workflow()).status == "succeeded"
    victim.wait()


def test_a_dropped_backup_is_in_no_history_of_the_state(world: World) -> None:
    workflow = world.workflow()
    taken = []
    for number in range(BACKUP_LIMIT + 3):
        world.push(f"{number}", {"k8s/web.yaml": deployment(image=f"web:{number}")})
        taken.append(str(world.sync(workflow).backup))
    ref = next(r for r in world.checkout.git("ls-remote", str(world.origin)).split() if workflow.id in r)
    listed = world.checkout.git("-C", str(world.origin), "log", "--format=", "--name-only", ref)
    assert taken[0] not in listed
    assert listed.count("backups/") <= 2 * BACKUP_LIMIT
    assert len(open_place(world.session(), workflow).ledger.load().backups) == BACKUP_LIMIT


def test_a_preview_says_that_a_revision_is_held(world: World) -> None:
    workflow = world.workflow(sync_policy=failing_check(world))
    world.sync(workflow)
    files = {"k8s/web.yaml": deployment(image="broken")}
    world.push("bad", files)
    world.sync(workflow)
    world.pull()
    world.push("again", files)
    assert "was rolled back, so it is held" in world.preview(workflow).warnings[0]


def test_a_health_check_gets_its_whole_time(world: World) -> None:
    answers = iter([False, False, True])
    policy = {"health_check": {"lua": lambda _about: next(answers), "timeout": "200ms", "interval": "150ms"}}
    assert world.sync(world.workflow(sync_policy=policy)).health == "healthy", (
        "the last try is at the end, not before it"
    )


def test_a_secret_is_for_its_owner_alone(world: World) -> None:
    world.push("s", {"k8s/s.yaml": body("Secret", "s", stringData={"a": "b"})})
    world.sync(world.workflow())
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (world.root / "live" / "shop").iterdir()}
    assert modes == {"secret-s.yaml": "0o600", "deployment.apps-web.yaml": "0o644"}
