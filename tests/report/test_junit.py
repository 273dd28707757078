"""Plans as test results, read back by a parser of XML."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sloth_ci.core.gate import Verdict
from sloth_ci.core.objects import Source
from sloth_ci.core.plan import Conflict, Impact
from sloth_ci.report.checkrun import FailOn
from sloth_ci.report.comment import Failed, Shown
from sloth_ci.report.junit import junit
from support.panes import hostile_panes
from support.plans import EVIL, EXEMPT, change, forty, hostile, plan, policed
from support.runner import commands_in

CONFLICT = Conflict(
    "immutable_field", "Job/shop/migrate", "spec.template is immutable", ("delete it",), source=Source("job.yaml", 3)
)
DANGER = change("delete", "Service", "web", impact=Impact.HIGH, reasons=("traffic ends",), reversible="partial")
MILD = change("update", "ConfigMap", "web", impact=Impact.LOW, path="web.yaml", line=4)
WAITS = Verdict(("1 more approval of 2", "an approval by an owner of /db/: dba"), ("bob approved",))
ANY = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    [*EVIL, "]]>", "[[ATTACHMENT|x]]", "\x00\x1f\x7f\ufffe\uffff"]
)


def read(
    *shown: Shown, failed: tuple[Failed, ...] = (), fail_on: FailOn = "conflicts"
) -> dict[str, dict[str, tuple[str, str]]]:
    """The result and the words of each case, by its name and that of its suite."""
    root = ET.fromstring(junit(shown, failed, fail_on=fail_on))  # noqa: S314 (it is ours)
    assert root.tag == "testsuites"
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for suite in root:
        cases = {}
        for case in suite:
            assert case.get("classname") == suite.get("name")
            told = [(child.tag, child.text or "") for child in case]
            assert len(told) <= 1
            cases[case.attrib["name"]] = told[0] if told else ("", "")
        assert len(cases) == len(suite) == int(suite.attrib["tests"]), "GitLab keeps one case of a name"
        results = [result for result, _ in cases.values()]
        assert int(suite.attrib["failures"]) == results.count("failure")
        assert int(suite.attrib["skipped"]) == results.count("skipped")
        found[suite.attrib["name"]] = cases
    return found


def failures(*shown: Shown, fail_on: FailOn) -> list[str]:
    return [
        name
        for cases in read(*shown, fail_on=fail_on).values()
        for name, (result, _) in cases.items()
        if result == "failure"
    ]


def test_a_suite_for_each_environment() -> None:
    found = read(
        Shown(plan=plan(MILD)),
        Shown(plan=plan(environment=None, name="docs")),
        failed=(Failed(name="dev", message="kustomize failed:\nno such file", hint="add it"),),
    )
    assert list(found) == ["production", "docs", "dev"]
    assert list(found["production"]) == ["plan", "conflicts", "impact"]
    assert found["dev"] == {"plan": ("failure", "kustomize failed:\nno such file\nadd it")}


def test_two_workflows_of_one_environment_share_a_suite() -> None:
    found = read(Shown(plan=plan(MILD)), Shown(plan=plan(MILD)))
    assert list(found["production"]) == ["plan", "conflicts", "impact", "plan (2)", "conflicts (2)", "impact (2)"]


@pytest.mark.parametrize(
    ("fail_on", "result"), [("none", "skipped"), ("conflicts", "failure"), ("critical", "failure")]
)
def test_a_conflict_fails_the_job_unless_nothing_does(fail_on: FailOn, result: str) -> None:
    cases = read(Shown(plan=plan(conflicts=(CONFLICT,))), fail_on=fail_on)["production"]
    assert cases["conflict: immutable_field Job/shop/migrate"] == (
        result,
        "spec.template is immutable\nat job.yaml:3\nWays out:\n- delete it",
    )
    assert "conflicts" not in cases


@pytest.mark.parametrize("fail_on", ["none", "conflicts", "critical"])
def test_findings_of_a_policy_are_a_case_that_has_passed(fail_on: FailOn) -> None:
    cases = read(Shown(plan=policed()), fail_on=fail_on)["production"]
    assert list(cases) == ["plan", "conflict: policy Deployment/shop/web", "policy findings", "impact"]
    assert cases["policy findings"] == (
        "system-out",
        f"""3 policy findings
