"""Every command, from a repository to its exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bodies import deployment
from support.world import World, configmap

Run = Callable[..., subprocess.CompletedProcess[str]]

LUA = """
gitops.workflow({
    name = "shop", repo = ".", branch = "main", target_path = "k8s", environment = "production",
    destination = { directory = "live" }, rollback_on_failure = true, %s
})
"""


def lua(world: World, more: str = "") -> None:
    (world.root / "sloth.lua").write_text(LUA % more)


def test_zero_configuration_previews_the_last_commit(world: World, sloth: Run) -> None:
    world.push("two", {"k8s/web.yaml": deployment(image="web:2")})
    done = sloth("preview")
    assert done.returncode == 0, done.stderr
    assert "1 change " in done.stdout
    assert "image 1 → 2" in done.stdout


def test_on_a_branch_zero_configuration_previews_since_it_left(world: World, sloth: Run) -> None:
    world.checkout.branch("feature")
    world.checkout.commit("a", {"k8s/a.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"})
    world.checkout.commit("b", {"k8s/b.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"})
    done = sloth("preview", "--format", "json")
    changes = json.loads(done.stdout)["plans"][0]["changes"]
    assert [change["resource"] for change in changes] == ["ConfigMap/a", "ConfigMap/b"]


def test_the_json_of_a_preview_has_the_documented_keys(world: World, sloth: Run) -> None:
    lua(world)
    done = sloth("preview", "--format", "json", "--exit-code")
    assert done.returncode == 20
    document = json.loads(done.stdout)
    assert document["schema"] == "sloth-ci/plan/v1"
    (plan,) = document["plans"]
    assert plan["environment"] == "production"
    (change,) = plan["changes"]
    assert change["type"] == "create"
    assert change["source"] == {"path": "k8s/web.yaml", "line": 1}


def test_sync_status_history_rollback(world: World, sloth: Run) -> None:
    lua(world)
    assert sloth("sync").returncode == 0
    world.push("two", {"k8s/web.yaml": deployment(image="web:2"), "k8s/c.yaml": configmap("c")})
    done = sloth("sync", "--format", "json")
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert outcome["status"] == "succeeded"
    assert json.loads(sloth("status", "--format", "json").stdout)[0]["status"] == "synced"
    assert len(json.loads(sloth("history", "--format", "json").stdout)) == 2
    back = sloth("rollback", "--reason", "slow")
    assert back.returncode == 0, back.stderr
    assert "web:1" in world.live()["shop/deployment.apps-web.yaml"]
    assert world.log()[0].startswith("Revert ")
    assert sloth("preview", "--exit-code").returncode == 0


def test_a_failing_sync_exits_with_8_and_an_unhealthy_one_with_7(world: World, sloth: Run) -> None:
    lua(world, 'sync_policy = { health_check = { command = "exit 1", timeout = "50ms", interval = "10ms" } }')
    assert sloth("sync").returncode == 8
    lua(
        world,
        'sync_policy = { health_check = { command = "exit 1", timeout = "50ms", interval = "10ms", failure_mode = "fail" } }',
    )
    assert sloth("sync", "--release-hold").returncode == 7


def test_an_approval_is_a_digest_and_fits_one_plan_only(world: World, sloth: Run) -> None:
    lua(world, "approval_required = true")
    refused = sloth("sync")
    assert refused.returncode == 5
    digest = refused.stderr.split("--approve ")[1].strip()
    world.push("two", {"k8s/c.yaml": configmap("c")})
    assert sloth("sync", "--approve", digest).returncode == 5
    digest = json.loads(sloth("preview", "--format", "json").stdout)["plans"][0]["digest"]
    assert sloth("sync", "--approve", digest).returncode == 0


def test_run_syncs_auto_sync_and_previews_the_rest(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(
        LUA % "auto_sync = true"
        + 'gitops.workflow({ name = "other", repo = ".", target_path = "k8s", destination = { directory = "other" } })'
    )
    done = sloth("run")
    assert done.returncode == 0, done.stderr
    assert "1 change to directory other" in done.stdout
    assert "shop · production: synced" in done.stdout
    assert world.live()
    assert not (world.root / "other").exists()


def test_a_task_is_run_by_name_and_listed(world: World, sloth: Run) -> None:
    lua(world)
    with (world.root / "sloth.lua").open("a") as file:
        file.write(
            """
            task("deploy"):description("do it"):command(function(params)
                log.info("reason: " .. params.reason)
                return gitops.sync_workflow(params.workflow_id)
            end):build()
            """
        )
    assert "deploy" in sloth("run", "--list").stdout
    assert not (world.root / "live").exists()
    done = sloth("run", "--task", "deploy", "--param", "reason=because")
    assert done.returncode == 0, done.stderr
    assert "reason: because" in done.stderr
    assert world.live()
    missing = sloth("run", "--task", "depoly", "--param", "reason=x")
    assert missing.returncode == 2
    assert "did you mean 'deploy'?" in missing.stderr


def test_a_rehearsal_of_a_task_changes_nothing(world: World, sloth: Run) -> None:
    lua(world)
    with (world.root / "sloth.lua").open("a") as file:
        file.write("task('d'):command(function(p) return gitops.sync_workflow(p.workflow_id) end):build()")
    assert sloth("run", "--task", "d", "--rehearse").returncode == 0
    assert not (world.root / "live").exists()


def test_init_writes_what_works_and_keeps_what_is_there(world: World, sloth: Run) -> None:
    done = sloth("init")
    assert done.returncode == 0, done.stderr
    assert 'target_path = "k8s"' in (world.root / "sloth.lua").read_text()
    assert (world.root / ".github/workflows/sloth.yml").exists()
    hook = world.root / ".git/hooks/pre-push"
    assert hook.stat().st_mode & 0o111
    assert sloth("preview").returncode == 0
    (world.root / "sloth.lua").write_text("-- mine")
    assert "kept  sloth.lua" in sloth("init").stdout
    assert (world.root / "sloth.lua").read_text() == "-- mine"


def test_doctor_names_what_is_wrong_and_how_to_mend_it(world: World, sloth: Run) -> None:
    lua(world)
    fine = sloth("doctor")
    assert fine.returncode == 0, fine.stdout
    assert "shop: destination: directory live holds 0 objects" in fine.stdout
    lua(world, 'credentials = { token = "x" }')
    (world.root / "sloth.lua").write_text('gitops.workflow({ repo = "/nowhere/at/all", branch = "main" })')
    broken = sloth("doctor")
    assert broken.returncode == 2
    assert "/nowhere/at/all" in broken.stdout


def test_the_controller_syncs_until_it_is_told_to_stop(world: World, tmp_path: Path) -> None:
    lua(world, "auto_sync = true, sync_interval = 0.1")
    process = subprocess.Popen(
        [sys.executable, "-m", "sloth_ci.cli", "controller"],
        cwd=world.root,
        env={
            **__import__("os").environ,
            "PYTHONPATH": __import__("os").pathsep.join(sys.path),
            "SLOTH_CACHE_DIR": str(tmp_path / "c"),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: "web:1" in str(world.live()) if (world.root / "live").exists() else False)
        world.push("two", {"k8s/web.yaml": deployment(image="web:2")})
        wait_for(lambda: "web:2" in str(world.live()))
    finally:
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_output_goes_to_a_file_as_a_whole(world: World, sloth: Run) -> None:
    lua(world)
    assert sloth("preview", "--format", "markdown", "--output", "plan.md").stdout == ""
    assert "Deployment/shop/web" in (world.root / "plan.md").read_text()
    assert sloth("preview", "--format", "html", "--output", "plan.html").stdout == ""
    assert "<title>1 change to" in (world.root / "plan.html").read_text()
    refused = sloth("status", "--format", "html")
    assert (refused.returncode, refused.stdout) == (2, "")
    refused = sloth("preview", "--output", "no/such/folder/plan.md")
    assert refused.returncode == 2
    assert "cannot write no/such/folder/plan.md" in refused.stderr


@pytest.mark.parametrize(
    "command", ["preview", "run", "sync", "rollback", "status", "history", "doctor", "init", "controller"]
)
def test_every_command_has_help_with_an_example(sloth: Run, command: str) -> None:
    text = sloth(command, "--help").stdout
    assert "Example:" in text
    assert f"sloth-ci {command}" in text


def test_commits_that_are_not_pushed_are_pointed_at(world: World, sloth: Run) -> None:
    lua(world)
    sloth("sync")
    world.checkout.commit("local", {"k8s/c.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}"})
    told = "HEAD has commits that origin's main does not have yet: push them, or take them with --head HEAD"
    for command in (("preview",), ("sync",), ("sync", "--rehearse")):
        assert sloth(*command).stderr.count(told) == 1, command
    assert told not in sloth("preview", "--head", "HEAD").stderr
    assert "1 created" in sloth("preview", "--head", "HEAD").stdout


@pytest.mark.parametrize("path", ["k8s", ""])
def test_changes_that_are_not_committed_are_pointed_at(world: World, sloth: Run, path: str) -> None:
    lua(world)
    file = world.root / "sloth.lua"
    file.write_text(file.read_text().replace('target_path = "k8s"', f'target_path = "{path}"'))
    world.push("live is in sight", {}, delete=(".gitignore",))
    assert "not committed" not in sloth("sync").stderr
    (world.root / "k8s" / "new.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: new}}")
    (world.root / "k8s" / "web.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
    (world.root / "k8s" / "notes.txt").write_text("no manifest")
    told = f"not committed, and so left out: 2 changes{' below k8s' if path else ''}\n"
    for command in (("preview",), ("sync",), ("preview", "--base", "HEAD")):
        assert sloth(*command).stderr.count(told) == 1, command
    assert "not committed" not in sloth("status").stderr


def test_a_previewed_conflict_is_an_exit_code_of_run(world: World, sloth: Run) -> None:
    lua(world)
    world.push("twice", {"k8s/again.yaml": deployment(image="other")})
    done = sloth("run")
    assert done.returncode == 4
    assert "declared in k8s/again.yaml:1" in done.stdout


def test_a_lua_check_says_why(world: World, sloth: Run) -> None:
    check = 'function() return nil, "the queue is full" end'
    lua(world, f'sync_policy = {{ health_check = {{ lua = {check}, timeout = "20ms", interval = "10ms" }} }}')
    assert "lua: the queue is full" in sloth("sync").stdout
