"""A pull request was closed: what it had locked for itself is free again."""

from __future__ import annotations

from pathlib import Path

from sloth_ci.ci.base import BaseLua
from sloth_ci.ci.deploy import resume_for
from sloth_ci.ci.job import Job
from sloth_ci.core.errors import SlothError
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import open_repository
from sloth_ci.startup import cache_dir


def tidy(job: Job) -> int:
    """End the suspensions of a pull request that was closed without a merge. After a merge its deployment does that."""
    pull = job.event.pull
    if pull is None or pull.state == "merged" or job.event.untrusted:
        return 0
    repository = open_repository(
        RepositorySpec(url="."), cwd=Path.cwd(), environ=job.environ, cache_dir=cache_dir(job.environ)
    )
    try:
        lua = BaseLua(repository, repository.branch_tip(pull.base_branch), given=job.inputs.workflow, folder=Path.cwd())
        with job.started(source=lua.source, builtin=lua.source is None, only_declared=True) as run:
            for workflow in job.ours(run):
                try:
                    if resume_for(run.session, workflow, pull):
                        job.observer.log("info", f"{workflow.name} was locked for #{pull.number}, and is free again")
                except SlothError as error:
                    job.attempt(workflow.environment or workflow.name, error)
    finally:
        repository.close()
    return job.problems[0][1].exit_code if job.problems else 0
