from __future__ import annotations

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.repo.strategy import environment_for


@pytest.mark.parametrize(
    ("strategy", "branch", "environment"),
    [
        ("github-flow", "main", "production"),
        ("github-flow", "master", "production"),
        ("github-flow", "feature/x", None),
        ("gitflow", "develop", "development"),
        ("gitflow", "release/1.2", "staging"),
        ("gitflow", "hotfix/a/b", "staging"),
        ("gitflow", "main", "production"),
        ("gitflow", "feature/x", None),
        (None, "main", None),
    ],
)
def test_named_strategies(strategy: str | None, branch: str, environment: str | None) -> None:
    assert environment_for(branch, strategy) == environment


def test_the_default_branch_decides_in_github_flow() -> None:
    assert environment_for("trunk", "github-flow", default_branch="trunk") == "production"
    assert environment_for("main", "github-flow", default_branch="trunk") is None


@pytest.mark.parametrize(
    ("branch", "environment"),
    [
        ("release/1", "staging"),
        ("release/1/fix", "other"),
        ("release/9", "nine"),
        ("release-1", None),
        ("x.y", "literal dot"),
        ("x-y", "one character"),
    ],
)
def test_the_most_specific_pattern_wins(branch: str, environment: str | None) -> None:
    patterns = {
        "release/*": "staging",
        "release/**": "other",
        "release/9": "nine",
        "x.y": "literal dot",
        "x?y": "one character",
    }
    assert environment_for(branch, patterns) == environment


def test_a_tie_between_environments_is_an_error_and_names_both() -> None:
    with pytest.raises(UsageError, match=r"'\*-a' \(two\) and 'x-\*' \(one\)"):
        environment_for("x-a", {"x-*": "one", "*-a": "two"})


def test_a_tie_within_one_environment_is_none() -> None:
    assert environment_for("x-a", {"x-*": "one", "*-a": "one"}) == "one"


def test_an_unknown_strategy_names_the_near_one() -> None:
    with pytest.raises(UsageError) as caught:
        environment_for("main", "git-flow")
    assert caught.value.hint == "did you mean 'gitflow'?"
