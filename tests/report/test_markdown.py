from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sloth_ci.core.plan import Conflict, Impact, Plan
from sloth_ci.report.markdown import plans_markdown
from sloth_ci.report.outcome_markdown import outcomes_markdown
from support.markdown import GFM, check_whole, tokens
from support.outcomes import hostile_outcomes, outcomes
from support.panes import REASON, hostile_panes, shop, unhealthy
from support.plans import change, field, finding, forty, hostile, huge, plan, policed
from support.runner import commands_in

PLANS = {
    "forty": forty(),
    "hostile": hostile(),
    "huge": huge(),
    "empty": plan(),
    "panes": shop(),
    "hostile panes": hostile_panes(),
    "policed": policed(),
}


@pytest.mark.parametrize("which", PLANS)
def test_only_our_own_markup_is_markup(which: str) -> None:
    text = plans_markdown([PLANS[which]])
    check_whole(text)
    kinds = {token.type for token in tokens(text)}
    assert not kinds & {"image", "link_open", "hr", "ordered_list_open", "code_block"}
    headings = [token for token in GFM.parse(text) if token.type == "heading_open"]
    assert [token.tag for token in headings] == ["h3"]
    outside = "".join(token.content for token in tokens(text) if token.type == "text")
    assert not re.search(r"@\w", outside)
    rows = [token for token in tokens(text) if token.type == "tr_open"]
    cells = [token for token in tokens(text) if token.type in {"td_open", "th_open"}]
    drifted = len(PLANS[which].drift)
    tables = len({drift.outcome for drift in PLANS[which].drift})
    assert (len(rows), len(cells)) == (2 + drifted + tables, 14 + 5 * (drifted + tables))


@given(st.integers(0, 40_000))
@settings(max_examples=60, deadline=None)
def test_a_limit_is_kept_with_whole_parts(limit: int) -> None:
    for plans in (
        [forty()],
        [shop(), hostile_panes()],
        [policed(90), policed()],
        [hostile(), forty(), plan(environment="staging")],
    ):
        least = len(plans_markdown(plans, 0).encode())
        text = plans_markdown(plans, limit)
        assert len(text.encode()) <= max(limit, least)
        check_whole(text)


def test_the_least_there_is_fits_any_comment() -> None:
    many = [hostile() for _ in range(200)]
    assert len(plans_markdown(many, 0).encode()) < 60_000


def test_what_is_left_out_is_said_and_the_dangerous_stays() -> None:
    full = plans_markdown([forty()])
    assert "Not shown" not in full
    assert full.count("```diff") == len(forty().changes)
    some = plans_markdown([forty()], 15_000)
    assert re.search(r"Not shown for lack of room: [\d,]+ diffs?\.", some)
    assert "PersistentVolumeClaim/shop/orders-data" in some
    few = plans_markdown([forty()], 4_000)
    assert re.search(r"Not shown for lack of room: .*changes", few)
    assert "irreversible" in few


def test_room_that_a_small_plan_leaves_goes_to_a_large_one() -> None:
    plans = [forty(), plan(environment="staging"), plan(environment="dev")]
    assert len(plans_markdown(plans, 14_000).encode()) > 13_000


def test_what_a_reviewer_sees_first() -> None:
    lines = plans_markdown([forty()]).split("\n")
    assert lines[0] == "### ⛔ 2 conflicts · 40 changes to production · highest impact 🟣 **critical** · 1 irreversible"
    assert lines[4] == (
        "| production | <code>directory live/production</code> | **7** | **30** | **3** | 🟣 critical | 1 not, 2 partly |"
    )
    assert "> Ways out:" in lines


def test_findings_of_a_policy_come_after_conflicts_and_before_warnings() -> None:
    text = plans_markdown([policed()])
    assert text.startswith("### ⛔ 1 conflict · ⚠️ 3 policy findings · 1 change to production")
    block = """
⚠️ <b>Policy findings</b>: 3

* `Deployment/shop/w0` at `base/w0.yaml:1`: probes: container web has ports and no readinessProbe
* `Deployment/shop/w1` at `base/w1.yaml:2`: probes: container web has ports and no readinessProbe

Ways out: mend what probes names; or leave the object out with policy = { exempt = { … } }

* `Deployment/shop/w0` at `base/w0.yaml:1`: team: no label says whose it is

Ways out: mend what team names; or leave the object out with policy = { exempt = { … } }
"""
    places = [text.index(part) for part in ("⛔ **policy** `Deployment/shop/web`", block, "> ⚠️ mind the gap")]
    assert places == sorted(places)
    assert plans_markdown([replace(policed(), changes=(), conflicts=())]).startswith(
        "### ⚠️ 3 policy findings · No changes to production\n"
    )


@pytest.mark.parametrize("limit", [3_000, 6_000, 12_000, 60_000])
def test_many_findings_are_folded_and_leave_room_for_the_rest(limit: int) -> None:
    text = plans_markdown([policed(400)], limit)
    check_whole(text)
    assert "<details><summary>⚠️ <b>Policy findings</b>: 401</summary>" in text
    shown = text.count("\n* `Deployment/")
    assert 0 < shown < 401
    assert f"\n… and {401 - shown} more\n" in text
    assert f"Not shown for lack of room: {401 - shown} policy findings." in text
    assert "mind the gap" in text
    assert "```diff" in text


