"""What the use-cases ask of the outside: each a Protocol that a module or a small class satisfies."""

from __future__ import annotations

from typing import Protocol

from sloth_ci.core.plan import Plan


class Gate(Protocol):
    """Decides whether a plan may be applied."""

    def check(self, plan: Plan) -> None:
        """Raises ApprovalError where an approval is missing or was given to another plan."""

    def ask(self) -> str:
        """What `io.read()` returns: a line from a terminal, or in CI `y` where the gate is satisfied, else nothing."""
