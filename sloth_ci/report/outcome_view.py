"""What became of a sync or a rollback, and the tables of what was, as rows for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from sloth_ci.core.ledger import Suspension
from sloth_ci.core.outcome import ItemOutcome, Outcome, RollbackOutcome, SyncOutcome
from sloth_ci.core.words import plural
from sloth_ci.report.layout import UNICODE, Glyphs, Row, pad, trim, width, wrap
from sloth_ci.report.plan_view import short_digest
from sloth_ci.report.text import cut, one_line, width_of
from sloth_ci.report.view import SYMBOLS

STYLES = {"succeeded": "good", "failed": "bad", "cancelled": "warn", "nothing": "dim", "running": "path"}
HEALTH = {"healthy": "good", "progressing": "warn", "degraded": "bad", "suspended": "warn", "unknown": "dim"}
STATUS = {
    "synced": "good",
    "active": "text",
    "syncing": "path",
    "degraded": "bad",
    "failed": "bad",
    "suspended": "warn",
}
REVERT = {
    "committed": "commit {commit}",
    "already": "commit {commit}, which was in Git already",
    "pull_request": "on a branch of its own, as the branch is protected: it counts when that is merged",
    "queued": "not made yet, as Git cannot be reached: the next run makes it",
    "failed": "could not be written to Git",
}

_MESSAGE_LINES = 80
"""Further lines of what a run says at its end."""
_REASON_LINES_EACH, _REASON_LINES = 16, 80
"""Further lines of the reason of one object, and of all of them."""
_FOLDS = 3
"""Lines of a terminal that one of them may take."""


def headline(outcome: Outcome) -> str:
    """What happened, in a few words."""
    rolled_back = isinstance(outcome, SyncOutcome) and outcome.rolled_back
    done = "rolled back" if isinstance(outcome, RollbackOutcome) else "synced"
    words = {
        "succeeded": f"would be {done}" if outcome.dry_run else done,
        "failed": "failed and was rolled back" if rolled_back else "failed",
        "cancelled": _cancelled(outcome, rolled_back=rolled_back),
        "nothing": "nothing to do",
    }
    return words[outcome.status]


def _cancelled(outcome: Outcome, *, rolled_back: bool) -> str:
    if outcome.dry_run:
        return "would be refused"
    return "cancelled, and was rolled back" if rolled_back else "cancelled"


def counts(outcome: Outcome) -> str:
    """`3 applied, 1 skipped`: only what there is."""
    found = [(outcome.count(status), status) for status in ("applied", "skipped", "failed")]
    return ", ".join(f"{count:,} {status}" for count, status in found if count)


def seconds(value: float) -> str:
    """A duration as a person says it: `0.4 s`, `12 s`, `3 min 20 s`."""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def facts(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """What else a reader has to know: a word, a text and a style."""
    if isinstance(outcome, SyncOutcome):
        if outcome.recovered:
            yield "recovered", outcome.recovered, "warn"
        if outcome.backup:
            yield "backup", outcome.backup, "text"
        if outcome.revert:
            yield "revert", REVERT["committed"].format(commit=outcome.revert[:12]), "text"
    else:
        yield "target", outcome.target, "text"
        if outcome.revert_status != "none":
            said = REVERT[outcome.revert_status].format(commit=(outcome.revert_commit or "?")[:12])
            yield "revert", said, "bad" if outcome.revert_status == "failed" else "text"
        if outcome.held:
            yield "held", f"{outcome.held[:12]} is not synced again until its tree changes", "warn"


def ordered_items(items: Sequence[ItemOutcome]) -> list[ItemOutcome]:
    """The failed ones first, then the skipped."""
    rank = {"failed": 0, "skipped": 1, "applied": 2}
    return sorted(items, key=lambda item: (rank[item.status], item.ref))


def outcome_rows(outcome: Outcome, columns: int, glyphs: Glyphs = UNICODE, limit: int = 20) -> Iterator[Row]:
    """All rows of an outcome, none wider than `columns`."""
    style = STYLES[outcome.status]
    mark = {"succeeded": glyphs.check, "failed": glyphs.cross, "cancelled": glyphs.warning, "nothing": glyphs.dot}
    row: Row = [
        (f"{mark[outcome.status]} ", f"{style} strong"),
        (one_line(outcome.name, 60), "strong"),
        (f" {glyphs.dot} {one_line(outcome.environment, 40)}" if outcome.environment else "", "text"),
        (": ", "text"),
        (headline(outcome), f"{style} strong"),
        (f" {glyphs.dot} {one_line(outcome.destination, 120)}", "text"),
    ]
    if outcome.items and not outcome.dry_run:
        row.append((f" {glyphs.dot} {counts(outcome)}", "text"))
    # The health of what was put back is nobody's concern any more.
    checked = isinstance(outcome, SyncOutcome) and outcome.health != "unknown" and not outcome.rolled_back
    if checked and outcome.status != "nothing" and not outcome.dry_run:
        row += [(f" {glyphs.dot} ", "dim"), (outcome.health, HEALTH[outcome.health])]
    row.append((f" {glyphs.dot} {seconds(outcome.duration_seconds)}", "dim"))
    if width(row) <= columns:
        yield row
    else:
        yield trim(row[:5], columns, glyphs.ellipsis)
        rest = [("  ", "text"), *row[5:]]
        rest[1] = (rest[1][0].removeprefix(f" {glyphs.dot} "), rest[1][1])
        yield trim(rest, columns, glyphs.ellipsis)
    if outcome.message:
        first, _, more = outcome.message.partition("\n")
        for line in wrap(one_line(first, 2000), columns - 2):
            yield [("  ", "text"), (line, "text")]
        yield from _further(more, 2, columns, glyphs, _MESSAGE_LINES)
    items = ordered_items(outcome.items)
    budget = _REASON_LINES
    for item in items[:limit]:
        # In a rehearsal each of them is skipped, which the head says of all.
        shown = replace(item, status="applied", message="") if outcome.dry_run else item
        yield from _item(shown, columns, glyphs, min(budget, _REASON_LINES_EACH))
        budget -= min(budget, _REASON_LINES_EACH, shown.message.count("\n"))
    if len(items) > limit:
        yield [(f"  {glyphs.ellipsis} {plural(len(items) - limit, 'more object')}", "dim")]
    for word, text, fact_style in facts(outcome):
        for index, line in enumerate(wrap(one_line(text, 400), columns - 12)):
            yield [(f"  {word if index == 0 else '':<9} ", "dim"), (line, fact_style)]
    if isinstance(outcome, SyncOutcome):
        subject = f"  revision  {one_line(outcome.revision)[:12]} {glyphs.dot} digest {short_digest(outcome.digest)}"
        yield trim([(subject, "dim")], columns, glyphs.ellipsis)


def _further(text: str, margin: int, columns: int, glyphs: Glyphs, limit: int) -> Iterator[Row]:
    """The other lines of a reason (states of pods, events, the end of a log), with their own indentation."""
    lines = text.rstrip("\n").expandtabs(4).split("\n") if text else []
    for line in lines[:limit]:
        bare = line.lstrip(" ")
        indent = margin + min(len(line) - len(bare), columns // 4)
        # One column stays free: a text that looks like a workflow command gets one more.
        folded = list(wrap(one_line(bare, 1000), columns - indent - 1))
        for index, part in enumerate(folded[:_FOLDS]):
            cut_off = glyphs.ellipsis if index == _FOLDS - 1 and len(folded) > _FOLDS else ""
            yield trim([(" " * indent, "text"), (part + cut_off, "dim")], columns - 1, glyphs.ellipsis)
    if len(lines) > limit:
        yield [(" " * margin, "text"), (f"{glyphs.ellipsis} {plural(len(lines) - limit, 'more line')}", "dim")]


def _item(item: ItemOutcome, columns: int, glyphs: Glyphs, limit: int) -> Iterator[Row]:
    style = {"applied": item.action, "skipped": "dim", "failed": "bad"}[item.status]
    row: Row = [("  ", "text"), (f"{SYMBOLS[item.action]} ", style), (one_line(str(item.ref), 400), "text")]
    if item.status != "applied":
        row.append((f"  {item.status}", style))
    first, _, more = item.message.partition("\n")
    message = one_line(first, 1000)
    if message and width(row) + 2 + width_of(message) <= columns:
        yield [*row, (f"  {message}", "dim")]
    else:
        yield trim(row, columns, glyphs.ellipsis)
        for line in wrap(message, columns - 6):
            yield [("      ", "text"), (line, "dim")]
    yield from _further(more, 8, columns, glyphs, limit)


# --- tables ---


def status_rows(workflows: Sequence[Mapping[str, Any]], columns: int, glyphs: Glyphs = UNICODE) -> Iterator[Row]:
    """The workflows as `get_workflow_status` describes them, one a line."""
    if not workflows:
        yield [("no workflows are declared", "dim")]
        return
    rows: list[list[tuple[str, str]]] = []
    for workflow in workflows:
        last = workflow.get("last_sync_result") or {}
        status = str(workflow.get("status") or "active")
        rows.append(
            [
                (_text(workflow.get("name") or workflow.get("id")), "strong"),
                (_text(workflow.get("environment")) or "-", "text"),
                (_text(status), STATUS.get(status, "text")),
                ("auto" if workflow.get("auto_sync") else "manual", "text"),
                (_text(last.get("status")) or "never synced", STYLES.get(str(last.get("status")), "dim")),
                (_when(last.get("start_time")), "text"),
                (_text(last.get("commit_hash"))[:10], "text"),
                (_text("; ".join(_remarks(workflow)), 500), "dim"),
            ]
        )
    heads = ("NAME", "ENVIRONMENT", "STATUS", "SYNC", "LAST SYNC", "WHEN", "COMMIT", "MESSAGE")
    yield from _table(heads, rows, columns, glyphs)


def _remarks(workflow: Mapping[str, Any]) -> Iterator[str]:
    """What is unusual about a workflow, and what the last run said."""
    if workflow.get("locked_by"):
        yield f"locked by {workflow['locked_by']}"
    if workflow.get("suspended"):
        yield Suspension(at=0, **workflow["suspended"]).told()
    if workflow.get("interrupted"):
        yield f"interrupted while {workflow['interrupted']}"
    if (workflow.get("last_sync_result") or {}).get("message"):
        yield _short(workflow["last_sync_result"]["message"])
    if workflow.get("held"):
        yield f"{workflow['held'][:10]} is held"


def history_rows(syncs: Sequence[Mapping[str, Any]], columns: int, glyphs: Glyphs = UNICODE) -> Iterator[Row]:
    """Finished syncs, as `last_sync_result` describes one, one a line."""
    if not syncs:
        yield [("nothing has been synced yet", "dim")]
        return
    rows: list[list[tuple[str, str]]] = []
    for sync in syncs:
        metrics = sync.get("metrics") or {}
        status = str(sync.get("status") or "unknown")
        word = "rolled back" if sync.get("rolled_back") else status
        duration = metrics.get("duration")
        rows.append(
            [
                (_when(sync.get("start_time")), "text"),
                (_text(word), STYLES.get(status, "text")),
                (_text(sync.get("commit_hash"))[:10], "strong"),
                (_tally(metrics), "text"),
                (seconds(float(duration)) if isinstance(duration, int | float) else "", "text"),
                (_text(sync.get("id"), 60), "text"),
                (_text(_short(str(sync.get("message") or "")), 500), "dim"),
            ]
        )
    yield from _table(("WHEN", "STATUS", "COMMIT", "OBJECTS", "TOOK", "ID", "MESSAGE"), rows, columns, glyphs)


def _short(message: str) -> str:
    """The first line of a message, which in a table stands for all of it."""
    first, more, _ = message.partition("\n")
    return f"{first} …" if more else first


def _text(value: object, limit: int = 80) -> str:
    return "" if value is None else one_line(str(value), limit)


def _tally(metrics: Mapping[str, Any]) -> str:
    applied, failed = metrics.get("resources_applied"), metrics.get("resources_failed")
    if applied is None:
        return ""
    return f"{applied} applied" + (f", {failed} failed" if failed else "")


def _when(value: object) -> str:
    """A point in time to the minute, in UTC. Takes seconds since 1970 or ISO 8601; anything else stays as it is."""
    if value is None:
        return ""
    try:
        if isinstance(value, int | float):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            moment = datetime.fromisoformat(str(value))
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return _text(value, 25)
    return f"{moment:%Y-%m-%d %H:%M}"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], columns: int, glyphs: Glyphs
) -> Iterator[Row]:
    """Columns as wide as what is in them; empty ones are left out. A last cell without room gets lines of its own."""
    kept = [i for i in range(len(heads)) if any(row[i][0] for row in rows)]
    widths = [max(width_of(heads[i]), *(width_of(row[i][0]) for row in rows)) for i in kept]
    widths = [min(size, max(columns // 4, 18)) for size in widths[:-1]] + widths[-1:]
    room = columns - sum(size + 2 for size in widths[:-1])
    # No head for a column that every row has to put below itself.
    empty = all(width_of(row[kept[-1]][0]) > room or not row[kept[-1]][0] for row in rows)
    shown = len(kept) - (empty and len(kept) > 1)
    yield _cells([(heads[i], "dim") for i in kept[:shown]], widths[:shown], columns, glyphs)
    for row in rows:
        *cells, last = (row[i] for i in kept)
        if width_of(last[0]) <= room:
            yield _cells([*cells, last], widths, columns, glyphs)
            continue
        yield _cells(cells, widths[:-1], columns, glyphs)
        yield from ([("  ", "text"), (line, last[1])] for line in wrap(last[0], columns - 2))


def _cells(cells: Sequence[tuple[str, str]], widths: Sequence[int], columns: int, glyphs: Glyphs) -> Row:
    row: Row = []
    for index, ((text, style), size) in enumerate(zip(cells, widths, strict=True)):
        cell: Row = [(cut(text, size, glyphs.ellipsis), style)]
        row += cell if index == len(cells) - 1 else [*pad(cell, size), ("  ", "text")]
    return trim(row, columns, glyphs.ellipsis)
