"""Tasks side by side, and functions of the script that the host calls from its own threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sloth_ci.script.declare import Task
from sloth_ci.script.errors import ScriptError, TaskTimeout
from sloth_ci.script.outcome import TaskOutcome
from sloth_ci.script.run import Script
from sloth_ci.script.schedule import run_tasks
from support.luahost import MemoryHost, load_text

THREE = """
local ids = {}
for i, name in ipairs({"one", "two", "three"}) do ids[i] = gitops.create_workflow({name = name, repo = name}) end
local tasks = {}
for i, id in ipairs(ids) do
    tasks[i] = {name = "sync-" .. i, command = function() return %s end}
end
workflow.define("w", {parallel = 3, tasks = tasks})
"""


@pytest.mark.parametrize(
    "call",
    [
        "gitops.sync_workflow(id)",
        "select(2, pcall(gitops.sync_workflow, id))",
        "coroutine.wrap(function() return gitops.sync_workflow(id) end)()",
        "coroutine.wrap(function() return coroutine.wrap(function() return gitops.sync_workflow(id) end)() end)()",
        "select(2, xpcall(function() return gitops.sync_workflow(id) end, print))",
        "setmetatable({}, {__index = function() return gitops.sync_workflow(id) end}).x",
    ],
)
def test_host_calls_of_several_tasks_run_at_the_same_time(
    run: Callable[..., Script], host: MemoryHost, call: str
) -> None:
    together = threading.Barrier(3, timeout=120)

    def meet(_name: str) -> None:
        together.wait()

    host.before_sync = meet
    [outcome] = run(THREE % call).run_definitions()
    assert [task.message for task in outcome.tasks.values()] == ["", "", ""]
    assert sorted(host.synced) == ["one", "three", "two"]


def test_commands_run_at_the_same_time(run: Callable[..., Script]) -> None:
    meet = "touch $0.here; until test -e a.here -a -e b.here -a -e c.here; do sleep 0.01; done"
    [outcome] = run(
        f"""
        local function meet(name) return {{"sh", "-c", "{meet}", name}} end
        workflow.define("w", {{parallel = true, max_parallel = 3, tasks = {{
            a = {{timeout = "30s", run = "sh -c '{meet}' a"}},
            b = {{timeout = "30s", command = function() return exec.run(meet("b")).success end}},
            c = {{timeout = "30s", command = function() return exec.run(meet("c")).success end}},
        }}}})
        """
    ).run_definitions()
    assert [task.message for task in outcome.tasks.values()] == ["", "", ""]


def test_the_limit_holds(run: Callable[..., Script], host: MemoryHost) -> None:
    pairs, lock = threading.Barrier(2, timeout=120), threading.Lock()
    now, most = [0], [0]

    def busy(_name: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        pairs.wait()
        with lock:
            now[0] -= 1
        pairs.wait()

    host.before_sync = busy
    tasks = ", ".join(f"{{name = 't{i}', command = function() return gitops.sync_workflow(id) end}}" for i in range(6))
    source = "local id = gitops.create_workflow({repo = 'x'}) workflow.define('w', {%s tasks = {%s}})"
    assert run(source % ("parallel = 2,", tasks)).run_definitions()[0].success
    assert most == [2]


def test_tasks_run_one_by_one_where_nobody_asks(run: Callable[..., Script], host: MemoryHost) -> None:
    threads: list[int] = []
    host.before_sync = lambda _: threads.append(threading.get_ident())
    assert run((THREE % "gitops.sync_workflow(id)").replace("parallel = 3,", "")).run_definitions()[0].success
    assert threads == [threading.get_ident()] * 3


@pytest.mark.parametrize("parallel", [1, 3])
def test_dependencies_come_first(run: Callable[..., Script], host: MemoryHost, parallel: int) -> None:
    [outcome] = run(
        f"""
        local function step(name) return function() sleep("10ms") print(name) end end
        workflow.define("w", {{parallel = {parallel}, tasks = {{
            {{name = "d", depends_on = {{"b", "c"}}, command = step("d")}},
            {{name = "b", depends_on = "a", command = step("b")}},
            {{name = "c", depends_on = "a", command = step("c")}},
            {{name = "a", command = step("a")}},
        }}}})
        """
    ).run_definitions()
    assert outcome.success
    assert [*outcome.tasks] == ["d", "b", "c", "a"]
    assert (host.lines[0], set(host.lines[1:3]), host.lines[3]) == ("a", {"b", "c"}, "d")


def test_lua_that_works_does_not_stop_the_others_for_good(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        workflow.define("w", {parallel = 2, tasks = {
            {name = "busy", timeout = "300ms", command = function() while true do end end},
            {name = "other", command = function() sleep("10ms") return true end},
        }})
        """
    )
    [outcome] = script.run_definitions()
    assert isinstance(outcome.tasks["busy"].error, TaskTimeout)
    assert outcome.tasks["other"].status == "succeeded"


