"""The command line: each command is a call into `engine`, shown by `report`.

Nothing heavy is imported here at the top: `--help` has to be there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sloth_ci import __version__
from sloth_ci.boundary import guarded
from sloth_ci.core.errors import Interrupted, SlothError, UsageError
from sloth_ci.hook_commands import hook
from sloth_ci.options import options_of, running, workflow_options
from sloth_ci.output import (
    CHANGES,
    exit_for,
    finding_lines,
    log_tasks,
    show_outcomes,
    show_plans,
    show_tables,
    task_lines,
)

if TYPE_CHECKING:
    from sloth_ci.core.plan import Plan
    from sloth_ci.report.progress import TerminalObserver
    from sloth_ci.startup import Run


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. Ends the process where it has something to say by its exit code."""
    guarded(cli, argv)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sloth-ci")
def cli() -> None:
    """GitOps for Kubernetes that lives in CI, with no control plane.

    One Lua file says what is deployed where. preview says what would change, sync applies exactly that and waits for
    health, rollback puts both the destination and Git back.
    """


@cli.command()
@workflow_options
@click.option("--base", metavar="REV", help="Compare with this revision instead of with the destination.")
@click.option("--head", metavar="REV", help="The revision to preview. [the tip of the workflow's branch]")
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGES} where something would change.")
@click.option("--verbose", "-v", is_flag=True, help="Show every field.")
def preview(base: str | None, head: str | None, exit_code: bool, verbose: bool, **kwargs: Any) -> None:
    """Say exactly what would change.

    Without --base, against what the destination holds now; with it, from one revision to another, Git to Git.
    Without a Lua file: the manifests of this repository, HEAD against where its branch left the default branch.

    \b
    Example:
      sloth-ci preview --base origin/main --head HEAD --target-path manifests
    """
    from sloth_ci.core.gate import needs_approval
    from sloth_ci.engine import preview as engine

    with running(options_of(kwargs, declare_only=True)) as (run, _):
        plans = []
        guarded = set()
        for workflow in run.choose(kwargs["environment"], kwargs["name"]):
            if base is not None:
                plans.append(engine.preview_revisions(run.session, workflow, base, head))
            elif run.builtin and not engine.is_deployed(run.session, workflow):
                before = engine.since_when(run.session, workflow)
                plans.append(engine.preview_revisions(run.session, workflow, before, head))
            else:
                plans.append(engine.preview(run.session, workflow, head=head))
            if needs_approval(plans[-1], workflow.approval_rules):
                guarded.add(plans[-1].digest)
    show_plans(plans, kwargs["form"], kwargs["output"], verbose=verbose, guarded=guarded)
    if any(plan.conflicts for plan in plans):
        sys.exit(4)
    if exit_code and any(plan.changes for plan in plans):
        sys.exit(CHANGES)


@cli.command()
@workflow_options
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGES} where something has drifted.")
@click.option("--verbose", "-v", is_flag=True, help="Show every field.")
def drift(exit_code: bool, verbose: bool, **kwargs: Any) -> None:
    """Say what others changed at the destination since the last sync.

    \b
    Example:
      sloth-ci drift --environment production --exit-code
    """
    from sloth_ci.engine.drift import drift_of_all as engine_drift

    with running(options_of(kwargs, declare_only=True)) as (run, _):
        plans = engine_drift(run.session, run.choose(kwargs["environment"], kwargs["name"]))
    show_plans(plans, kwargs["form"], kwargs["output"], verbose=verbose, drift=True)
    if exit_code and any(plan.changes or plan.drift for plan in plans):
        sys.exit(CHANGES)


@cli.command()
@workflow_options
@click.option("--head", metavar="REV", help="The revision to sync to. [the tip of the workflow's branch]")
@click.option("--approve", metavar="DIGEST", help="Approve the plan of this digest, and apply no other.")
@click.option("--release-hold", is_flag=True, help="Try a revision again that was rolled back before.")
@click.option("--rehearse", is_flag=True, help="Do everything but write.")
def sync(head: str | None, approve: str | None, release_hold: bool, rehearse: bool, **kwargs: Any) -> None:
    """Apply the plan, wait for health, and put everything back if that fails.

    \b
    Example:
      sloth-ci sync --environment production --approve 3f9a…
    """
    from sloth_ci.engine.sync import sync as engine_sync

    with running(options_of(kwargs, rehearse=rehearse, declare_only=True), approve=approve) as (run, _):
        workflow = run.choose_one(kwargs["environment"], kwargs["name"])
        outcome = engine_sync(run.session, workflow, head=head, approved=approve, release_hold=release_hold)
    show_outcomes([outcome], kwargs["form"], kwargs["output"])
    exit_for([outcome])


