"""Orders of events that nobody plans: what a rollback means after them, and that nothing gets stuck."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from sloth_ci.core.errors import RepositoryError, SlothError, UsageError
from sloth_ci.core.events import Level
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.core.yaml import dump
from sloth_ci.engine.place import open_place
from sloth_ci.repo import StateRef
from support.bodies import deployment
from support.world import Listener, World, configmap, failing_check

WEB = "shop/deployment.apps-web.yaml"
START = 1_800_000_000.0


def synced(world: World, versions: int = 3, **table: Any) -> list[str]:
    """Versions 1, 2, … each synced at START + 100 × n. Returns their commits."""
    workflow = world.workflow(**table)
    commits = []
    for version in range(1, versions + 1):
        files = {"k8s/web.yaml": deployment(image=f"web:{version}"), f"k8s/v{version}.yaml": configmap(f"v{version}")}
        commits.append(world.push(f"version {version}", files))
        moment = START + 100 * version
        assert world.sync(workflow, session=world.session(clock=lambda moment=moment: moment)).status == "succeeded"
    return commits


class Killed(BaseException):
    """As kill -9 would have it: nothing is cleaned up by us."""


def kill_at(step: str) -> Callable[[str], None]:
    def checkpoint(name: str) -> None:
        if name.startswith(step):
            raise Killed

    return checkpoint


def image(world: World) -> str:
    match = re.search(r"image: (\S+)", world.live()[WEB])
    return match[1] if match else ""


def in_git(world: World) -> str:
    world.pull()
    match = re.search(r"image: (\S+)", world.checkout.show("k8s/web.yaml"))
    return match[1] if match else ""


def test_previous_never_goes_forward_to_what_was_rolled_back(world: World) -> None:
    synced(world)
    world.rollback(world.workflow())
    assert world.sync(world.workflow()).status == "nothing"  # the revert commit
    outcome = world.rollback(world.workflow())
    assert image(world) == "web:1", outcome
    assert in_git(world) == "web:1"


def test_a_named_commit_again_after_its_revert_was_synced_does_nothing(world: World) -> None:
    commits = synced(world)
    workflow = world.workflow()
    world.rollback(workflow, to=commits[0])
    world.sync(workflow)
    log = world.log()
    world.rollback(workflow, to=commits[0])
    assert world.log() == log
    file = world.root / "live" / WEB
    file.write_text(file.read_text().replace("web:1", "web:drift"))
    assert world.sync(workflow).status == "succeeded"
    assert image(world) == "web:1"


def test_a_rollback_of_a_half_applied_sync_goes_to_what_was_there(world: World) -> None:
    commits = synced(world, 2)
    workflow = world.workflow()
    bad = world.push("version 3", {"k8s/a.yaml": configmap("a"), "k8s/web.yaml": deployment(image="web:3")})

    kill = kill_at("wrote")
    with pytest.raises(Killed):
        world.sync(workflow, session=world.session(checkpoint=kill))
    outcome = world.rollback(workflow)
    assert outcome.target == commits[1][:10]
    assert image(world) == "web:2"
    assert "shop/configmap-a.yaml" not in world.live()
    assert world.log()[0].startswith(f"Revert {bad[:10]}")


def test_to_an_older_backup_undoes_what_came_after_it_too(world: World) -> None:
    synced(world, 2)
    two = world.live()
    workflow = world.workflow()
    world.push("version 3", {"k8s/web.yaml": deployment(image="web:3")})
    backup = world.sync(workflow).backup
    world.push("version 4", {"k8s/new.yaml": configmap("new"), "k8s/v1.yaml": configmap("v1", changed="yes")})
    world.sync(workflow)
    assert backup is not None
    world.rollback(workflow, to=backup)
    assert world.live() == two
    assert world.sync(workflow).status == "nothing"


def test_the_oldest_backup_survives_a_rollback_to_it_that_is_killed(world: World) -> None:
    synced(world, 11)
    workflow = world.workflow()
    oldest = open_place(world.session(), workflow).ledger.load().backups[0]

    kill = kill_at("backed up")
    with pytest.raises(Killed):
        world.rollback(workflow, to=oldest, checkpoint=kill)
    world.sync(workflow)
    assert image(world) == "web:1"


def test_forward_again_after_a_rollback_reverts_no_old_commit(world: World) -> None:
    commits = synced(world)
    workflow = world.workflow()
    world.rollback(workflow, to=commits[0])
    world.pull()
    log = world.log()
    outcome = world.rollback(workflow, to=commits[2])
    assert image(world) == "web:3"
    assert world.log() == log, outcome.message


def test_a_rehearsed_rollback_mends_nothing(world: World) -> None:
    synced(world, 2)
    workflow = world.workflow(sync_policy=failing_check(world))
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})

    kill = kill_at("restoring")
    with pytest.raises(Killed):
        world.sync(workflow, session=world.session(checkpoint=kill))
    before, log = world.live(), world.log()
    world.rollback(workflow, rehearsal=True)
    assert (world.live(), world.log()) == (before, log)


def test_a_rollback_that_stays_unhealthy_does_not_block_the_next_sync(world: World) -> None:
    synced(world, 2)
    check = {"health_check": {"command": f"grep -rq web:4 {world.root}/live", "timeout": "100ms", "interval": "50ms"}}
    workflow = world.workflow(sync_policy=check)
    assert world.rollback(workflow).status == "failed"
    assert image(world) == "web:1"
    world.pull()
    world.push("version 4", {"k8s/web.yaml": deployment(image="web:4")})
    assert world.sync(workflow).status == "succeeded"
    assert image(world) == "web:4"


def test_the_origin_gone_before_the_backup_is_an_error_and_nothing_is_written(world: World) -> None:
    synced(world, 1)
    workflow = world.workflow()
    before = world.live()
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    away = world.folder / "away.git"

    class Unplug(Listener):
        def phase(self, name: str, total: int | None = None) -> None:
            super().phase(name, total)
            if name == "back up":
                world.origin.rename(away)

    with pytest.raises(RepositoryError):
        world.sync(workflow, session=world.session(observer=Unplug()))
    away.rename(world.origin)
    assert world.live() == before
    assert world.sync(workflow, session=world.session(clock=lambda: START * 2)).status == "succeeded"


def branch_workflow(world: World, **more: Any) -> WorkflowSpec:
    return world.workflow(destination={"branch": "rendered"}, **more)


def test_a_push_to_the_branch_meanwhile_blames_no_commit(world: World) -> None:
    workflow = branch_workflow(world)
    world.sync(workflow)
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    log = world.log()

    def other(step: str) -> None:
        if step == "pre hooks":
            world.checkout.git("fetch", "-q", "origin", "rendered")
            tree = world.checkout.git("rev-parse", "FETCH_HEAD^{tree}")
            commit = world.checkout.git("commit-tree", "-p", "FETCH_HEAD", "-m", "other", tree)
            world.checkout.git("push", "-q", "origin", f"{commit}:refs/heads/rendered")

    assert "somebody else pushed" in world.sync(workflow, session=world.session(checkpoint=other)).message
    assert world.log() == log
    assert world.sync(workflow).status == "succeeded"


def test_a_protected_destination_branch_blames_no_commit(world: World) -> None:
    workflow = branch_workflow(world)
    world.sync(workflow)
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    log = world.log()
    hook = world.origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nwhile read o n r; do case $r in refs/heads/rendered) echo protected >&2; exit 1;; esac; done\n"
    )
    hook.chmod(0o755)
    assert "protected" in world.sync(workflow).message
    hook.unlink()
    assert world.log() == log
    assert world.sync(workflow).status == "succeeded"


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b'{"inventory": 3}', b'{"journal": {"phase": "later"}}', b'{"format": 2}']
)
@pytest.mark.parametrize("which", ["ledger", "lock"])
def test_damaged_state_is_named_with_the_way_out(world: World, content: bytes | None, which: str) -> None:
    workflow = world.workflow()
    world.sync(workflow)
    session = world.session()
    place = open_place(session, workflow)
    name = "lock" if which == "lock" else workflow.id
    ref = StateRef(session.repository(workflow.repository), f"{place.destination.id}/{name}")
    ref.write({f"{which}.json": content, "x": b"1"}, message="by hand", expected=ref.read())
    with pytest.raises(SlothError, match="refs/sloth/state") as caught:
        world.sync(workflow)
    assert caught.value.hint
    with pytest.raises(SlothError):
        world.status(workflow)


def test_an_approval_of_what_is_done_already_is_no_error(world: World) -> None:
    workflow = world.workflow(approval_required=True)
    digest = world.preview(workflow).digest
    assert world.sync(workflow, approved=digest).status == "succeeded"
    assert world.sync(workflow, approved=digest).status == "nothing"


def test_one_directory_under_two_names_is_one_place(world: World) -> None:
    world.sync(world.workflow(destination={"directory": "live"}))
    assert world.sync(world.workflow(destination={"directory": "./live/"})).status == "nothing"
    other = world.workflow(destination={"directory": "live/."}, name="other")
    assert [c.type for c in world.preview(world.workflow(destination={"directory": "live"})).conflicts] == []
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    assert [c.type for c in world.preview(other).conflicts] == ["foreign_owner"]


def test_a_branch_that_is_away_for_a_moment_is_tried_again(world: World) -> None:
    away = world.folder / "away.git"

    class Plug(Listener):
        def log(self, level: Level, message: str) -> None:
            super().log(level, message)
            if "next try" in message:
                away.rename(world.origin)

    def unplug(step: str) -> None:
        if step == "pre hooks":
            world.origin.rename(away)

    session = world.session(observer=Plug(), checkpoint=unplug)
    assert world.sync(branch_workflow(world), session=session).status == "succeeded"


def test_what_a_killed_process_left_half_written_goes(world: World) -> None:
    world.sync(world.workflow())
    partial = world.root / "live" / "other" / ".sloth-partial-x"
    partial.parent.mkdir()
    partial.write_text("half")
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    world.sync(world.workflow())
    assert not partial.exists()


@pytest.mark.parametrize("path", ["../out", "a/../../b", ".git", "/../x"])
def test_a_folder_outside_of_the_branch_is_refused(world: World, path: str) -> None:
    with pytest.raises(UsageError, match="not a folder of the branch"):
        world.sync(world.workflow(destination={"branch": "rendered", "path": path}))


def test_a_folder_of_the_branch_is_spelled_as_git_does(world: World) -> None:
    assert world.sync(world.workflow(destination={"branch": "rendered", "path": "./out//x/"})).status == "succeeded"
    names = world.checkout.git("-C", str(world.origin), "ls-tree", "-r", "--name-only", "rendered")
    assert names == f"out/x/{WEB}"


def test_the_branch_that_is_read_is_no_destination_by_any_name(world: World) -> None:
    origin = str(world.origin)
    with pytest.raises(UsageError, match="is the branch that the workflow reads"):
        world.sync(world.workflow(repository={"url": "."}, destination={"branch": "main", "repository": origin}))


def test_a_rollback_removes_what_made_it_unhealthy(world: World) -> None:
    synced(world, 2)
    world.push("version 3", {"k8s/new.yaml": configmap("new", a="broken"), "k8s/web.yaml": deployment(image="web:3")})
    world.sync(world.workflow())
    outcome = world.rollback(world.workflow(sync_policy=failing_check(world)))
    assert (outcome.status, outcome.health) == ("succeeded", "healthy")
    assert sorted(world.live()) == ["shop/configmap-v1.yaml", "shop/configmap-v2.yaml", WEB]


def test_a_commit_that_only_removes_what_is_unhealthy_is_synced(world: World) -> None:
    synced(world, 1)
    world.push("version 2", {"k8s/new.yaml": configmap("new", a="broken")})
    world.sync(world.workflow())
    world.push("version 3", {}, delete=("k8s/new.yaml",))
    outcome = world.sync(world.workflow(sync_policy=failing_check(world)))
    assert (outcome.status, outcome.health) == ("succeeded", "healthy")


def test_a_good_commit_is_not_blamed_for_what_an_interrupted_sync_left(world: World) -> None:
    synced(world, 1)
    workflow = world.workflow(sync_policy=failing_check(world))
    world.push("bad", {"k8s/a.yaml": configmap("a", a="broken"), "k8s/web.yaml": deployment(image="web:2")})

    kill = kill_at("applied")
    with pytest.raises(Killed):
        world.sync(workflow, session=world.session(checkpoint=kill))
    world.push("good", {"k8s/web.yaml": deployment(image="web:3")}, delete=("k8s/a.yaml",))
    assert world.sync(workflow).status == "succeeded"
    assert image(world) == "web:3"


def test_after_a_force_push_git_gets_what_the_destination_gets(world: World) -> None:
    synced(world, 2)
    world.checkout.git("reset", "-q", "--hard", "HEAD~1")
    world.checkout.commit("other 2", {"k8s/b.yaml": dump(configmap("b"))})
    world.checkout.commit("other 3", {"k8s/c.yaml": dump(configmap("c")), "docs/x": "x\n"})
    world.checkout.git("push", "-qf", "origin", "HEAD:main")
    workflow = world.workflow()
    assert world.sync(workflow).status == "succeeded"
    assert world.rollback(workflow).revert_status == "committed"
    world.pull()
    assert world.checkout.files() == [".gitignore", "docs/x", "k8s/v1.yaml", "k8s/v2.yaml", "k8s/web.yaml"]
    assert world.sync(workflow).status == "nothing"


def test_a_pipe_is_not_waited_for_and_a_linked_folder_is_read_as_it_is_written(world: World) -> None:
    workflow = world.workflow()
    world.sync(workflow)
    os.mkfifo(world.root / "live" / "pipe.yaml")
    (world.root / "live" / "shop").rename(world.folder / "elsewhere")
    (world.root / "live" / "shop").symlink_to(world.folder / "elsewhere")
    assert world.preview(workflow).changes == ()
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    assert world.sync(workflow).status == "succeeded"
    assert world.preview(workflow).changes == ()
