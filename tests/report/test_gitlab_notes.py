"""Nothing that is posted makes GitLab do anything: a note is executed where a line of it looks like a quick action."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sloth_ci.core.gate import Verdict
from sloth_ci.core.objects import Ref, Source
from sloth_ci.core.outcome import ItemOutcome, Outcome, RollbackOutcome, SyncOutcome
from sloth_ci.core.plan import Conflict, Drift, Hook, Impact
from sloth_ci.core.review import Overlap
from sloth_ci.report.checkrun import approval_report, failed_report, plan_report
from sloth_ci.report.comment import (
    About,
    Failed,
    Shown,
    answer,
    deployment_comment,
    help_answer,
    pull_request_comment,
)
from sloth_ci.report.markdown import plans_markdown
from sloth_ci.report.summary import job_summary
from support.markdown import GFM
from support.plans import EVIL, change, field, plan

RUN = "https://git.example/shop/shop/-/jobs/7"
QUICK = [
    "/close",
    "/merge",
    "/sloth deploy production",
    "\n/approve",
    "x\n/close\ny",
    "\r/close",
    "a\r\n/label ~x",
    " /close",
    "\u2028/close",
]
WORDS = st.one_of(
    st.sampled_from([*QUICK, *(one for one in EVIL if "\udcff" not in one)]),
    st.text(" \n\r\t/`~<>-#*|ac\\", max_size=30),
    st.text(max_size=20),
)


def _lines_outside(text: str) -> list[str]:
    """All lines that are not in a fence, as the parser finds them."""
    lines = text.split("\n")
    inside = {line for token in GFM.parse(text) if token.type == "fence" and token.map for line in range(*token.map)}
    return [line for number, line in enumerate(lines) if number not in inside]


def _check_no_action(text: str) -> None:
    """GitLab does what a line says that begins with `/name`, anywhere but in code (lib/gitlab/quick_actions)."""
    outside = _lines_outside(text)
    assert not [line for line in outside if re.match(r"/[A-Za-z]", line)]
    assert not any("\r" in line for line in outside), "GitLab takes these away before it looks"
    assert not re.match(r"\s*(---|\+\+\+|;;;)", text), "front matter"
    assert not any(line.startswith(("::include", ">>>")) for line in outside)
    assert not any(re.match(r":\s", line) for line in outside), "the description of what is above"


def _everything(a: str, b: str, c: str) -> Iterator[str]:
    """All that is ever posted, with hostile words in every place that has any."""
    made = plan(
        change("update", "ConfigMap", a, field(b, a, c), field("x", b, c), impact=Impact.HIGH, reasons=(b,), path=c),
        replace(change("delete", "Secret", b, reasons=(c,)), notes=(a,), dependents=(b,)),
        environment=c,
        name=a,
        destination=b,
        revision=c,
        digest=a,
        conflicts=(Conflict("validation", a, b, (c,), current_state=a, desired_state=b, source=Source(c, 1)),),
        findings=(Conflict("policy", b, c, (a, b), source=Source(a, 1)), Conflict("policy", c, a, ())),
        warnings=(a, b),
        drift=(Drift(a, b, c, a, b, "overwritten"), Drift(b, c, a, b, c, "left")),
        hooks=(Hook("PreSync", Ref("batch", "Job", a, b), Source(c, 1), changed=True),),
    )
    about = About(
        head_sha=a,
        base=b,
        overlaps=(Overlap(number=1, sigil="!", title=a, url=RUN, files=(b, c)),),
        run_url=RUN,
        notes=(a, b, c),
        failed=(Failed(name=a, message=f"{b}\n{c}", hint=a),),
        request_word="merge request",
    )
    verdict = Verdict((a, b), (c,))
    shown = [Shown(plan=made, verdict=verdict, notes=(a, b)), Shown(plan=replace(made, environment=b))]
    yield pull_request_comment(shown, about=about)
    yield pull_request_comment(shown, about=about, limit=6_000)
    yield job_summary(shown, about=about, outcomes=_ends(a, b, c))
    yield deployment_comment(_ends(a, b, c), sha=a, links={b: RUN, c: ""}, notes=(a, b, c))
    yield answer(a, who=b, state="failed", sha=c, message=f"{a}\n{b}", hint=c, outcomes=_ends(a, b, c), run_url=RUN)
    yield answer(a, who=b, state="done", message=c)
    yield plans_markdown([made])
    report = plan_report(made, name=a, verdict=verdict, notes=(b,))
    yield from (report.summary, report.text, approval_report(made, verdict, name=a).summary)
    yield failed_report(about.failed[0], name=a).summary
    yield help_answer("merge request")


def _ends(a: str, b: str, c: str) -> list[Outcome]:
    items = (
        ItemOutcome(Ref("", "Pod", a, b), "update", "failed", f"{c}\n{a}"),
        ItemOutcome(Ref("", "Pod", b, c), "update", "applied"),
    )
    same: dict[str, Any] = {"workflow_id": a, "name": b, "environment": c, "destination": a, "items": items}
    return [
        SyncOutcome(
            **same,
            sync_id=b,
            status="failed",
            revision=c,
            digest=a,
            message=f"{b}\n{c}",
            recovered=a,
            backup=b,
            revert=c,
        ),
        RollbackOutcome(**same, status="succeeded", target=a, message=b, revert_status="pull_request", held=c),
    ]


@given(WORDS, WORDS, WORDS)
@settings(max_examples=60, deadline=None)
def test_no_note_does_anything_at_gitlab(a: str, b: str, c: str) -> None:
    for text in _everything(a, b, c):
        _check_no_action(text)


@pytest.mark.parametrize("text", ["### a\n\n/close\n", "a\n/merge", "- x\n/label ~a\n"])
def test_an_action_would_be_found(text: str) -> None:
    with pytest.raises(AssertionError):
        _check_no_action(text)
