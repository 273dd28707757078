"""A pull request was closed: what it had locked for itself is free again."""

from __future__ import annotations

from sloth_ci.ci.base import on_base
from sloth_ci.ci.deploy import resume_for
from sloth_ci.ci.job import Job
from sloth_ci.core.errors import SlothError


def tidy(job: Job) -> int:
    """End the suspensions of a pull request that was closed without a merge. After a merge its deployment does that."""
    pull = job.event.pull
    if pull is None or pull.state != "closed" or job.event.untrusted:
        return 0
    with on_base(job, job.event.lua_branch or pull.base_branch) as (run, _):
        for workflow in job.ours(run):
            try:
                if resume_for(run.session, workflow, pull):
                    job.observer.log("info", f"{workflow.name} was locked for {pull.name}, and is free again")
            except SlothError as error:
                job.attempt(workflow.environment or workflow.name, error)
    return job.problems[0][1].exit_code if job.problems else 0
