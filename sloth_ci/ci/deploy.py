"""A push to a deployed branch: for each workflow, hold the plan against its gate, sync, and tell everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sloth_ci.ci.base import on_base
from sloth_ci.ci.job import Job
from sloth_ci.core.errors import ApprovalError, Interrupted, SlothError
from sloth_ci.core.outcome import RollbackOutcome, SyncOutcome
from sloth_ci.core.review import DeploymentState, PullRequest
from sloth_ci.core.words import first_line
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.controller import Act, one_pass
from sloth_ci.engine.ordering import in_order
from sloth_ci.engine.pending import pending_revisions
from sloth_ci.engine.preview import head_of, preview
from sloth_ci.engine.session import Session
from sloth_ci.engine.suspend import resume, suspension_of
from sloth_ci.engine.sync import let_through, sync
from sloth_ci.output import log_tasks, outcomes_code
from sloth_ci.report.comment import Shown, deployment_comment
from sloth_ci.startup import Run

MARKER = "sloth-ci:deployment"
"""Of the one comment about what became of a merged pull request."""


def deploy(job: Job) -> int:
    """The tasks of the Lua file, then each workflow in the order of its dependencies. Returns the exit code."""
    event = job.event
    if event.deleted or (event.kind == "push" and event.branch is None):
        what = "deleted its branch" if event.deleted else "was of a tag"
        job.observer.log("info", f"the push {what}: there is nothing to deploy")
        return 0
    _hold_to_what_was(job)
    with job.started() as run:
        try:
            tasks(job, run)
        except SlothError as error:
            job.attempt("the tasks", error)
        touched = {outcome.workflow_id for outcome in run.api.outcomes}
        job.outcomes.extend(run.api.outcomes)
        if job.problems:
            write_back(job)
            return finish(job)
        chosen = [workflow for workflow in job.ours(run) if workflow.id not in touched]
        wanted = [w for w in chosen if w.auto_sync or job.gate.rules(w) is not None]
        _preview_only(job, run, [w for w in in_order(run.session, chosen) if w not in wanted])
        revisions = _revisions(job, run.session, wanted)
        take_turns(job, run, [w for w in wanted if revisions.get(w.id)], _in_turn(job, revisions))
        write_back(job)
    return finish(job)


def _hold_to_what_was(job: Job) -> None:
    """A push is held to the rules that the Lua file had before it, too: it cannot take away the gate it has to pass."""
    event = job.event
    if event.kind != "push" or event.before is None:
        return
    try:
        with on_base(job, "", rehearse=True, revision=event.before) as (run, _):
            job.gate.hold_to(list(run.session.workflows.values()))
    except SlothError as error:
        job.observer.log("warn", f"the rules of {event.before[:10]} cannot be read: {error.message}")


def sync_all(job: Job) -> int:
    """Sync every workflow of the environment, also those that nothing but a person syncs."""
    again = job.inputs.release_hold == "true"
    with job.started(only_declared=True) as run:
        wanted = in_order(run.session, job.chosen(run))

        def act(session: Session, workflow: WorkflowSpec) -> SyncOutcome:
            revision = head_of(session, workflow, job.inputs.head or None)
            return deploy_revision(job, session, workflow, revision, release_hold=again)

        take_turns(job, run, wanted, act)
        write_back(job)
    return finish(job)


def take_turns(job: Job, run: Run, workflows: list[WorkflowSpec], act: Act, *, patient: bool = False) -> None:
    """Give each workflow its turn, and remember what it came to; also where somebody stops the job, who is told so.

    `patient`: what waits for an approval is no problem.
    """
    try:
        for turn in one_pass(run.session, workflows, act):
            if turn.outcome is not None:
                job.outcomes.append(turn.outcome)
            elif patient and isinstance(turn.error, ApprovalError):
                job.observer.log("warn", f"{turn.workflow.name}: {turn.error.message}")
            elif turn.error is not None:
                job.attempt(turn.workflow.environment or turn.workflow.name, turn.error)
    except Interrupted as error:
        job.attempt("this job", error)


def tasks(job: Job, run: Run) -> None:
    """Run the task that was asked for, else those of every `workflow.define`. Raises what a failed task raised."""
    script = run.script
    ended = [script.run_task(job.inputs.task)] if job.inputs.task else script.run_definitions()
    for outcome in ended:
        log_tasks(outcome, job.observer)
        outcome.check()


def finish(job: Job) -> int:
    """Outputs, summary and report; returns the exit code."""
    job.report(job.about())
    job.tell_plans()
    job.tell_outcomes()
    if job.stop.is_set():
        return Interrupted.exit_code
    code = outcomes_code(job.outcomes)
    return code or (job.problems[0][1].exit_code if job.problems else 0)


def _preview_only(job: Job, run: Run, workflows: Sequence[WorkflowSpec]) -> None:
    """What nobody approved and nobody wants to be synced by itself is shown."""
    for workflow in workflows:
        if not workflow.diff_preview:
            continue
        try:
            plan = preview(run.session, workflow)
        except SlothError as error:
            job.attempt(workflow.environment or workflow.name, error)
            continue
        job.keep(Shown(plan=plan))


def _revisions(job: Job, session: Session, workflows: Sequence[WorkflowSpec]) -> dict[str, list[str]]:
    """What is to be synced of each workflow, in order.

    Where approvals are asked for, each commit that is not deployed yet goes by itself, the oldest first: its approval is for
    its own plan, and a job that the runner dropped must not have two of them judged as one. What a later job has deployed
    already is left alone.
    """
    found: dict[str, list[str]] = {}
    for workflow in workflows:
        try:
            pending = pending_revisions(session, workflow, job.event.sha)
            found[workflow.id] = pending[-1:]
            if job.gate.rules(workflow) is not None:
                found[workflow.id] = _ends(job, pending, session.branch_of(workflow))
        except SlothError as error:
            job.attempt(workflow.environment or workflow.name, error)
            continue
        if not pending:
            job.observer.log("info", f"{workflow.name}: something newer than {job.event.sha[:10]} is deployed already")
    return found


def _ends(job: Job, revisions: Sequence[str], branch: str) -> list[str]:
    """Of the commits that a pull request brought by a rebase, the last one: the plan that was approved is of all of them."""
    pulls = [job.gate.pull_of(revision, branch) for revision in revisions]
    numbers = [pull.number if pull else None for pull in pulls]
    following = [*numbers[1:], None]
    return [r for r, own, after in zip(revisions, numbers, following, strict=False) if own is None or own != after]


def _in_turn(job: Job, revisions: Mapping[str, Sequence[str]]) -> Act:
    """What is done with a workflow in its turn."""

    def act(session: Session, workflow: WorkflowSpec) -> SyncOutcome:
        *before, last = revisions[workflow.id]
        for revision in before:
            try:
                outcome = deploy_revision(job, session, workflow, revision)
            except ApprovalError as error:  # what comes after it holds it, and has to be what was approved all the same
                job.observer.log("warn", f"{revision[:10]} is passed over: {error.message}")
                continue
            if outcome.status == "failed":
                return outcome
            job.outcomes.append(outcome)
        return deploy_revision(job, session, workflow, last)

    return act


def deploy_revision(
    job: Job, session: Session, workflow: WorkflowSpec, revision: str, *, release_hold: bool = False
) -> SyncOutcome:
    """Let one revision through the gate and sync it, with a deployment at the forge around it. `release_hold`: see `sync`."""
    pull = job.gate.pull_of(revision, session.branch_of(workflow))
    session = replace(session, pull_request=pull.number if pull else None)
    plan = let_through(session, workflow, revision)
    job.keep(Shown(plan=plan))
    job.show(plan)
    if not plan.changes:
        outcome = sync(session, workflow, head=revision, approved=plan)
        _end_of(session, workflow, pull)
        return outcome
    here = session.repository(workflow.repository).work_tree is not None  # of another repository GitHub knows no commit
    deployment = job.forge.deploying(revision, workflow.environment) if workflow.environment and here else None
    try:
        outcome = sync(session, workflow, head=revision, approved=plan, release_hold=release_hold)
    except Interrupted:
        _say(job, deployment, "failure", "interrupted; the next run goes on from here", workflow)
        raise
    except SlothError as error:
        _say(job, deployment, "failure", error.message, workflow)
        raise
    failed = outcome.status == "failed"
    _say(job, deployment, "failure" if failed else "success", outcome.message, workflow)
    if not failed:
        _end_of(session, workflow, pull)
    return outcome


def _end_of(session: Session, workflow: WorkflowSpec, pull: PullRequest | None) -> None:
    """What a pull request has locked for itself is free when its merge is deployed."""
    if pull is not None and pull.state == "merged":
        resume_for(session, workflow, pull)


def resume_for(session: Session, workflow: WorkflowSpec, pull: PullRequest) -> bool:
    """End a suspension that was for a pull request which has come to its end. Returns whether there was one."""
    suspended = suspension_of(session, workflow)
    if suspended is None or suspended.pull_request != pull.number:
        return False
    resume(session, workflow, by=f"the end of {pull.name}")
    return True


def _say(job: Job, deployment: int | None, state: DeploymentState, message: str, workflow: WorkflowSpec) -> None:
    """What became of a deployment. That the forge does not hear of it changes nothing about what was done."""
    if deployment is None:
        return
    try:
        job.forge.deployed(deployment, state, description=first_line(message), url=workflow.url or "")
    except SlothError as error:
        job.observer.log("warn", error.message)


def write_back(job: Job) -> None:
    """Tell the pull request what became of it. A comment that cannot be written does not make a sync fail."""
    told: Sequence[SyncOutcome | RollbackOutcome] = [one for one in job.outcomes if one.status != "nothing"]
    notes = [f"{name}: {first_line(error.message)}" for name, error in job.problems]
    if not (told or notes):
        return
    try:
        pull = job.gate.pull_of(job.event.sha, job.event.branch or job.event.default_branch)
        if pull is not None:
            body = deployment_comment(told, sha=job.event.sha, links={"run": job.pages.run}, notes=notes)
            job.outputs.set("comment-url", job.forge.comment(pull, MARKER, body))
    except SlothError as error:
        job.observer.log("warn", f"the {job.forge.request_word} was not told: {error.message}")