Deployment/shop/w0 at base/w0.yaml:1: probes: container web has ports and no readinessProbe
Deployment/shop/w1 at base/w1.yaml:2: probes: container web has ports and no readinessProbe
Ways out:
- mend what probes names
- {EXEMPT}
Deployment/shop/w0 at base/w0.yaml:1: team: no label says whose it is
Ways out:
- mend what team names
- {EXEMPT}""",
    )


def test_many_findings_are_counted_and_bounded() -> None:
    short = tuple(
        replace(one, resource=f"A/{i}", description="", source=None) for i, one in enumerate(policed(250).findings)
    )
    short = tuple(replace(one, suggestions=("mend",)) for one in short)
    text = read(Shown(plan=plan(findings=short)))["production"]["policy findings"][1]
    assert text.startswith("251 policy findings\nA/0: \n")
    assert text.endswith("\nA/199: \nWays out:\n- mend\n… and 51 more")
    assert len(read(Shown(plan=policed(250)))["production"]["policy findings"][1]) < 4_100


@pytest.mark.parametrize(
    ("fail_on", "failing"),
    [
        ("none", []),
        ("conflicts", []),
        ("critical", []),
        ("high", ["high impact: delete Service/shop/web"]),
        ("medium", ["high impact: delete Service/shop/web"]),
        ("changes", ["high impact: delete Service/shop/web", "low impact: update ConfigMap/shop/web"]),
        ("low", ["high impact: delete Service/shop/web", "low impact: update ConfigMap/shop/web"]),
    ],
)
def test_what_makes_the_job_fail_is_a_failure(fail_on: FailOn, failing: list[str]) -> None:
    shown = Shown(plan=plan(MILD, DANGER))
    assert failures(shown, fail_on=fail_on) == failing
    cases = read(shown, fail_on=fail_on)["production"]
    if failing:
        assert cases[failing[0]][1].startswith("partly reversible; traffic ends\nThe job fails on it")
    else:
        assert cases["impact"] == (
            "system-out",
            "high impact: delete Service/shop/web: partly reversible; traffic ends",
        )


def test_a_failure_names_its_file() -> None:
    root = ET.fromstring(junit([Shown(plan=plan(MILD))], [], fail_on="changes"))  # noqa: S314
    assert [case.get("file") for case in root.iter("testcase") if case.find("failure") is not None] == ["web.yaml"]


@pytest.mark.parametrize(
    ("rest", "case"),
    [
        ({"verdict": WAITS}, ("skipped", "Waits for:\n1 more approval of 2\nan approval by an owner of /db/: dba")),
        ({"verdict": Verdict((), ("bob approved",))}, ("system-out", "bob approved")),
        ({"required": True}, ("skipped", "An approval is required, and nobody was asked yet")),
        ({}, None),
    ],
)
def test_what_waits_is_skipped(rest: Any, case: tuple[str, str] | None) -> None:
    assert read(Shown(plan=plan(MILD), **rest))["production"].get("approval") == case


def test_a_plan_that_brings_nothing_waits_for_nobody() -> None:
    assert "approval" not in read(Shown(plan=plan(), verdict=WAITS))["production"]


def test_the_names_stay_while_the_words_change() -> None:
    first = read(Shown(plan=plan(MILD, DANGER), verdict=WAITS))
    later = read(Shown(plan=plan(DANGER, digest="other.digest"), verdict=Verdict((), ("bob approved", "eve approved"))))
    assert first["production"].keys() == later["production"].keys()


def test_many_changes_are_counted() -> None:
    many = [change("update", "ConfigMap", f"m{i}") for i in range(203)]
    cases = read(Shown(plan=plan(*many)), fail_on="changes")["production"]
    assert cases["impact of the rest"] == ("failure", "3 more changes, as `fail-on: changes` says")
    assert len(cases) == 203


@pytest.mark.parametrize("which", [forty(), hostile(), hostile_panes()], ids=["forty", "hostile", "panes"])
def test_a_report_is_the_same_twice(which: Any) -> None:
    shown = [Shown(plan=which, verdict=Verdict(tuple(EVIL), tuple(EVIL)), notes=tuple(EVIL))]
    failed = [Failed(name=evil, message=f"{evil}\n{evil}", hint=evil) for evil in EVIL]
    text = junit(shown, failed, fail_on="changes")
    assert text == junit(shown, failed, fail_on="changes")
    assert not commands_in(text.decode())
    read(*shown, failed=tuple(failed), fail_on="changes")


@given(ANY, ANY, ANY)
@settings(deadline=None)
def test_any_text_is_text(one: str, two: str, three: str) -> None:
    made = plan(
        replace(DANGER, reasons=(one,), source=Source(two, 1)),
        environment=three,
        conflicts=(replace(CONFLICT, resource=one, description=two, suggestions=(three,)),),
        findings=(replace(CONFLICT, type="policy", resource=two, description=three, suggestions=(one,)),),
        warnings=(one, two),
    )
    text = junit(
        [Shown(plan=made, verdict=Verdict((one, two)), notes=(three,))],
        [Failed(name=one, message=two, hint=three)],
        fail_on="changes",
    )
    text.decode()
    assert b"[[ATTACHMENT|" not in text
    read(
        Shown(plan=made, verdict=Verdict((one, two)), notes=(three,)),
        failed=(Failed(name=one, message=two, hint=three),),
        fail_on="changes",
    )


def test_the_text_of_a_case_comes_back_as_it_was() -> None:
    said = 'a "quoted" <tag> & ]]> \' end\nnext'
    assert read(failed=(Failed(name="dev", message=said),))["dev"]["plan"] == ("failure", said)
