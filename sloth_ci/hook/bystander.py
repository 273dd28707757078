"""Who stands by while a hook looks: nothing is applied, so there is nobody to ask and nothing to let through."""

from __future__ import annotations

from collections.abc import Sequence

from sloth_ci.core.errors import ApprovalError
from sloth_ci.core.events import ItemState, Level
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec


class NoGate:
    """`engine.ports.Gate` of a run that applies nothing."""

    def guards(self, workflow: WorkflowSpec) -> bool:
        return workflow.approval_rules is not None

    def check(self, workflow: WorkflowSpec, plan: Plan) -> None:
        raise ApprovalError(f"{workflow.name}: a preview approves nothing, {plan.digest[:10]} neither")

    def policies(self, workflow: WorkflowSpec) -> Sequence[PolicySpec]:  # noqa: ARG002 (the workflow has its own)
        return ()

    def ask(self) -> str:
        return ""


class Silent:
    """An observer that tells nobody: what the Lua file prints is for those who run it."""

    def log(self, level: Level, message: str) -> None:
        """Nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, item: str) -> None:
        """Nothing."""

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        """Nothing."""
