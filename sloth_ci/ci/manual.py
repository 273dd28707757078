"""What somebody asks for by the input `command`: a preview, a rollback, or what is missing."""

from __future__ import annotations

from sloth_ci.ci.deploy import finish, write_back
from sloth_ci.ci.job import Job
from sloth_ci.ci.rehearse import exit_code
from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.engine.doctor import machine, workflow_findings
from sloth_ci.engine.preview import preview, preview_revisions
from sloth_ci.engine.rollback import rollback
from sloth_ci.output import finding_lines
from sloth_ci.report.comment import Shown


def preview_all(job: Job) -> int:
    """Plan every workflow against its destination, or with `base` against a revision."""
    base, head = job.inputs.base, job.inputs.head or None
    with job.started(rehearse=True, only_declared=True) as run:
        for workflow in job.chosen(run):
            try:
                if base:
                    plan = preview_revisions(run.session, workflow, base, head)
                else:
                    plan = preview(run.session, workflow, head=head)
                job.keep(Shown(plan=plan))
            except SlothError as error:
                job.attempt(workflow.environment or workflow.name, error)
    job.report(job.about())
    job.tell_plans()
    return exit_code(job)


def roll_back(job: Job) -> int:
    """Put the environment back, then Git, and tell the pull request whose commit was undone."""
    reason = job.inputs.reason or f"{job.event.sender} asked for it"
    with job.started(only_declared=True) as run:
        workflows = job.chosen(run)
        if len({workflow.environment for workflow in workflows}) > 1 and not job.inputs.environment:
            raise UsageError("there is more than one environment to roll back", "choose with the input `environment`")
        for workflow in reversed(workflows):
            job.outcomes.append(rollback(run.session, workflow, reason=reason, to=job.inputs.to))
        write_back(job)
    return finish(job)


def diagnose(job: Job) -> int:
    """Say what is missing, and what mends it."""
    with job.started(rehearse=True, only_declared=True) as run:
        findings = list(machine(run.session))
        for workflow in job.chosen(run):
            findings += workflow_findings(run.session, workflow)
    tables = [finding.table() for finding in findings]
    with job.outputs.group("doctor"):
        finding_lines(tables, file=job.outputs.log)
    return 0 if all(finding.ok for finding in findings if finding.needed) else UsageError.exit_code
