from __future__ import annotations

import io
import re
import sys
import threading

import pytest

from sloth_ci.core.events import Observer
from sloth_ci.report.progress import TerminalObserver
from support.runner import commands_in
from support.vt import Clock, Terminal, until


def test_it_is_an_observer() -> None:
    observer: Observer = TerminalObserver(io.StringIO(), environ={})
    observer.log("info", "hello")


def test_levels_are_marked_and_debug_is_for_those_who_ask() -> None:
    out = io.StringIO()
    TerminalObserver(out, environ={}).log("debug", "unasked")
    observer = TerminalObserver(out, verbose=True, environ={})
    observer.log("debug", "asked")
    observer.log("info", "one\ntwo")
    observer.log("warn", "careful")
    observer.log("error", "broken")
    assert out.getvalue() == "debug asked\ninfo  one\n      two\nwarn  careful\nerror broken\n"


@pytest.mark.parametrize("text", ["x\n::error::y", "##[error]y", "\x1b[2Jx", "a\rb"])
def test_foreign_text_is_inert(text: str) -> None:
    out = io.StringIO()
    TerminalObserver(out, environ={}).log("info", text)
    assert not commands_in(out.getvalue())
    assert not re.search("[\x00-\x09\x0b-\x1f]", out.getvalue())


def test_a_quick_phase_is_not_mentioned() -> None:
    out = io.StringIO()
    with TerminalObserver(out, environ={}, delay=60) as observer:
        observer.phase("render", 3)
        for item in "abc":
            observer.advance(item)
        observer.phase("plan")
    assert out.getvalue() == ""


def test_a_long_phase_says_that_it_starts_goes_on_and_ends() -> None:
    out, clock = io.StringIO(), Clock()
    with TerminalObserver(out, environ={}, delay=0, every=10, clock=clock) as observer:
        observer.phase("apply", 400)
        until(lambda: "apply" in out.getvalue())
        observer.advance("a")
        clock.now += 11
        observer.advance("b")
        observer.advance("c")
        clock.now += 1
        observer.phase("health")
    assert out.getvalue().startswith("      apply 0/400\n      apply 2/400\n      apply 3/400 ended after 12 s\n")


def test_threads_never_break_each_others_lines() -> None:
    out = io.StringIO()
    with TerminalObserver(out, environ={}, delay=0, every=0) as observer:
        observer.phase("apply", 800)

        def work(number: int) -> None:
            for i in range(100):
                observer.log("info", f"worker {number} line {i} " + "x" * 200)
                observer.advance(f"{number}/{i}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    logs = [line for line in out.getvalue().splitlines() if line.startswith("info")]
    assert len(logs) == 800
    assert all(re.fullmatch(r"info  worker \d line \d+ x{200}", line) for line in logs)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_gets_a_spinner_that_leaves_nothing_behind() -> None:
    terminal = Terminal()
    environ = {"TERM": "xterm", "COLUMNS": "100"}
    with TerminalObserver(terminal.file, environ=environ, delay=0) as observer:
        observer.phase("apply", 40)
        until(lambda: "0/40" in terminal.text)
        observer.advance("Deployment/shop/web")
        until(lambda: "1/40" in terminal.text)
        observer.log("warn", "in between")
        with observer.paused():
            before = len(terminal.text)
            terminal.file.write("question? ")
            terminal.file.flush()
            until(lambda: "question? " in terminal.text[before:])
        observer.phase("health")
        until(lambda: "health" in terminal.text)
    text = terminal.close()
    assert "warn" in text
    assert "in between" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is hidden as often as it is shown"
    # What stays after the last erased line is nothing of the spinner.
    assert not text.rsplit("\x1b[2K", 1)[-1].strip("\r\n\x1b[?25h1A")
