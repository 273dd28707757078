"""What is said on a pull request."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token
from msgspec.structs import replace

from sloth_ci.core.gate import Verdict
from sloth_ci.core.outcome import Outcome, SyncOutcome
from sloth_ci.core.plan import Impact
from sloth_ci.core.review import Overlap
from sloth_ci.core.slash import HELP, find_command
from sloth_ci.report.comment import (
    APPROVING,
    About,
    Failed,
    Shown,
    answer,
    deployment_comment,
    help_answer,
    pull_request_comment,
)
from sloth_ci.report.ladder import Places, Step, ladder
from sloth_ci.report.summary import job_summary
from support.markdown import GFM, check_whole, mentions, tokens
from support.outcomes import hostile_outcomes, outcomes
from support.panes import hostile_panes, shop, unhealthy
from support.plans import EVIL, change, field, forty, hostile, huge, plan
from support.runner import commands_in

RUN = "https://git.example/shop/shop/actions/runs/7"
WAITING = Verdict(("1 more approval of 2 on 4f2c9b1e8d", "an approval by an owner of /base/: carol"), ("bob approved",))
ABOUT = About(
    head_sha="4f2c9b1e8d7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
    base="main",
    overlaps=(
        Overlap(number=12, title="Another web", url="https://git.example/shop/shop/pull/12", files=("base/web.yaml",)),
        Overlap(number=9, title="All of it", url="https://git.example/shop/shop/pull/9", files=tuple("abcde")),
    ),
    run_url=RUN,
    report_url=f"{RUN}/artifacts/1",
    notes=("this pull request changes sloth.lua; the plan was made with the file of the base branch",),
    failed=(Failed(name="dev", message="kustomize failed:\nError: no such file base/x.yaml", hint="add the file"),),
)
HOSTILE = About(
    head_sha=EVIL[3],
    base=EVIL[6],
    overlaps=tuple(Overlap(number=1, title=evil, url=f"https://x.example/){evil}", files=(evil,) * 5) for evil in EVIL),
    run_url=f"https://x.example/{EVIL[3]}",
    report_url="javascript:alert(1)",
    notes=tuple(EVIL),
    failed=tuple(Failed(name=evil, message=f"{evil}\n{evil}\n```\n</details>", hint=evil) for evil in EVIL),
)
SHOWN = {
    "shop": [Shown(plan=shop(), verdict=WAITING, check_url=f"{RUN}/checks/1"), Shown(plan=plan(environment="staging"))],
    "forty": [Shown(plan=forty(), verdict=Verdict((), ("bob approved",)), notes=("a note of this plan",))],
    "hostile": [
        Shown(plan=one, verdict=Verdict(tuple(EVIL), tuple(EVIL)), check_url=EVIL[6], notes=tuple(EVIL))
        for one in (hostile(), hostile_panes())
    ],
    "huge": [Shown(plan=huge(), verdict=WAITING)],
    "nothing": [],
}


def _text(found: list[Token]) -> str:
    return "".join(token.content for token in found if token.type in {"text", "code_inline", "fence"})


@pytest.mark.parametrize("which", SHOWN)
@pytest.mark.parametrize("about", [ABOUT, HOSTILE], ids=["about", "hostile about"])
def test_only_our_own_markup_is_markup(which: str, about: About) -> None:
    text = pull_request_comment(SHOWN[which], about=about)
    check_whole(text)
    assert len(text.encode()) <= 60_000
    assert not mentions(text)
    assert not commands_in(text)
    kinds = {token.type for token in tokens(text)}
    assert not kinds & {"image", "hr", "ordered_list_open", "code_block"}
    links = [str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"]
    assert all(re.match(r"https://(git|x)\.example/", url) for url in links)


@given(st.integers(0, 40_000), st.sampled_from(sorted(SHOWN)), st.sampled_from([ABOUT, HOSTILE]))
@settings(max_examples=25, deadline=None)
def test_a_limit_is_kept_with_whole_parts(limit: int, which: str, about: About) -> None:
    least = len(pull_request_comment(SHOWN[which], about=about, limit=0).encode())
    text = pull_request_comment(SHOWN[which], about=about, limit=limit)
    assert len(text.encode()) <= max(limit, least)
    check_whole(text)


WIDE = st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF), min_size=1, max_size=300)


@given(st.lists(WIDE, min_size=1, max_size=30), st.integers(3_000, 12_000))
@settings(max_examples=40, deadline=None)
def test_no_character_is_cut_in_half(names: list[str], limit: int) -> None:
    changes = [
        change("update", "ConfigMap", f"{index}{name}", field("data.x", name, name * 2), reasons=(name,), path=name)
        for index, name in enumerate(names)
    ]
    text = pull_request_comment([Shown(plan=plan(*changes), verdict=Verdict(tuple(names)))], about=ABOUT, limit=limit)
    check_whole(text)
    assert len(text.encode()) <= max(limit, 7_000)


def test_many_environments_with_long_names_fit() -> None:
    many = [
        Shown(plan=plan(environment="@" * 80 + str(i), destination="<" * 200), verdict=WAITING, check_url=RUN)
        for i in range(200)
    ]
    text = pull_request_comment(many, about=ABOUT)
    assert len(text.encode()) <= 60_000
    assert re.search(r"\| … \d+ more \|", text)


def test_what_a_reviewer_reads_first() -> None:
    lines = pull_request_comment(SHOWN["shop"], about=ABOUT).split("\n")
    assert lines[0] == (
        "### ❌ 1 workflow without a plan · 5 changes to production · highest impact 🟣 **critical** · 1 irreversible · "
        "overwrites 3 fields of others · ⏳ waiting for approval"
    )
    assert lines[4] == (
        f"| [production]({RUN}/checks/1) | <code>cluster production (namespace shop)</code> | **1** | **3** | **1** | "
        "🟣 critical | 1 not | ⏳ 2 missing |"
    )
    assert lines[5].endswith("| no change |  | nothing to approve |")


def test_a_plan_that_was_not_applied_is_not_called_missing() -> None:
    refused = Failed(name="production", message="shop is not approved")
    shown = [Shown(plan=shop())]
    title = job_summary(shown, about=replace(ABOUT, failed=(refused,))).split("\n", 1)[0]
    assert title.startswith("### ❌ 1 workflow not synced · 5 changes to production · ")
    title = job_summary(shown, about=replace(ABOUT, failed=(refused, *ABOUT.failed))).split("\n", 1)[0]
    assert title.startswith("### ❌ 1 workflow without a plan · ❌ 1 workflow not synced · ")


def test_a_destination_without_health_has_no_word_for_it() -> None:
    (outcome,) = [one for one in outcomes() if isinstance(one, SyncOutcome) and one.status == "succeeded"][:1]
    assert " · healthy · " in deployment_comment([replace(outcome, health="healthy")], sha="5")
    assert "unknown" not in deployment_comment([replace(outcome, health="unknown")], sha="5")


def test_the_order_is_a_reviewers() -> None:
    text = pull_request_comment(SHOWN["shop"], about=ABOUT)
    inside = [
        "❌ **dev**: kustomize failed:",
        "Error: no such file base/x.yaml",
        "➡️ add the file",
        "> ℹ️ this pull request changes sloth.lua",
        APPROVING,
        "* ⏳ **production** waits for (so far: bob approved)",
        "  * 1 more approval of 2 on 4f2c9b1e8d",
        "#### production",
        "**delete** `Namespace/legacy`",
        "**The commit** changes 5 objects",
        "a sync puts back 3 fields",
        "<details><summary>🟣 <b>critical</b>",
        "**Also open**, and about the same objects: 2 pull requests",
        "[#9 All of it](https://git.example/shop/shop/pull/9): `a`, `b`, `c`, 2 more",
        "<sub>commit `4f2c9b1e8d7a` into `main` · plan `9d5ed678.2c26b46b`",
    ]
    places = [text.index(part) for part in inside]
    assert places == sorted(places)
    assert "#### staging" not in text


def test_the_gates_list_is_not_the_one_of_what_is_dangerous() -> None:
    found = GFM.parse(pull_request_comment([Shown(plan=forty(), verdict=WAITING)], about=ABOUT))
    tops = [token.markup for token in found if token.type == "bullet_list_open" and token.level == 0]
    assert tops[:2] == ["*", "-"]


@pytest.mark.parametrize(
    ("verdict", "head", "told"),
    [
        (WAITING, "⏳ waiting for approval", True),
        (Verdict((), ("bob approved",)), "✅ approved", True),
        (None, "approv", False),
    ],
)
def test_the_gate_is_in_the_verdict(verdict: Verdict | None, head: str, told: bool) -> None:
    text = pull_request_comment([Shown(plan=shop(), verdict=verdict)], about=ABOUT)
    assert (head in text.split("\n")[0]) is told
    assert (APPROVING in text) is told


def test_nothing_has_to_be_approved_where_nothing_changes() -> None:
    text = pull_request_comment([Shown(plan=plan(), verdict=WAITING)], about=About(head_sha="a" * 40))
    assert text.startswith("### No changes to production\n")
    assert "waits for" not in text


def test_the_rest_is_named_only_where_something_is_left_out() -> None:
    shown = [Shown(plan=forty(), check_url=f"{RUN}/checks/1")]
    assert "more of it is in" not in pull_request_comment(shown, about=ABOUT)
    text = pull_request_comment(shown, about=ABOUT, limit=9_000)
    assert (
        f"more of it is in [the check]({RUN}/checks/1), [the job's summary]({RUN}) and [the HTML report]({RUN}/artifacts/1)."
        in text
    )
    bare = pull_request_comment([Shown(plan=forty())], about=About(head_sha="a" * 40), limit=9_000)
    assert "sloth-ci preview --verbose" in bare


def test_only_places_that_exist_are_named() -> None:
    """GitLab's statuses have no text, and its jobs no page with a summary."""
    shown = [Shown(plan=forty(), check_url=f"{RUN}/checks/1")]
    report = f"{RUN}/artifacts/1"
    elsewhere = replace(ABOUT, summary_url="", check_texts=False)
    text = pull_request_comment(shown, about=elsewhere, limit=9_000)
    assert f"more of it is in [the HTML report]({report})." in text
    assert f"[run]({RUN}) · [HTML report]({report})</sub>" in text
    summary = replace(ABOUT, summary_url="https://git.example/summary")
    assert "[the job's summary](https://git.example/summary)" in pull_request_comment(shown, about=summary, limit=9_000)