def test_findings_that_have_no_room_at_all_are_counted() -> None:
    wide = tuple(finding(f"{'w' * 200}{i}", 1, "team: " + "x" * 500) for i in range(3))
    text = plans_markdown([replace(policed(), findings=wide)], 3_000)
    assert "Policy findings" not in text
    assert "Not shown for lack of room: 3 policy findings." in text


def test_no_changes() -> None:
    text = plans_markdown([plan()])
    assert text.startswith("### No changes to production\n")
    assert "<details>" not in text


def test_several_environments_have_sections() -> None:
    one = change("update", "Deployment", "web", field("spec.replicas", 1, 2), impact=Impact.MEDIUM)
    text = plans_markdown([plan(one, environment="staging"), plan(one, environment="production")])
    assert text.startswith("### 2 changes to staging, production · ")
    assert text.index("#### staging") < text.index("#### production")


@pytest.mark.parametrize("limit", [60_000, 3_000, 100])
def test_outcomes(limit: int) -> None:
    text = outcomes_markdown([unhealthy(), *outcomes(), *hostile_outcomes()], limit)
    check_whole(text)
    assert len(text.encode()) <= limit
    assert not re.search(r"@\w", "".join(token.content for token in tokens(text) if token.type == "text"))


def test_a_failed_sync_says_why_and_what_was_done() -> None:
    text = outcomes_markdown(outcomes())
    assert (
        "### ❌ production: **failed and was rolled back** · 24 applied, 3 skipped, 1 failed · degraded · 3 min 23 s"
        in text
    )
    assert "permission denied" in text
    assert "- revert: commit abcdef012345" in text
    assert "### ⚪ production: **nothing to do**" in text


def test_no_secret_needs_to_be_known() -> None:
    """The report has only what the plan has: fingerprints."""
    secret: Plan = plan(*(one for one in forty().changes if one.ref.kind == "Secret"))
    assert set(re.findall(r"\(secret \w+\)", plans_markdown([secret]))) == {
        "(secret 1f2e3d4c)", "(secret 77aa0011)", "(secret 3f9a1c2e)", "(secret 90bb17d4)", "(secret 5c11aa09)", "(secret aa55aa55)",
        "(secret 0badcafe)",
    }  # fmt: skip


def test_an_empty_way_out_makes_no_heading_of_the_line_above() -> None:
    text = plans_markdown([plan(conflicts=(Conflict("validation", "X/x", "", ("",)),))])
    assert [token.tag for token in GFM.parse(text) if token.type == "heading_open"] == ["h3"]


def test_the_panes_of_a_cluster() -> None:
    text = plans_markdown([shop()])
    assert text.startswith(
        "### 5 changes to production · highest impact 🟣 **critical** · 1 irreversible · overwrites 3 fields of others\n"
    )
    inside = [
        "\n  - ⚠️ 41 objects live in it\n",
        "\n**The commit** changes 5 objects: the cluster would see 2 of them differently.\n\n- **~** `Deployment/shop/web` image",
        "\n- **-** `ConfigMap/shop/old-banner` no change in the cluster\n",
        "\n⛔ <b>drift</b>: a sync refuses because of 1 field that others changed\n",
        "| <code>Deployment/shop/web</code> | <code>spec.replicas</code> | <code>7</code> | <code>3</code> | kubectl-edit at 2025-11-22 10:14 |",
        "<summary>ℹ️ <b>drift</b>: a sync leaves 2 fields to their owners</summary>",
        "A sync also runs PreSync `Job/shop/migrate`, PostSync `Job/shop/smoke-test`.",
        " · **not in the commit**\n",
        " · taken over from kubectl apply (client-side)\n",
    ]
    places = [text.index(part) for part in inside]
    assert places[:8] == sorted(places[:8])
    assert "The commit changes the same 5 objects.\n" in plans_markdown([replace(shop(), intent=shop().changes)])


def test_a_reason_of_many_lines_is_in_a_fence_that_it_cannot_leave() -> None:
    text = outcomes_markdown([unhealthy()])
    fences = [token for token in GFM.parse(text) if token.type == "fence"]
    assert [fence.info for fence in fences] == ["text", "text"]
    assert fences[1].content.split("\n")[0] == REASON.split("\n")[1]
    assert "  ```\n" in fences[1].content
    assert "\\x1b[31m" in fences[1].content
    assert not commands_in(text)


def test_long_reasons_never_crowd_out_the_outcome() -> None:
    item = unhealthy().items[0]
    many = replace(
        unhealthy(), items=tuple(replace(item, message=REASON + "x" * 300 + "\nend" * 60) for _ in range(50))
    )
    text = outcomes_markdown([many], 30_000)
    check_whole(text)
    assert "**failed**" in text
    assert "more outcomes" not in text


def test_plans_without_room_are_counted() -> None:
    assert "| … 2 more | | | | | | |" in plans_markdown([plan() for _ in range(52)])


def test_markdown_in_a_log_is_no_command() -> None:
    context = "a\n::error::b\n##[error]c\n"
    one = change("update", "ConfigMap", "x", field("data.text", context, context + "d\n"))
    assert not commands_in(plans_markdown([plan(one)]))
