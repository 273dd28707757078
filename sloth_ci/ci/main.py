"""What the container runs: find out why, do what is to be done, and leave the outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sloth_ci.ci.comment import answer_comment
from sloth_ci.ci.deploy import deploy, sync_all
from sloth_ci.ci.event import Event, Kind
from sloth_ci.ci.gate import ForgeGate
from sloth_ci.ci.inputs import Command, Inputs
from sloth_ci.ci.job import Job
from sloth_ci.ci.manual import diagnose, preview_all, roll_back
from sloth_ci.ci.rehearse import rehearse
from sloth_ci.ci.relay import relay
from sloth_ci.ci.runner import runner_of
from sloth_ci.ci.tidy import tidy
from sloth_ci.ci.timing import Timed
from sloth_ci.ci.watch import look_for_drift, only_drift
from sloth_ci.ci.workspace import become_owner, environment, workspace_of
from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.words import plural
from sloth_ci.engine.session import Stop
from sloth_ci.report.progress import TerminalObserver

Flow = Callable[[Job], int]

_BY_EVENT: Mapping[Kind, Flow] = {
    "pull_request": rehearse,
    "review": rehearse,
    "merge_group": rehearse,
    "push": deploy,
    "dispatch": deploy,
    "schedule": look_for_drift,
    "comment": answer_comment,
    "relay": relay,
}
_BY_COMMAND: Mapping[Command, Flow] = {
    "sync": sync_all,
    "run": deploy,
    "drift": only_drift,
    "rollback": roll_back,
    "report": relay,
    "doctor": diagnose,
}


def main(environ: Mapping[str, str]) -> int:
    """Run a job and return its exit code. Raises SlothError, which is told to the runner, too."""
    runner = runner_of(environ)
    outputs = runner.outputs(environ)
    try:
        workspace = workspace_of(environ)
        become_owner(workspace, environ)
        inputs = runner.read_inputs(environ)
        event = runner.read_event(environ)
        variable = runner.token_variable
        with (
            environment(environ, inputs, workspace, token_variable=variable) as env,
            TerminalObserver(file=sys.stderr) as terminal,
        ):
            stop, observer = Stop(), Timed(terminal)
            forge = runner.forge(inputs, event, env, notice=partial(observer.log, "warn"), pause=stop.wait)
            flow = flow_of(inputs, event)
            gate = ForgeGate(forge, least_approvals=inputs.least_approvals)
            job = Job(
                environ=env,
                inputs=inputs,
                event=runner.complete(event, forge),
                forge=forge,
                gate=gate,
                outputs=outputs,
                observer=observer,
                workspace=workspace,
                stop=stop,
                pages=runner.pages(environ),
                findings=runner.findings,
            )
            try:
                return flow(job)
            finally:
                observer.log("info", f"{observer.told()}; {plural(forge.requests, 'request')} to the forge")
    except SlothError as error:
        outputs.error(f"{error.message}\n{error.hint}" if error.hint else error.message)
        raise


def flow_of(inputs: Inputs, event: Event) -> Flow:
    """What is to be done: what the input `command` says, else what the event asks for.

    Raises UsageError where a pull request asks for what only the base branch may do.
    """
    command = inputs.command
    if event.kind == "nothing":
        return _nothing
    if event.kind == "dispatch" and command not in {"preview", "drift"} and event.branch != event.default_branch:
        raise UsageError(
            f"this would be done with the Lua of {event.branch or 'a tag'}", f"run it on {event.default_branch}"
        )
    if command == "preview":
        return rehearse if event.kind in {"pull_request", "review", "merge_group"} else preview_all
    if command != "auto":
        if event.kind not in {"push", "schedule", "dispatch"} and (command, event.kind) != ("report", "relay"):
            raise UsageError(
                f"command: {command}: what is under review is only ever rehearsed, and a comment says itself what it asks for",
                "leave `command` out, or use it on a push, on a schedule, or where the job is started by hand",
            )
        return _BY_COMMAND[command]
    if event.kind == "pull_request" and event.action == "closed":
        return tidy
    return _BY_EVENT[event.kind]


def _nothing(job: Job) -> int:
    """A webhook tells of more than there is to do something for."""
    job.observer.log("info", f"there is nothing to do for '{job.event.action}'")
    return 0


def run() -> None:
    """For the command line. Ends the process."""
    sys.exit(main({**os.environ, "PWD": str(Path.cwd())}))
