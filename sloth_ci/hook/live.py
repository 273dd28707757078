"""`--live`: the destinations are asked, too, for as long as a push may wait.

A process of its own asks, so that whatever hangs in it (a login that waits for a browser, a cluster behind a dead tunnel) is cut off at
the end of the budget with everything it started.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.errors import SlothError
from sloth_ci.core.plan import Plan
from sloth_ci.engine.learn import learn
from sloth_ci.engine.preview import plan_at
from sloth_ci.engine.pull import preview_merge
from sloth_ci.hook.bystander import Silent
from sloth_ci.hook.preview import Previewed, Previews, open_here
from sloth_ci.hook.refs import Push
from sloth_ci.repo import Offline
from sloth_ci.report.text import one_line

_GRACE = 0.3
"""Seconds in which the process may end by itself."""

Key = tuple[str, str]
"""The id of a workflow and the commit."""


class Answer(NamedTuple):
    """What one destination said: a plan against what it holds, or why there is none."""

    key: Key
    plan: Plan | None
    problem: str = ""


class Answers:
    """What came in time."""

    def __init__(self, found: Mapping[Key, Answer], previews: Sequence[Previewed], budget: float) -> None:
        self._found = found
        self.missing = tuple(dict.fromkeys(words for one in previews if (words := self._missing(one, budget))))
        """For each destination that did not answer, what a reader should know."""

    def of(self, one: Previewed) -> Previewed:
        """The preview against the destination where it answered, else the one from Git to Git."""
        answer = self._found.get((one.workflow.id, one.commit))
        return replace(one, plan=answer.plan) if answer is not None and answer.plan is not None else one

    def _missing(self, one: Previewed, budget: float) -> str | None:
        if one.error is not None or one.builtin or one.plan is None:
            return None
        answer = self._found.get((one.workflow.id, one.commit))
        if answer is not None and answer.plan is not None:
            return None
        why = answer.problem if answer is not None else f"no answer in {budget:g} s"
        return f"not checked against {place_of(one)}: {one_line(why, 200)}"


class Live:
    """The process that asks. It starts at once, beside the preview from Git to Git."""

    def __init__(
        self,
        offline: Offline,
        pushed_here: bool,
        top: Path,
        environ: Mapping[str, str],
        pushes: Sequence[Push],
        budget: float,
    ) -> None:
        self._budget = budget
        self._ends = time.monotonic() + budget
        context = multiprocessing.get_context("spawn")  # a fork would share the pipes of Git's processes
        self._answers, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_ask, args=(theirs, offline, pushed_here, top, dict(environ), tuple(pushes)), daemon=True
        )
        self._process.start()
        theirs.close()

    def answers(self, previews: Sequence[Previewed]) -> Answers:
        """Wait for what is still to come, and no longer than the budget lasts."""
        found: dict[Key, Answer] = {}
        with suppress(EOFError, OSError):  # it has said all it knows
            while self._answers.poll(max(0.0, self._ends - time.monotonic())):
                answer: Answer = self._answers.recv()
                found[answer.key] = answer
        return Answers(found, previews, self._budget)

    def close(self) -> None:
        """Cut it off, with all that it started: a renderer is in a group of its own, and goes with what ends in order."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            self._process.terminate()
            self._process.join(_GRACE)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._process.kill()
        self._process.join()
        self._answers.close()


def place_of(one: Previewed) -> str:
    """What to call the destination of a workflow before anybody has reached it."""
    spec = one.workflow.destination
    if spec is None or spec.directory is not None:
        return f"the directory of {one.name}"
    if spec.branch is not None:
        return f"branch {spec.branch}"
    return f"cluster {spec.context or one.name}"


def _ask(
    answers: Connection,
    offline: Offline,
    pushed_here: bool,
    top: Path,
    environ: dict[str, str],
    pushes: Sequence[Push],
) -> None:
    """In the process: the same plans as offline, each against its destination, told as soon as it is there."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(top)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
    os.environ.clear()
    os.environ.update(environ)
    previews = Previews(open_here(offline, top, environ), offline, top, environ, Silent(), pushed_here)
    for run, one in previews.reached(pushes):
        key = (one.workflow.id, one.commit)
        try:
            if one.builtin or previews.is_untouched(run, one):
                continue
            run.session.online()  # the destination may be in Git, too
            if one.pushed or one.base is None:
                plan = plan_at(run.session, one.workflow, one.commit)
            else:
                plan = preview_merge(run.session, one.workflow, one.commit)
            answers.send(Answer(key, plan))
            with suppress(SlothError):  # what it says of its kinds is for the next preview, and not worth a word
                learn(run.session, one.workflow, one.commit)
        except SlothError as error:
            answers.send(Answer(key, None, error.message))