@cli.command()
@workflow_options
@click.option("--to", default="previous", show_default=True, help="previous, a commit, a timestamp, or a backup.")
@click.option("--reason", default="rollback requested", help="Goes into the history and the revert commit.")
@click.option("--rehearse", is_flag=True, help="Do everything but write.")
def rollback(to: str, reason: str, rehearse: bool, **kwargs: Any) -> None:
    """Put the destination back, then Git.

    \b
    Example:
      sloth-ci rollback --to 2026-11-01T12:00:00Z --reason "checkout fails since noon"
    """
    from sloth_ci.engine.rollback import rollback as engine_rollback

    with running(options_of(kwargs, rehearse=rehearse, declare_only=True)) as (run, _):
        workflow = run.choose_one(kwargs["environment"], kwargs["name"])
        outcome = engine_rollback(run.session, workflow, reason=reason, to=to)
    show_outcomes([outcome], kwargs["form"], kwargs["output"])
    exit_for([outcome])


@cli.command()
@workflow_options
def status(**kwargs: Any) -> None:
    """Say how each workflow is doing.

    \b
    Example:
      sloth-ci status --format json
    """
    from sloth_ci.engine.status import status as engine_status
    from sloth_ci.report.terminal import show_status

    with running(options_of(kwargs, declare_only=True)) as (run, _):
        tables = [engine_status(run.session, w) for w in run.choose(kwargs["environment"], kwargs["name"])]
    show_tables(tables, kwargs, show_status)


@cli.command()
@workflow_options
def history(**kwargs: Any) -> None:
    """Say what was done, newest first.

    \b
    Example:
      sloth-ci history --environment production
    """
    from sloth_ci.engine.status import history as engine_history
    from sloth_ci.report.terminal import show_history

    with running(options_of(kwargs, declare_only=True)) as (run, _):
        tables = engine_history(run.session, run.choose_one(kwargs["environment"], kwargs["name"]))
    show_tables(tables, kwargs, show_history)


@cli.command()
@workflow_options
@click.option("--task", metavar="NAME", help="Run this task, after all it depends on.")
@click.option("--param", "-p", "params", multiple=True, metavar="K=V", help="A parameter of the tasks.")
@click.option("--list", "listing", is_flag=True, help="List the tasks and run none.")
@click.option("--approve", metavar="DIGEST", help="Approve the plan of this digest, and apply no other.")
@click.option("--rehearse", is_flag=True, help="Do everything but write.")
def run(
    task: str | None, params: tuple[str, ...], listing: bool, approve: str | None, rehearse: bool, **kwargs: Any
) -> None:
    """Run the Lua file: its tasks, then each workflow with auto_sync; the others are previewed.

    \b
    Example:
      sloth-ci run --task production_deploy --param reason="new prices"
    """
    given = dict(_pair(text) for text in params)
    options = options_of(kwargs, params=given, rehearse=rehearse or listing)
    with running(options, approve=approve) as (started, observer):
        if listing:
            show_tables([entry._asdict() for entry in started.script.list()], kwargs, task_lines)
            return
        failure: SlothError | None = None
        try:
            ended = [started.script.run_task(task)] if task is not None else started.script.run_definitions()
            for outcome in ended:
                log_tasks(outcome, observer)
                outcome.check()
            if task is None:
                _reconcile(started, observer, kwargs)
        except Interrupted:
            raise
        except SlothError as error:
            failure = error
        show_outcomes(started.api.outcomes, kwargs["form"], kwargs["output"])
        if failure is not None and not any(outcome.status == "failed" for outcome in started.api.outcomes):
            raise failure
        if failure is not None:
            observer.log("error", failure.message)
        exit_for(started.api.outcomes)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--param {text}: expected K=V", 'for example --param reason="new prices"')
    return key, value


def _reconcile(started: Run, observer: TerminalObserver, kwargs: Mapping[str, Any]) -> None:
    """What follows when the file has run to its end."""
    from sloth_ci.engine.controller import loop
    from sloth_ci.engine.reconcile import reconcile
    from sloth_ci.report.terminal import show_plan

    if started.session.auto_sync_started:
        loop(started.session)
        return

    def show(plan: Plan) -> None:
        with observer.paused():
            show_plan(plan, file=sys.stderr if kwargs["form"] == "json" else sys.stdout)

    outcomes, problem = reconcile(started.session, {o.workflow_id for o in started.api.outcomes}, show)
    started.api.outcomes.extend(outcomes)
    if problem is not None:
        raise problem


