"""Code owners of what a plan changes. The patterns are GitHub's own examples."""

from __future__ import annotations

import pytest

from sloth_ci.core.codeowners import Owned, changed_files, rules_for
from sloth_ci.core.errors import UsageError
from support.plans import change, plan

FILE = """\
# The last rule that fits counts.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment, @not-an-owner
*.go docs@example.com

*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
with\\ blank/ @blank
"""


@pytest.mark.parametrize(
    ("file", "rule", "people"),
    [
        ("README.md", "*", ("global-owner1", "global-owner2")),
        ("src/index.js", "*.js", ("js-owner",)),
        ("docs/getting-started.md", "docs/*", ()),
        ("docs/build-app/troubleshooting.md", "*", ("global-owner1", "global-owner2")),
        ("build/logs/a.log", "**/logs", ("octocat",)),
        ("x/apps/y", "apps/", ("octocat",)),
        ("scripts/run.sh", "/scripts/", ("doctocat", "octocat")),
        ("deeply/nested/logs/x", "**/logs", ("octocat",)),
        ("with blank/x", "with\\ blank/", ("blank",)),
    ],
)
def test_the_last_rule_that_fits_says_who_owns_a_file(file: str, rule: str, people: tuple[str, ...]) -> None:
    [found] = rules_for(FILE, [file])
    assert (found.rule, found.people) == (rule, people)


def test_teams_and_addresses_are_kept_apart() -> None:
    assert rules_for(FILE, ["a.txt", "b.go"]) == [
        Owned("*.txt", (), ("octo-org/octocats",), ()),
        Owned("*.go", (), (), ("docs@example.com",)),
    ]


def test_a_rule_without_owners_asks_for_nobody() -> None:
    assert rules_for(FILE, ["apps/github"]) == []
    assert rules_for("", ["README.md"]) == []


def test_a_file_that_cannot_be_read_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match="CODEOWNERS cannot be read"):
        rules_for("docs/[a @octocat\n", ["docs/a"])


def test_the_files_of_a_plan_are_those_that_its_changed_objects_are_written_in() -> None:
    made = plan(
        change("update", "Deployment", "web", path="k8s/web.yaml"),
        change("create", "Secret", "keys", path="k8s/keys.yaml"),
        change("update", "Service", "web", path="k8s/web.yaml", line=40),
        change("delete", "ConfigMap", "old"),
    )
    assert changed_files(made) == ["k8s/keys.yaml", "k8s/web.yaml"]
