from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sloth_ci.core.plan import Impact, Plan
from sloth_ci.report.terminal import screen_of, show_history, show_outcome, show_plan, show_status
from sloth_ci.report.text import width_of
from support.outcomes import hostile_outcomes, outcomes
from support.panes import hostile_panes, shop, unhealthy
from support.plans import EVIL, EXEMPT, change, field, finding, forty, hostile, huge, plan, policed
from support.runner import commands_in

SGR = re.compile(r"\x1b\[[0-9;]*m")
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def _outcomes(**options: Any) -> None:
    for one in [*outcomes(), *hostile_outcomes(), unhealthy()]:
        show_outcome(one, **options)


SHOWN: dict[str, Callable[..., None]] = {
    "forty": lambda **k: show_plan(forty(), **k),
    "forty in full": lambda **k: show_plan(forty(), detail="full", **k),
    "hostile": lambda **k: show_plan(hostile(), **k),
    "hostile in full": lambda **k: show_plan(hostile(), detail="full", **k),
    "panes": lambda **k: show_plan(shop(), **k),
    "hostile panes": lambda **k: show_plan(hostile_panes(), **k),
    "hostile panes in full": lambda **k: show_plan(hostile_panes(), detail="full", **k),
    "huge": lambda **k: show_plan(huge(), **k),
    "policed": lambda **k: show_plan(policed(30), **k),
    "outcomes": _outcomes,
    "status": lambda **k: show_status([_status(evil) for evil in EVIL], **k),
    "history": lambda **k: show_history([_sync(evil) for evil in EVIL], **k),
}


def _sync(text: str) -> dict[str, Any]:
    metrics = {"duration": 1.5, "resources_applied": 3, "resources_failed": 1}
    return {
        "id": text,
        "status": "failed",
        "start_time": text,
        "commit_hash": text,
        "message": text,
        "metrics": metrics,
    }


def _status(text: str) -> dict[str, Any]:
    last = _sync(text)
    return {
        "id": "x",
        "name": text,
        "environment": text,
        "status": "failed",
        "auto_sync": True,
        "last_sync_result": last,
    }


def _text(which: Callable[..., None], **options: object) -> str:
    out = io.StringIO()
    which(file=out, environ={}, **options)
    return out.getvalue()


def _plan(shown: Plan, **options: object) -> str:
    return _text(lambda **k: show_plan(shown, **k), **options)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("which", SHOWN)
def test_nothing_foreign_acts_on_a_terminal_or_a_runner(which: str, colour: bool) -> None:
    text = _text(SHOWN[which], width=100, colour=colour)
    bare = SGR.sub("", text)
    assert not UNSEEN.search(bare)
    assert not commands_in(bare)
    assert not commands_in(text)
    assert colour or bare == text
    text.encode()


@pytest.mark.parametrize("which", SHOWN)
@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(which: str, columns: int) -> None:
    lines = _text(SHOWN[which], width=columns, colour=False).split("\n")
    # `##[` becomes `## [` after the layout; nothing else may make a line longer.
    assert [line for line in lines if width_of(line) > columns + line.count("## [")] == []


@pytest.mark.parametrize("which", SHOWN)
def test_colour_changes_no_text(which: str) -> None:
    coloured = SGR.sub("", _text(SHOWN[which], width=100, colour=True))
    assert [line.rstrip() for line in coloured.split("\n")] == _text(SHOWN[which], width=100, colour=False).split("\n")


@pytest.mark.parametrize(("columns", "lines"), [(120, 90), (80, 120)])
def test_forty_changes_are_few_pages(columns: int, lines: int) -> None:
    shown = _plan(forty(), width=columns).split("\n")
    assert len(forty().changes) == 40
    assert len(shown) <= lines
    for one in forty().changes:
        assert any(str(one.ref) in line for line in shown)


def test_a_small_plan() -> None:
    shown = _plan(
        plan(
            change("update", "Deployment", "web", field("spec.replicas", 3, 0), impact=Impact.HIGH, reasons=("scaled to zero",), path="web.yaml"),
            change("delete", "PersistentVolumeClaim", "data", impact=Impact.CRITICAL, reasons=("data is lost",), reversible="no"),
            change("create", "ServiceAccount", "web", path="sa.yaml", line=7),
            warnings=("mind the gap",),
        ),
        width=100,
    )  # fmt: skip
    assert (
        shown
        == """\
3 changes to directory live/production · 1 created, 1 updated, 1 deleted · highest impact critical
  irreversible: 1
shop · production · revision 4f2c9b1e8d7a against 0a1b2c3d4e5f

critical · 1 change
▌ - PersistentVolumeClaim/shop/data  irreversible
▌     data is lost

high · 1 change
▌ ~ Deployment/shop/web              replicas 3 → 0                                       web.yaml:1
▌     scaled to zero

low · 1 change
▌ + ServiceAccount/shop/web                                                                sa.yaml:7

▲ mind the gap

digest 9d5ed678fe57bcca610140957afab571.2c26b46b68ffc68ff99b453c1d304134 · 167 unchanged
  3 files without manifests skipped
"""
    )


