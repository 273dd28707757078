"""Plans as test results in JUnit XML, as GitLab reads it: doc/ci/testing/unit_test_reports.md and its parser.

A failure is what makes the job fail. What waits for a person is skipped, with the words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from sloth_ci.core.plan import Change, Conflict, Impact, Plan
from sloth_ci.core.words import plural
from sloth_ci.report.checkrun import FailOn
from sloth_ci.report.comment import Failed, Shown
from sloth_ci.report.panes import FINDING, alike
from sloth_ci.report.plan_view import UNDO
from sloth_ci.report.text import one_line, shorten, visible, without_commands

_NAME = 300
_TEXT = 4_000
_MOST = 200
"""Changes that a suite tells one by one."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTACHMENT = "[[ATTACHMENT|"
"""GitLab makes a link to an artifact of it."""


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    result: Literal["passed", "failure", "skipped"] = "passed"
    text: str = ""
    file: str = ""


def junit(shown: Sequence[Shown], failed: Sequence[Failed], *, fail_on: FailOn) -> bytes:
    """A suite for each environment, as XML in UTF-8. The names of its cases are the same from run to run.

    The cases: `plan` (it could be made), `conflicts` or each of them, `policy findings` where there are any, `impact` or each
    change that is too much for `fail_on`, and `approval`, where it is required.
    """
    suites: dict[str, list[_Case]] = {}
    for one in shown:
        suites.setdefault(one.plan.environment or one.plan.name, []).extend(_cases(one, fail_on))
    for failure in failed:
        way = f"\n{failure.hint}" if failure.hint else ""
        said = _Case(name="plan", result="failure", text=failure.message + way)
        suites.setdefault(failure.name, []).append(said)
    root = ET.Element("testsuites", name="sloth-ci")
    for name, cases in suites.items():
        root.append(_suite(name, cases))
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _cases(one: Shown, fail_on: FailOn) -> Iterator[_Case]:
    plan = one.plan
    counts = f"{plural(len(plan.changes), 'change')}, digest {plan.digest}"
    yield _Case(name="plan", text="\n".join([counts, *one.notes, *plan.warnings]))
    yield from _conflicts(plan, fail_on)
    yield from _findings(plan)
    yield from _impact(plan, fail_on)
    verdict = one.verdict
    if not plan.brings:
        return
    if verdict is not None and verdict.open:
        yield _Case(name="approval", text="\n".join(verdict.given))
    elif verdict is not None:
        yield _Case(name="approval", result="skipped", text="\n".join(["Waits for:", *verdict.missing]))
    elif one.required:
        yield _Case(name="approval", result="skipped", text="An approval is required, and nobody was asked yet")


def _conflicts(plan: Plan, fail_on: FailOn) -> Iterator[_Case]:
    if not plan.conflicts:
        yield _Case(name="conflicts")
    for conflict in plan.conflicts:
        yield _Case(
            name=f"conflict: {conflict.type} {conflict.resource}",
            result="skipped" if fail_on == "none" else "failure",
            text=_said(conflict),
            file=conflict.source.path if conflict.source else "",
        )


def _findings(plan: Plan) -> Iterator[_Case]:
    """One case that has passed: they stand against nothing."""
    if not plan.findings:
        return
    lines: list[str] = []
    room = _MOST
    for group in alike(plan.findings):
        if room > 0:
            lines += [_found(finding) for finding in group[:room]] + _ways(group[0])
        room -= len(group)
    more = [f"… and {-room:,} more"] if room < 0 else []
    yield _Case(name=f"{FINDING}s", text="\n".join([plural(len(plan.findings), FINDING), *lines, *more]))


def _found(finding: Conflict) -> str:
    where = f" at {finding.source}" if finding.source else ""
    return f"{finding.resource}{where}: {finding.description}"


def _said(conflict: Conflict) -> str:
    where = [f"at {conflict.source}"] if conflict.source else []
    return "\n".join([conflict.description, *where, *_ways(conflict)])


def _ways(conflict: Conflict) -> list[str]:
    return ["Ways out:", *(f"- {way}" for way in conflict.suggestions)] if conflict.suggestions else []


def _impact(plan: Plan, fail_on: FailOn) -> Iterator[_Case]:
    """What `fail-on` says of the changes. Conflicts have cases of their own."""
    ordered = sorted(plan.changes, key=lambda change: -change.impact)
    too_much: list[Change] = []
    if fail_on not in {"none", "conflicts"}:
        least = Impact.LOW if fail_on == "changes" else Impact[fail_on.upper()]
        too_much = [change for change in ordered if change.impact >= least]
    if not too_much:
        grave = [f"{_named(change)}: {_why(change)}" for change in ordered if change.impact >= Impact.HIGH]
        yield _Case(name="impact", text="\n".join(grave[:_MOST]))
    for change in too_much[:_MOST]:
        yield _Case(
            name=_named(change),
            result="failure",
            text=f"{_why(change)}\nThe job fails on it, as `fail-on: {fail_on}` says.",
            file=change.source.path if change.source else "",
        )
    if len(too_much) > _MOST:
        more = plural(len(too_much) - _MOST, "more change")
        yield _Case(name="impact of the rest", result="failure", text=f"{more}, as `fail-on: {fail_on}` says")


def _named(change: Change) -> str:
    return f"{change.impact} impact: {change.type} {change.ref}"


def _why(change: Change) -> str:
    undo = [UNDO[change.reversible]] if change.reversible != "yes" else []
    return "; ".join([*undo, *change.reasons])


# --- XML ---


def _suite(name: str, cases: Sequence[_Case]) -> ET.Element:
    """GitLab keeps the first of some cases that have one name, so each has its own."""
    label = _label(name)
    results = Counter(case.result for case in cases)
    suite = ET.Element(
        "testsuite",
        name=label,
        tests=str(len(cases)),
        failures=str(results["failure"]),
        errors="0",
        skipped=str(results["skipped"]),
    )
    used: set[str] = set()
    for case in cases:
        title = _label(case.name)
        unique = next(
            one for number in count(1) if (one := title if number == 1 else f"{title} ({number})") not in used
        )
        used.add(unique)
        element = ET.SubElement(suite, "testcase", classname=label, name=unique)
        if case.file:
            element.set("file", _label(case.file))
        if case.result != "passed":
            ET.SubElement(element, case.result).text = _prose(case.text)
        elif case.text:
            ET.SubElement(element, "system-out").text = _prose(case.text)
    return suite


def _label(text: str) -> str:
    return _xml(without_commands(one_line(text, _NAME)))


def _prose(text: str) -> str:
    return _xml(without_commands(visible(shorten(text, _TEXT), keep="\n")))


def _xml(text: str) -> str:
    r"""A text that XML 1.0 can hold: what it cannot is an escape such as `\uffff`."""
    return _NO_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text).replace(_ATTACHMENT, "[ [ATTACHMENT|")
