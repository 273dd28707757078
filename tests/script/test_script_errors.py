"""What a user reads when the Lua is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import LockedError, SlothError, UsageError
from sloth_ci.script.errors import ScriptError
from sloth_ci.script.run import Script, load
from support.luahost import MemoryHost, load_text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("local x\nx.y = 1", "sloth.lua:2: attempt to index a nil value (local 'x')"),
        ("x = = 1", "sloth.lua:1: unexpected symbol near '='"),
        ("\n\nerror('no')", "sloth.lua:3: no"),
        ("error('no', 0)", "sloth.lua:1: no"),
        ("error({message = 'from a table'})", "sloth.lua:1: from a table"),
        ("error({code = 1})", "sloth.lua:1: the script raised a table as its error; raise a string, or a table with a message"),
        ("error()", "sloth.lua:1: the script raised an error without a value"),
        ("error(nil)", "sloth.lua:1: the script raised an error without a value"),
        ("error(42)", "sloth.lua:1: 42"),
        ("error(true)", "sloth.lua:1: true"),
        ("error(print)", "sloth.lua:1: the script raised a function as its error; raise a string, or a table with a message"),
        ("error('\\xff\\xfe')", "sloth.lua:1: \ufffd\ufffd"),
        ("assert(false)", "sloth.lua:1: assertion failed!"),
        ("assert(nil, 'so')", "sloth.lua:1: so"),
        ("local function f() return f() + 1 end f()", "sloth.lua:1: stack overflow"),
        ("gitops.sync_workflow()", "sloth.lua:1: gitops.sync_workflow: argument 1 (workflow_id) is the id of a workflow, got nil"),
        ("gitops.sync_workflow(5)", "sloth.lua:1: gitops.sync_workflow: argument 1 (workflow_id) is the id of a workflow, got a number"),
        ("gitops.generate_diff({})", "sloth.lua:1: gitops.generate_diff: argument 1 (workflow_id) is the id of a workflow, got a table"),
        ("gitops.preview_changes(print)", "sloth.lua:1: gitops.preview_changes: argument 1 (workflow_id) is the id of a workflow, got a function"),
        ("gitops.get_workflow_status('')", "sloth.lua:1: gitops.get_workflow_status: argument 1 (workflow_id) is the id of a workflow, got an empty string"),
        ("gitops.rollback_workflow('w', 5)", "sloth.lua:1: gitops.rollback_workflow: argument 2 (reason) is a string, got a number"),
        ("gitops.rollback_workflow('w', 'r', {1})", "sloth.lua:1: gitops.rollback_workflow: argument 3 (to) is a string, got a table"),
        ("gitops.workflow()", "sloth.lua:1: gitops.workflow: argument 1 is a table with keys, got nil"),
        ("gitops.create_workflow({'x'})", "sloth.lua:1: gitops.create_workflow: argument 1 is a table with keys, got a list"),
        ("gitops.workflow({})", "sloth.lua:1: gitops.workflow: no repository"),
        ("gitops.sync_workflow('nope')", "sloth.lua:1: no workflow has the id 'nope'"),
        ("gitops.sync('x')", "sloth.lua:1: gitops has no function 'sync' (did you mean 'sync_workflow'?)"),
        ("log.warning('x')", "sloth.lua:1: log has no function 'warning' (did you mean 'warn'?)"),
        ("print(gitops.workflow({repo = 'x'}).workflow)", "sloth.lua:1: a workflow has no field 'workflow' (did you mean 'workflow_id'?)"),
        ("local t = {} t.t = t gitops.workflow(t)", "sloth.lua:1: gitops.workflow: argument.t: the table contains itself"),
        ("gitops.workflow({a = {b = {[1] = coroutine.create(print)}}})", "sloth.lua:1: gitops.workflow: argument.a.b[1]: a thread cannot be handed over"),
        ("gitops.workflow({[print] = 1})", "sloth.lua:1: gitops.workflow: argument: a function cannot be a key here"),
        ("gitops.workflow({repo = '\\xff'})", "sloth.lua:1: gitops.workflow: argument.repo: a string that is not UTF-8 text"),
        ("local t = {} for i = 1, 200 do t = {t} end gitops.workflow(t)", "nested deeper than 128 tables"),
        ("json.encode({x = 0/0})", "sloth.lua:1: json.encode: nan is no number that a document can hold"),
        ("json.encode(print)", "sloth.lua:1: json.encode: a function is no data"),
        ("json.decode('{')", "sloth.lua:1: json.decode: "),
        ("json.decode('NaN')", "sloth.lua:1: json.decode: NaN is no JSON"),
        ("json.decode()", "sloth.lua:1: json.decode: argument 1 (text) is a string, got nil"),
        ("yaml.decode('a: [')", "sloth.lua:1: yaml.decode: line "),
        ("io.read('n') .. nil", "sloth.lua:1: "),
        ("sleep('soon')", "sloth.lua:1: sleep: expected a duration"),
    ],
)  # fmt: skip
def test_the_message_names_the_place(run: Callable[..., Script], source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(source)
    assert message in caught.value.message
    assert caught.value.message.startswith("sloth.lua:")
    assert caught.value.exit_code == 2
    assert "/" not in caught.value.message.split(" ")[0]


def test_callers_are_named(run: Callable[..., Script]) -> None:
    with pytest.raises(ScriptError) as caught:
        run("local function inner()\n  error('deep')\nend\nlocal function outer()\n  inner()\n  return 1\nend\nouter()")
    assert caught.value.message == "sloth.lua:2: deep"
    assert caught.value.hint == "called from sloth.lua:5, sloth.lua:8"


def test_an_error_of_the_host_keeps_class_code_and_hint(run: Callable[..., Script], host: MemoryHost) -> None:
    def locked(name: str) -> None:
        raise LockedError(f"{name} is being synced", "wait")

    host.before_sync = locked
    with pytest.raises(LockedError) as caught:
        run("local w = gitops.workflow({repo = 'x'})\ngitops.sync_workflow(w)")
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == ("x is being synced", "wait", 11)
    assert caught.value.__notes__ == ["called at sloth.lua:2"]


def test_an_error_of_the_host_can_be_caught_and_raised_again(run: Callable[..., Script], host: MemoryHost) -> None:
    def locked(_name: str) -> None:
        raise LockedError("busy")

    host.before_sync = locked
    run(
        """
        local w = gitops.workflow({repo = "x"})
        local ok, e = pcall(gitops.sync_workflow, w)
        print(ok, tostring(e), "caught: " .. e)
        """
    )
    assert host.lines == ["false\tbusy\tcaught: busy"]
    with pytest.raises(LockedError):
        run("local ok, e = pcall(gitops.sync_workflow, gitops.workflow({repo = 'x'})) error(e, 0)")
    with pytest.raises(LockedError):
        run("coroutine.wrap(function() gitops.sync_workflow(gitops.workflow({repo = 'x'})) end)()")


def test_many_caught_errors_do_not_pile_up(run: Callable[..., Script], host: MemoryHost) -> None:
    with pytest.raises(ScriptError, match="no workflow has the id"):
        run(
            """
            local _, first = pcall(gitops.sync_workflow, "first")
            for i = 1, 3000 do pcall(gitops.sync_workflow, "x" .. i) end
            error(first)
            """
        )


def test_a_fault_of_ours_goes_through_the_script(run: Callable[..., Script], host: MemoryHost) -> None:
    def broken(_name: str) -> None:
        raise ZeroDivisionError

    host.before_sync = broken
    source = "local w = gitops.workflow({repo = 'x'}) pcall(gitops.sync_workflow, w) print('never')"
    with pytest.raises(ZeroDivisionError):
        run(source)
    with pytest.raises(ZeroDivisionError):
        run("local w = gitops.workflow({repo = 'x'}); ('a'):gsub('a', function() pcall(gitops.sync_workflow, w) end)")
    assert host.lines == []


def test_an_interrupt_stops_the_script(run: Callable[..., Script], host: MemoryHost) -> None:
    def interrupt(_name: str) -> None:
        raise KeyboardInterrupt

    host.before_sync = interrupt
    for source in (
        "while true do pcall(gitops.sync_workflow, w) end",
        "while true do ('a'):gsub('a', function() pcall(gitops.sync_workflow, w) end) end",
        "while true do pcall(coroutine.wrap(function() gitops.sync_workflow(w) end)) end",
    ):
        with pytest.raises(KeyboardInterrupt):
            run(f"local w = gitops.workflow({{repo = 'x'}}) {source}")


def test_pending_close_variables_do_not_outlive_an_interrupt(run: Callable[..., Script], host: MemoryHost) -> None:
    def interrupt(_name: str) -> None:
        raise KeyboardInterrupt

    host.before_sync = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(
            """
            local w = gitops.workflow({repo = "x"})
            local guard <close> = setmetatable({}, {__close = function() while true do log.info("closing") end end})
            gitops.sync_workflow(w)
            """
        )
    assert host.lines == []


def test_a_file_that_is_not_there(tmp_path: Path, host: MemoryHost) -> None:
    with pytest.raises(UsageError, match="there is no workflow file") as caught:
        load(tmp_path / "sloth.lua", host)
    assert caught.value.hint


@pytest.mark.parametrize(
    "source",
    [b"\xef\xbb\xbfprint('x')", b"#!/usr/bin/env sloth\r\nprint('x')\r\n", b"print('x') -- \xff\xfe", b"print('x')\r"],
)
def test_files_as_editors_leave_them(tmp_path: Path, host: MemoryHost, source: bytes) -> None:
    (tmp_path / "sloth.lua").write_bytes(source)
    load(tmp_path / "sloth.lua", host).close()
    assert host.lines == ["x"]


def test_lines_keep_their_numbers(run: Callable[..., Script]) -> None:
    with pytest.raises(ScriptError, match=r"^sloth.lua:2: "):
        run("#!/usr/bin/env sloth\nnope()")


def test_bytecode_is_no_workflow(tmp_path: Path, host: MemoryHost) -> None:
    (tmp_path / "sloth.lua").write_bytes(b"\x1bLua\x54\x00")
    with pytest.raises(ScriptError, match="attempt to load a binary chunk"):
        load(tmp_path / "sloth.lua", host)


def test_a_file_of_a_revision(host: MemoryHost) -> None:
    files = {"sloth.lua": b"print(require('lib.x'))", "lib/x.lua": b"return 'from Git'"}
    load(Path("anywhere/sloth.lua"), host, reader=files.get).close()
    assert host.lines == ["from Git"]
    with pytest.raises(ScriptError, match=r"there is no file anywhere/nope\.lua"):
        load(Path("anywhere/sloth.lua"), host, reader={"sloth.lua": b"require('nope')"}.get)


def test_paths_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: MemoryHost
) -> None:
    long = tmp_path / ("d" * 60) / "with space"
    long.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScriptError) as caught:
        load_text("\nerror('x')", host, long)
    assert caught.value.message == f"{'d' * 60}/with space/sloth.lua:2: x"


def test_a_huge_file_is_refused(tmp_path: Path, host: MemoryHost) -> None:
    (tmp_path / "sloth.lua").write_bytes(b" " * (5 * 1024 * 1024))
    with pytest.raises(SlothError, match="larger than 4 MiB"):
        load(tmp_path / "sloth.lua", host)


def test_no_argument_is_a_fault_of_ours(run: Callable[..., Script], host: MemoryHost) -> None:
    """Every function, with all kinds of arguments: an error of the user or a result, nothing else."""
    text = """
        local cycle = {} cycle.x = cycle
        local odd = {
            false, 0, -1, 1.5, 1e308, "", "x", "\\xff", ("y"):rep(5000), {}, {1, 2}, {x = 1}, {[1] = 1, [3] = 2}, cycle,
            function() end, coroutine.create(function() end), task("t"), {["\\0task"] = 5}, {["\\0builder"] = 5},
            {["\\0task"] = {}}, setmetatable({}, {__index = error}), math.huge, math.mininteger,
        }
        local function try(f)
            pcall(f)
            for _, a in ipairs(odd) do
                pcall(f, a) pcall(f, "x", a) pcall(f, {a}) pcall(f, {name = "n", tasks = a, repo = a}) pcall(f, a, a, a, a, a)
                pcall(f, "w" .. tostring(a):sub(1, 20), {tasks = {a}})
            end
        end
        for _, module in ipairs({gitops, log, json, yaml, env, workflow, http}) do
            for _, f in next, module do try(f) end
        end
        try(task) try(require) try(load) try(print) try(setmetatable) try(io.read) try(os.getenv) try(error)
        for _, name in ipairs({"description", "command", "run", "depends_on", "timeout", "retries", "workdir", "run_if",
                               "abort_if", "on_success", "on_failure", "params", "artifacts", "build"}) do
            for i, a in ipairs(odd) do
                pcall(function() local t = task(name .. i) t[name](t, a) t:run("true"):build() end)
                pcall(function() local t = task(name .. i .. "b") t[name](t, a, a, a, a) t:run("true"):build() end)
                pcall(workflow.define, name .. i, {tasks = {{name = "x", run = "true", [name] = a}}})
            end
        end
        for _, library in ipairs({string, table, math, utf8, coroutine, os}) do
            for name, f in next, library do try(f) end
        end
        print("done")
        """
    with pytest.raises(UsageError, match="which is not there"):  # one of the tasks has a strange dependency
        run(text)
    assert host.lines[-1] == "done"
