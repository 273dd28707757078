"""The forge of a laptop: a terminal that can be asked, and an approval given on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from sloth_ci.core.errors import ApprovalError, UsageError
from sloth_ci.core.gate import needs_approval
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec

_DIGEST = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}")


class LocalGate:
    """An approval is a digest on the command line, or a person at the terminal who has seen the plan."""

    def __init__(
        self,
        *,
        stdin: TextIO,
        stderr: TextIO,
        approved: str | None,
        show: Callable[[Plan], None],
        paused: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`paused` keeps the progress still for as long as a person reads and types: it draws over what is there.

        Raises UsageError for an approval that is no digest.
        """
        if approved is not None and not _DIGEST.fullmatch(approved):
            raise UsageError(
                f"--approve {approved}: that is no digest", "it is the last line of sloth-ci preview, the whole of it"
            )
        self._stdin = stdin
        self._stderr = stderr
        self._approved = approved
        self._show = show
        self._paused = paused

    @property
    def _interactive(self) -> bool:
        return self._stdin.isatty() and self._stderr.isatty()

    def guards(self, workflow: WorkflowSpec) -> bool:
        """A terminal knows no rules but the workflow's own."""
        return workflow.approval_rules is not None

    def policies(self, workflow: WorkflowSpec) -> Sequence[PolicySpec]:  # noqa: ARG002 (nor any policy but that)
        """None but the workflow's own."""
        return ()

    def check(self, workflow: WorkflowSpec, plan: Plan) -> None:
        """Raises ApprovalError where nobody approved this very plan. One below the `from_impact` of the rules needs none."""
        if self._approved == plan.digest:
            return
        if self._approved is None and not needs_approval(plan, workflow.approval_rules):
            return
        if self._approved is not None:
            raise ApprovalError(
                f"{workflow.name}: the approval {self._approved} is for another plan",
                f"look at the plan and approve {plan.digest}",
            )
        if not self._interactive:
            raise ApprovalError(
                f"{workflow.name} needs an approval and nobody is there to ask",
                f"look at the plan with sloth-ci preview, then sync with --approve {plan.digest}",
            )
        with self._paused():
            self._show(plan)
            self._stderr.write(f"Apply this plan ({plan.digest[:12]}) to {plan.destination}? (y/N) ")
            self._stderr.flush()
            said = self._stdin.readline()
        if said.strip().lower() not in {"y", "yes"}:
            raise ApprovalError(f"{workflow.name}: not approved", "nothing was changed")

    def ask(self) -> str:
        """A line from the terminal; where nobody types, `y` if an approval was given with the command, else nothing."""
        if self._interactive:
            with self._paused():
                return self._stdin.readline().rstrip("\n")
        return "y" if self._approved else ""
