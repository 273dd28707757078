"""A plan as a check on a commit: may it be merged, why not, and remarks on the lines of the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sloth_ci.core.gate import Verdict
from sloth_ci.core.objects import Source
from sloth_ci.core.plan import Change, Conflict, Impact, Plan
from sloth_ci.core.review import Annotation, CheckReport, Conclusion
from sloth_ci.core.stale import change_digests
from sloth_ci.core.words import first_line, plural
from sloth_ci.report.comment import APPROVING, Failed, gate_lines
from sloth_ci.report.ladder import Places, ladder
from sloth_ci.report.markdown import note_line, sections, table, verdict_parts
from sloth_ci.report.panes import FINDING, author, drift_by_outcome, overwritten
from sloth_ci.report.parts import Parts, blocks, further_lines, size
from sloth_ci.report.plan_view import UNDO
from sloth_ci.report.text import code, cut, markdown, one_line, shorten, visible, without_commands

FailOn = Literal["none", "conflicts", "changes", "low", "medium", "high", "critical"]
"""From what on a check fails: never, on conflicts, on any change, on a change of this impact. Each includes the ones before it."""
ROOM = 65_000
"""Bytes of a summary and of a text: GitHub takes 65,535 characters of each."""
MOST = 200
"""Annotations of a check. Nobody reads more, and each request carries fifty."""

_TITLE = 200
_MESSAGE = 4_000
_LEVELS: dict[str, int] = {"failure": 0, "warning": 1, "notice": 2}


def plan_report(
    plan: Plan,
    *,
    name: str,
    verdict: Verdict | None = None,
    fail_on: FailOn = "conflicts",
    notes: tuple[str, ...] = (),
    places: Places | None = None,
) -> CheckReport:
    """The check of a plan. `verdict` is what the gate says, None where no approval is required."""
    places = places or Places()
    conclusion = _conclusion(plan, fail_on)
    more = ladder("check", places)
    why = f"❌ The check fails on {_failing(fail_on)}, as `fail-on: {fail_on}` says." if conclusion == "failure" else ""
    head = blocks(f"### {' · '.join(verdict_parts([plan]))}", table([plan], ROOM), why)
    foot = _digest(plan)
    top = Parts(ROOM - size(head) - size(foot) - size(more) - 10)
    top.add_all([note_line(note) for note in notes], "note")
    if verdict is not None and plan.brings:
        top.add_all(["\n" + APPROVING + "\n", *gate_lines(verdict)], "line about approvals", "lines about approvals")
    text = sections([plan], ROOM - size(more) - 10, titled=False)
    rest = more if not (text.whole and top.whole) else ""
    return CheckReport(
        name=name,
        conclusion=conclusion,
        title=_title(plan),
        summary=blocks(head, top.text(), rest, foot),
        text=blocks(text.text, "" if text.whole else more),
        annotations=remarks(plan),
        digest=plan.digest,
        changes=change_digests(plan),
    )


def approval_report(plan: Plan, verdict: Verdict, *, name: str) -> CheckReport:
    """The check that is green when the gate is open: for branch protection that asks for it."""
    if not plan.brings:
        title, lines = "Nothing changes: there is nothing to approve", []
    elif verdict.open:
        title, lines = "Approved", gate_lines(verdict)
    else:
        title, lines = cut(f"Waiting for {one_line(verdict.missing[0], _TITLE)}", _TITLE), gate_lines(verdict)
        rest = len(verdict.missing) - 1
        title += f" and {rest:,} more" if rest else ""
    parts = Parts(ROOM - size(_digest(plan)) - 10, f"{APPROVING}\n")
    parts.add_all(lines, "line")
    passes = verdict.open or not plan.brings
    return CheckReport(
        name=name,
        conclusion="success" if passes else "action_required",
        title=title,
        summary=blocks(parts.text(), _digest(plan)),
        digest=plan.digest,
    )


def failed_report(failed: Failed, *, name: str) -> CheckReport:
    """The check of a workflow of which no plan could be made."""
    said = f"{markdown(first_line(failed.message), 2000)}{further_lines(failed.message, 80)}\n"
    way = f"\n➡️ {markdown(failed.hint, 600)}\n" if failed.hint else ""
    parts = Parts(ROOM)
    parts.add_all([said, way], "part")
    return CheckReport(
        name=name,
        conclusion="failure",
        title=cut(f"No plan: {one_line(first_line(failed.message), _TITLE)}", _TITLE),
        summary=parts.text(),
    )


def _digest(plan: Plan) -> str:
    return f"Digest of the plan: {code(plan.digest, 200)}"


def _conclusion(plan: Plan, fail_on: FailOn) -> Conclusion:
    """`neutral` where nothing was proven: nothing would change, or nobody wants to hear of conflicts."""
    if fail_on == "none":
        return "neutral" if plan.conflicts or not plan.changes else "success"
    if plan.conflicts:
        return "failure"
    impact = plan.max_impact
    if impact is None:
        return "neutral"
    if fail_on == "conflicts":
        return "success"
    least = Impact.LOW if fail_on == "changes" else Impact[fail_on.upper()]
    return "failure" if impact >= least else "success"


def _failing(fail_on: FailOn) -> str:
    if fail_on == "conflicts":
        return "conflicts"
    return (
        f"conflicts and on {'any change' if fail_on in {'changes', 'low'} else f'changes of {fail_on} impact or more'}"
    )


def _title(plan: Plan) -> str:
    """One line of plain text: forges show it beside the name."""
    parts = [plural(len(plan.conflicts), "conflict")] if plan.conflicts else []
    parts += [plural(len(plan.findings), FINDING)] if plan.findings else []
    if not plan.changes:
        return ", ".join([*parts, "no changes"]).capitalize()
    summary = plan.summary
    kinds = (("created", summary.created_resources), ("updated", summary.updated_resources), ("deleted", summary.deleted_resources))  # fmt: skip
    parts.append(f"{plural(summary.total_changes, 'change')} ({', '.join(f'{n:,} {word}' for word, n in kinds if n)})")
    parts.append(f"highest impact {plan.max_impact}")
    stuck = sum(change.reversible == "no" for change in plan.changes)
    parts += [f"{stuck:,} irreversible"] if stuck else []
    return ", ".join(parts)


# --- remarks on lines ---


def remarks(plan: Plan) -> tuple[Annotation, ...]:
    """Remarks on the manifests' lines, the gravest first.

    They are conflicts, dangerous changes, findings of the policy, warnings, and what is overwritten.
    """
    sources = {str(change.ref): change.source for change in (*(plan.intent or ()), *plan.changes) if change.source}
    found = [*_conflicts(plan), *_dangers(plan), *_findings(plan)]
    found += [*_warnings(plan, sources), *_overwritten(plan, sources)]
    found.sort(key=lambda one: _LEVELS[one.level])
    return tuple(found[:MOST])


def _at(
    source: Source | None, level: Literal["notice", "warning", "failure"], title: str, message: str
) -> Iterator[Annotation]:
    """A remark, where there is a line for it: a path that no forge can have is none."""
    if source is not None and source.path and source.path == visible(source.path):
        yield Annotation(
            path=source.path,
            line=max(source.line, 1),
            level=level,
            title=one_line(title, _TITLE),
            message=without_commands(visible(shorten(message, _MESSAGE), keep="\n")),
        )


def _conflicts(plan: Plan) -> Iterator[Annotation]:
    for conflict in plan.conflicts:
        yield from _at(conflict.source, "failure", f"{conflict.type}: {conflict.resource}", _said(conflict))


def _findings(plan: Plan) -> Iterator[Annotation]:
    for finding in plan.findings:
        yield from _at(finding.source, "warning", f"{FINDING}: {finding.resource}", _said(finding))


def _said(conflict: Conflict) -> str:
    ways = "".join(f"\n- {way}" for way in conflict.suggestions)
    return conflict.description + (f"\nWays out:{ways}" if ways else "")


def _dangers(plan: Plan) -> Iterator[Annotation]:
    for change in sorted(plan.changes, key=lambda change: -change.impact):
        if change.impact >= Impact.HIGH:
            yield from _at(
                change.source, "warning", f"{change.impact} impact: {change.type} {change.ref}", _why(change)
            )


def _why(change: Change) -> str:
    undo = [UNDO[change.reversible]] if change.reversible != "yes" else []
    return "\n".join(["; ".join([*undo, *change.reasons]), *change.dependents[:8]])


def _warnings(plan: Plan, sources: dict[str, Source]) -> Iterator[Annotation]:
    """Those that begin with the object they are about."""
    for warning in plan.warnings:
        resource = warning.partition(" ")[0].rstrip(":")
        yield from _at(sources.get(resource), "warning", f"warning: {resource}", warning)


def _overwritten(plan: Plan, sources: dict[str, Source]) -> Iterator[Annotation]:
    if not overwritten(plan):
        return
    for outcome, found in drift_by_outcome(plan):
        for one in found if outcome == "overwritten" else ():
            who = author(one) or "somebody"
            paths = ", ".join(field.path for field in one.fields[:10])
            yield from _at(
                sources.get(one.resource),
                "notice",
                f"drift: {one.resource}",
                f"a sync puts back what {who} changed: {paths}",
            )