@cli.command()
@workflow_options
def controller(**kwargs: Any) -> None:
    """Sync every workflow with auto_sync at its interval, until SIGTERM.

    \b
    Example:
      sloth-ci controller --workflow sloth.lua
    """
    from sloth_ci.engine.controller import loop

    with running(options_of(kwargs, declare_only=True)) as (started, _):
        if not any(workflow.auto_sync for workflow in started.session.workflows.values()):
            raise UsageError(
                "no workflow has auto_sync = true, so there is nothing to sync",
                "set it in the Lua file, or run sloth-ci sync",
            )
        loop(started.session)


@cli.command()
def ci() -> None:
    """Do what this CI job is for: rehearse a pull request, deploy a push, answer a comment, look for drift.

    The action and the template run it. It reads the job's event from the environment, and its inputs: INPUT_ variables on
    GitHub, SLOTH_ variables on GitLab.

    \b
    Example:
      sloth-ci ci     # in a job of GitHub Actions or GitLab CI: `sloth-ci init` writes one
    """
    from sloth_ci.ci.main import run as run_job

    run_job()


@cli.command()
@workflow_options
@click.option("--reason", default="", help="What people are told.")
def lock(reason: str, **kwargs: Any) -> None:
    """Let nothing be synced until somebody takes it back. A rollback may go ahead all the same.

    \b
    Example:
      sloth-ci lock --environment production --reason "Black Friday"
    """
    from sloth_ci.core.ledger import Suspension
    from sloth_ci.engine.suspend import suspend

    with running(options_of(kwargs, declare_only=True)) as (run, observer):
        for workflow in run.choose(kwargs["environment"], kwargs["name"]):
            by = run.session.holder
            there = suspend(run.session, workflow, Suspension(by=by, at=run.session.clock(), reason=reason))
            if there is None:
                observer.log("info", f"{workflow.name} is locked")
                continue
            kept = "; your reason is not taken: unlock it first" if reason not in {"", there.reason} else ""
            observer.log("warn" if kept else "info", f"{workflow.name} was {there.told()} already{kept}")


@cli.command()
@workflow_options
def unlock(**kwargs: Any) -> None:
    """Take back a lock, whoever locked it.

    \b
    Example:
      sloth-ci unlock --environment production
    """
    from sloth_ci.engine.suspend import resume

    with running(options_of(kwargs, declare_only=True)) as (run, observer):
        for workflow in run.choose(kwargs["environment"], kwargs["name"]):
            there = resume(run.session, workflow, by=run.session.holder)
            told = f"; it was locked by {there.by}" if there else "; it was not locked"
            observer.log("info", f"{workflow.name} is free{told}")


@cli.command()
@click.option("--target-path", metavar="PATH", help="The folder of the manifests. [found by looking]")
@click.option("--ci", type=click.Choice(["auto", "github", "gitlab", "none"]), default="auto", show_default=True)
@click.option("--hook/--no-hook", default=True, show_default=True, help="Write a pre-push hook that shows a preview.")
def init(target_path: str | None, ci: str, hook: bool) -> None:
    """Write a starter workflow, a CI file and a hook. What is there already is left alone.

    \b
    Example:
      sloth-ci init --target-path manifests --ci github
    """
    from sloth_ci.hook.install import Offered, offer
    from sloth_ci.report.text import visible
    from sloth_ci.scaffold import scaffold

    done = scaffold(Path.cwd(), target_path=target_path, ci=ci)
    hooked = offer(Path.cwd(), os.environ) if hook else Offered()
    for name in filter(None, [*done.written, hooked.written]):
        click.echo(f"wrote {name}")
    for name in filter(None, [*done.there, hooked.there]):
        click.echo(f"kept  {name}, which is there already")
    if done.note:
        click.echo(f"note: {visible(done.note)}")
    for step in filter(None, [*done.following, hooked.following]):
        click.echo(f"next: {visible(step)}")


@cli.command()
@workflow_options
def doctor(**kwargs: Any) -> None:
    """Say what is missing, and the command that mends it.

    \b
    Example:
      sloth-ci doctor
    """
    from sloth_ci.engine.doctor import machine, workflow_findings
    from sloth_ci.hook.install import findings as hook_findings

    with running(options_of(kwargs, declare_only=True)) as (started, _):
        findings = [*machine(started.session), *hook_findings(Path.cwd(), os.environ)]
        for workflow in started.choose(kwargs["environment"], kwargs["name"]):
            findings += workflow_findings(started.session, workflow)
    show_tables([finding.table() for finding in findings], kwargs, finding_lines)
    if not all(finding.ok for finding in findings if finding.needed):
        sys.exit(UsageError.exit_code)


cli.add_command(hook)


if __name__ == "__main__":
    main()