def test_nothing_to_do_is_said() -> None:
    assert _plan(plan(), width=100).startswith("no changes to directory live/production: 167 objects as declared\n")


def test_conflicts_come_before_changes_and_name_the_way_out() -> None:
    shown = _plan(forty(), width=120)
    assert shown.startswith("2 conflicts · ")
    conflict, way_out, first = (
        shown.index(word) for word in ("immutable_field", "give the object another name", "critical · 2")
    )
    assert conflict < way_out < first


def test_what_a_policy_denies_comes_first_and_what_it_warns_of_next() -> None:
    shown = _plan(policed(), width=100)
    assert shown.startswith("1 conflict · 3 policy findings · 1 change to directory live/production")
    told = shown[shown.index("✗ policy") : shown.index("low · 1 change")]
    assert [line.split("  base/")[0].strip() for line in told.split("\n")] == [
        "✗ policy  Deployment/shop/web",
        "image_tags: container web: the image nginx:latest names no version",
        "→ mend what image_tags names",
        f"→ {EXEMPT}",
        "",
        "policy findings · 3",
        "▲ Deployment/shop/w0",
        "probes: container web has ports and no readinessProbe",
        "▲ Deployment/shop/w1",
        "probes: container web has ports and no readinessProbe",
        "→ mend what probes names",
        f"→ {EXEMPT}",
        "▲ Deployment/shop/w0",
        "team: no label says whose it is",
        "→ mend what team names",
        f"→ {EXEMPT}",
        "",
        "",
    ]
    assert shown.index("low · 1 change") < shown.index("mind the gap")


def test_many_findings_are_counted_unless_all_are_asked_for() -> None:
    assert "  … 19 more findings\n" in _plan(policed(30), width=100)
    assert _plan(policed(30), width=100).count("▲ Deployment") == 12
    full = _plan(policed(30), width=100, detail="full")
    assert full.count("▲ Deployment") == 31
    assert "more finding" not in full
    assert _plan(replace(policed(), changes=(), conflicts=()), width=100).startswith(
        "3 policy findings · no changes to "
    )


def test_alike_conflicts_share_their_ways_out_wherever_they_are() -> None:
    denied = (finding("a"), finding("b", 1, "team: no label"), finding("c"))
    shown = _plan(plan(conflicts=denied), width=100)
    assert shown.count("→ mend what probes names") == 1
    places = [shown.index(word) for word in ("shop/a", "shop/c", "what probes names", "shop/b", "what team names")]
    assert places == sorted(places)


def test_fields_of_dangerous_changes_are_unfolded_first_and_in_full_all_are() -> None:
    fields = [field(f"spec.option{i}.deep", f"old{i}", f"new{i}") for i in range(30)]
    changes = [
        change("update", "Thing", f"t{i}", *fields, impact=Impact.HIGH if i == 20 else Impact.LOW) for i in range(40)
    ]
    shown = _plan(plan(*changes), width=100)
    assert shown.count("deep in 30 places") == 40
    assert shown.count("spec.option") == 5
    assert "… 25 more fields" in shown
    full = _plan(plan(*changes), width=100, detail="full")
    assert full.count("spec.option29.deep") == 40


