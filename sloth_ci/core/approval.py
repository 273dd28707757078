"""Whether a plan needs somebody to agree to it at all."""

from __future__ import annotations

from sloth_ci.core.gate import reviews_needed
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import ApprovalSpec


def needs_approval(plan: Plan, rules: ApprovalSpec | None) -> bool:
    """Whether the rules of a workflow (None: it has none) ask for an approval of this plan."""
    needed = None if rules is None else reviews_needed(plan, rules)
    return rules is not None and needed is not None and (needed > 0 or rules.code_owners)
