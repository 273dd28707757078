"""Several plans on one screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.plan import Conflict
from sloth_ci.report.layout import ASCII, UNICODE, Row, plain, width
from sloth_ci.report.push_view import Section, section_rows
from support.plans import change, forty, hostile, huge, plan, policed

CONFLICTS = tuple(Conflict("validation", f"ConfigMap/shop/c-{n}", "is wrong " * 30, ("mend it",)) for n in range(9))
PLANS = {
    "one": plan(change("create", "ConfigMap", "web")),
    "forty": forty(),
    "hostile": hostile(),
    "against": plan(*forty().changes, conflicts=CONFLICTS),
    "policed": policed(30),
    "only conflicts": plan(conflicts=CONFLICTS),
}


def _text(rows: list[Row]) -> str:
    return plain(rows, 500)


@given(
    names=st.lists(st.sampled_from([*PLANS, "broken"]), min_size=1, max_size=12),
    lines=st.integers(4, 60),
    columns=st.integers(60, 160),
    unicode=st.booleans(),
)
def test_it_is_never_more_than_there_is_room_for(names: list[str], lines: int, columns: int, unicode: bool) -> None:
    sections = [
        Section(f"{name}-{n}", PLANS.get(name), () if name in PLANS else ("a.yaml:1: is broken",) * 50)
        for n, name in enumerate(names)
    ]
    drawn = section_rows(sections, columns, lines, UNICODE if unicode else ASCII)
    assert len(drawn.rows) <= lines
    assert all(width(row) <= columns for row in drawn.rows)
    shown = sum(f"{section.name} " in _text(drawn.rows) for section in sections)
    assert shown >= min(len(sections), lines // 2 - 1)
    assert shown == len(sections) or drawn.cut


def test_a_text_of_a_megabyte_is_a_line() -> None:
    for lines in (6, 30):
        drawn = section_rows([Section("huge", huge())], 120, lines, UNICODE)
        assert len(drawn.rows) <= lines
        assert drawn.cut is (lines == 6)


def test_one_that_needs_little_leaves_the_rest_to_the_others() -> None:
    drawn = section_rows([Section("small", PLANS["one"]), Section("large", PLANS["forty"])], 120, 40, UNICODE)
    small = section_rows([Section("small", PLANS["one"])], 120, 40, UNICODE)
    assert len(drawn.rows) == 40
    assert all(row in drawn.rows for row in small.rows)


def test_what_is_most_dangerous_comes_first() -> None:
    sections = [Section(name, PLANS[name]) for name in ("one", "only conflicts", "forty")]
    text = _text(section_rows([*sections, Section("broken", None, ("a.yaml:1: is broken",))], 120, 200, UNICODE).rows)
    assert sorted(("broken", "only conflicts", "forty", "one"), key=lambda name: text.index(f"{name} ·")) == [
        "broken",
        "forty",  # it has conflicts, too
        "only conflicts",
        "one",
    ]


def test_findings_of_a_policy_are_a_few_lines_below_the_changes() -> None:
    text = _text(section_rows([Section("production", policed(9))], 100, 40, UNICODE).rows)
    assert text.startswith("production · 1 conflict · 10 policy findings · 1 updated")
    places = [
        text.index(word)
        for word in ("✗ policy", "replicas 1 → 2", "policy findings · 10", "… 5 more findings", "mind the")
    ]
    assert places == sorted(places)
    assert text.count("▲ Deployment/") == 5
    small = _text(section_rows([Section("production", policed(9))], 100, 8, UNICODE).rows)
    assert "10 policy findings" in small
    assert "replicas 1 → 2" in small


@pytest.mark.parametrize("lines", [6, 12, 30])
def test_what_is_left_out_is_counted_by_impact(lines: int) -> None:
    drawn = section_rows([Section("large", PLANS["forty"])], 120, lines, UNICODE)
    assert drawn.cut
    last = _text(drawn.rows[-1:])
    shown = sum(row[1][0].startswith(UNICODE.bar) for row in drawn.rows if len(row) > 2)
    assert f"{len(PLANS['forty'].changes) - shown} more changes: " in last