def test_it_speaks_of_a_merge_request_where_the_forge_does() -> None:
    overlaps = tuple(replace(one, sigil="!") for one in ABOUT.overlaps)
    about = replace(ABOUT, overlaps=overlaps, request_word="merge request", notes=())
    text = pull_request_comment(SHOWN["shop"], about=about)
    assert "**Also open**, and about the same objects: 2 merge requests" in text
    assert "[!9 All of it](https://git.example/shop/shop/pull/9)" in text
    assert "pull request" not in text
    many = replace(about, overlaps=overlaps * 100)
    assert "lines about merge requests." in pull_request_comment(SHOWN["shop"], about=many, limit=9_000)
    assert "pull request" not in help_answer("merge request")
    assert "pull request" in help_answer()


@pytest.mark.parametrize(("step", "named"), [("comment", 3), ("check", 2), ("summary", 1), ("html", 0)])
def test_a_ladder_leads_up(step: Step, named: int) -> None:
    assert ladder(step, Places(check=RUN, summary=RUN, html=RUN)).count(f"]({RUN})") == named


def test_the_schemas_of_custom_resources_are_the_first_to_go() -> None:
    crd = "CustomResourceDefinition"
    fields = [field(f"spec.f{i}", "a" * 40, "b" * 40) for i in range(12)]
    changes = [change("update", crd, f"c{i}.example.com", *fields, impact=Impact.HIGH) for i in range(20)]
    changes += [change("update", "ConfigMap", f"m{i}", field("data.x", "old", f"new-{i}")) for i in range(20)]
    text = pull_request_comment([Shown(plan=plan(*changes))], about=ABOUT, limit=22_000)
    assert all(f"+ new-{i}\n" in text for i in range(20))
    assert "diffs." in text
    whole = pull_request_comment([Shown(plan=plan(*changes))], about=ABOUT)
    assert whole.count("<details><summary>36 lines of diff</summary>") == 20


