"""Branch strategies: which branch belongs to which environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import did_you_mean

GITFLOW = {
    "main": "production",
    "master": "production",
    "develop": "development",
    "release/**": "staging",
    "hotfix/**": "staging",
}
NAMES = ("github-flow", "gitflow")


def environment_for(
    branch: str, strategy: str | Mapping[str, str] | None, *, default_branch: str | None = None
) -> str | None:
    """The environment that a branch is deployed to; None where it is deployed nowhere.

    `strategy` is `github-flow` (the default branch is production, nothing else is deployed), `gitflow`, or a table of
    branch patterns to environments: `*` is anything but a slash, `**` anything, `?` one character; the most specific
    pattern decides. Without `default_branch`, `main` and `master` count as it. Raises UsageError for an unknown name, and where two
    equally specific patterns name different environments.
    """
    if strategy is None:
        return None
    if isinstance(strategy, Mapping):
        return _lookup(branch, strategy)
    if strategy == "github-flow":
        defaults = (default_branch,) if default_branch else ("main", "master")
        return "production" if branch in defaults else None
    if strategy == "gitflow":
        return _lookup(branch, GITFLOW)
    raise UsageError(f"unknown branch strategy '{strategy}'", did_you_mean(strategy, NAMES))


def _lookup(branch: str, patterns: Mapping[str, str]) -> str | None:
    matching = [pattern for pattern in patterns if _regex(pattern).fullmatch(branch)]
    if not matching:
        return None
    best = max(map(_specificity, matching))
    winners = sorted(pattern for pattern in matching if _specificity(pattern) == best)
    environments = {patterns[pattern] for pattern in winners}
    if len(environments) > 1:
        named = " and ".join(f"'{pattern}' ({patterns[pattern]})" for pattern in winners)
        raise UsageError(
            f"branch '{branch}' matches {named}, which are equally specific",
            f"add a pattern for '{branch}' itself, or make one of them longer",
        )
    return environments.pop()


def _specificity(pattern: str) -> tuple[bool, int, int, int]:
    """Larger is more specific: no wildcard at all, then more plain characters, then fewer and narrower wildcards."""
    tokens = re.findall(r"\*\*|\*|\?|[^*?]", pattern)
    wild = [token for token in tokens if token in ("*", "**", "?")]
    return not wild, len(tokens) - len(wild), -wild.count("**"), -wild.count("*")


def _regex(pattern: str) -> re.Pattern[str]:
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(t) or re.escape(t) for t in re.findall(r"\*\*|\*|\?|[^*?]", pattern)), re.DOTALL)
