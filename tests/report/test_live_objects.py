"""The objects of a phase: as a table on a terminal, as few lines in a log."""

from __future__ import annotations

import io
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sloth_ci.core.events import ItemState
from sloth_ci.report.board import Board, board_rows
from sloth_ci.report.layout import ASCII, UNICODE, plain
from sloth_ci.report.progress import TerminalObserver
from sloth_ci.report.text import width_of
from support.plans import EVIL
from support.runner import commands_in
from support.vt import Clock, Terminal, until

STATES: list[ItemState] = [
    "waiting", "applying", "applied", "progressing", "healthy", "failed", "deleting", "deleted",
]  # fmt: skip
TTY = {"TERM": "xterm", "COLUMNS": "100"}


def _rows(board: Board, columns: int = 90, lines: int = 24, total: int | None = None, now: float = 100) -> list[str]:
    return plain(board_rows(board, total, now, columns, lines, UNICODE, "*"), columns).splitlines()


def test_what_failed_comes_first_then_what_is_under_way_then_what_is_done() -> None:
    board = Board()
    for i in range(30):
        board.put(f"ConfigMap/shop/c{i}", "healthy", "", 10 + i)
    board.put("StatefulSet/shop/db", "progressing", "1 of 3 replicas are ready", 30)
    board.put("Deployment/shop/api", "progressing", "", 99)
    board.put("Deployment/shop/web", "failed", "CrashLoopBackOff\nlog: boom", 95)
    board.put("Namespace/legacy", "deleting", "2 pods are ending", 80)
    assert _rows(board, lines=8, total=50) == [
        "  ✗ Deployment/shop/web  failed       CrashLoopBackOff",
        "  * StatefulSet/shop/db  progressing  1 of 3 replicas are ready                 1 min 10 s",
        "  * Deployment/shop/api  progressing",
        "  * Namespace/legacy     deleting     2 pods are ending                               20 s",
        "  ✓ ConfigMap/shop/c29   healthy",
        "  ✓ ConfigMap/shop/c28   healthy",
        "  ✓ ConfigMap/shop/c27   healthy",
        "  1 failed, 30 healthy, 2 progressing, 1 deleting, 16 waiting",
    ]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", *EVIL]), st.sampled_from(STATES), st.sampled_from(EVIL))),
    st.integers(30, 150),
    st.integers(1, 12),
)
@settings(deadline=None)
def test_the_table_fits_and_counts_every_object_once(
    told: list[tuple[str, ItemState, str]], columns: int, lines: int
) -> None:
    board = Board()
    for now, (ref, state, detail) in enumerate(told):
        board.put(ref, state, detail, now)
    last = {ref: state for ref, state, _ in told}
    assert {state: board.count(state) for state in STATES} == {
        state: list(last.values()).count(state) for state in STATES
    }
    for glyphs in (UNICODE, ASCII):
        rows = list(board_rows(board, None, len(told) + 20, columns, lines, glyphs, "*"))
        assert len(rows) == min(len([s for s in last.values() if s != "waiting"]), lines - 1) + 1
        assert all(sum(width_of(text) for text, _ in row) <= columns for row in rows)


def test_a_terminal_gets_a_table_of_which_only_failures_stay() -> None:
    terminal = Terminal(lines=12)
    terminal.file.write("before\n")
    with TerminalObserver(terminal.file, environ=TTY, delay=0, frame=0.005) as observer:
        observer.phase("apply", 5000)
        for i in range(300):
            observer.item(f"ConfigMap/shop/c{i}", "applied")
        observer.item("Deployment/shop/web", "applying")
        until(lambda: "Deployment/shop/web" in terminal.text)
        observer.log("warn", "in between")
        observer.item("Deployment/shop/web", "failed", "CrashLoopBackOff\nlog line of the pod")
        until(lambda: "  1 failed, 300 applied, 4,699 waiting" in terminal.seen())
        shown = terminal.seen()
        assert shown[:2] == ["before", "warn  in between"]
        assert shown[2][1:].startswith(" apply 0/5,000")
        assert shown[3] == "  ✗ Deployment/shop/web  failed       CrashLoopBackOff"
        assert len(shown) == 2 + 11, "one line of the terminal stays free"
        observer.phase("health")
        until(lambda: "health" in terminal.text)
    text = terminal.close()
    left = ["before", "warn  in between", "error Deployment/shop/web failed: CrashLoopBackOff"]
    assert terminal.seen() == left
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is hidden as often as it is shown"


def test_many_frames_and_lines_leave_no_trace() -> None:
    terminal = Terminal(lines=10)
    rng = random.Random(1)
    with TerminalObserver(terminal.file, environ=TTY, delay=0, frame=0.001) as observer:
        observer.phase("apply", 40)
        until(lambda: "apply" in terminal.text)
        for i in range(300):
            observer.item(
                f"X/{rng.randrange(40)}", rng.choice(["applying", "applied", "healthy", "progressing"]), "x" * i
            )
            if i % 10 == 0:
                observer.log("info", f"line {i}")
            if i == 150:
                with observer.paused():
                    terminal.file.write("question? y\n")
                    terminal.file.flush()
    terminal.close()
    asked = [f"info  line {i}" for i in range(0, 300, 10)]
    assert terminal.seen() == [*asked[:16], "question? y", *asked[16:]]