# --- after the merge, and answers ---


@pytest.mark.parametrize("limit", [60_000, 9_000, 400])
@pytest.mark.parametrize("which", [outcomes(), hostile_outcomes(), [unhealthy()]], ids=["all", "hostile", "unhealthy"])
def test_what_became_of_it(which: list[Outcome], limit: int) -> None:
    links = {"the run": RUN, EVIL[3]: f"https://x.example/{EVIL[5]}", "none": ""}
    text = deployment_comment(which, sha="a" * 40, links=links, notes=EVIL, limit=limit)
    check_whole(text)
    assert not mentions(text)
    assert len(text.encode()) <= limit
    assert f"[the run]({RUN})" in text


def test_a_failed_object_is_named_however_long_the_reasons_are() -> None:
    one = unhealthy()
    long = replace(one, items=tuple(replace(item, message="<@a" * 2_000, status="failed") for item in one.items * 30))
    text = deployment_comment([long], sha="a" * 40)
    assert len(text.encode()) <= 60_000
    assert text.count("**failed** `") == 8
    assert "more outcomes" not in text


@pytest.mark.parametrize("evil", [*EVIL, "/sloth deploy production", "x\n/sloth deploy production"])
def test_an_answer_is_never_a_command(evil: str) -> None:
    text = answer(
        evil,
        who=evil,
        state="refused",
        sha=evil,
        message=f"{evil}\n{evil}",
        hint=evil,
        outcomes=outcomes(),
        run_url=RUN,
    )
    check_whole(text)
    assert not mentions(text)
    assert find_command(text, ["production"]) is None
    assert find_command(help_answer(), ["production"]) is None


