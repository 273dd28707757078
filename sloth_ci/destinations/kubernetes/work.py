"""A graph of objects worked off by a pool of threads: each object as soon as what it waits for is there.

What is told to the caller (`carrying.done`, the log) is told by the calling thread; what one object's failure means for
the others is decided here, and only here.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import ApplyError, Interrupted, SlothError, UnhealthyError, UnreachableError
from sloth_ci.core.events import ItemState
from sloth_ci.core.graph import Graph
from sloth_ci.core.objects import Ref
from sloth_ci.core.words import plural
from sloth_ci.destinations.kubernetes.faults import ApiFault

WORKERS: Final = 8
_WAITERS: Final = 16
_SHOWN: Final = 20
"""So many objects are named in a message; of more, their number."""


class Verb(NamedTuple):
    """What is done to the objects: in the words of a message, and as an observer shows it."""

    past: str
    begun: ItemState
    done: ItemState


class Blame(NamedTuple):
    """What is told of one failed object: a line that names it, and a way out."""

    line: str
    hint: str | None


class Job(Protocol):
    """What is done with each object of a graph. `act` and `settle` are called by other threads."""

    @property
    def verb(self) -> Verb:
        """For messages."""

    @property
    def done_when_settled(self) -> bool:
        """An object is done, for the caller, only once it is settled."""

    def act(self, ref: Ref) -> str | None:
        """Do it. Returns a line for the log, where the reader should know something."""

    def settle(self, refs: Collection[Ref], stopped: Callable[[], bool]) -> None:
        """Wait until others can build on these objects."""

    def blame(self, ref: Ref, error: SlothError) -> Blame:
        """Word what `act` raised for an object."""


class Budget:
    """The time that all waiting of one stretch of work may take together. It runs from the first wait on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def left(self) -> float:
        """Seconds; 0 when it is used up."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        return max(0.0, self._end - now)


def work_off(graph: Graph, job: Job, carrying: Carrying, *, thorough: bool = False) -> None:
    """Do the job for every object of the graph.

    A failure that may pass holds up only what depends on its object: the rest goes on, and UnreachableError names what
    is left. Where as many as there are threads fail in a row, nothing works, and nothing new is begun. After a failure
    that stays nothing new is begun, either, unless `thorough`: ApplyError names everything that failed (UnhealthyError where all that
    failed is waiting). Interrupted where `carrying.stopped` says so, and whatever `carrying.done` raises; what runs is
    always awaited first.
    """
    _Crew(graph, job, carrying, thorough).run()


class _Result(NamedTuple):
    refs: Sequence[Ref]
    waited: bool
    note: str | None = None
    error: BaseException | None = None


class _Crew:
    def __init__(self, graph: Graph, job: Job, carrying: Carrying, thorough: bool) -> None:
        self._graph, self._job, self._carrying, self._thorough = graph, job, carrying, thorough
        self._total = len(graph.left)
        self._results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        self._acting = self._waiting = 0
        self._passing: dict[Ref, SlothError] = {}
        self._in_a_row = 0
        self._lasting: dict[Ref, SlothError] = {}
        self._unhealthy: list[UnhealthyError] = []
        self._fatal: BaseException | None = None

    def run(self) -> None:
        with (
            ThreadPoolExecutor(WORKERS, thread_name_prefix="write") as workers,
            ThreadPoolExecutor(_WAITERS, thread_name_prefix="wait") as waiters,
        ):
            self._begin(workers, waiters)
            while self._acting or self._waiting:
                self._take_in(self._results.get())
                self._begin(workers, waiters)
        self._conclude()

    def _over(self) -> bool:
        """Whether nothing new is begun. Waiting ends, too."""
        failed = self._fatal is not None or ((self._lasting or self._unhealthy) and not self._thorough)
        return bool(failed) or self._in_a_row >= WORKERS or self._carrying.stopped()

    def _begin(self, workers: ThreadPoolExecutor, waiters: ThreadPoolExecutor) -> None:
        while self._acting < WORKERS and not self._over():
            ref = self._graph.take()
            if ref is None:
                break
            self._acting += 1
            self._carrying.observer.item(str(ref), self._job.verb.begun)
            workers.submit(self._do, ref)
        if not self._over() and (refs := self._graph.to_settle()):
            self._waiting += 1
            waiters.submit(self._wait, refs)

    def _do(self, ref: Ref) -> None:
        try:
            self._results.put(_Result((ref,), waited=False, note=self._job.act(ref)))
        except BaseException as error:  # noqa: BLE001 (the calling thread judges it)
            self._results.put(_Result((ref,), waited=False, error=error))

    def _wait(self, refs: Sequence[Ref]) -> None:
        try:
            self._job.settle(refs, self._over)
            self._results.put(_Result(refs, waited=True))
        except BaseException as error:  # noqa: BLE001 (the calling thread judges it)
            self._results.put(_Result(refs, waited=True, error=error))

    def _take_in(self, result: _Result) -> None:
        if result.waited:
            self._waiting -= 1
        else:
            self._acting -= 1
        if result.error is not None:
            self._sort_in(result.refs, result.error, waited=result.waited)
        elif result.waited:
            self._graph.settled(result.refs)
        else:
            self._in_a_row = 0
            self._graph.finished(result.refs[0])
            self._carrying.observer.item(str(result.refs[0]), self._job.verb.done)
            if result.note:
                self._carrying.observer.log("warn", result.note)
        if result.error is None and result.waited == self._job.done_when_settled:
            self._done(result.refs)

    def _done(self, refs: Sequence[Ref]) -> None:
        for ref in refs:
            if self._fatal is None:
                try:
                    self._carrying.done(ref)
                except BaseException as error:  # noqa: BLE001 (raised once what runs has ended)
                    self._fatal = error

    def _sort_in(self, refs: Sequence[Ref], error: BaseException, *, waited: bool) -> None:
        if isinstance(error, Interrupted) and waited and not self._carrying.stopped():
            return  # the wait was ended because of something else, which is told
        if not isinstance(error, SlothError) or isinstance(error, Interrupted):
            self._fatal = self._fatal or error
        elif isinstance(error, UnreachableError) or (isinstance(error, ApiFault) and error.transient):
            self._passing[refs[0]] = error
            self._in_a_row += 1
        elif isinstance(error, UnhealthyError) and waited:
            self._unhealthy.append(error)
        else:
            self._lasting[refs[0]] = error
        if not waited and isinstance(error, SlothError):
            reason = self._job.blame(refs[0], error).line.partition(": ")[2]
            self._carrying.observer.item(str(refs[0]), "failed", reason)

    def _conclude(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._lasting:
            told = self._told(self._lasting)
            for waiting in self._unhealthy:
                told.append(waiting.message)
            raise ApplyError("\n".join(told), self._hint(self._lasting))
        if self._unhealthy:
            hints = dict.fromkeys(error.hint for error in self._unhealthy if error.hint)
            raise UnhealthyError("\n".join(error.message for error in self._unhealthy), "; ".join(hints) or None)
        if self._carrying.stopped() and self._graph.left:
            raise Interrupted(
                f"stopped with {len(self._graph.left)} of {plural(self._total, 'object')} not {self._job.verb.past}",
                "the next sync goes on from here",
            )
        if self._passing:
            raise UnreachableError("\n".join(self._told(self._passing)), self._hint(self._passing))

    def _told(self, failed: Mapping[Ref, SlothError]) -> list[str]:
        lines = [self._job.blame(ref, failed[ref]).line for ref in sorted(failed)]
        left = len(self._graph.left) - len(failed)
        rest = f", and {plural(left, 'object')} not begun" if left > 0 and len(lines) == 1 else ""
        if len(lines) == 1:
            return [f"{lines[0]}{rest}"]
        more = [f"  and {plural(len(lines) - _SHOWN, 'more object')}"] if len(lines) > _SHOWN else []
        head = f"{len(lines)} of {plural(self._total, 'object')} could not be {self._job.verb.past}:"
        return [head, *(f"  {line}" for line in lines[:_SHOWN]), *more]

    def _hint(self, failed: Mapping[Ref, SlothError]) -> str | None:
        return join_hints(self._job.blame(ref, failed[ref]).hint for ref in sorted(failed))


def join_hints(hints: Iterable[Any]) -> str | None:
    """Each way out once."""
    return "; ".join(dict.fromkeys(hint for hint in hints if hint)) or None
