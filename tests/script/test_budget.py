"""Nothing that a script does keeps it running beyond its limits, or takes the process with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.script.errors import ScriptError
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import Script
from support.luahost import MemoryHost

SMALL = Limits(instructions=2_000_000, seconds=20.0)

ENDLESS = {
    "a loop": "while true do end",
    "a loop of calls": "local function f() end while true do f() end",
    "recursion": "local function f() return f() end f()",
    "pcall in a loop": "while true do pcall(function() while true do end end) end",
    "pcall of pcall": "local function f() while true do pcall(f) end end f()",
    "a handler that loops": "xpcall(function() while true do end end, function() while true do end end)",
    "handlers in a loop": "while true do xpcall(error, function() while true do end end) end",
    "a handler of a stack overflow": """
        local function deep() return 1 + deep() end
        while true do xpcall(deep, function() while true do end end) end""",
    "a coroutine": "coroutine.wrap(function() while true do end end)()",
    "coroutines in a loop": "while true do coroutine.wrap(function() end)() end",
    "a coroutine that catches": """
        local co = coroutine.wrap(function() while true do pcall(function() while true do end end) end end)
        while true do pcall(co) end""",
    "short coroutines that make more": """
        local function spawn(depth)
            for _ = 1, 100 do
                if depth > 0 then coroutine.wrap(spawn)(depth - 1) end
            end
        end
        spawn(60)""",
    "yields": """
        local co = coroutine.wrap(function() while true do coroutine.yield() end end)
        while true do co() end""",
    "__close": """
        local function trap() return setmetatable({}, {__close = function() while true do end end}) end
        while true do pcall(function() local x <close> = trap() while true do end end) end""",
    "__close of a coroutine that was stopped": """
        local co = coroutine.create(function()
            local x <close> = setmetatable({}, {__close = function() while true do end end})
            while true do end
        end)
        coroutine.resume(co)
        coroutine.close(co)
        while true do end""",
    "__close of a suspended coroutine": """
        local co = coroutine.create(function()
            local x <close> = setmetatable({}, {__close = function() while true do end end})
            coroutine.yield()
        end)
        coroutine.resume(co)
        coroutine.close(co)""",
    "__index": "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
    "__tostring": "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    "a comparison in table.sort": "table.sort({3, 2, 1}, function() while true do end end)",
    "a bad comparison in table.sort": """
        local t = {} for i = 1, 1000 do t[i] = i % 7 end
        while true do pcall(table.sort, t, function() return true end) end""",
    "a replacement of string.gsub": "string.gsub('aaa', 'a', function() while true do end end)",
    "loaded text": "load('while true do end')()",
    "an iterator": "for _ in function() return 1 end do end",
    "goto": "::again:: goto again",
    "an error value with __tostring": "error(setmetatable({}, {__tostring = function() while true do end end}))\n"
    "while true do end",
}


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in ENDLESS.items()])
def test_endless_code_is_stopped(run: Callable[..., Script], source: str) -> None:
    with pytest.raises(ScriptError, match=r"instructions without end|raised a table"):
        run(source, limits=SMALL)


DEAR = {
    "rep": "while true do ('x'):rep(1000000) end",
    "concat": "local t = {} for i = 1, 10000 do t[i] = 'x' end while true do table.concat(t) end",
    "move": "while true do table.move({}, 1, 9000000, 2) end",
    "insert": "local t = {} for i = 1, 100000 do t[i] = i end while true do table.insert(t, 1, 0) end",
}


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in DEAR.items()])
def test_long_work_of_a_c_function_is_charged(run: Callable[..., Script], source: str) -> None:
    with pytest.raises(ScriptError, match="instructions without end"):
        run(source, limits=SMALL)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("local s = ('x'):rep(1e9)", "longer than 64 MiB"),
        ("table.move({}, 1, math.maxinteger - 1, 2)", "too many elements"),
        ("table.concat({}, '', 1, math.maxinteger)", "too many elements"),
        ("table.insert(setmetatable({}, {__len = function() return 1e15 // 1 | 0 end}), 1, 1)", "__len"),
        ("table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)", "__len"),
        ("setmetatable({}, {__gc = function() while true do end end})", "__gc is not available"),
        ("string.rep()", "bad argument #1 to 'rep'"),
        ("string.find(nil, 'x')", "bad argument #1 to 'find'"),
        ("table.sort(5)", "table expected, got number"),
    ],
)
def test_what_is_out_of_bounds_is_an_error_with_its_line(run: Callable[..., Script], source: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        run(f"\n{source}")
    assert caught.value.message.startswith("sloth.lua:2: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end",
        "local t = {} while true do t[#t + 1] = json.encode({('y'):rep(100000)}) .. #t end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "local s = ('x'):rep(20000000) local t = {} while true do t[#t + 1] = s .. #t; log.info('a') end",
    ],
)
def test_a_memory_bomb_is_an_error_and_the_process_lives(run: Callable[..., Script], source: str) -> None:
    limits = Limits(instructions=50_000_000, memory=48 * 1024 * 1024)
    with pytest.raises(ScriptError, match=r"48 MiB of memory|without end"):
        run(source, limits=limits)


def test_memory_is_usable_again_after_a_bomb_was_caught(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        local ok, why = pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end end)
        collectgarbage()
        print(ok, why, json.encode({1, 2}))
        """,
        limits=Limits(memory=32 * 1024 * 1024),
    )
    assert host.lines == ["false\tnot enough memory\t[1, 2]"]


