"""Who owns what a plan changes, by the rules of a CODEOWNERS file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from codeowners import CodeOwners

from sloth_ci.core.errors import UsageError
from sloth_ci.core.plan import Plan

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; the first one counts."""
_COMMENT = re.compile(r"(?<!\\)\s#.*$", re.MULTILINE)


class Owned(NamedTuple):
    """One rule that names files of a plan."""

    rule: str
    """The pattern, as the file has it."""
    people: tuple[str, ...]
    """Logins, without the `@`."""
    teams: tuple[str, ...]
    """`organisation/team`."""
    emails: tuple[str, ...]


def changed_files(plan: Plan) -> list[str]:
    """The manifests that a plan changes: where each changed object is written, and where each conflict is."""
    sources = [*(change.source for change in plan.changes), *(change.source for change in plan.intent or ())]
    return sorted({source.path for source in sources if source is not None})


def rules_for(text: str, files: Iterable[str]) -> list[Owned]:
    """The rules of a CODEOWNERS file that decide about these files; a rule without owners asks for nobody.

    Raises UsageError where the file cannot be read.
    """
    try:
        parsed = CodeOwners(_COMMENT.sub("", text))
    except (ValueError, re.error) as error:
        raise UsageError(f"CODEOWNERS cannot be read: {error}", "correct the pattern") from None
    found: dict[str, Owned] = {}
    for file in files:
        owners, _, rule, _ = parsed.matching_line(file)
        if rule is not None and owners:
            by_kind = {kind: tuple(name for k, name in owners if k == kind) for kind in ("USERNAME", "TEAM", "EMAIL")}
            people, teams, emails = by_kind["USERNAME"], by_kind["TEAM"], by_kind["EMAIL"]
            found[rule] = Owned(rule, tuple(name[1:] for name in people), tuple(name[1:] for name in teams), emails)
    return list(found.values())