def test_an_ascii_terminal_gets_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    show_plan(forty(), file=out, width=100, environ={})
    text = raw.getvalue().decode("ascii")
    assert "| ~ Deployment/shop/cart" in text
    assert "image v0.10.0 -> v0.10.1" in text
    assert max(map(len, text.split("\n"))) <= 100
    show_plan(hostile(), file=out, width=100, environ={})
    show_outcome(outcomes()[1], file=out, width=100, environ={})
    assert "\nx shop - production: failed and was rolled back\n" in raw.getvalue().decode("ascii")


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("tty", "environ", "colour", "moving"),
    [
        (True, {}, True, True),
        (False, {}, False, False),
        (True, {"NO_COLOR": "1"}, False, True),
        (True, {"NO_COLOR": ""}, True, True),
        (True, {"TERM": "dumb"}, False, False),
        (False, {"FORCE_COLOR": "1"}, True, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_what_a_screen_can_do(tty: bool, environ: dict[str, str], colour: bool, moving: bool) -> None:
    screen = screen_of(_Tty() if tty else io.StringIO(), environ=environ)
    assert (screen.colour, screen.moving) == (colour, moving)


def test_width_is_asked_of_the_environment() -> None:
    assert screen_of(io.StringIO(), environ={"COLUMNS": "91"}).width == 91
    assert screen_of(io.StringIO(), environ={"COLUMNS": "wide"}).width == 120
    assert screen_of(io.StringIO(), environ={"COLUMNS": "91"}, width=50).width == 50


@given(
    st.lists(st.tuples(st.sampled_from(EVIL) | st.text(max_size=30), st.text(max_size=50)), max_size=4),
    st.integers(1, 150),
)
def test_any_plan_can_be_shown_on_any_width(texts: list[tuple[str, str]], columns: int) -> None:
    changes = [change("update", "X", name, field(name, text, text + "1"), reasons=(text,)) for name, text in texts]
    shown = _plan(plan(*changes, warnings=[text for _, text in texts]), width=columns)
    assert all(width_of(line) <= max(columns, 40) + line.count("## [") for line in shown.split("\n"))


def test_outcomes_say_what_became_of_it() -> None:
    ok, failed, nothing, back = (_text(lambda one=one, **k: show_outcome(one, **k), width=110) for one in outcomes())
    assert ok.startswith("✓ shop · production: synced · directory live/production · 28 applied · healthy · 3.2 s\n")
    assert "✗ shop · production: failed and was rolled back" in failed
    assert failed.index("orders-data  failed") < failed.index("gateway  skipped") < failed.index("checkout-config")
    assert "permission denied" in failed
    assert "killed half way" in failed
    assert "3 min 23 s" in failed
    assert "nothing to do" in nothing
    assert "revert    commit abcdef012345" in back
    assert "4f2c9b1e8d7a is not synced again until its tree changes" in back


def test_tables() -> None:
    rows = [
        {**_status("text"), "name": "shop", "last_sync_result": {"status": "succeeded", "start_time": 1763874840, "commit_hash": "a" * 40}},
        {"id": "db-1", "name": "db", "status": "active", "auto_sync": False, "last_sync_result": None},
    ]  # fmt: skip
    head, shop, db = _text(lambda **k: show_status(rows, **k), width=110).splitlines()
    assert head.split() == ["NAME", "ENVIRONMENT", "STATUS", "SYNC", "LAST", "SYNC", "WHEN", "COMMIT"]
    assert shop.split() == ["shop", "text", "failed", "auto", "succeeded", "2025-11-23", "05:14", "aaaaaaaaaa"]
    assert db.split() == ["db", "-", "active", "manual", "never", "synced"]
    assert _text(lambda **k: show_history([], **k), width=80) == "nothing has been synced yet\n"
    long = [{"start_time": "2025-11-23T06:14:00+01:00", "status": "failed", "message": "word " * 40}]
    lines = _text(lambda **k: show_history(long, **k), width=60).splitlines()
    assert lines[1].split() == ["2025-11-23", "05:14", "failed"]
    assert all(line.startswith("  word") for line in lines[2:])


def test_a_plain_report_needs_no_rich() -> None:
    code = (
        "import io, sys; from support.plans import forty; from sloth_ci.report.terminal import show_plan; from sloth_ci.report.progress import TerminalObserver;"
        "show_plan(forty(), file=io.StringIO(), width=80, environ={}); TerminalObserver().log('info', 'x');"
        "sys.exit('rich' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False, capture_output=True).returncode == 0


def test_a_reason_of_many_lines_is_shown_as_it_is() -> None:
    shown = _text(lambda **k: show_outcome(unhealthy(), **k), width=100)
    assert (
        shown
        == """\
✗ shop · production: failed
  directory live/production · 3 applied, 2 failed · degraded · 3 min 23 s
  2 objects are not healthy:
    Deployment/shop/web: 1 of 3 pods is in CrashLoopBackOff
    Job/shop/seed: BackoffLimitExceeded
  ~ Deployment/shop/web  failed  1 of 3 pods is in CrashLoopBackOff
        pod web-6c9f7d-x2x7q: container web restarted 4 times, the last time with exit code 1
        events:
          08:14:03 BackOff: Back-off restarting failed container web in pod web-6c9f7d-x2x7q
        log of container web:
          : :error file=app.py::this is a line of the application, and no command
          ```
          Traceback (most recent call last):
            File "app.py", line 1   in <module>
          KeyError: 'DATABASE_URL' \\x1b[31m
  + Job/shop/seed  failed  BackoffLimitExceeded
  - PersistentVolumeClaim/shop/orders-data
  - Secret/shop/legacy-gateway
  ~ Service/shop/frontend-external
  revision  4f2c9b1e8d7a · digest 9d5ed678.2c26b46b
"""
    )


def test_reasons_of_a_whole_cluster_are_bounded() -> None:
    loud = "it fails\n" + "a line of the log " * 100 + "\n" + "more\n" * 5000
    items = tuple(replace(item, message=loud) for item in outcomes()[1].items if item.status == "failed") * 20
    shown = _text(lambda **k: show_outcome(replace(unhealthy(), items=items, message=loud), **k), width=80)
    assert shown.count("\n") < 300
    assert "… 4,921 more lines" in shown
    assert "… 4,985 more lines" in shown


def test_tables_have_one_line_of_a_message() -> None:
    rows = [{"id": "x", "status": "failed", "message": unhealthy().message}]
    assert "2 objects are not healthy: …\n" in _text(lambda **k: show_history(rows, **k), width=120)
