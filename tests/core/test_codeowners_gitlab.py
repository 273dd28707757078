"""Code owners as GitLab reads them. The examples are those of its reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.codeowners import PLACES_OF, Owned, rules_for
from sloth_ci.core.errors import UsageError


def owned(text: str, *files: str) -> list[Owned]:
    return rules_for(text, files, "gitlab")


def told(text: str, *files: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each rule with all that it names."""
    return [(one.rule, (*one.names, *one.teams, *one.emails, *one.roles)) for one in owned(text, *files)]


SECTIONS = """\
* @admin

[README Owners]
README.md @user1 @user2
internal/README.md @user4

[README other owners]
README.md @user3
"""


def test_every_section_that_matches_asks() -> None:
    assert told(SECTIONS, "README.md") == [
        ("*", ("admin",)),
        ("[README Owners] README.md", ("user1", "user2")),
        ("[README other owners] README.md", ("user3",)),
    ]
    assert told(SECTIONS, "internal/README.md")[1] == ("[README Owners] internal/README.md", ("user4",))
    assert told(SECTIONS, "x.yaml") == [("*", ("admin",))]


def test_a_rule_is_told_once_for_all_its_files() -> None:
    assert told(SECTIONS, "a.yaml", "b.yaml", "README.md")[:2] == [
        ("*", ("admin",)),
        ("[README Owners] README.md", ("user1", "user2")),
    ]


DEFAULTS = """\
[Documentation][2] @docs-team @group/sub
docs/
README.md @lead

^[Database] @database-team
model/db/
config/db/setup.md @docs-team
"""


def test_a_section_has_owners_for_what_names_none_and_a_count() -> None:
    assert owned(DEFAULTS, "docs/a/b.md") == [
        Owned("[Documentation] docs/", (), ("group/sub",), (), names=("docs-team",), approvals=2)
    ]
    assert owned(DEFAULTS, "README.md") == [
        Owned("[Documentation] README.md", (), (), (), names=("lead",), approvals=2)
    ]


def test_an_optional_section_asks_nobody() -> None:
    assert owned(DEFAULTS, "model/db/x.sql", "config/db/setup.md") == []


def test_sections_of_one_name_are_one_and_required_where_one_of_them_is() -> None:
    text = "[Docs]\n*.md @a\n^[DOCS][3]\nREADME.md @b\n[Other]\nx @c\n^[docs]\n"
    assert owned(text, "README.md") == [Owned("[Docs] README.md", (), (), (), names=("b",), approvals=3)]
    assert told(text, "x.md") == [("[Docs] *.md", ("a",))]
    assert told("^[Docs]\n*.md @a\n^[docs]\nREADME.md @b\n", "README.md") == []


@pytest.mark.parametrize(
    ("count", "asked"), [("", 1), ("[1]", 1), ("[5]", 5), ("[0]", 1), ("[x]", 1), ("[-2]", 1), ("[]", 1)]
)
def test_a_count_that_is_none_is_one(count: str, asked: int) -> None:
    [found] = owned(f"[Docs]{count} @team\n*.md\n", "a.md")
    assert (found.approvals, found.names) == (asked, ("team",))


def test_who_can_own() -> None:
    text = (
        "* @user @group/with-nested/sub janedoe@example.com @@maintainer @@Developers user_without_at @@nobody @user\n"
    )
    assert owned(text, "x") == [
        Owned(
            "*",
            people=(),
            teams=("group/with-nested/sub",),
            emails=("janedoe@example.com",),
            names=("user",),
            roles=("developer", "maintainer"),
        )
    ]


def test_owners_in_a_comment_are_owners_and_a_line_that_is_one_has_none() -> None:
    assert told("# * @nobody\n*.md @a  # not @b, but c\n", "x.md") == [("*.md", ("a", "b"))]


