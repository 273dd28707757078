"""A pull request, a review of one, or a merge group: plan what the merge would bring, and report it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sloth_ci.baselua import about_lua
from sloth_ci.ci.base import on_base
from sloth_ci.ci.bundle import write_bundle
from sloth_ci.ci.gate import approval_name, check_name
from sloth_ci.ci.job import Job
from sloth_ci.core.codeowners import changed_files
from sloth_ci.core.errors import ConflictError, RepositoryError, SlothError
from sloth_ci.core.gate import Verdict, needs_approval
from sloth_ci.core.plan import Impact, Plan
from sloth_ci.core.review import Overlap, PlanCheck, PullRequest
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.freeze import frozen
from sloth_ci.engine.pull import preview_builtin, preview_merge
from sloth_ci.output import CHANGES
from sloth_ci.repo import Offline
from sloth_ci.report.checkrun import approval_report, failed_report, plan_report
from sloth_ci.report.comment import Shown, pull_request_comment
from sloth_ci.report.ladder import Places
from sloth_ci.startup import Run

MARKER = "sloth-ci:preview"
"""Of the one comment that a pull request has from us."""


def rehearse(job: Job) -> int:
    """Plan, report, and return the exit code. What one workflow cannot do does not keep the others from it."""
    branch = job.event.lua_branch or job.event.branch or ""
    try:
        return _rehearse(job, branch)
    except RepositoryError as error:
        pull = job.event.pull
        if not job.event.untrusted or pull is None or not pull.base_sha:
            raise
        # A fork's job may not be let into the project that its change is for. What it left that branch at is here.
        told = f"{branch} could not be read, so this is planned on {pull.base_sha[:10]}, where the change left it: {error.message}"
        job.observer.log("warn", told)
        seen = Offline(remote="origin", known={f"refs/heads/{branch}": pull.base_sha}, default=branch)
        return _rehearse(job, branch, offline=seen, notes=(told,))


def _rehearse(job: Job, branch: str, *, offline: Offline | None = None, notes: tuple[str, ...] = ()) -> int:
    with on_base(job, branch, rehearse=True, offline=offline) as (run, lua):
        changed = lua.changed_by(job.event.sha)
        if not (
            run.builtin and changed
        ):  # what is declared for the first time takes the place of the built-in workflow
            _plan_all(job, run)
        _report(job, (*notes, *about_lua(lua, changed, branch, job.forge.request_word)))
    return exit_code(job)


def _plan_all(job: Job, run: Run) -> None:
    """The plan of each workflow, with what its gate says, reported as checks as soon as it is there."""
    for workflow in job.ours(run):
        name = check_name(workflow, run.session)
        try:
            plan = _plan(job, run, workflow)
        except SlothError as error:
            job.attempt(workflow.environment or workflow.name, error)
            if not job.silent:
                job.forge.report_check(job.event.sha, failed_report(job.failed[-1], name=name))
            continue
        job.show(plan)
        asks = needs_approval(plan, job.gate.rules(workflow))
        one = Shown(plan=plan, required=asks and plan.brings, notes=tuple(frozen(run.session, workflow, plan)))
        job.keep(one if job.silent else _check(job, workflow, one, name))


def _plan(job: Job, run: Run, workflow: WorkflowSpec) -> Plan:
    if run.builtin:
        return preview_builtin(run.session, workflow, job.event.sha)
    # Nobody gave the job of a fork a way into the cluster.
    return preview_merge(run.session, workflow, job.event.sha, only_git=job.event.untrusted)


def _check(job: Job, workflow: WorkflowSpec, one: Shown, name: str) -> Shown:
    """Report a plan as a check, and beside it what it still takes to be approved."""
    plan, pull = one.plan, job.event.pull
    job.observer.phase("report")
    verdict = None
    if job.event.kind == "merge_group" and job.gate.rules(workflow) is not None:
        verdict = Verdict((), (f"each {job.forge.request_word} was judged by itself, and the deployment judges again",))
    if pull is not None and job.gate.rules(workflow) is not None:
        known = job.forge.plan_check(pull.head_sha, name)
        if known is None or known.digest != plan.digest:  # so it is shown from now on, and no approval is for it yet
            known = PlanCheck(id=0, name=name, digest=plan.digest, completed=math.inf)
        verdict = job.gate.verdict(workflow, plan, pull, deploying=False, check=known)
    places = Places(summary=job.pages.summary, html=job.pages.report)
    report = plan_report(plan, name=name, verdict=verdict, fail_on=job.inputs.fail_on, notes=one.notes, places=places)
    url = job.forge.report_check(job.event.sha, report).url
    if verdict is not None:
        job.forge.report_check(job.event.sha, approval_report(plan, verdict, name=approval_name(name)))
    return Shown(plan=plan, verdict=verdict, check_url=url, notes=one.notes)


def _report(job: Job, notes: Sequence[str]) -> None:
    """One comment, the summary of the job, the report as a file, and the outputs."""
    event, pull = job.event, job.event.pull
    job.observer.phase("report")
    about = job.about(overlaps=_overlaps(job, pull) if pull and not job.silent else (), notes=notes)
    job.report(about)
    job.tell_plans()
    if event.relayed:
        write_bundle(job, about)
    if job.silent:
        return
    job.outputs.set("check-url", next((one.check_url for one in job.shown if one.check_url), ""))
    wanted = job.inputs.comment == "true" or (job.inputs.comment == "changes" and _says_something(job))
    if pull is not None and wanted and _is_head(job, pull):
        url = job.forge.comment(pull, MARKER, pull_request_comment(job.shown, about=about))
        job.outputs.set("comment-url", url)


def _is_head(job: Job, pull: PullRequest) -> bool:
    """A job that is late, or is run again, does not put an older plan into the place of the newest."""
    if job.forge.is_head(pull):
        return True
    job.observer.log("info", f"{pull.name} has another head by now, so its comment is left to the job of that one")
    return False


def _says_something(job: Job) -> bool:
    return bool(job.problems) or any(plan.changes or plan.conflicts for plan in job.plans)


def _overlaps(job: Job, pull: PullRequest) -> list[Overlap]:
    files = sorted({file for plan in job.plans for file in changed_files(plan)})
    return job.forge.overlaps(pull, files) if files else []


def exit_code(job: Job) -> int:
    """The job fails where there is no plan, and on what `fail-on` says."""
    if job.problems:
        return job.problems[0][1].exit_code
    if job.inputs.fail_on == "none":
        return 0
    if any(plan.conflicts for plan in job.plans):
        return ConflictError.exit_code
    if job.inputs.fail_on == "conflicts":
        return 0
    least = Impact.LOW if job.inputs.fail_on == "changes" else Impact[job.inputs.fail_on.upper()]
    impacts = [plan.max_impact for plan in job.plans if plan.max_impact is not None]
    return CHANGES if any(impact >= least for impact in impacts) else 0
