"""Tasks, run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import LockedError
from sloth_ci.script.errors import ScriptError, TaskFailed, TaskTimeout
from sloth_ci.script.outcome import RunOutcome, TaskOutcome
from sloth_ci.script.run import Script
from support.luahost import MemoryHost


@pytest.fixture
def one(run: Callable[..., Script]) -> Callable[..., TaskOutcome]:
    """Run one task that is described by the calls on its builder."""

    def go(calls: str, **more: object) -> TaskOutcome:
        return run(f"task('t'){calls}:build()", **more).run_task("t").tasks["t"]

    return go


@pytest.mark.parametrize(
    ("body", "status", "message", "output"),
    [
        ("", "succeeded", "", {}),
        ("return", "succeeded", "", {}),
        ("return true", "succeeded", "", {"success": True, "message": ""}),
        ("return false, 'no'", "failed", "no", {"success": False, "message": "no"}),
        ("return nil, 'no'", "failed", "no", {"success": False, "message": "no"}),
        ("return nil", "failed", "", {"success": False, "message": ""}),
        ("return true, 'yes', {n = 1}", "succeeded", "yes", {"success": True, "message": "yes", "n": 1}),
        ("return {}", "succeeded", "", {}),
        (
            "return {success = true, message = 'ok', n = 5}",
            "succeeded",
            "ok",
            {"success": True, "message": "ok", "n": 5},
        ),
        ("return {success = false, message = 'bad'}", "failed", "bad", {"success": False, "message": "bad"}),
        ("return {message = 3}", "succeeded", "3", {"message": 3}),
        ("return {'a', 'b'}", "succeeded", "", {1: "a", 2: "b"}),
    ],
)
def test_what_a_task_returns(
    one: Callable[..., TaskOutcome], body: str, status: str, message: str, output: dict[object, object]
) -> None:
    outcome = one(f":command(function() {body} end)")
    assert (outcome.status, outcome.message, outcome.output) == (status, message, output)
    assert outcome.error is None
    assert outcome.attempts == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 5", "task 't' returned neither a table nor true or false"),
        ("return 'ok'", "task 't' returned neither a table nor true or false"),
        ("return {success = 'yes'}", "task 't' returned a table whose 'success' is neither true nor false"),
        ("return {message = {}}", "task 't' returned a message that is no string"),
        ("local t = {} t.t = t return t", "the table contains itself"),
        ("error('oops')", "sloth.lua:1: oops"),
        ("local x = nil .. 'a'", "sloth.lua:1: attempt to concatenate a nil value"),
        ("gitops.sync_workflow('x')", "sloth.lua:1: no workflow has the id 'x'"),
    ],
)
def test_what_a_task_gets_wrong(one: Callable[..., TaskOutcome], body: str, message: str) -> None:
    outcome = one(f":command(function() {body} end)")
    assert outcome.status == "failed"
    assert message in outcome.message
    assert outcome.error is not None
    with pytest.raises(type(outcome.error)):
        RunOutcome("t", {"t": outcome}).check()


def test_params_come_from_the_task_and_the_command_line(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        task("t"):params({region = "eu", size = 3}):command(function(p) print(p.region, p.size, p.name, params.name) end):build()
        """,
        params={"region": "us", "name": "n"},
    )
    script.run_task("t")
    script.run_task("t", {"name": "other"})
    assert host.lines == ["us\t3\tn\tn", "us\t3\tother\tn"]


def test_the_only_workflow_needs_no_name(run: Callable[..., Script], host: MemoryHost) -> None:
    declare = "gitops.create_workflow({repo = '%s'}) task('t'):command(function(p) print(p.workflow_id) end):build()"
    run(declare % "one").run_task("t")
    assert host.lines == list(host.workflows)
    run(declare % "two").run_task("t")
    run(declare % "two", params={"workflow_id": "mine"}).run_task("t")
    assert host.lines[1:] == ["nil", "mine"]


