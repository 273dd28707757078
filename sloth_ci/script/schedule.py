"""Which task runs when."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from sloth_ci.script.declare import Task
from sloth_ci.script.outcome import TaskOutcome

Run = Callable[[Task], TaskOutcome]


def run_tasks(
    tasks: Mapping[str, Task], run: Run, *, parallel: int, stop: Callable[[], None]
) -> dict[str, TaskOutcome]:
    """Run each task after those it depends on, up to `parallel` at a time, in the order of `tasks` where there is a choice.

    A task does not run when one it depends on failed or was skipped, nor after one aborted the run. With `parallel` 1 all
    happens in this thread. `run` never raises a SlothError; anything else it raises ends the run: `stop` is called, what
    still runs is waited for, and the error is raised again.
    """
    return _Schedule(tasks, run, stop).go(parallel)


_LOOK_SECONDS = 0.2


class _Schedule:
    def __init__(self, tasks: Mapping[str, Task], run: Run, stop: Callable[[], None]) -> None:
        self._tasks = tasks
        self._run = run
        self._stop = stop
        self._outcomes: dict[str, TaskOutcome] = {}
        self._running: dict[str, threading.Thread] = {}
        self._ended: queue.SimpleQueue[tuple[str, TaskOutcome | BaseException]] = queue.SimpleQueue()

    def go(self, parallel: int) -> dict[str, TaskOutcome]:
        try:
            return self._go(parallel)
        except BaseException:  # a signal, wherever it arrives: no thread is left behind
            self._end_all()
            raise

    def _go(self, parallel: int) -> dict[str, TaskOutcome]:
        while len(self._outcomes) < len(self._tasks):
            task = self._next() if len(self._running) < parallel else None
            if task is None:
                if self._running:
                    self._collect()
            elif (verdict := self._verdict(task)) is not None:
                self._outcomes[task.name] = verdict
            elif parallel == 1:
                self._outcomes[task.name] = self._run(task)
            else:
                self._start(task)
        return {name: self._outcomes[name] for name in self._tasks}

    def _next(self) -> Task | None:
        """The first task whose dependencies have all ended, one way or another."""
        for name, task in self._tasks.items():
            fresh = name not in self._outcomes and name not in self._running
            if fresh and all(wanted in self._outcomes for wanted in task.depends_on):
                return task
        return None

    def _verdict(self, task: Task) -> TaskOutcome | None:
        """The outcome of a task that must not run, and why."""
        aborted = next((o for o in self._outcomes.values() if o.status == "aborted"), None)
        if aborted is not None:
            return TaskOutcome(task.name, "not_run", f"'{aborted.name}' aborted the run")
        before = [self._outcomes[name] for name in task.depends_on]
        for outcome in before:
            if outcome.status == "failed":
                return TaskOutcome(task.name, "not_run", f"'{outcome.name}' failed")
            if outcome.status == "not_run":
                return TaskOutcome(task.name, "not_run", f"'{outcome.name}' did not run")
        for outcome in before:
            if outcome.status == "skipped":
                return TaskOutcome(task.name, "skipped", f"'{outcome.name}' was skipped")
        return None

    def _start(self, task: Task) -> None:
        def work() -> None:
            try:
                self._ended.put((task.name, self._run(task)))
            except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
                self._ended.put((task.name, error))

        thread = threading.Thread(target=work, name=f"task-{task.name}")
        self._running[task.name] = thread
        thread.start()

    def _collect(self) -> None:
        # With a timeout: a signal that comes just before a wait without one is not looked at until the wait is over.
        while True:
            with suppress(queue.Empty):
                name, ended = self._ended.get(timeout=_LOOK_SECONDS)
                break
        self._running.pop(name).join()
        if isinstance(ended, BaseException):
            raise ended
        self._outcomes[name] = ended

    def _end_all(self) -> None:
        self._stop()
        for thread in self._running.values():
            if thread.ident is not None:  # it was started
                thread.join()