def test_a_quick_phase_has_no_table() -> None:
    terminal = Terminal()
    with TerminalObserver(terminal.file, environ=TTY, delay=60, frame=0.001) as observer:
        observer.phase("apply", 1)
        observer.item("X/x", "failed", "why")
        observer.phase("health")
    assert terminal.close() == ""


def test_a_log_names_what_fails_once_and_what_recovers() -> None:
    out, clock = io.StringIO(), Clock()
    with TerminalObserver(out, environ={}, delay=1e9, patience=30, clock=clock) as observer:
        observer.phase("health", 3)
        observer.item("Deployment/shop/api", "healthy")
        for _ in range(50):
            observer.item("Deployment/shop/web", "failed", "CrashLoopBackOff\nmore of it")
            observer.item("Deployment/shop/web", "progressing", "starting")
            clock.now += 1
        observer.item("Deployment/shop/web", "healthy")
        observer.item("Deployment/shop/web", "healthy")
    assert out.getvalue().splitlines() == [
        "error Deployment/shop/web failed: CrashLoopBackOff",
        "error Deployment/shop/web failed: CrashLoopBackOff",
        "      Deployment/shop/web healthy after all",
    ]


def test_a_log_names_what_does_not_move_now_and_then() -> None:
    out, clock = io.StringIO(), Clock()
    said: list[str] = []
    with TerminalObserver(out, environ={}, delay=0, patience=30, frame=0.001, clock=clock) as observer:
        observer.phase("health")
        until(lambda: "health" in out.getvalue())
        observer.item("StatefulSet/shop/db", "progressing", "1 of 3 replicas are ready")
        observer.item("Job/shop/seed", "progressing")
        for seconds in range(1, 76):
            clock.now += 1
            observer.item("StatefulSet/shop/db", "progressing", f"{seconds // 30 + 1} of 3 replicas are ready")
            if seconds in {30, 60}:
                said.append(f"Job/shop/seed progressing for {'1 min 0' if seconds == 60 else seconds} s")
                until(lambda: said[-1] in out.getvalue())
        observer.item("Job/shop/seed", "healthy")
    assert out.getvalue().splitlines()[1:-1] == [
        "      StatefulSet/shop/db progressing for 30 s: 2 of 3 replicas are ready",
        "      Job/shop/seed progressing for 30 s",
        "      StatefulSet/shop/db progressing for 1 min 0 s: 3 of 3 replicas are ready",
        "      Job/shop/seed progressing for 1 min 0 s",
    ]


def test_a_log_stays_short_where_a_whole_cluster_hangs_or_fails() -> None:
    out, clock = io.StringIO(), Clock()
    with TerminalObserver(out, environ={}, delay=0, patience=30, frame=0.001, clock=clock) as observer:
        observer.phase("health", 5000)
        until(lambda: "health" in out.getvalue())
        for i in range(5000):
            observer.item(f"Deployment/shop/d{i}", "progressing")
        clock.now += 31
        until(lambda: "and 4,980 more objects" in out.getvalue())
        for i in range(5000):
            observer.item(f"Deployment/shop/d{i}", "failed", "no node is ready")
    assert "and 4,980 more objects failed" in out.getvalue()
    assert out.getvalue().count("\n") < 50


@pytest.mark.parametrize("evil", EVIL)
def test_foreign_text_of_objects_is_inert(evil: str) -> None:
    out, clock = io.StringIO(), Clock()
    with TerminalObserver(out, environ={}, delay=0, patience=1, frame=0.001, clock=clock) as observer:
        observer.phase(evil or "x")
        observer.item(evil, "failed", evil)
        observer.item("x" + evil, "progressing", evil)
        clock.now += 2
        until(lambda: "progressing for" in out.getvalue())
        observer.item(evil, "healthy", evil)
    assert not commands_in(out.getvalue())
    assert "\x1b" not in out.getvalue()


def test_a_stream_that_is_gone_ends_the_progress_and_nothing_else() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:  # noqa: ARG002 (as a stream has it)
            raise BrokenPipeError

    observer = TerminalObserver(Gone(), environ={}, delay=0, frame=0.001)
    observer.phase("apply", 3)
    ticker = observer._ticker
    assert ticker
    ticker.join(10)
    assert not ticker.is_alive()
    observer.item("X/x", "progressing")


def test_telling_of_objects_costs_an_apply_nothing() -> None:
    """5000 objects in eight threads, while the table is drawn."""
    terminal = Terminal(lines=50)
    refs = [f"Deployment/shop/service-{i}" for i in range(5000)]
    calls = 8 * 2 * len(refs)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for state in rng.sample(STATES, 2):
            for ref in refs:
                observer.item(ref, state, "2 of 3 replicas are available")

    with TerminalObserver(terminal.file, environ=TTY, delay=0) as observer:
        observer.phase("apply", 5000)
        until(lambda: "apply" in terminal.text)
        rates = []
        for _ in range(3):
            threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
            started = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates.append(calls / (time.perf_counter() - started))
    terminal.close()
    assert max(rates) > 50_000
