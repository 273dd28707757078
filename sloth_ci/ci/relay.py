"""Report what the job of a fork found, from a job that may: on `workflow_run`, with the bundle as untrusted data."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from sloth_ci.ci.bundle import BUNDLE, read_bundle
from sloth_ci.ci.job import Job
from sloth_ci.report.comment import Shown, pull_request_comment

MARKER = "sloth-ci:fork"
"""Of a comment of its own: what a fork says does not take the place of a plan that was made with rights."""
_ORIGIN = (
    "a fork's own run rendered this, from Git to Git and without any rights: nobody vouches for it, and no cluster was asked. "
    "Whoever may push here gets the plan against the destinations with the comment /sloth preview"
)


def relay(job: Job) -> int:
    """Comment on the pull request that the run was for. There is no check: what a fork says proves nothing."""
    event = job.event
    path = Path(job.inputs.bundle)
    bundle = read_bundle(path / BUNDLE if path.is_dir() else path, head=event.sha)
    pull = None
    if event.head_repository and event.head_branch:
        pull = job.forge.pull_request_from(event.head_repository, event.head_branch, event.sha)
    if pull is None:
        job.observer.log(
            "info", f"{event.sha[:10]} is not the head of an open pull request any more: nothing is reported"
        )
        return 0
    for plan in bundle.plans:
        job.keep(Shown(plan=plan))
    job.tell_plans()
    about = replace(job.about(notes=(_ORIGIN, *bundle.notes[:20])), base=pull.base_branch, failed=bundle.failed)
    url = job.forge.comment(pull, MARKER, pull_request_comment(job.shown, about=about))
    job.outputs.set("comment-url", url)
    return 0
