"""Remarks as a Code Quality report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sloth_ci.core.review import Annotation
from sloth_ci.report.checkrun import remarks
from sloth_ci.report.codequality import code_quality
from support.panes import shop
from support.plans import EVIL, forty, hostile, policed

NOTE = Annotation(
    path="base/web.yaml", line=14, level="warning", title="high impact: delete Service/shop/web", message="a"
)
ANY = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(EVIL)


def read(*annotations: Annotation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(code_quality(annotations).decode())
    return found


def test_a_finding_has_all_that_gitlab_reads() -> None:
    [found] = read(NOTE)
    fingerprint = found.pop("fingerprint")
    assert len(fingerprint) == 64
    assert found == {
        "description": "high impact: delete Service/shop/web: a",
        "check_name": "sloth-ci/high-impact",
        "severity": "major",
        "location": {"path": "base/web.yaml", "lines": {"begin": 14}},
    }


@pytest.mark.parametrize(
    ("level", "title", "check", "severity"),
    [
        ("failure", "field_ownership: Deployment/shop/web", "field_ownership", "blocker"),
        ("warning", "critical impact: delete Namespace/shop", "critical-impact", "critical"),
        ("warning", "high impact: update Service/shop/web", "high-impact", "major"),
        ("failure", "policy: Deployment/shop/web", "policy", "blocker"),
        ("warning", "policy finding: Deployment/shop/web", "policy-finding", "minor"),
        ("warning", "warning: Service/shop/web", "warning", "minor"),
        ("notice", "drift: Service/shop/web", "drift", "info"),
        ("notice", "", "remark", "info"),
    ],
)
def test_the_severity_is_that_of_the_remark(level: Any, title: str, check: str, severity: str) -> None:
    [found] = read(replace(NOTE, level=level, title=title))
    assert (found["check_name"], found["severity"]) == (f"sloth-ci/{check}", severity)


def test_a_finding_that_moved_is_the_same_whatever_it_says() -> None:
    prints = [read(one)[0]["fingerprint"] for one in (NOTE, replace(NOTE, line=99, message="b"))]
    assert prints[0] == prints[1]
    others = [replace(NOTE, path="other.yaml"), replace(NOTE, title="high impact: delete Service/shop/api")]
    assert prints[0] not in {read(one)[0]["fingerprint"] for one in others}


def test_alike_findings_are_counted() -> None:
    found = read(NOTE, replace(NOTE, line=20), replace(NOTE, line=30))
    assert len({one["fingerprint"] for one in found}) == 3
    assert found[0]["fingerprint"] == read(NOTE)[0]["fingerprint"]


@pytest.mark.parametrize("which", [forty(), shop(), hostile(), policed()], ids=["forty", "shop", "hostile", "policed"])
def test_every_remark_of_a_plan_is_a_finding(which: Any) -> None:
    annotations = remarks(which)
    found = read(*annotations)
    assert [one["location"]["path"] for one in found] == [one.path for one in annotations]
    assert len({one["fingerprint"] for one in found}) == len(annotations)
    assert code_quality(annotations) == code_quality(remarks(which))


def test_what_a_policy_warns_of_is_minor_and_what_it_denies_blocks() -> None:
    found = [(one["severity"], one["location"]["path"]) for one in read(*remarks(policed()))]
    assert found == [
        ("blocker", "base/web.yaml"), ("minor", "base/w0.yaml"), ("minor", "base/w0.yaml"), ("minor", "base/w1.yaml"),
    ]  # fmt: skip


@given(st.lists(st.tuples(ANY, ANY, ANY), max_size=4), st.sampled_from(["failure", "warning", "notice"]))
def test_any_text_is_text(texts: list[tuple[str, str, str]], level: Any) -> None:
    found = read(*(Annotation(path=p, line=0, level=level, title=t, message=m) for p, t, m in texts))
    assert len(found) == len(texts)
    assert len({one["fingerprint"] for one in found}) == len(texts)
    for one in found:
        assert "<" not in one["description"]
        assert "\n" not in one["description"]
        assert one["location"]["lines"]["begin"] == 1
        assert one["severity"] in {"info", "minor", "major", "critical", "blocker"}


def test_a_report_without_remarks_is_an_empty_list_without_a_mark_of_its_order() -> None:
    assert code_quality([]) == b"[]\n"
