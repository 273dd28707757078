from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.report.lines import Line, compare, hunks

TEXTS = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@given(TEXTS, TEXTS)
def test_both_sides_can_be_read_back(before: list[str], after: list[str]) -> None:
    lines = list(compare(before, after))
    assert [line.text for line in lines if line.mark != "+"] == before
    assert [line.text for line in lines if line.mark != "-"] == after


@given(TEXTS)
def test_equal_texts_have_no_difference(text: list[str]) -> None:
    assert {line.mark for line in compare(text, text)} <= {" "}


def test_an_insertion_is_one_added_line() -> None:
    before = ["a", "b", "c", "d"]
    changed = [line for line in compare(before, ["a", "b", "new", "c", "d"]) if line.mark != " "]
    assert changed == [Line("+", "new")]


def test_changes_far_apart_do_not_replace_what_is_between() -> None:
    before = [f"line {i}" for i in range(1000)]
    after = before.copy()
    after[10], after[900] = "x", "y"
    changed = [line for line in compare(before, after) if line.mark != " "]
    assert [line.mark for line in changed] == ["-", "+", "-", "+"]


def test_hunks_count_what_they_leave_out() -> None:
    before = [str(i) for i in range(20)]
    shown = list(hunks(list(compare(before, [*before[:10], "x", *before[11:]])), context=1))
    assert [f"{line.mark}{line.text}" for line in shown] == [
        " … 9 unchanged lines", " 9", "-10", "+x", " 11", " … 8 unchanged lines",
    ]  # fmt: skip


class Counted(str):
    """A line that counts how often one is compared or hashed: the work of a diff, whatever the machine is busy with."""

    __slots__ = ()
    work = 0

    def __eq__(self, other: object) -> bool:
        Counted.work += 1
        return str.__eq__(self, str(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        Counted.work += 1
        return str.__hash__(self)


@pytest.mark.parametrize("order", ["shuffled", "reversed"])
def test_the_work_grows_with_the_lines_and_not_with_their_square(order: str) -> None:
    def work(count: int) -> int:
        before = [Counted(f"line {i % (count // 4)}") for i in range(count)] + [
            Counted(f"unique {i}") for i in range(count)
        ]
        after = before[::-1]
        if order == "shuffled":
            random.Random(3).shuffle(after)
        Counted.work = 0
        sum(1 for _ in compare(before, after))
        return Counted.work

    assert work(20_000) < 15 * work(2_000)
