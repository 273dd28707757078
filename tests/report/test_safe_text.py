from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sloth_ci.report.text import (
    code,
    code_cell,
    cut,
    cut_start,
    fenced,
    link,
    markdown,
    shorten,
    visible,
    width_of,
    without_commands,
)
from support.plans import EVIL
from support.runner import commands_in

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ANY = st.text(max_size=80) | st.sampled_from(EVIL) | st.text("`|\\*_[]()<>#@!~$&:-+1. \nG\t", max_size=40)
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@given(ANY)
def test_nothing_unseen_is_left(text: str) -> None:
    shown = visible(text)
    assert not UNSEEN.search(shown)
    assert shown == visible(shown)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("one\ntwo\ttab\rcr", "one\\ntwo\\ttab\\rcr"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("half \udcff", "half \\udcff"),
        ("family 👨\u200d👩", "family 👨\u200d👩"),
        ("Grüße 日本", "Grüße 日本"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("start", ["", "  ", "\t", "x\n", "x\r\n  "])
@pytest.mark.parametrize(
    "command", ["::error::x", "::set-output name=a::b", "::stop-commands::t", "::group::", "##[error]x"]
)
def test_a_runner_finds_no_command(start: str, command: str) -> None:
    assert commands_in(start + command)
    assert not commands_in(without_commands(start + command))


def test_what_is_no_command_stays() -> None:
    for text in ("::1", "fe80::1", "a ::error:: b", "std::vector<int>", "# [heading]"):
        assert without_commands(text) == text


@given(st.text(":#[] \nerrog=,", max_size=60))
def test_no_text_becomes_a_command(text: str) -> None:
    assert not commands_in(without_commands(text))


def _text_of(source: str) -> str:
    """What a reader sees of one inline Markdown text; raises where it is more than text."""
    tokens = GFM.parse("before " + source + " after")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}, children
    return "".join(child.content for child in children)


@given(ANY)
def test_prose_stays_prose(text: str) -> None:
    seen = _text_of(markdown(text)).replace("\u200b", "")
    assert seen == f"before {visible(text)} after"


@given(ANY)
def test_prose_stays_prose_at_the_start_of_a_line(text: str) -> None:
    tokens = GFM.parse("- " + markdown(text))
    assert {token.type for token in tokens} <= {
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close", "list_item_close", "bullet_list_close",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "mail@example.org",
        "#12",
        "org/repo#12",
        "GH-12",
        "gh-3",
        "!7",
        "~bug",
        "%5",
        "$3",
        "&9",
        "http://x",
        "www.x.y",
    ],
)
def test_nothing_is_linked(text: str) -> None:
    shown = GFM.render(markdown(text))
    assert not re.search(r"(@|#|!|~|%|\$|&amp;)\w|gh-\d", shown, re.IGNORECASE), shown
    assert "://" not in markdown(text)
    assert "www." not in markdown(text)


# What GitLab looks for in text that Markdown has made, with most backslashes gone: `lib/banzai/filter/` of its source.
GITLAB = re.compile(
    r"[@#!~%$^&]\w|[~%]\"|%\{|[\[{][-+]|\[\[|\[[ xX~]\]|\[(?i:toc)\]|\[[a-z_]+:\w|\*iteration:|==\S|\+\+\S"
    r"|:[\w+-]+:|\b[A-Z][A-Z0-9_]+-\d|\w/[\w.-]+>|\w://|(?i:www\.)"
)
LIVE = [
    "@user", "@group/sub", "#1", "group/project#1", "!7", "~label", '~"a label"', "%1.0", '%"a milestone"', "$12", "&12",
    "^alert#1", "[issue:group/project/5]", "[epic:1]", "[vulnerability:1]", "[feature_flag:1]", "[[wiki]]", "[[_TOC_]]", "[TOC]",
    "{+ added +}", "[+ added +]", "{- gone -}", "[- gone -]", ":smile:", ":100:", "==marked==", "++put in++", "%{project_path}",
    "*iteration:1", "[ ] task", "[x] task", "[~] task", "JIRA-12", "GL-1", "see group/project>", "irc://x", "www.example.org",
]  # fmt: skip


