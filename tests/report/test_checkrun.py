"""Checks on a commit: the conclusion, the texts within their bounds, the remarks on lines."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from sloth_ci.core.gate import Verdict
from sloth_ci.core.objects import Source
from sloth_ci.core.plan import Conflict, Impact, Plan
from sloth_ci.core.review import CheckReport, Conclusion
from sloth_ci.core.stale import change_digests
from sloth_ci.report import checkrun
from sloth_ci.report.checkrun import MOST, FailOn, remarks
from sloth_ci.report.comment import Failed
from sloth_ci.report.ladder import Places
from support.markdown import check_whole, mentions
from support.panes import hostile_panes, shop
from support.plans import EVIL, EXEMPT, change, field, forty, hostile, huge, plan, policed
from support.runner import commands_in

plan_report = partial(checkrun.plan_report, name="sloth-ci / production")
approval_report = partial(checkrun.approval_report, name="sloth-ci / production / approval")
failed_report = partial(checkrun.failed_report, name="sloth-ci / production")
WAITING = Verdict(("1 more approval of 2 on 4f2c9b1e8d", "an owner"), ("bob approved",))


def _encodable(one: Plan) -> Plan:
    """Without what the reader of manifests refuses, so that no plan ever has it: half a surrogate pair."""
    return replace(one, changes=tuple(change for change in one.changes if "\\udcff" not in repr(change)))


PLANS = {
    "forty": forty(),
    "hostile": _encodable(hostile()),
    "huge": huge(),
    "empty": plan(),
    "panes": shop(),
    "hostile panes": _encodable(hostile_panes()),
    "policed": policed(500),
    "wide": plan(*(change("update", "ConfigMap", "名前" * 60 + str(i), field("data.x", "🦥" * 200, "🦥" * 201)) for i in range(400))),
}  # fmt: skip


def _one(impact: Impact) -> Plan:
    return plan(change("update", "ConfigMap", "x", field("data.x", 1, 2), impact=impact))


CONFLICT = (Conflict("validation", "ConfigMap/shop/x", "is wrong", ("mend it",), source=Source("x.yaml", 3)),)


@pytest.mark.parametrize("which", PLANS)
def test_a_check_is_within_the_forges_bounds(which: str) -> None:
    hostile_verdict = Verdict(tuple(EVIL) * 50, tuple(EVIL))
    for report in (
        plan_report(PLANS[which], verdict=hostile_verdict, notes=tuple(EVIL)),
        approval_report(PLANS[which], hostile_verdict),
    ):
        for text in (report.summary, report.text):
            assert len(text) <= len(text.encode()) <= 65_000
            check_whole(text)
            assert not mentions(text)
            assert not commands_in(text)
        assert "\n" not in report.title
        assert len(report.title) <= 255
        assert len(report.annotations) <= MOST
        for one in report.annotations:
            assert one.line >= 1
            assert not commands_in(one.message)
            assert "\x1b" not in one.title + one.message + one.path
            assert max(len(one.message), len(one.title)) < 65_000
            (one.path + one.title + one.message).encode()


@pytest.mark.parametrize(
    ("fail_on", "quiet", "low", "high", "conflicting"),
    [
        ("none", "neutral", "success", "success", "neutral"),
        ("conflicts", "neutral", "success", "success", "failure"),
        ("changes", "neutral", "failure", "failure", "failure"),
        ("low", "neutral", "failure", "failure", "failure"),
        ("medium", "neutral", "success", "failure", "failure"),
        ("high", "neutral", "success", "failure", "failure"),
        ("critical", "neutral", "success", "success", "failure"),
    ],
)
def test_the_conclusion(
    fail_on: FailOn, quiet: Conclusion, low: Conclusion, high: Conclusion, conflicting: Conclusion
) -> None:
    plans = (plan(), _one(Impact.LOW), _one(Impact.HIGH), replace(_one(Impact.LOW), conflicts=CONFLICT))
    reports = [plan_report(one, fail_on=fail_on) for one in plans]
    assert [report.conclusion for report in reports] == [quiet, low, high, conflicting]
    for report in reports:
        assert (f"`fail-on: {fail_on}`" in report.summary) is (report.conclusion == "failure")


def test_conflicts_fail_a_plan_without_changes() -> None:
    assert plan_report(plan(conflicts=CONFLICT)).conclusion == "failure"
    assert plan_report(plan(conflicts=CONFLICT)).title == "1 conflict, no changes"
    assert plan_report(plan()).title == "No changes"


def test_findings_of_a_policy_fail_no_check() -> None:
    warned = replace(policed(), conflicts=())
    cases: dict[FailOn, Conclusion] = {
        "none": "success",
        "conflicts": "success",
        "medium": "success",
        "changes": "failure",
    }
    for fail_on, conclusion in cases.items():
        assert plan_report(warned, fail_on=fail_on).conclusion == conclusion
    assert plan_report(warned).title == "3 policy findings, 1 change (1 updated), highest impact low"
    assert plan_report(policed()).title.startswith("1 conflict, 3 policy findings, 1 change")
    assert plan_report(policed()).conclusion == "failure"
    assert "<b>Policy findings</b>: 3" in plan_report(warned).text
    quiet = plan_report(replace(warned, changes=()))
    assert (quiet.title, quiet.conclusion) == ("3 policy findings, no changes", "neutral")


def test_findings_of_a_policy_are_remarks_on_their_lines() -> None:
    denied, *warned = remarks(policed())
    assert (denied.level, denied.path, denied.line, denied.title) == (
        "failure", "base/web.yaml", 14, "policy: Deployment/shop/web",
    )  # fmt: skip
    assert [(one.level, one.path, one.line, one.title) for one in warned] == [
        ("warning", "base/w0.yaml", 1, "policy finding: Deployment/shop/w0"),
        ("warning", "base/w0.yaml", 1, "policy finding: Deployment/shop/w0"),
        ("warning", "base/w1.yaml", 2, "policy finding: Deployment/shop/w1"),
    ]
    assert warned[1].message == f"team: no label says whose it is\nWays out:\n- mend what team names\n- {EXEMPT}"


def test_findings_leave_room_for_dangerous_changes() -> None:
    grave = change("delete", "Secret", "keys", impact=Impact.CRITICAL, path="x.yaml")
    grave = replace(grave, source=Source("x.yaml", 1))
    levels = [one.title.partition(":")[0] for one in remarks(plan(grave, findings=policed(500).findings))]
    assert levels == ["critical impact", *["policy finding"] * (MOST - 1)]


def test_what_a_check_says() -> None:
    report = plan_report(forty(), verdict=WAITING, notes=("a note",))
    assert report.name == "sloth-ci / production"
    assert report.title == (
        "2 conflicts, 40 changes (7 created, 30 updated, 3 deleted), highest impact critical, 1 irreversible"
    )
    assert report.digest == forty().digest
    assert report.changes == change_digests(forty())
    assert f"Digest of the plan: `{forty().digest}`" in report.summary
    assert "* ⏳ waits for (so far: bob approved)\n  * 1 more approval of 2 on 4f2c9b1e8d\n" in report.summary
    assert "> ℹ️ a note" in report.summary
    assert "**delete** `PersistentVolumeClaim/shop/orders-data`" in report.text


def test_the_next_step_is_named_where_a_check_is_too_small() -> None:
    places = Places(check="https://git.example/c", summary="https://git.example/run", html="https://git.example/html")
    report = plan_report(PLANS["wide"], places=places)
    line = (
        "more of it is in [the job's summary](https://git.example/run) and [the HTML report](https://git.example/html)."
    )
    assert line in report.summary
    assert line in report.text
    assert "more of it is in" not in plan_report(shop(), places=places).summary


def test_approvals() -> None:
    waiting = approval_report(forty(), WAITING)
    assert (waiting.name, waiting.conclusion) == ("sloth-ci / production / approval", "action_required")
    assert waiting.title == "Waiting for 1 more approval of 2 on 4f2c9b1e8d and 1 more"
    assert waiting.digest == forty().digest
    given = approval_report(forty(), Verdict((), ("bob approved",)))
    assert (given.conclusion, given.title) == ("success", "Approved")
    assert "may be applied: bob approved" in given.summary
    assert approval_report(plan(), WAITING).conclusion == "success"


@pytest.mark.parametrize("evil", EVIL)
def test_no_plan(evil: str) -> None:
    report = failed_report(Failed(name=evil, message=f"{evil}\n{evil}\n````", hint=evil))
    assert isinstance(report, CheckReport)
    assert report.conclusion == "failure"
    assert report.title.startswith("No plan: ")
    assert "\n" not in report.title + report.name
    check_whole(report.summary)
    assert not mentions(report.summary)


def test_remarks_come_by_severity() -> None:
    found = remarks(replace(forty(), warnings=("ConfigMap/shop/scripts is odd", *forty().warnings)))
    levels = [one.level for one in found]
    assert levels == sorted(levels, key=["failure", "warning", "notice"].index)
    assert (found[0].path, found[0].line, found[0].title) == (
        "overlays/production/migrate.yaml",
        18,
        "immutable_field: Job/shop/migrate",
    )
    assert "Ways out:\n- leave the field as it is\n" in found[0].message
    warned = {(one.title, one.message) for one in found if one.level == "warning"}
    assert ("high impact: update Deployment/shop/loadgenerator", "scaled to zero") in warned
    assert ("high impact: recreate Service/shop/postgres",
            "partly reversible; deleted and made anew: there is a gap in between") in warned  # fmt: skip
    assert ("warning: ConfigMap/shop/scripts", "ConfigMap/shop/scripts is odd") in warned
    assert not any("archive" in one.message for one in found)


def test_what_a_merge_overwrites_is_said_where_it_is_declared() -> None:
    found = {(one.path, one.line, one.message) for one in remarks(shop()) if one.level == "notice"}
    container = "spec.template.spec.containers[name=web].env[name=DEBUG]"
    assert found == {
        ("base/web.yaml", 14, f"a sync puts back what kubectl-edit at 2025-11-22 10:14 changed: spec.replicas, {container}"),
        ("base/web.yaml", 61, "a sync puts back what kubectl-edit at 2025-11-22 10:14 changed: spec.type"),
    }  # fmt: skip


def test_the_gravest_remarks_are_kept() -> None:
    many = tuple(replace(CONFLICT[0], source=Source("x.yaml", i + 1)) for i in range(150))
    dangers = (
        change("update", "ConfigMap", f"m{i}", impact=Impact.HIGH, path="y.yaml", line=i + 1) for i in range(150)
    )
    found = remarks(plan(*dangers, conflicts=many))
    assert [one.level for one in found] == ["failure"] * 150 + ["warning"] * 50


def test_a_path_that_no_forge_can_have_gets_no_remark() -> None:
    hostile_source = (replace(CONFLICT[0], source=Source(evil, 1)) for evil in EVIL if "\n" in evil or "\udcff" in evil)
    assert remarks(plan(conflicts=tuple(hostile_source))) == ()
