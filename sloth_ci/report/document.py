"""Plans and outcomes as documents: what `--format json` prints and what the Lua side gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET

from sloth_ci.core.objects import Source
from sloth_ci.core.outcome import ItemOutcome, Outcome, SyncOutcome
from sloth_ci.core.plan import Change, Conflict, Drift, FieldChange, Hook, Plan
from sloth_ci.report.brief import in_brief
from sloth_ci.report.diff import change_diff
from sloth_ci.report.panes import Intended, commit_of

PLAN_SCHEMA = "sloth-ci/plan/v1"
OUTCOME_SCHEMA = "sloth-ci/outcome/v1"

Document = dict[str, Any]


def plans_document(plans: Iterable[Plan], generated_at: str | None = None) -> Document:
    """All plans of a run, as `docs/plan.schema.json` describes it. `generated_at` is ISO 8601."""
    return {"schema": PLAN_SCHEMA, "plans": [plan_document(plan, generated_at) for plan in plans]}


def plan_document(plan: Plan, generated_at: str | None = None) -> Document:
    """One plan. What is not known is None; `before` and `after` of a field that was not there are left out."""
    return {
        "workflow_id": plan.workflow_id,
        "name": plan.name,
        "environment": plan.environment,
        "destination": plan.destination,
        "generated_at": generated_at,
        "revision": plan.revision,
        "base": plan.base,
        "digest": plan.digest,
        "summary": msgspec.structs.asdict(plan.summary),
        "changes": [change_document(change) for change in plan.changes],
        "conflicts": [_conflict(conflict) for conflict in plan.conflicts],
        "findings": [_conflict(finding) for finding in plan.findings],
        "warnings": list(plan.warnings),
        "unchanged": plan.unchanged,
        "skipped_files": plan.skipped_files,
        "drift": [_drift(drift) for drift in plan.drift],
        "intent": _intent(plan),
        "hooks": [_hook(hook) for hook in plan.hooks],
    }


def change_document(change: Change) -> Document:
    """One change."""
    return {
        "type": change.type,
        "resource": str(change.ref),
        "kind": change.ref.kind,
        "group": change.ref.group,
        "version": change.version,
        "namespace": change.ref.namespace or None,
        "name": change.ref.name,
        "impact": str(change.impact),
        "reasons": list(change.reasons),
        "reversible": change.reversible,
        "diff": change_diff(change),
        "fields": [_field(field) for field in change.fields],
        "current_state": change.current_state,
        "desired_state": change.desired_state,
        "source": _source(change.source),
        "notes": list(change.notes),
        "dependents": list(change.dependents),
    }


def _drift(drift: Drift) -> Document:
    document: Document = {
        "resource": drift.resource,
        "path": drift.path,
        "manager": drift.manager,
        "outcome": drift.outcome,
        "masked": drift.masked,
    }
    if drift.live is not UNSET:
        document["live"] = drift.live
    if drift.git is not UNSET:
        document["git"] = drift.git
    return document


def _intent(plan: Plan) -> Document | None:
    commit = commit_of(plan)
    if commit is None:
        return None
    kinds = [one.change.type for one in commit.intended]
    return {
        "summary": {
            "total_changes": len(kinds),
            "created_resources": kinds.count("create"),
            "updated_resources": kinds.count("update") + kinds.count("recreate"),
            "deleted_resources": kinds.count("delete"),
        },
        "changes": [_intended(one) for one in commit.intended],
    }


def _intended(one: Intended) -> Document:
    return {
        "type": one.change.type,
        "resource": str(one.change.ref),
        "impact": str(one.change.impact),
        "brief": in_brief(one.change),
        "same": one.same,
        "source": _source(one.change.source),
    }


def _hook(hook: Hook) -> Document:
    return {
        "phase": hook.phase,
        "resource": str(hook.ref),
        "changed": hook.changed,
        "source": _source(hook.source),
    }


def _field(field: FieldChange) -> Document:
    document: Document = {"path": field.path, "masked": field.masked}
    if field.before is not UNSET:
        document["before"] = field.before
    if field.after is not UNSET:
        document["after"] = field.after
    return document


def _conflict(conflict: Conflict) -> Document:
    return {
        "type": conflict.type,
        "resource": conflict.resource,
        "description": conflict.description,
        "current_state": conflict.current_state,
        "desired_state": conflict.desired_state,
        "suggestions": list(conflict.suggestions),
        "source": _source(conflict.source),
    }


def _source(source: Source | None) -> Document | None:
    return {"path": source.path, "line": source.line} if source else None


def outcomes_document(outcomes: Iterable[Outcome]) -> Document:
    """All outcomes of a run."""
    return {"schema": OUTCOME_SCHEMA, "outcomes": [outcome_document(outcome) for outcome in outcomes]}


def outcome_document(outcome: Outcome) -> Document:
    """One outcome: `operation` is `sync` or `rollback`, the other keys are those of the struct."""
    document = {
        "operation": "sync" if isinstance(outcome, SyncOutcome) else "rollback",
        **msgspec.structs.asdict(outcome),
    }
    document["items"] = [_item(item) for item in outcome.items]
    document["metrics"] = {
        "duration": outcome.duration_seconds,
        "resources_processed": len(outcome.items),
        "resources_applied": outcome.count("applied"),
        "resources_skipped": outcome.count("skipped"),
        "resources_failed": outcome.count("failed"),
    }
    return document


def _item(item: ItemOutcome) -> Document:
    return {"resource": str(item.ref), "action": item.action, "status": item.status, "message": item.message}


def to_json(document: Document | list[Document], *, pretty: bool = False) -> str:
    """A document as JSON text, without a newline at its end.

    A runner that reads it in its log finds no workflow command in it (`##[` is written with an escape, which reads
    back the same), and what is no Unicode, such as half a surrogate pair in a file name, is replaced by U+FFFD.
    """
    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_unicode(document))
    if pretty:
        encoded = msgspec.json.format(encoded, indent=2)
    return encoded.decode().replace("##[", "##\\u005b")


def _unicode(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_unicode(key): _unicode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_unicode(item) for item in value]
    return value
