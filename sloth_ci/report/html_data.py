"""What the HTML report shows, as a document that its script reads: all foreign text made visible, nothing too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sloth_ci.core.gate import Verdict
from sloth_ci.core.outcome import Outcome
from sloth_ci.core.plan import Change, Conflict, Drift, FieldChange, Plan
from sloth_ci.report.brief import in_brief
from sloth_ci.report.comment import About, Shown
from sloth_ci.report.diff import change_diff, inline
from sloth_ci.report.document import Document, outcome_document, plan_document
from sloth_ci.report.outcome_view import counts, facts, headline, ordered_items, seconds
from sloth_ci.report.panes import Intended, author, commit_of, drift_by_outcome, drift_heading, is_hidden, place_of
from sloth_ci.report.plan_view import UNDO, conflict_fields
from sloth_ci.report.text import shorten, visible
from sloth_ci.report.values import is_text

_TEXT = 60_000
"""Characters of one text, such as the log of a container."""
_VALUE = 400
_FIELDS = 300
_DIFFS = 24_000_000
"""Characters of all diffs: a browser has to read the file at once."""


def report_data(
    shown: Sequence[Shown], about: About | None, outcomes: Sequence[Outcome], generated_at: str | None
) -> Document:
    """All of it. Every text in it can be shown as it is."""
    room = _Room(_DIFFS)
    data: Document = {
        "generated_at": generated_at,
        "plans": [_plan(one, room) for one in shown],
        "outcomes": [_outcome(one) for one in outcomes],
        "failed": [{"name": one.name, "message": one.message, "hint": one.hint} for one in about.failed]
        if about
        else [],
        "overlaps": [
            {"name": f"{one.sigil}{one.number}", "title": one.title, "url": one.url, "files": list(one.files)}
            for one in (about.overlaps if about else ())
        ],
    }
    safe: Document = _visible(data)
    return safe


class _Room:
    """How much may still be shown of what can be long."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str) -> str | None:
        """The text, or None where it is too much."""
        self._left -= len(text)
        return text if self._left >= 0 else None


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(shorten(value, _TEXT), keep="\n\t")
    if isinstance(value, dict):
        return {key: _visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return value


def _plan(one: Shown, room: _Room) -> Document:
    plan = one.plan
    document = plan_document(plan)
    commit = commit_of(plan)
    mine = commit.others if commit and commit.in_short is None else frozenset()
    shown = [
        _change(change, told, room, in_commit=change.ref not in mine)
        for change, told in zip(plan.changes, document["changes"], strict=True)
    ]
    return {
        **{key: document[key] for key in ("name", "environment", "destination", "warnings", "hooks")},
        "place": place_of(plan),
        "gate": _gate(one.verdict),
        "check_url": one.check_url,
        "notes": list(one.notes),
        "changes": shown,
        "conflicts": [_conflict(conflict) for conflict in plan.conflicts],
        "findings": [_conflict(finding) for finding in plan.findings],
        "drift": list(_drift(plan)),
        "commit": {
            "heading": ": ".join(commit.heading),
            "changes": [_intended(intended, room) for intended in commit.intended],
        }
        if commit
        else None,
    }


def _gate(verdict: Verdict | None) -> Document | None:
    return None if verdict is None else {"missing": list(verdict.missing), "given": list(verdict.given)}


def _change(change: Change, document: Document, room: _Room, *, in_commit: bool) -> Document:
    """As in the JSON, without the states, and with what the script would have to know YAML for."""
    left_out = {"current_state", "desired_state", "diff", "fields"}
    diff = room.take(shorten(document["diff"], _TEXT))
    return {
        **{key: value for key, value in document.items() if key not in left_out},
        "brief": in_brief(change),
        "undo": UNDO.get(change.reversible, ""),
        "in_commit": in_commit,
        "fields": [_field(field) for field in change.fields[:_FIELDS]],
        "more_fields": max(len(change.fields) - _FIELDS, 0),
        "diff": diff,
    }


def _intended(intended: Intended, room: _Room) -> Document:
    """What the commit changes; where the destination would see just that, the change there says the rest."""
    change = intended.change
    document: Document = {
        "type": change.type,
        "resource": str(change.ref),
        "kind": change.ref.kind,
        "namespace": change.ref.namespace or None,
        "name": change.ref.name,
        "impact": str(change.impact),
        "brief": in_brief(change),
        "seen": intended.seen,
        "same": intended.same,
        "source": {"path": change.source.path, "line": change.source.line} if change.source else None,
    }
    if not intended.same:
        document["fields"] = [_field(field) for field in change.fields[:_FIELDS]]
        document["more_fields"] = max(len(change.fields) - _FIELDS, 0)
        document["diff"] = room.take(shorten(change_diff(change), _TEXT))
    return document


def _field(field: FieldChange) -> Document:
    """Both sides on one line each; a text of several lines is left to the diff."""
    before, after = inline(field, _VALUE)
    document: Document = {"path": field.path, "before": before, "after": after}
    if field.masked:
        document["masked"] = True
    if is_text(field.before) or is_text(field.after):
        document["text"] = True
    return document


def _conflict(conflict: Conflict) -> Document:
    return {
        "type": conflict.type,
        "resource": conflict.resource,
        "description": conflict.description,
        "suggestions": list(conflict.suggestions),
        "fields": [_field(field) for field in conflict_fields(conflict)],
        "source": {"path": conflict.source.path, "line": conflict.source.line} if conflict.source else None,
    }


def _drift(plan: Plan) -> Iterator[Document]:
    for outcome, found in drift_by_outcome(plan):
        count = sum(len(one.fields) for one in found)
        for one in found:
            yield {
                "outcome": outcome,
                "heading": drift_heading(outcome, count),
                "resource": one.resource,
                "manager": author(one),
                "fields": [_drifted(drift) for drift in one.fields],
            }


def _drifted(drift: Drift) -> Document:
    field = _field(FieldChange(drift.path, drift.live, drift.git, drift.masked))
    return {**field, "before": "another value"} if is_hidden(drift) else field


def _outcome(outcome: Outcome) -> Document:
    document = outcome_document(outcome)
    kept = ("operation", "name", "environment", "destination", "status", "health", "dry_run", "message")
    return {
        **{key: document[key] for key in kept},
        "headline": headline(outcome),
        "counts": counts(outcome),
        "took": seconds(outcome.duration_seconds),
        "facts": [[word, text] for word, text, _ in facts(outcome)],
        "items": [
            {"resource": str(item.ref), "action": item.action, "status": item.status, "message": item.message}
            for item in ordered_items(outcome.items)
        ],
    }