EXCLUDED = """\
* @default-owner
!pom.xml
!*.rb
/special/*.rb @ruby-owner

[Ruby]
*.rb @ruby-team
!/config/**/*.rb
/config/routes.rb @ops

[Config]
/config/ @ops-team
"""


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("x.yaml", ["*"]),
        ("pom.xml", []),
        ("sub/pom.xml", []),
        ("special/a.rb", ["[Ruby] *.rb"]),
        ("config/routes.rb", ["[Config] /config/"]),
        ("config/x/y.rb", ["[Config] /config/"]),
        ("lib/y.rb", ["[Ruby] *.rb"]),
    ],
)
def test_what_is_excluded_stays_so_in_its_section(file: str, rules: list[str]) -> None:
    assert [rule for rule, _ in told(EXCLUDED, file)] == rules


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("/README.md", ["README.md"], ["docs/README.md"]),
        ("README.md", ["README.md", "a/b/README.md"], ["README.mdx", "xREADME.md"]),
        ("internal/README.md", ["internal/README.md", "docs/internal/README.md"], ["internal/x/README.md"]),
        ("/docs/", ["docs/a", "docs/a/b", "docs/.a"], ["docs", "x/docs/a"]),
        ("docs/", ["docs/a", "x/docs/a/b"], ["docs"]),
        ("/docs", ["docs"], ["docs/a"]),
        ("/docs/*", ["docs/a", "docs/.hidden"], ["docs/a/b"]),
        ("/docs/**", ["docs/a"], ["docs/a/b"]),
        ("/docs/*spec*", ["docs/qa_specs.rb", "docs/spec"], ["docs/a/spec"]),
        ("/docs/*/README.md", ["docs/api/README.md"], ["docs/README.md", "docs/a/b/README.md"]),
        ("/docs/**/index.md", ["docs/index.md", "docs/api/graphql/index.md"], ["index.md", "docs/xindex.md"]),
        ("**/*.rb", ["a.rb", "x/y/.z.rb"], ["a.rbx"]),
        ("*", ["a", ".a/.b"], []),
        ("a**z", ["abcz", "x/az"], ["a/z"]),
        ("\\#file", ["#file", "x/#file"], ["\\#file"]),
        ("path\\ with\\ spaces/*.md", ["path with spaces/a.md"], ["path/a.md"]),
        ("/x?z", ["xyz"], ["x/z", "xz"]),
        ("/[a-c]x", ["ax", "cx"], ["dx", "/x"]),
        ("/[!a-c]x", ["dx"], ["ax", "/x"]),
        ("/[^a-c]x", ["dx", "]x"], ["ax"]),
        ("/x[]y", [], ["x]y", "xy"]),
        ("/x[z-a]y", [], ["xzy", "xay", "x-y"]),
        ("/x[a-]y", ["xay", "x-y"], ["xby"]),
        ("/x[\\]]y", ["x]y"], ["x\\y"]),
        ("/x\\*y", ["x*y"], ["xay"]),
        ("/x{a,b}", ["x{a,b}"], ["xa"]),
        ("/x.y", ["x.y"], ["xzy"]),
    ],
)
def test_paths_are_matched_as_rubys_fnmatch_does(pattern: str, matching: list[str], other: list[str]) -> None:
    text = f"{pattern} @owner\n"
    assert [file for file in [*matching, *other] if owned(text, file)] == matching


def test_a_pattern_that_is_written_twice_has_its_first_place_and_its_last_owners() -> None:
    assert told("* @a\ndocs/ @b\n* @c\n", "docs/x") == [("docs/", ("b",))]
    assert told("* @a\ndocs/ @b\n* @c\n", "x") == [("*", ("c",))]


def test_an_entry_without_owners_asks_nobody() -> None:
    assert told("* @a\ndocs/\n", "docs/x") == []
    assert told("", "x") == []


def test_a_mark_of_the_order_of_bytes_and_ends_of_lines_hide_nothing() -> None:
    assert told("\ufeff* @a\r\n[X]\r\n*.md @b\r\n", "x.md") == [("*", ("a",)), ("[X] *.md", ("b",))]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("* @group\n\n[Section name\ndocs/ @docs_group\n", 3),
        ("* @group\ndocs/[a @x\n", 2),
        ("!docs/[a\n", 1),
        ("docs/[a\\", 1),
        ("docs/ docs_group\n", 1),
        ("docs/ # nobody\n", 1),
        ("[Docs] docs_group\ndocs/\n", 2),
        ("[Docs], @docs_group\ndocs/\n", 1),
        ("[a-z]*.md @docs_group\n", 1),
        ("* @@administrator\n", 1),
    ],
)
def test_what_cannot_be_read_opens_no_gate(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=rf"CODEOWNERS cannot be read: line {line}: "):
        owned(text, "docs/a", "x")


def test_owners_that_cannot_be_read_matter_where_their_entry_decides() -> None:
    text = "docs/ nobody\n/docs/x @a\n"
    assert told(text, "docs/x") == [("/docs/x", ("a",))]
    assert told(text, "other") == []


@given(st.text("[]^*?!/\\ab-@#\n .", max_size=60), st.text("ab/.", min_size=1, max_size=8))
def test_any_text_is_read_or_refused_with_its_line(text: str, file: str) -> None:
    try:
        found = owned(text, file)
    except UsageError as error:
        refused = error.message
        found = []
    else:
        refused = "line"
    assert "line" in refused
    assert all(one.names or one.teams or one.emails or one.roles for one in found)
    assert len({one.rule for one in found}) == len(found)


def test_where_each_forge_looks() -> None:
    assert PLACES_OF["gitlab"] == ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
    assert PLACES_OF["github"][0] == ".github/CODEOWNERS"
