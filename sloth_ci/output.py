"""What a command prints: plans, outcomes and tables, as text, Markdown or JSON, to stdout or to a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sloth_ci.core.errors import ApplyError, RolledBackError, UnhealthyError, UsageError

if TYPE_CHECKING:
    from sloth_ci.core.events import Level, Observer
    from sloth_ci.core.outcome import Outcome
    from sloth_ci.core.plan import Plan
    from sloth_ci.script.outcome import RunOutcome


CHANGES = 20
"""Exit code of `preview --exit-code`, and of a job's `fail-on`, where something would change."""


def _emit(output: str | None, show: Callable[[TextIO], None]) -> None:
    """Show to stdout, or to a file that is there as a whole or not at all."""
    if output is None:
        show(sys.stdout)
        sys.stdout.flush()
        return
    path = Path(output)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            show(file)
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write {output}: {error.strerror}", "name a file in a folder that can be written"
        ) from None


def show_plans(
    plans: list[Plan],
    form: str,
    output: str | None,
    *,
    verbose: bool,
    guarded: Collection[str] = (),
    drift: bool = False,
) -> None:
    """Plans in the format that was asked for. `guarded`: the digests of those that need an approval.

    `drift`: they are of what was synced last, so what they change is what others did since.
    """
    from sloth_ci.report import document, markdown, terminal

    def show(file: TextIO) -> None:
        if form == "json":
            file.write(document.to_json(document.plans_document(plans, _now()), pretty=True) + "\n")
        elif form == "markdown":
            file.write(markdown.plans_markdown(plans))
        elif form == "html":
            file.write(_html(plans, [], guarded))
        else:
            show_one = terminal.show_drift if drift else terminal.show_plan
            for index, plan in enumerate(plans):
                file.write("\n" if index else "")
                show_one(plan, file=file, detail="full" if verbose else "auto")

    _emit(output, show)


def _html(plans: Sequence[Plan], outcomes: Sequence[Outcome], guarded: Collection[str] = ()) -> str:
    from sloth_ci.report.comment import Shown
    from sloth_ci.report.html import html_report

    shown = [Shown(plan=plan, required=plan.digest in guarded) for plan in plans]
    return html_report(shown, outcomes=outcomes, generated_at=_now())


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


def show_outcomes(outcomes: Sequence[Outcome], form: str, output: str | None) -> None:
    """What became of syncs and rollbacks, in the format that was asked for."""
    from sloth_ci.report import document, outcome_markdown, terminal

    def show(file: TextIO) -> None:
        if form == "json":
            file.write(document.to_json(document.outcomes_document(outcomes), pretty=True) + "\n")
        elif form == "markdown":
            file.write(outcome_markdown.outcomes_markdown(outcomes))
        elif form == "html":
            file.write(_html([], outcomes))
        else:
            for outcome in outcomes:
                terminal.show_outcome(outcome, file=file)

    _emit(output, show)


def show_tables(tables: list[dict[str, Any]], kwargs: Mapping[str, Any], show: Callable[..., None]) -> None:
    """Tables as JSON, or by `show` as lines."""
    if kwargs["form"] == "html":
        raise UsageError("--format html is for plans and outcomes", "--format json has the same as data")
    if kwargs["form"] == "json":
        from sloth_ci.report.document import to_json

        text = to_json(tables, pretty=True) + "\n"
        _emit(kwargs["output"], lambda file: print(text, end="", file=file))
    else:
        _emit(kwargs["output"], lambda file: show(tables, file=file))


def exit_for(outcomes: Sequence[Outcome]) -> None:
    """End the process with the code of what failed first; come back where nothing did."""
    code = outcomes_code(outcomes)
    if code:
        sys.exit(code)


def outcomes_code(outcomes: Sequence[Outcome]) -> int:
    """The exit code of what failed first; 0 where nothing did."""
    for outcome in outcomes:
        if outcome.status == "failed":
            unhealthy = UnhealthyError if getattr(outcome, "health", "") == "degraded" else ApplyError
            return (RolledBackError if getattr(outcome, "rolled_back", False) else unhealthy).exit_code
    return 0


def task_lines(tables: list[dict[str, Any]], *, file: TextIO) -> None:
    """One line a task."""
    from sloth_ci.report.text import visible

    for table in tables:
        name = f"{table['workflow']}/{table['name']}" if table["workflow"] else table["name"]
        after = f" (after {', '.join(table['depends_on'])})" if table["depends_on"] else ""
        file.write(visible(f"{name}{after}  {table['description']}  [{table['where']}]".replace("    ", "  ")) + "\n")


def finding_lines(tables: list[dict[str, Any]], *, file: TextIO) -> None:
    """One line a finding, and one for what mends it."""
    from sloth_ci.report.text import visible

    for table in tables:
        mark = "ok     " if table["ok"] else "missing"
        file.write(visible(f"{mark}  {table['name']}: {table['detail']}") + "\n")
        if table["mend"]:
            file.write(visible(f"         → {table['mend']}") + "\n")


def log_tasks(outcome: RunOutcome, observer: Observer) -> None:
    """One line a task that was run or passed over, with what it said and what it left."""
    for task in outcome.tasks.values():
        said = f": {task.message}" if task.message else ""
        took = f" in {task.seconds:.1f} s" if task.attempts else ""
        level: Level = "info" if task.status == "succeeded" else "warn" if task.attempts == 0 else "error"
        observer.log(level, f"task {task.name} {task.status.replace('_', ' ')}{took}{said}")
        for artifact in task.artifacts:
            observer.log("info", f"  left {artifact.path} ({artifact.size:,} bytes, sha256 {artifact.sha256[:12]})")
