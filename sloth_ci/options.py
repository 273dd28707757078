"""What the commands share that read the Lua file: their options, and the session they run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sloth_ci.core.errors import Interrupted

if TYPE_CHECKING:
    from sloth_ci.core.plan import Plan
    from sloth_ci.report.progress import TerminalObserver
    from sloth_ci.startup import Options, Run

_ENDS = {"recorded", "reverted"}
"""Checkpoints behind which nothing of a sync or a rollback is left to do."""

F = TypeVar("F", bound=Callable[..., Any])


def workflow_options(command: F) -> F:
    """What every command that reads the Lua file takes."""
    for option in reversed(
        (
            click.option(
                "--workflow", "workflow_file", metavar="FILE", help="The Lua file. [sloth.lua, .sloth/workflow.lua]"
            ),
            click.option("--environment", "-e", metavar="NAME", help="Only the workflows of this environment."),
            click.option("--name", metavar="NAME", help="Only the workflow of this name."),
            click.option("--target-path", metavar="PATH", help="The folder of the manifests, instead of the file's."),
            click.option(
                "--format", "form", type=click.Choice(["terminal", "markdown", "json", "html"]), default="terminal"
            ),
            click.option("--output", "-o", metavar="FILE", help="Write the report there instead of to stdout."),
            click.option("--allow-env", multiple=True, metavar="NAME", help="Let the Lua file read this variable."),
        )
    ):
        command = option(command)
    return command


def options_of(kwargs: Mapping[str, Any], **more: Any) -> Options:
    """What they were given, for `startup.start`."""
    from sloth_ci.startup import Options

    return Options(
        workflow_file=kwargs["workflow_file"],
        target_path=kwargs["target_path"],
        allow_env=kwargs["allow_env"],
        **more,
    )


@contextmanager
def running(options: Options, *, approve: str | None = None) -> Iterator[tuple[Run, TerminalObserver]]:
    """A session with its Lua file read; SIGTERM and Ctrl-C end it at the next safe point."""
    from sloth_ci.forge.local import LocalGate
    from sloth_ci.report.progress import TerminalObserver
    from sloth_ci.report.terminal import show_plan
    from sloth_ci.startup import start, stoppable

    with TerminalObserver(file=sys.stderr) as observer:

        def show(plan: Plan) -> None:
            show_plan(plan, file=sys.stderr)

        gate = LocalGate(stdin=sys.stdin, stderr=sys.stderr, approved=approve, show=show, paused=observer.paused)
        done: list[str] = []
        run = start(options, environ=os.environ, observer=observer, gate=gate, checkpoint=done.append)
        try:
            with stoppable(run):
                yield run, observer
        except KeyboardInterrupt:
            begun = bool(done) and done[-1] not in _ENDS
            raise Interrupted("stopped", "the next sync goes on from here" if begun else None) from None
