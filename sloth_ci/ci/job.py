"""One job: what it was given, and the parts that all of its flows share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sloth_ci.ci.event import Event
from sloth_ci.ci.gate import ForgeGate
from sloth_ci.ci.inputs import Inputs
from sloth_ci.ci.outputs import FINDINGS, JUNIT, REPORT, Outputs
from sloth_ci.ci.ports import Forge
from sloth_ci.ci.runner import Pages
from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.events import Observer
from sloth_ci.core.outcome import Outcome, SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.review import Overlap
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.session import Stop
from sloth_ci.repo import Offline
from sloth_ci.report.checkrun import remarks
from sloth_ci.report.codequality import code_quality
from sloth_ci.report.comment import About, Failed, Shown
from sloth_ci.report.html import html_report
from sloth_ci.report.junit import junit
from sloth_ci.report.summary import job_summary
from sloth_ci.report.terminal import show_outcome, show_plan
from sloth_ci.startup import Options, Run, Source, start, stoppable


@dataclass
class Job:
    """A job on its way. `environ` is the environment of the run, without inputs."""

    environ: Mapping[str, str]
    inputs: Inputs
    event: Event
    forge: Forge
    gate: ForgeGate
    outputs: Outputs
    observer: Observer
    workspace: Path
    stop: Stop
    pages: Pages
    findings: bool = False
    """Whether findings go into files that the CI system reads, too."""
    shown: list[Shown] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[tuple[str, SlothError]] = field(default_factory=list)
    """What could not be done, by the name of its workflow."""

    @property
    def plans(self) -> list[Plan]:
        """The plans of this job, in the order they were made."""
        return [one.plan for one in self.shown]

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The problems, as reports show them."""
        return tuple(Failed(name=name, message=error.message, hint=error.hint) for name, error in self.problems)

    def about(self, *, overlaps: Sequence[Overlap] = (), notes: Sequence[str] = ()) -> About:
        """What the report of this job is about."""
        return About(
            head_sha=self.event.sha,
            base=self.event.branch or "",
            overlaps=tuple(overlaps),
            run_url=self.pages.run,
            summary_url=self.pages.summary,
            check_texts=not self.findings,
            report_url=self.pages.report,
            request_word=self.forge.request_word,
            notes=tuple(notes),
            failed=self.failed,
        )

    @property
    def silent(self) -> bool:
        """Whether this job cannot tell the forge anything: it leaves files, and says what it found in its log."""
        return self.event.untrusted or not self.forge.speaks

    @contextmanager
    def started(
        self,
        *,
        source: Source | None = None,
        builtin: bool = False,
        rehearse: bool = False,
        only_declared: bool = False,
        offline: Offline | None = None,
        unreviewed: Unreviewed | None = None,
        search_path: str | None = None,
    ) -> Iterator[Run]:
        """Read the Lua file, under this job's gate. SIGTERM ends it at the next safe point. Raises UsageError, ScriptError.

        `search_path`: where programs are looked for, instead of PATH.
        """
        if source is None and not builtin:
            self._inside(self.inputs.workflow)
        options = Options(
            workflow_file=self.inputs.workflow or None,
            target_path=self.inputs.target_path or None,
            params=self.inputs.pairs,
            allow_env=self.inputs.variables,
            rehearse=rehearse,
            declare_only=only_declared,
            source=source,
            builtin=builtin,
            # By hand a job runs on any branch, also where the CI file is out of its reach, in another project.
            reviewed=source is not None
            or self.event.kind != "dispatch"
            or self.event.branch == self.event.default_branch,
        )
        run = start(
            options,
            environ=self.environ if search_path is None else {**self.environ, "PATH": search_path},
            observer=self.observer,
            gate=self.gate,
            forge=self.forge,
            stop=self.stop,
            offline=offline,
            unreviewed=unreviewed,
        )
        self.gate.attach(run.session, lambda: self.chosen(run))
        with stoppable(run):
            yield run

    def _inside(self, workflow: str) -> None:
        """What was merged is run, and no file that a variable of this run has put somewhere. Raises UsageError."""
        if workflow and not Path(workflow).resolve().is_relative_to(self.workspace):
            raise UsageError(f"the workflow file {workflow} is not in the repository", "name one of its files")

    def chosen(self, run: Run) -> list[WorkflowSpec]:
        """The workflows that this job is about."""
        return run.choose(self.inputs.environment or None, None)

    def ours(self, run: Run) -> list[WorkflowSpec]:
        """Of these, those that deploy what this repository and the branch of the event hold; of the others it is said why not."""
        kept = []
        for workflow in self.chosen(run):
            repository = run.session.repository(workflow.repository)
            branch = run.session.branch_of(workflow)
            if repository.work_tree is None:
                run.session.tell_once(f"{workflow.name} is deployed from {repository.display}, not from here")
            elif self.event.branch is not None and branch != self.event.branch:
                run.session.tell_once(f"{workflow.name} is deployed from {branch}, not from {self.event.branch}")
            else:
                kept.append(workflow)
        return kept

    def keep(self, one: Shown) -> None:
        """Remember a plan for the report. A newer one of the same revision takes the place of the older."""
        same = (one.plan.workflow_id, one.plan.revision)
        self.shown = [old for old in self.shown if (old.plan.workflow_id, old.plan.revision) != same] + [one]

    def show(self, plan: Plan) -> None:
        """A plan in the log of the job, folded away."""
        with self.outputs.group(f"plan of {plan.environment or plan.name} at {plan.revision[:10]}"):
            show_plan(plan, file=self.outputs.log)

    def attempt(self, name: str, error: SlothError) -> None:
        """Remember what could not be done: it does not keep the rest from being done."""
        self.observer.log("error", f"{name}: {error.message}")
        if error.hint:
            self.observer.log("info", error.hint)
        self.problems.append((name, error))

    # --- at the end

    def report(self, about: About) -> None:
        """The summary of the job, and the whole report as a file, for an artifact.

        The output names the file from the workspace: a container has other paths.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        page = html_report(self.shown, about=about, outcomes=self.outcomes, generated_at=now)
        write_new(self.workspace / REPORT, page.encode())
        self.outputs.set("report-path", REPORT)
        if self.findings:
            found = [remark for plan in self.plans for remark in remarks(plan)]
            write_new(self.workspace / FINDINGS, code_quality(found))
            write_new(self.workspace / JUNIT, junit(self.shown, self.failed, fail_on=self.inputs.fail_on))
        summary = job_summary(self.shown, about=about, outcomes=self.outcomes)
        if summary:
            self.outputs.summary(summary)

    def tell_plans(self) -> None:
        """The outputs that speak of plans."""
        plans, out = self.plans, self.outputs
        summaries = [plan.summary for plan in plans]
        impacts = [plan.max_impact for plan in plans if plan.max_impact is not None]
        out.set("has-changes", str(any(plan.changes for plan in plans)).lower())
        out.set("digest", " ".join(plan.digest for plan in plans))
        out.set("total", str(sum(one.total_changes for one in summaries)))
        out.set("created", str(sum(one.created_resources for one in summaries)))
        out.set("updated", str(sum(one.updated_resources for one in summaries)))
        out.set("deleted", str(sum(one.deleted_resources for one in summaries)))
        out.set("conflicts", str(sum(one.conflict_count for one in summaries)))
        out.set("max-impact", str(max(impacts)) if impacts else "none")

    def tell_outcomes(self) -> None:
        """The outputs that speak of what was done, and the outcomes in the log."""
        for outcome in self.outcomes:
            show_outcome(outcome, file=self.outputs.log)
        words = [outcome.status for outcome in self.outcomes]
        failed = next((outcome for outcome in self.outcomes if outcome.status == "failed"), None)
        if failed is not None:
            status = "rolled-back" if getattr(failed, "rolled_back", False) else "failed"
        elif self.problems:
            status = "refused"
        else:
            status = "succeeded" if "succeeded" in words else "nothing"
        self.outputs.set("sync-status", status)
        self.outputs.set("rollback-commit", _revert(self.outcomes))


def write_new(path: Path, content: bytes) -> None:
    """Write a file in the checkout, whatever a pull request has put there: a link is not followed. Raises UsageError."""
    try:
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "wb") as file:
            file.write(content)
    except OSError as error:
        raise UsageError(
            f"cannot write {path.name}: {error.strerror}", "the checkout has something of that name"
        ) from None


def _revert(outcomes: list[Outcome]) -> str:
    for outcome in outcomes:
        commit = outcome.revert if isinstance(outcome, SyncOutcome) else outcome.revert_commit
        if commit:
            return commit
    return ""