def test_time_in_lua_is_limited(run: Callable[..., Script]) -> None:
    with pytest.raises(ScriptError, match=r"sloth.lua:1: the script ran for 0.2 s"):
        run("while true do end", limits=Limits(instructions=10**15, seconds=0.2))


def test_time_of_the_host_does_not_count(run: Callable[..., Script], host: MemoryHost) -> None:
    host.before_sync = lambda _: time.sleep(0.3)
    run(
        "local w = gitops.workflow({repo = 'x'}) gitops.sync_workflow(w) for i = 1, 1e5 do end",
        limits=Limits(seconds=0.2),
    )
    assert host.synced == ["x"]


def test_each_piece_has_its_own_budget(run: Callable[..., Script], host: MemoryHost) -> None:
    script = run(
        """
        local function work() for i = 1, 1500000 do end end
        work()
        workflow.define("w", {tasks = {{name = "a", command = work}, {name = "b", command = work}}})
        """,
        limits=Limits(instructions=2_000_000),
    )
    assert script.run_definitions()[0].success


def test_a_stopped_script_can_run_its_other_tasks(run: Callable[..., Script]) -> None:
    script = run(
        """
        task("endless"):command(function() while true do end end):build()
        task("fine"):command(function() return true end):build()
        """,
        limits=SMALL,
    )
    assert script.run_task("endless").tasks["endless"].status == "failed"
    assert script.run_task("fine").success


def test_a_c_function_that_does_not_come_back_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "sloth.lua").write_text("local s = ('x'):rep(60000000) while true do local t = s .. 'x' end")
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import load
from support.luahost import MemoryHost
load(Path({str(tmp_path / "sloth.lua")!r}), MemoryHost(), limits=Limits(silence=0.002, seconds=60))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 2
    assert "inside one built-in function" in ended.stderr
    assert "Traceback" not in ended.stderr


RUNAWAY = """
from pathlib import Path
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import load
from support.luahost import MemoryHost

load(Path("sloth.lua"), MemoryHost(), limits=Limits(silence=0.2))
"""


def test_a_pattern_that_never_ends_ends_the_process_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "sloth.lua").write_text("(('a'):rep(3000)):find(('a-'):rep(12) .. 'b')")
    done = subprocess.run(
        [sys.executable, "-c", RUNAWAY],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "inside one built-in function" in done.stderr
