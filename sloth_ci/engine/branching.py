"""Branch strategies: which environment the branch of this run is deployed to, and which workflows that leaves."""

from __future__ import annotations

from msgspec.structs import replace

from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.session import Session
from sloth_ci.repo import Elsewhere, environment_for

_BRANCH_VARIABLES = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_COMMIT_BRANCH",
    "GITHUB_REF_NAME",
)
"""Where CI says which branch it runs for: on a pull or merge request the one it would be merged into."""


def by_strategy(session: Session, workflow: WorkflowSpec) -> tuple[WorkflowSpec, str | None]:
    """Apply `branch_strategy`: the workflow with its branch and environment, and why it is not deployed now, if so.

    The branch is the workflow's own, else the one that CI or the checkout is on. Without an `environment` the strategy
    gives it; with one, the workflow is deployed only while the strategy agrees.
    """
    strategy = workflow.branch_strategy
    if strategy is None:
        return workflow, None
    try:
        repository = session.repository(workflow.repository)
    except Elsewhere as error:
        return workflow, error.message
    default = repository.default_branch()
    branch = (
        workflow.branch or workflow.repository.branch or _branch_of_run(session) or repository.head_branch() or default
    )
    environment = environment_for(branch, strategy, default_branch=default)
    named = strategy if isinstance(strategy, str) else "its table"
    if environment is None:
        return workflow, f"branch '{branch}' is deployed nowhere by {named}"
    if workflow.environment not in {None, environment}:
        return workflow, f"branch '{branch}' belongs to {environment} by {named}, not to {workflow.environment}"
    return replace(workflow, branch=branch, environment=environment), None


def _branch_of_run(session: Session) -> str | None:
    if session.branch is not None:
        return session.branch
    if session.environ.get("GITHUB_REF_TYPE") == "tag":
        return None
    return next((value for name in _BRANCH_VARIABLES if (value := session.environ.get(name))), None)