def test_deps_hold_what_was_returned(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        workflow.define("w", {tasks = {
            {name = "b", depends_on = {"a"}, command = function(_, deps) print(deps.a.n + 1, deps.a.f(4), deps.c) return {x = deps.a} end},
            {name = "a", command = function() return {n = 1, f = function(v) return v * 2 end} end},
            {name = "c", depends_on = {"b", "a"}, command = function(_, deps) print(deps.b.x.n, deps.a.n) end},
        }})
        """
    )
    [outcome] = script.run_definitions()
    assert outcome.success
    assert host.lines == ["2\t8\tnil", "1\t1"]


def test_a_failure_stops_what_depends_on_it_and_nothing_else(run: Callable[..., Script], host: MemoryHost) -> None:
    [outcome] = run(
        """
        local ran = function(name) return function() print(name) end end
        workflow.define("w", {tasks = {
            {name = "a", command = function() return false, "broken" end},
            {name = "b", depends_on = "a", command = ran("b")},
            {name = "c", depends_on = "b", command = ran("c")},
            {name = "d", command = ran("d")},
        }})
        """
    ).run_definitions()
    assert {name: (task.status, task.message) for name, task in outcome.tasks.items()} == {
        "a": ("failed", "broken"),
        "b": ("not_run", "'a' failed"),
        "c": ("not_run", "'b' did not run"),
        "d": ("succeeded", ""),
    }
    assert host.lines == ["d"]
    assert not outcome.success
    with pytest.raises(TaskFailed, match="task 'a' failed: broken"):
        outcome.check()


def test_a_failed_definition_stops_the_next(run: Callable[..., Script]) -> None:
    outcomes = run(
        """
        workflow.define("one", {tasks = {{name = "a", command = function() return false end}}})
        workflow.define("two", {tasks = {{name = "b", command = function() return true end}}})
        """
    ).run_definitions()
    assert [outcome.name for outcome in outcomes] == ["one"]


def test_run_if(run: Callable[..., Script], host: MemoryHost) -> None:
    [outcome] = run(
        """
        local noop = function() end
        workflow.define("w", {tasks = {
            {name = "a", command = noop, run_if = function(params, deps) return params.go == "yes" and deps ~= nil end},
            {name = "b", command = noop, depends_on = "a"},
            {name = "c", command = noop, run_if = "exit 1"},
            {name = "d", command = noop, run_if = "test -n x"},
            {name = "e", command = noop, run_if = function() end},
            {name = "f", command = noop, run_if = function() return 0 end},
            {name = "g", command = noop, run_if = function() error("x") end},
        }})
        """
    ).run_definitions()
    assert [task.status for task in outcome.tasks.values()] == [
        "skipped", "skipped", "skipped", "succeeded", "skipped", "succeeded", "failed",
    ]  # fmt: skip
    assert outcome.tasks["b"].message == "'a' was skipped"


def test_abort_if_ends_the_run(run: Callable[..., Script], host: MemoryHost) -> None:
    [outcome] = run(
        """
        local noop = function() end
        workflow.define("w", {
            tasks = {
                {name = "a", command = noop},
                {name = "b", command = function() print("no") end, abort_if = function() return true end},
                {name = "c", command = noop},
            },
            on_complete = function(success) print("complete", success) end,
        })
        """
    ).run_definitions()
    assert [task.status for task in outcome.tasks.values()] == ["succeeded", "aborted", "not_run"]
    assert outcome.aborted
    assert outcome.message == "task 'b' aborted the run: its abort_if holds"
    assert host.lines == ["complete\tfalse"]
    with pytest.raises(TaskFailed, match="'w' was aborted"):
        outcome.check()


def test_retries(one: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    count = "local n = (tries or 0) + 1 tries = n print('try ' .. n)"
    outcome = one(f":retries(3, 'fixed', '1ms'):command(function() {count} return n == 3, 'n=' .. n end)")
    assert (outcome.status, outcome.attempts) == ("succeeded", 3)
    assert host.lines == [
        "try 1", "task 't' failed: n=1; retry 1 of 3 in 0.001 s", "try 2", "task 't' failed: n=2; retry 2 of 3 in 0.001 s",
        "try 3",
    ]  # fmt: skip
    outcome = one(":retries(1, 'linear', 0):command(function() error('always') end)")
    assert (outcome.status, outcome.attempts) == ("failed", 2)


def test_on_success_and_on_failure(one: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    hooks = """:on_success(function(params, output) print("good", params.a, output.n) end)
               :on_failure(function(params, message) print("bad", params.a, message) end):params({a = 1})"""
    one(f"{hooks}:command(function() return {{n = 2}} end)")
    one(f"{hooks}:command(function() return false, 'why' end)")
    one(f"{hooks}:command(function() error('x', 0) end)")
    one(f"{hooks}:run_if('exit 1'):command(function() end)")
    assert host.lines == ["good\t1\t2", "bad\t1\twhy", "bad\t1\tsloth.lua:2: x"]
    outcome = one(":command(function() end):on_success(function() error('later') end)")
    assert (outcome.status, outcome.message) == ("failed", "on_success failed: sloth.lua:1: later")
    outcome = one(":command(function() return false, 'first' end):on_failure(function() error('later') end)")
    assert (outcome.status, outcome.message) == ("failed", "first")
    assert host.logs[-1] == ("error", "task 't': on_failure failed: sloth.lua:1: later")


def test_every_hook_of_a_definition_is_called(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        workflow.define("w", {
            tasks = {
                {name = "a", command = function() return {n = 1} end},
                {name = "b", command = function() return false, "no" end},
                {name = "c", depends_on = "b", command = function() end},
            },
            on_start = function(params) print("start", params.p) end,
            on_task_start = function(name) print("task start", name) end,
            on_task_complete = function(name, success, output) print("task complete", name, success, output.n) end,
            on_complete = function(success, outputs) print("complete", success, outputs.a.n, outputs.b.message, outputs.c) end,
        })
        """,
        params={"p": "v"},
    ).run_definitions()
    assert host.lines == [
        "start\tv", "task start\ta", "task complete\ta\ttrue\t1", "task start\tb", "task complete\tb\tfalse\tnil",
        "complete\tfalse\t1\tno\tnil",
    ]  # fmt: skip


