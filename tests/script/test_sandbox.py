"""A script reaches what it is given and nothing else."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.script.errors import ScriptError
from sloth_ci.script.run import Script
from support.luahost import MemoryHost


@pytest.mark.parametrize(
    "name",
    [
        "debug", "package", "dofile", "loadfile", "python", "string.dump", "io", "warn", "newproxy", "loadstring",
        "setfenv", "getfenv", "module",
    ],
)  # fmt: skip
def test_what_lua_has_and_a_script_does_not(run: Callable[..., Script], host: MemoryHost, name: str) -> None:
    if name == "io":
        run("local names = {} for name in pairs(io) do names[#names + 1] = name end print(table.concat(names))")
        assert host.lines == ["read"]
    else:
        run(f"print({name})")
        assert host.lines == ["nil"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("os.execute('true')", "os has no function 'execute'"),
        ("os.exit(0)", "os has no function 'exit'"),
        ("os.remove('x')", "os has no function 'remove'"),
        ("os.tmpname()", "os has no function 'tmpname'"),
        ("io.open('/etc/passwd')", "io has no function 'open'"),
        ("io.popen('true')", "io has no function 'popen'"),
        ("load('\\27Lua')()", "attempt to call a nil value"),
        ("load(string.char(27) .. 'LuaS', 'x', 'b')", "only text can be loaded, not bytecode"),
        ("load(function() return 'x' end)", "only text can be loaded"),
        ("setmetatable('', {})", "table expected, got string"),
        ("setmetatable(gitops, {})", "cannot change a protected metatable"),
        ("require('os.path')", "no module 'os.path'"),
        ("require('../secret')", "no module '../secret'"),
        ("require('/etc/passwd')", "no module '/etc/passwd'"),
        ("require('..')", "no module '..'"),
        ("require('sandbox')", "no module 'sandbox'"),
        ("require('link')", "no module 'link'"),
        ("require(5)", "expected the name of a module"),
        ("coroutine.resume(5)", "coroutine expected, got number"),
        ("coroutine.yield()", "attempt to yield from outside a coroutine"),
    ],
)
def test_ways_out_are_errors(run: Callable[..., Script], tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "link.lua").write_text("return 1")
    (tmp_path / "link.lua").symlink_to("/etc/hostname")
    with pytest.raises(ScriptError) as caught:
        run(source)
    assert message in caught.value.message
    assert caught.value.message.startswith("sloth.lua:1: ")


def test_loaded_text_lives_in_the_sandbox(run: Callable[..., Script], host: MemoryHost) -> None:
    run("print(load('return debug, package, _G')())")
    assert host.lines[0].startswith("nil\tnil\ttable")
    run("x = 5 print(load('return x')(), load('return x', 'n', 't', {})())")
    assert host.lines[1] == "5\tnil"


def test_everything_within_reach_is_lua(run: Callable[..., Script], host: MemoryHost) -> None:
    """Walk all tables, metatables and error values that a script can get hold of, and look for anything else."""
    host.failing.add("x")
    run(
        """
        local seen, bad, count = {}, {}, 0
        local function walk(path, value)
            local kind = type(value)
            if kind == "userdata" or kind == "thread" then bad[#bad + 1] = path .. " is a " .. kind end
            if kind ~= "table" or seen[value] then return end
            seen[value], count = true, count + 1
            for k, v in next, value do walk(path .. "." .. tostring(k), k) walk(path .. "." .. tostring(k), v) end
            walk(path .. "!", getmetatable(value))
        end
        walk("_G", _G)
        local w = gitops.workflow({repo = "x", hook = function() end})
        walk("workflow", w)
        walk("diff", gitops.generate_diff(w))
        walk("sync", {gitops.sync_workflow(w)})
        walk("error", {pcall(gitops.sync_workflow, 5)})
        walk("error", {pcall(gitops.create_workflow, {x = coroutine.create(print)})})
        walk("error", {pcall(json.decode, "{")})
        walk("string", {getmetatable("")})
        walk("builder", task("t"))
        print(count > 10, #bad, bad[1])
        """
    )
    assert host.lines == ["true\t0\tnil"]


def test_errors_of_the_host_hide_what_is_behind(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        local ok, e = pcall(gitops.get_workflow_status, "nope")
        print(type(e), tostring(e), e.message, e.hint, getmetatable(e), "so: " .. e)
        print(e.__traceback__, e.args, e.exit_code)
        """
    )
    assert host.lines == [
        "table\tno workflow has the id 'nope'\tno workflow has the id 'nope'\tthe ids are: \tfalse\tso: no workflow has the id 'nope'",
        "nil\tnil\tnil",
    ]


def test_strings_keep_their_methods_whatever_the_script_does(run: Callable[..., Script], host: MemoryHost) -> None:
    run("function string.shout(s) return s:upper() .. '!' end print(('hi'):shout(), getmetatable(''))")
    run("string.format, string.sub, table.concat, pairs, next = nil, nil, nil, nil, nil log.info('still', 'here')")
    assert host.lines == ["HI!\tnil", "still here"]


def test_a_script_cannot_take_over_the_coroutine_it_runs_in(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        local me, main = coroutine.running()
        print(main, coroutine.isyieldable(), coroutine.status(me))
        print(coroutine.resume(me))
        print(pcall(coroutine.close, me))
        coroutine.wrap(function() print((coroutine.resume(me)), coroutine.status(me)) end)()
        """
    )
    assert host.lines == [
        "true\tfalse\trunning",
        "false\tcannot resume non-suspended coroutine",
        "false\tcannot close a running coroutine",
        "false\tnormal",
    ]


def test_coroutines_work_as_in_lua(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        local co = coroutine.create(function(a, b)
            local c = coroutine.yield(a + b)
            local d, e = coroutine.yield(c * 2)
            return d, e, nil
        end)
        print(coroutine.resume(co, 1, 2)) print(coroutine.resume(co, 10)) print(coroutine.status(co))
        print(coroutine.resume(co, "x", nil)) print(coroutine.status(co)) print(coroutine.resume(co))
        for i in coroutine.wrap(function() for i = 1, 2 do coroutine.yield(i) end end) do print(i) end
        local bad = coroutine.create(function() error("no") end)
        print(coroutine.resume(bad)) print(coroutine.status(bad), coroutine.close(bad))
        print(pcall(coroutine.wrap(function() error({code = 7}) end)))
        print(select(2, pcall(coroutine.wrap(function() error({code = 7}) end))).code)
        print(pcall(coroutine.create, 5))
        """
    )
    assert host.lines[:9] == [
        "true\t3", "true\t20", "suspended", "true\tx\tnil\tnil", "dead", "false\tcannot resume dead coroutine", "1", "2",
        "false\tsloth.lua:10: no",
    ]  # fmt: skip
    assert host.lines[9] == "dead\ttrue"
    assert host.lines[11:] == ["7", "false\tbad argument #1 to 'create' (function expected, got number)"]


def test_pcall_and_xpcall_work_as_in_lua(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        """
        print(pcall(function(...) return select("#", ...), ... end, nil, 2))
        print(xpcall(function(a) return a end, print, 5))
        print(xpcall(function() error("x", 0) end, function(e) return "handled " .. e, 2 end))
        print(pcall(error)) print(pcall(error, nil)) print(pcall(5))
        print(pcall(xpcall, print))
        """
    )
    assert host.lines == [
        "true\t2\tnil\t2",
        "true\t5",
        "false\thandled x\t2",
        "false\tnil",
        "false\tnil",
        "false\tattempt to call a number value",
        "false\tbad argument #2 to 'xpcall' (function expected, got nil)",
    ]


def test_a_module_beside_the_file(run: Callable[..., Script], host: MemoryHost) -> None:
    run(
        "local m = require('lib.deploy') print(m.name, require('lib.deploy') == m, require('lib/deploy.lua').name, x)",
        files={"lib/deploy.lua": "#!/usr/bin/lua\nx = 'global' print(...) return {name = 'deploy'}"},
    )
    assert host.lines == ["lib.deploy", "lib/deploy.lua", "deploy\ttrue\tdeploy\tglobal"]


def test_an_error_in_a_module_names_its_file(run: Callable[..., Script]) -> None:
    with pytest.raises(ScriptError, match=r"^lib/bad.lua:2: attempt to") as caught:
        run("\nrequire('lib.bad')", files={"lib/bad.lua": "local x\nx()"})
    assert caught.value.hint == "called from sloth.lua:2"
    with pytest.raises(ScriptError, match=r"^lib/worse.lua:1: .*near"):
        run("require('lib.worse')", files={"lib/worse.lua": "x x"})


def test_modules_in_a_circle(run: Callable[..., Script]) -> None:
    with pytest.raises(ScriptError, match="a → b → a is a circle"):
        run("require('a')", files={"a.lua": "require('b')", "b.lua": "require('a')"})


def test_the_environment_is_for_trusted_code(run: Callable[..., Script], host: MemoryHost) -> None:
    host.variables["CI"] = "true"
    run("print(env.get('CI'), os.getenv('CI'))")
    assert host.lines == ["true\ttrue"]
    with pytest.raises(UsageError, match="'AWS_TOKEN' is not allowed"):
        run("env.get('AWS_TOKEN')")
    host.trusted = False
    for source in ("env.get('CI')", "os.getenv('CI')", "exec.run('true')", "http.get('http://127.0.0.1:1')"):
        with pytest.raises(UsageError, match="comes from a pull or merge request"):
            run(source)


def test_modules_and_globals_are_the_same(run: Callable[..., Script], host: MemoryHost) -> None:
    names = ("gitops", "log", "json", "yaml", "env", "exec", "http", "task", "workflow", "string", "table", "math")
    run("\n".join(f"assert(require('{name}') == {name})" for name in names))


def test_machines_come_and_go(run: Callable[..., Script], host: MemoryHost) -> None:
    for _ in range(20):
        run("log.info('x')").close()
    gc.collect()
    assert len(host.lines) == 20
