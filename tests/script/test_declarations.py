"""task(...) and workflow.define(...): what can be said, and what is told to whoever says it wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.script.run import Listed, Script

FULL = """
task("build")
    :description("Build it")
    :command(function() return true end)
    :timeout("5m")
    :retries(3, "linear", "1s")
    :workdir("app")
    :run_if(function() return true end)
    :abort_if("test -f stop")
    :on_success(function() end)
    :on_failure(function() end)
    :params({target = "all"})
    :artifacts("dist/*.tar", "report.xml")
    :build()
task("a"):run("true"):depends_on("build"):build()
task("b"):run("true"):depends_on({"a", "build"}):build()
task("c"):run("true"):depends_on("a", "b"):depends_on("build", "a"):timeout(1.5):retries(2):build()
"""


def test_every_method_of_the_builder(run: Callable[..., Script]) -> None:
    tasks = run(FULL).tasks
    build = tasks["build"]
    assert (build.description, build.timeout, build.workdir, build.abort_if) == (
        "Build it",
        300.0,
        "app",
        "test -f stop",
    )
    assert (build.retry.limit, build.retry.delays()) == (3, [1.0, 2.0, 3.0])
    assert build.params == {"target": "all"}
    assert build.artifacts == ("dist/*.tar", "report.xml")
    assert build.where == "sloth.lua:14"
    assert callable(build.command)
    assert callable(build.run_if)
    assert callable(build.on_success)
    assert callable(build.on_failure)
    assert (tasks["a"].depends_on, tasks["b"].depends_on) == (("build",), ("a", "build"))
    assert tasks["c"].depends_on == ("a", "b", "build")
    assert (tasks["c"].timeout, tasks["c"].retry.limit, tasks["c"].retry.backoff) == (1.5, 2, "exponential")


def test_definitions_take_tables_and_built_tasks(run: Callable[..., Script]) -> None:
    script = run(
        """
        local built = task("built"):description("made before"):run("true"):build()
        assert(built.name == "built" and built.description == "made before" and built.nope == nil)
        task("alone"):run("true"):depends_on("built"):build()
        workflow.define("list", {
            description = "d", version = "1.2", parallel = true, max_parallel = 3,
            tasks = { built, {name = "inline", run = "true", depends_on = "built", retries = {limit = 1, delay = 0}} },
            on_start = function() end, on_complete = function() end,
        })
        workflow.define("map", { version = 2, parallel = 2, tasks = { x = {run = "true"}, y = {run = "true", depends_on = {"x"}} } })
        workflow.define("empty", { tasks = {} })
        """
    )
    listed, mapped, empty = script.workflow_definitions.values()
    assert (listed.description, listed.version, listed.parallel, [*listed.tasks]) == (
        "d",
        "1.2",
        3,
        ["built", "inline"],
    )
    assert set(listed.hooks) == {"on_start", "on_complete"}
    assert (mapped.version, mapped.parallel, set(mapped.tasks)) == ("2", 2, {"x", "y"})
    assert (empty.parallel, dict(empty.tasks)) == (1, {})
    assert script.list()[:2] == [
        Listed("built", "list", "made before", (), "sloth.lua:2"),
        Listed("inline", "list", "", ("built",), "sloth.lua:5"),
    ]
    assert script.list()[-1] == Listed("alone", None, "", ("built",), "sloth.lua:4")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("task()", "task: expected a name, got nil"),
        ("task('')", "task: expected a name, got an empty string"),
        ("task({})", "task: expected a name, got a table"),
        ("task('x'):comand(print)", "task 'x' has no method 'comand' (did you mean 'command'?)"),
        ("task('x').commands = print", "task 'x': set 'commands' by calling :commands(...)"),
        ("task('x'):command(nil)", "task 'x': command takes a function or a shell command, got nil"),
        ("task('x'):run({})", "task 'x': run takes a function or a shell command, got a table"),
        ("task('x'):description(5)", "task 'x': description takes a string, got a number"),
        ("task('x'):on_success('true')", "task 'x': on_success takes a function, got a string"),
        ("task('x'):depends_on(5)", "task 'x': depends_on takes strings, got a number"),
        ("task('x'):depends_on(nil)", "task 'x': depends_on takes strings, got nil"),
        ("task('x'):depends_on({'a', {}})", "task 'x': depends_on takes strings, got a table"),
        ("task('x'):build()", "task 'x': it has no command"),
        ("task('x'):run('true'):timeout('soon'):build()", "task 'x': 'timeout': expected a duration"),
        ("task('x'):run('true'):timeout(-1):build()", "a duration cannot be negative"),
        ("task('x'):run('true'):retries('many'):build()", "task 'x': 'retries.limit': expected a whole number, got a string"),
        ("task('x'):run('true'):retries(-1):build()", "task 'x': 'retries': a number of times, not -1"),
        ("task('x'):run('true'):retries(1, 'random'):build()", "'retries.backoff'"),
        ("task('x'):run('true'):build() task('x'):run('true'):build()", "task 'x' is built twice, first at sloth.lua:1"),
        ("task('x'):run('true'):build().name2 = 1", "task 'x' is built"),
        ("task('x'):run('true'):depends_on('y'):build()", "task 'x' depends on 'y', which is not there"),
        ("workflow.define()", "workflow.define: the first argument is the name"),
        ("workflow.define('w')", "the second argument of 'w' is a table"),
        ("workflow.define('w', {})", "workflow 'w' has no tasks"),
        ("workflow.define('w', {task = {}})", "workflow 'w': unknown key 'task'"),
        ("workflow.define('w', {tasks = 5})", "workflow 'w': 'tasks' is a list of tasks"),
        ("workflow.define('w', {tasks = {5}})", "workflow 'w': task 1: expected a table or a built task"),
        ("workflow.define('w', {tasks = {task('x'):run('true')}})", "workflow 'w': task 1: this task is not built"),
        ("workflow.define('w', {tasks = task('x'):run('true'):build()})", "workflow 'w': 'tasks' is one task"),
        ("workflow.define('w', {tasks = {name = 'x', command = print}})", "workflow 'w': 'tasks' is one task"),
        ("workflow.define('w', {tasks = {{command = print}}})", "workflow 'w': task 1: it has no name"),
        ("workflow.define('w', {tasks = {x = {name = 'y', command = print}}})", "task 'x': it calls itself 'y'"),
        ("workflow.define('w', {tasks = {{name = 'x'}}})", "workflow 'w': task 1: it has no command"),
        ("workflow.define('w', {tasks = {{name = 'x', command = print, run = 'true'}}})", "'run' and 'command' are the same"),
        ("workflow.define('w', {tasks = {{name = 'x', command = 5}}})", "task 1: command is a function or a shell command"),
        ("workflow.define('w', {tasks = {{name = 'x', command = print, dependson = 'y'}}})", "unknown key 'dependson'"),
        ("workflow.define('w', {tasks = {{name = 'x', run = 'a'}, {name = 'x', run = 'b'}}})", "two tasks are called 'x'"),
        ("workflow.define('w', {tasks = {{name = 'x', run = 'a', depends_on = 'z'}}})", "task 'x' depends on 'z'"),
        ("workflow.define('w', {tasks = {}, on_start = 'x'})", "workflow 'w': on_start is a function"),
        ("workflow.define('w', {tasks = {}, on_end = print})", "unknown key 'on_end'"),
        ("workflow.define('w', {tasks = {}, parallel = 0})", "the number of tasks at a time is at least 1"),
        ("workflow.define('w', {tasks = {}}) workflow.define('w', {tasks = {}})", "workflow 'w' is defined twice"),
        ("workflow.run()", "workflow has no function 'run'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(run: Callable[..., Script], source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(source)
    assert message in caught.value.message
    assert caught.value.message.startswith("sloth.lua:1: ") or "depends on 'y'" in message


def test_hints_name_what_was_meant(run: Callable[..., Script]) -> None:
    with pytest.raises(UsageError) as caught:
        run(
            "workflow.define('w', {tasks = {{name = 'deploy', run = 'x', depends_on = 'biuld'}, {name = 'build', run = 'y'}}})"
        )
    assert caught.value.hint == "did you mean 'build'?"
    with pytest.raises(UsageError) as caught:
        run("task('b'):run('x'):build() workflow.define('w', {tasks = {{name = 'a', run = 'x', depends_on = 'b'}}})")
    assert caught.value.hint == "add 'b' to its tasks"
    with pytest.raises(UsageError) as caught:
        run("workflow.define('w', {tasks = {{name = 'a', run = 'x', dependson = 'b'}}})")
    assert caught.value.hint == "did you mean 'depends_on'?"


@pytest.mark.parametrize(
    ("edges", "circle"),
    [
        ({"a": "a"}, "a → a"),
        ({"a": "b", "b": "c", "c": "a"}, "a → b → c → a"),
        ({"x": "b", "a": "c", "b": "a", "c": "b"}, "a → c → b → a"),
    ],
)
def test_a_cycle_names_itself(run: Callable[..., Script], edges: dict[str, str], circle: str) -> None:
    tasks = ", ".join(f"{{name = '{name}', run = 'true', depends_on = '{to}'}}" for name, to in edges.items())
    with pytest.raises(UsageError) as caught:
        run(f"workflow.define('w', {{tasks = {{{tasks}}}}})")
    assert caught.value.message == f"sloth.lua:1: workflow 'w': tasks wait for each other: {circle}"
    built = "\n".join(f"task('{name}'):run('true'):depends_on('{to}'):build()" for name, to in edges.items())
    with pytest.raises(UsageError, match=circle):
        run(built)


def test_which_task_is_meant(run: Callable[..., Script]) -> None:
    script = run(
        """
        local noop = function() end
        for _, name in ipairs({"one", "two"}) do
            workflow.define(name, {tasks = {{name = "deploy", command = noop}, {name = name .. "-check", command = noop}}})
        end
        """
    )
    with pytest.raises(UsageError) as caught:
        script.run_task("deploy")
    assert caught.value.hint == "say which: one/deploy, two/deploy"
    assert script.run_task("two/deploy").name == "two"
    with pytest.raises(UsageError) as caught:
        script.run_task("two-chek")
    assert caught.value.hint == "did you mean 'two-check'?"
    with pytest.raises(UsageError, match="declares none"):
        run("").run_task("x")
