"""No line that GitLab would take for a command leaves us, and what a status or a note keeps is read back strictly."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.forge.gitlab.changes import digest_of, read_changes, with_changes
from sloth_ci.forge.gitlab.quick import without_actions
from sloth_ci.forge.gitlab.statuses import Identity, describe, identity_of
from support.gitlab import quick

CHANGES = {"update Deployment/shop/web": "0a1b", "delete ConfigMap/shop/a--> <!-- x": "ff"}


@pytest.mark.parametrize(
    "text",
    [
        "/merge",
        "a\n/approve",
        "a\n/assign @mallory\nb",
        "````\n```\n/merge\n```\n````",
        "~~~\n/merge\n~~~",
        "<details>\n\n/merge\n\n</details>",
        "a\r/merge",
        "a\n\r/merge",
        "a\r\n/merge",
        "/MERGE",
        "  /merge",
        "a\u2028/merge",
        "\ufeff/merge",
        ">>>\n\n>>>\n/merge",
    ],
)
def test_no_command_gets_through(text: str) -> None:
    safe = without_actions(text)
    assert quick.extract(safe)[1] == []
    assert safe.replace("\u200b", "") == text
    assert "\u200b/" in safe


@pytest.mark.parametrize(
    "text", ["", "a/b", "see https://x/merge", "- /merge", "| /merge |", "//", "/ merge", "`/merge`"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_actions(text) == text


@given(st.text(alphabet=st.sampled_from("/merg\n\r `~>\t\u2028<"), max_size=60))
def test_whatever_the_text_is_nothing_is_executed(text: str) -> None:
    assert quick.extract(f"<!-- x -->\n{without_actions(text)}")[1] == []


def test_a_very_long_text_takes_no_long_time() -> None:
    started = time.monotonic()
    assert without_actions("\n" * 300_000 + " " * 300_000 + "/" * 300_000).count("\u200b") == 0
    assert time.monotonic() - started < 3


# --- changes


def test_changes_come_back_as_they_were() -> None:
    digest = digest_of(CHANGES)
    note = with_changes("report\n", {digest: CHANGES})
    assert read_changes(note) == {digest: CHANGES}
    assert read_changes(note.replace("0a1b", "0a1c")) == {}
    assert note.count("-->") == 1
    assert digest_of({}) == ""


def test_the_newest_changes_stay_where_there_is_no_room() -> None:
    many = {}
    for number in range(60):
        changes = {f"update ConfigMap/shop/{number}": "x" * 8_000}
        many[digest_of(changes)] = changes
    kept = read_changes(with_changes("report", many))
    assert list(kept) == list(many)[-len(kept) :]
    assert 10 < len(kept) < 40
    assert len(with_changes("", many)) < 250_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no mark",
        "<!-- sloth-ci:changes {] -->",
        "<!-- sloth-ci:changes {x} -->",
        '<!-- sloth-ci:changes {"a": 1} -->',
        '<!-- sloth-ci:changes {"0123456789abcdef": {"delete everything": "ok"}} -->',
    ],
)
def test_what_cannot_be_read_is_no_change(text: str) -> None:
    assert read_changes(text) == {}


def test_what_a_manifest_says_is_not_read_as_changes() -> None:
    own = with_changes("", {digest_of(CHANGES): CHANGES}).strip()
    assert read_changes(with_changes(f"```\n{own}\n```", {})) == {}


# --- descriptions


DIGEST = f"{'0a' * 16}.{'1b' * 16}"


@pytest.mark.parametrize("changes", ["", "0123456789abcdef" * 2])
@pytest.mark.parametrize(
    "title", ["1 change", "x" * 400, "a\nb", "", "1 change · plan a.b", "ends · plan a.b · changes 00"]
)
def test_a_description_says_what_it_is_about(title: str, changes: str) -> None:
    said = describe(title, DIGEST, changes)
    assert len(said) <= 255
    assert said.isprintable()
    assert identity_of({"description": said}) == Identity(DIGEST, changes)


@pytest.mark.parametrize(
    "title", ["Approved", f"web · plan {DIGEST}", f"{'x' * 300} · plan a.b", "· plan a", " · plan a"]
)
def test_a_title_is_no_identity(title: str) -> None:
    said = describe(title, "", "")
    assert len(said) <= 255
    assert identity_of({"description": said}) == Identity("", "")


@pytest.mark.parametrize("said", [None, "", "plan a.b", "x · plan a.b ", "x · plan a.b · changes zz", "x · plan a.b\n"])
def test_what_is_not_as_it_was_written_is_no_identity(said: str | None) -> None:
    assert identity_of({"description": said}) == Identity("", "")
