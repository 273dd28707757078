"""Workflows in the order in which they wait for each other."""

from __future__ import annotations

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import WorkflowSpec, did_you_mean
from sloth_ci.engine.session import Session


def in_order(session: Session, workflows: list[WorkflowSpec]) -> list[WorkflowSpec]:
    """By `depends_on` (names or ids), else as declared. Raises UsageError for a cycle, naming it, or an unknown name."""
    known = {name: w for w in session.workflows.values() for name in (w.name, w.id)}
    ordered: list[WorkflowSpec] = []
    path: list[WorkflowSpec] = []

    def visit(workflow: WorkflowSpec) -> None:
        if workflow in path:
            names = [w.name for w in [*path[path.index(workflow) :], workflow]]
            raise UsageError(f"workflows wait for each other: {' → '.join(names)}", "remove one depends_on")
        if workflow in ordered:
            return
        path.append(workflow)
        for name in workflow.depends_on:
            if name not in known:
                raise UsageError(f"{workflow.name}: depends_on: no workflow '{name}'", did_you_mean(name, list(known)))
            visit(known[name])
        path.pop()
        ordered.append(workflow)

    for workflow in workflows:
        visit(workflow)
    return [workflow for workflow in ordered if workflow in workflows]