CHECKED = """
local id = gitops.create_workflow({repo = "x", sync_policy = {health_check = {lua = function() %s end}}})
"""


@pytest.mark.parametrize(
    "body", ["return true", "sleep('1ms') return exec.run('true').success", "return pcall(sleep, '1ms')"]
)
def test_the_host_calls_back_from_another_thread(run: Callable[..., Script], host: MemoryHost, body: str) -> None:
    run(CHECKED % body + "print(gitops.sync_workflow(id))")
    run(CHECKED % body + "print(pcall(gitops.sync_workflow, id))")
    run(CHECKED % body + "print(coroutine.wrap(function() return gitops.sync_workflow(id) end)())")
    script = run(
        CHECKED % body + "workflow.define('w', {parallel = 2, tasks = {"
        "a = {command = function() return gitops.sync_workflow(id) end},"
        "b = {command = function() for i = 1, 1e5 do end return gitops.sync_workflow(id) end}}})"
    )
    assert script.run_definitions()[0].success
    assert host.lines == ["true", "true\ttrue", "true"]


def test_a_callback_belongs_to_the_task_that_called_the_host(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        local id = gitops.create_workflow({repo = "x", hook = function() sleep("1h") end})
        task("t"):timeout("200ms"):command(function() return gitops.sync_workflow(id) end):build()
        """
    )
    [workflow] = host.workflows.values()
    host.before_sync = lambda _: workflow["hook"]()
    assert isinstance(script.run_task("t").tasks["t"].error, TaskTimeout)


def test_a_callback_where_lua_cannot_be_left_is_an_error(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        CHECKED % "return true"
        + """
        print((("a"):gsub("a", function() return tostring(select(2, pcall(gitops.sync_workflow, id))) end)))
        """
    )
    assert host.lines == ["a Lua function was called back while the script waits inside table.sort or string.gsub"]


def test_functions_outlive_the_call_that_brought_them(run: Callable[..., Script], host: MemoryHost) -> None:
    run("local n = 0 gitops.create_workflow({repo = 'x', hook = function(add) n = n + add return n end})")
    [workflow] = host.workflows.values()
    hook = workflow["hook"]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(hook, [1] * 200))
    assert sorted(results) == list(range(1, 201))


def test_a_callback_that_fails_raises_in_the_host(run: Callable[..., Script], host: MemoryHost) -> None:
    run("gitops.create_workflow({repo = 'x', hook = function() error('in the hook') end})")
    [workflow] = host.workflows.values()
    with pytest.raises(ScriptError, match=r"sloth.lua:1: in the hook"):
        workflow["hook"]()


def test_another_task_cannot_resume_what_waits_for_the_host(run: Callable[..., Script], host: MemoryHost) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        if name == "slow":
            entered.set()
            assert go_on.wait(120)
        else:
            assert entered.wait(120)

    host.before_sync = wait
    script = run(
        """
        local slow = gitops.create_workflow({name = "slow", repo = "x"})
        local quick = gitops.create_workflow({name = "quick", repo = "x"})
        local co
        workflow.define("w", {parallel = 2, tasks = {
            {name = "a", command = function()
                co = coroutine.create(function() return gitops.sync_workflow(slow) end)
                return select(2, coroutine.resume(co))
            end},
            {name = "b", command = function()
                gitops.sync_workflow(quick)
                print(coroutine.resume(co, "rubbish")) print(pcall(coroutine.close, co)) print(coroutine.status(co))
            end, on_success = function() end},
        }, on_task_complete = function(name) if name == "b" then exec.run({"true"}) end end})
        """
    )
    original = host.log

    def log(level: str, message: str) -> None:
        original(level, message)  # type: ignore[arg-type]  # handed on
        if len(host.lines) == 3:
            go_on.set()

    host.log = log  # type: ignore[method-assign]
    [outcome] = script.run_definitions()
    assert outcome.success
    assert host.lines == [
        "false\tcannot resume non-suspended coroutine",
        "false\tcannot close a running coroutine",
        "normal",
    ]


class StoppableHost(MemoryHost):
    """A host whose sync lasts until somebody cancels it."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[int] = []
        self._stop = threading.Event()

    def sync_workflow(self, workflow_id: str) -> tuple[bool, str | None]:
        self.name_of(workflow_id)
        assert self._stop.wait(120)
        return False, "stopped by a cancel"

    def cancel(self, thread: int) -> None:
        self.cancelled.append(thread)
        self._stop.set()


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_timeout_cancels_the_call_of_the_host(tmp_path: Path, parallel: int) -> None:
    host = StoppableHost()
    source = f"""
        local id = gitops.create_workflow({{repo = "x"}})
        workflow.define("w", {{parallel = {parallel}, tasks = {{
            {{name = "a", timeout = "100ms", command = function() return gitops.sync_workflow(id) end}}}}}})
        """
    with load_text(source, host, tmp_path) as script:
        started = time.monotonic()
        [outcome] = script.run_definitions()
    assert isinstance(outcome.tasks["a"].error, TaskTimeout)
    assert len(host.cancelled) == 1
    assert time.monotonic() - started < 10


def make(name: str, *needs: str) -> Task:
    return Task(name=name, description="", command="true", where="", depends_on=needs)


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_a_fault_ends_the_run_and_waits_for_the_rest(parallel: int) -> None:
    stopped, finished = threading.Event(), []

    def run(task: Task) -> TaskOutcome:
        if task.name == "bad":
            raise ZeroDivisionError
        if parallel > 1:
            assert stopped.wait(120)
        finished.append(task.name)
        return TaskOutcome(task.name, "succeeded")

    tasks = {task.name: task for task in (make("slow"), make("bad"), make("later", "slow"))}
    with pytest.raises(ZeroDivisionError):
        run_tasks(tasks, run, parallel=parallel, stop=stopped.set)
    assert finished == ["slow"]


def test_an_interrupt_stops_all_tasks(tmp_path: Path) -> None:
    (tmp_path / "sloth.lua").write_text(
        """
        workflow.define("w", {parallel = 4, tasks = {
            a = {run = "echo $$ > a.pid; exec sleep 60"}, b = {command = function() while true do pcall(sleep, "1s") end end},
            -- Lua that never pauses leaves no turn to the others: they have to be on their way first.
            c = {command = function()
                while not exec.run("test -s a.pid").success do sleep("10ms") end
                print("ready")
                while true do pcall(function() while true do end end) end
            end},
        }})
        """
    )
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import signal
from pathlib import Path
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import load
from support.luahost import MemoryHost
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
class Host(MemoryHost):
    def log(self, level, message):
        print(message, flush=True)
try:
    load(Path({str(tmp_path / "sloth.lua")!r}), Host(), limits=Limits(instructions=10**15, seconds=100)).run_definitions()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=300)
    assert rest == "interrupted\n"
    pid = int((tmp_path / "a.pid").read_text())
    assert not Path(f"/proc/{pid}/cmdline").exists() or b"sleep" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_interrupt_stops_lua(tmp_path: Path) -> None:
    (tmp_path / "sloth.lua").write_text("print('ready') while true do pcall(function() while true do end end) end")
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import signal
from pathlib import Path
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import load
from support.luahost import MemoryHost
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
class Host(MemoryHost):
    def log(self, level, message):
        print(message, flush=True)
try:
    load(Path({str(tmp_path / "sloth.lua")!r}), Host(), limits=Limits(instructions=10**15, seconds=100))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=300)
    assert rest == "interrupted\n"
