"""What became of the plans of `support.plans`: a success, a failure that was rolled back, nothing, a rollback."""

from __future__ import annotations

from typing import Any

from sloth_ci.core.outcome import ItemOutcome, ItemStatus, Outcome, RollbackOutcome, SyncOutcome
from support.plans import EVIL, forty


def items(failed: int, start: int = 0, stop: int = 28) -> tuple[ItemOutcome, ...]:
    """One item for each of these changes of `forty()`: the first `failed`, then three skipped if any failed, the rest applied."""
    result = []
    for index, change in enumerate(forty().changes[start:stop]):
        status: ItemStatus = "failed" if index < failed else "skipped" if failed and index < failed + 3 else "applied"
        message = {
            "failed": "live/production/shop/service-postgres.yaml: permission denied; the file belongs to another user",
            "skipped": "the sync stopped before it",
            "applied": "",
        }[status]
        result.append(ItemOutcome(change.ref, change.type, status, message))
    return tuple(result)


def sync(**rest: Any) -> SyncOutcome:
    """A sync of `forty()`."""
    plan = forty()
    values: dict[str, Any] = {
        "workflow_id": plan.workflow_id,
        "name": plan.name,
        "environment": plan.environment,
        "destination": plan.destination,
        "sync_id": "20251123T051400-9d5e",
        "status": "succeeded",
        "revision": plan.revision,
        "digest": plan.digest,
        "message": "",
        **rest,
    }
    return SyncOutcome(**values)


def outcomes() -> list[Outcome]:
    """One of each kind."""
    backup = "refs/sloth/backup/20251123T051400"
    return [
        sync(items=items(0), duration_seconds=3.21, health="healthy", backup=backup),
        sync(
            status="failed",
            message="the health check failed: GET http://127.0.0.1:8080/healthz answered 503 for 30 s",
            items=items(1),
            duration_seconds=203.0,
            health="degraded",
            rolled_back=True,
            revert="abcdef0123456789",
            backup=backup,
            recovered="a sync of 1a2b3c that was killed half way was put back first",
        ),
        sync(status="nothing", duration_seconds=0.1),
        RollbackOutcome(
            workflow_id=forty().workflow_id,
            name="shop",
            environment=None,
            destination="directory live/production",
            status="succeeded",
            target="previous: 0a1b2c3d",
            message="Health check failed after 5 minutes",
            items=items(0, 3, 9),
            duration_seconds=12.3,
            revert_commit="abcdef0123456789",
            revert_status="committed",
            held=forty().revision,
        ),
    ]


def hostile_outcomes() -> list[Outcome]:
    """Every text that can be foreign is an attack on the one who shows it."""
    result: list[Outcome] = []
    for evil in EVIL:
        hurt = tuple(
            ItemOutcome(item.ref._replace(name=evil, namespace=evil), item.action, item.status, evil)
            for item in items(2, 0, 6)
        )
        result.append(
            sync(name=evil, environment=evil, destination=evil, message=evil, items=hurt, status="failed", revert=evil, backup=evil,
                 recovered=evil, sync_id=evil, revision=evil, digest=evil)
        )  # fmt: skip
    return result