def _as_gitlab_sees(text: str) -> str:
    children = GFM.parse("before " + markdown(text))[1].children or []
    return "".join(child.content for child in children)


@pytest.mark.parametrize("text", LIVE)
def test_nothing_is_live_at_gitlab(text: str) -> None:
    assert GITLAB.search(text), "the test looks for nothing"
    for one in (text, f"a {text} b", f"({text})"):
        seen = _as_gitlab_sees(one)
        assert not GITLAB.search(seen), seen
        assert seen.replace("\u200b", "") == f"before {one}"


@given(
    st.lists(st.sampled_from([*LIVE, " ", "a", "[", "]", "{", "+", "-", ":", "=", "/", ">", "\\"]), max_size=8).map(
        "".join
    )
)
def test_no_text_is_live_at_gitlab(text: str) -> None:
    assert not GITLAB.search(_as_gitlab_sees(text))


def test_what_is_not_live_is_left_as_it_is() -> None:
    for text in (
        "a: b",
        "x = y",
        "registry.example:5000/shop",
        "a + b",
        "{ a }",
        "${HOME}",
        "a -> b",
        "spec.replicas 3 → 5",
    ):
        assert "&#8203;" not in markdown(text), text


@given(ANY)
def test_code_is_one_span(text: str) -> None:
    children = GFM.parse("x " + code(text) + " y")[1].children or []
    assert [child.type for child in children] == ["text", "code_inline", "text"]
    assert children[1].content.strip(" ") == without_commands(visible(text)).strip(" ")
    assert not commands_in(code(text))


@given(ANY)
def test_code_in_a_table_leaves_its_cell_alone(text: str) -> None:
    tokens = GFM.parse(f"| a | b | c |\n|---|---|---|\n| 1 | {code_cell(text)} | 3 |\n")
    assert sum(token.type == "td_open" for token in tokens) == 3
    cells = [token for token in tokens if token.type == "inline"][3:]
    inside = [child for child in cells[1].children or [] if child.type not in {"text", "text_special"}]
    assert [child.content for child in inside] == ["<code>", "</code>"]


@given(ANY)
def test_a_fence_holds_its_content(text: str) -> None:
    content = visible(text, keep="\n")
    tokens = GFM.parse(fenced(content, "diff") + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == content + "\n"


def test_shorten_says_what_is_missing() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("x" * 1244, 10) == "x" * 10 + "… (1,234 more characters)"


@given(st.text(max_size=60), st.integers(1, 40))
def test_cut_keeps_within_its_columns(text: str, columns: int) -> None:
    text = visible(text)
    assert width_of(cut(text, columns)) <= columns
    assert width_of(cut_start(text, columns)) <= columns
    if width_of(text) <= columns:
        assert cut(text, columns) == cut_start(text, columns) == text


@given(ANY)
def test_a_link_leads_where_it_says_or_is_none(text: str) -> None:
    address = f"https://git.example/{text}"
    children = GFM.parse(f"x {link(markdown('a [label]'), address)} y")[1].children or []
    kinds = [child.type for child in children if child.type not in {"text", "text_special"}]
    assert kinds in ([], ["link_open", "link_close"])
    for child in children:
        if child.type == "link_open":
            assert str(child.attrs["href"]).startswith("https://git.example/")
    cells = GFM.parse(f"| a | b |\n|---|---|\n| {link('one', address)} | 2 |\n")
    assert sum(token.type == "td_open" for token in cells) == 2


def test_a_line_is_no_command_of_a_forge() -> None:
    assert markdown("/merge") == "\\/merge"
    assert markdown("k8s/base") == "k8s/base"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "/path", "https://x y", "data:text/html,x", "https://x\n"])
def test_what_a_browser_should_not_open_is_no_link(url: str) -> None:
    assert link("label", url) == "label"


def test_an_address_keeps_its_meaning() -> None:
    assert link("run", "https://git.example/o/r?a=1&b=2") == "[run](https://git.example/o/r?a=1&amp;b=2)"