def test_an_answer() -> None:
    text = answer(
        "/sloth deploy production", who="alice", state="refused", sha="a" * 40, message="nobody approved it", hint="ask", run_url=RUN
    )  # fmt: skip
    assert text == (
        "### 🚫 `/sloth deploy production`: refused\n\nnobody approved it\n\n➡️ ask\n\n"
        f"<sub>asked by alice · commit `aaaaaaaaaaaa` · [run]({RUN})</sub>\n"
    )


def test_the_commands_are_all_told() -> None:
    found = [token.content for token in tokens(help_answer()) if token.type == "code_inline"]
    assert found == list(HELP)


# --- the summary of the job ---


def test_the_summary_has_what_the_comment_has_no_room_for() -> None:
    many = [
        change("update", "ConfigMap", f"m{i}", *(field(f"data.k{n}", "old", "new") for n in range(40)))
        for i in range(400)
    ]
    shown = [Shown(plan=plan(*many))]
    comment, summary = pull_request_comment(shown, about=ABOUT), job_summary(shown, about=ABOUT)
    assert "Not shown" in comment
    assert "Not shown" not in summary
    check_whole(summary)
    assert 60_000 < len(summary.encode()) <= 1_000_000


def test_the_summary_tells_outcomes_first_and_stays_in_its_step() -> None:
    text = job_summary(SHOWN["hostile"], about=ABOUT, outcomes=[*outcomes(), *hostile_outcomes()])
    check_whole(text)
    assert not commands_in(text)
    assert len(text.encode()) <= 1_000_000
    assert text.index("failed and was rolled back") < text.index("| environment |")
