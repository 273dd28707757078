"""What a destination says of its kinds, kept for the hooks, which do not ask it."""

from __future__ import annotations

from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.destinations import Destination
from sloth_ci.engine.place import reach
from sloth_ci.engine.preview import rendered
from sloth_ci.engine.session import Session


def learn(
    session: Session, workflow: WorkflowSpec, revision: str, destination: Destination | None = None
) -> str | None:
    """Have it kept, for the kinds that a revision (a full sha) uses: in words what was, None where there is nothing.

    A few requests, and none within a day of the last time. Raises RenderError, UnreachableError, ApplyError.
    """
    versions = {manifest.api_version for manifest in rendered(session, workflow, revision).manifests}
    destination = destination or reach(session, workflow)
    return destination.learn(versions, session.cache_dir, now=session.clock())