def test_on_start_can_refuse(run: Callable[..., Script], host: MemoryHost) -> None:
    [outcome] = run(
        """
        workflow.define("w", {
            tasks = {{name = "a", command = function() print("no") end}},
            on_start = function() return false, "frozen until Monday" end,
        })
        """
    ).run_definitions()
    assert (outcome.aborted, outcome.message, outcome.tasks["a"].status) == (True, "frozen until Monday", "not_run")
    assert host.lines == []


@pytest.mark.parametrize(("hook", "raises"), [("on_start", True), ("on_complete", True), ("on_task_start", False), ("on_task_complete", False)])  # fmt: skip
def test_a_hook_that_fails(run: Callable[..., Script], hook: str, *, raises: bool) -> None:
    script = run(
        f"workflow.define('w', {{tasks = {{{{name = 'a', command = function() end}}}}, {hook} = function() error('hook') end}})"
    )
    if raises:
        with pytest.raises(ScriptError, match=r"sloth\.lua:1: hook"):
            script.run_definitions()
    else:
        assert script.run_definitions()[0].tasks["a"].message == "sloth.lua:1: hook"


def test_running_one_task_runs_what_it_needs(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        for _, name in ipairs({"other", "base", "lib", "app"}) do
            local t = task(name):command(function() print(name) end)
            if name == "app" then t:depends_on("lib") elseif name == "lib" then t:depends_on("base") end
            t:build()
        end
        """
    )
    assert [*script.run_task("app").tasks] == ["base", "lib", "app"]
    assert host.lines == ["base", "lib", "app"]
    assert script.run_definitions() == []


def test_a_timeout_stops_lua(one: Callable[..., TaskOutcome]) -> None:
    started = time.monotonic()
    outcome = one(":timeout('200ms'):command(function() while true do pcall(function() while true do end end) end end)")
    assert time.monotonic() - started < 5
    assert isinstance(outcome.error, TaskTimeout)
    assert outcome.message == "task 't' timed out after 0.2 s"


def test_a_timeout_stops_a_command(one: Callable[..., TaskOutcome]) -> None:
    started = time.monotonic()
    outcome = one(":timeout('200ms'):command(function() pcall(exec.run, 'sleep 60') return true end)")
    assert isinstance(outcome.error, TaskTimeout)
    assert isinstance(one(":timeout('200ms'):run('sleep 60')").error, TaskTimeout)
    assert isinstance(one(":timeout('200ms'):command(function() sleep('1m') end)").error, TaskTimeout)
    assert time.monotonic() - started < 10


def test_a_timeout_counts_after_a_call_that_cannot_be_stopped(
    one: Callable[..., TaskOutcome], host: MemoryHost
) -> None:
    host.before_sync = lambda _: time.sleep(0.3)
    outcome = one(
        ":timeout('100ms'):command(function() return gitops.sync_workflow(gitops.workflow({repo = 'x'})) end)"
    )
    assert isinstance(outcome.error, TaskTimeout)


def test_each_attempt_has_its_timeout(one: Callable[..., TaskOutcome]) -> None:
    slow_once = "if not again then again = true sleep('1m') end"
    outcome = one(f":timeout('300ms'):retries(1, 'fixed', 0):command(function() {slow_once} end)")
    assert (outcome.status, outcome.attempts) == ("succeeded", 2)


def test_an_error_of_the_host_is_the_error_of_the_task(one: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    def locked(_name: str) -> None:
        raise LockedError("busy", "wait")

    host.before_sync = locked
    outcome = one(":command(function() gitops.sync_workflow(gitops.workflow({repo = 'x'})) end)")
    assert isinstance(outcome.error, LockedError)
    with pytest.raises(LockedError):
        RunOutcome("t", {"t": outcome}).check()


def test_shell_commands(one: Callable[..., TaskOutcome], tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    outcome = one(":run('pwd; echo $((6 * 7))'):workdir('app')")
    assert outcome.output["stdout"] == f"{tmp_path}/app\n42\n"
    outcome = one(":run('echo problem >&2; exit 3')")
    assert (outcome.status, outcome.message, outcome.output["code"]) == ("failed", "exit code 3: problem", 3)
    assert "no folder" in one(":run('true'):workdir('nope')").message


def test_untrusted_shell_commands_do_not_run(one: Callable[..., TaskOutcome], host: MemoryHost) -> None:
    host.trusted = False
    for calls in (":run('true')", ":run_if('true'):command(function() end)"):
        assert "comes from a pull or merge request" in one(calls).message


def test_artifacts(one: Callable[..., TaskOutcome], tmp_path: Path, host: MemoryHost) -> None:
    make = ":run('mkdir -p out/deep && printf 12345 > out/a.bin && printf x > out/deep/b.txt')"
    outcome = one(f"{make}:artifacts('out/a.bin', 'out/**/*.txt')")
    assert [(a.path, a.size) for a in outcome.artifacts] == [("out/a.bin", 5), ("out/deep/b.txt", 1)]
    assert outcome.artifacts[0].sha256 == hashlib.sha256(b"12345").hexdigest()
    outcome = one(f"{make}:artifacts({{'out/a.bin', 'out/*.nope'}})")
    assert (outcome.status, outcome.message) == ("failed", "task 't' left no artifact 'out/*.nope'")
    assert one(":command(function() return false, 'why' end):artifacts('nope')").message == "why"
    host.rehearsal = True
    assert one(":run('true'):artifacts('nope')").status == "succeeded"
