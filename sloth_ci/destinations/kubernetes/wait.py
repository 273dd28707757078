"""Waiting until objects are healthy, by watches, with the reason a person needs where they are not."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent import futures
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from sloth_ci.core.errors import Interrupted, UnhealthyError, UnreachableError
from sloth_ci.core.events import ItemState
from sloth_ci.core.health import State, Verdict, is_judged, verdict
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.rollout import STATEFUL_SET, uid_of
from sloth_ci.core.status import table
from sloth_ci.core.words import clip, plural
from sloth_ci.destinations.kubernetes.claims import CLAIM, Claims
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.discovery import Resource
from sloth_ci.destinations.kubernetes.reasons import Culprit, Reasons
from sloth_ci.destinations.kubernetes.unblock import Unblocker
from sloth_ci.destinations.kubernetes.waited import LOOK, Round, Waited
from sloth_ci.destinations.kubernetes.watches import Feed, News
from sloth_ci.destinations.kubernetes.workloads import Workloads

GRACE: Final = 10.0
"""Seconds that a failure must stand which kubelet or the scheduler works on by itself.

A first pull that fails, or a program that ends because its database starts at the same moment, is tried again after ten
seconds (kubelet's first back-off). Nothing else is waited for meanwhile; a failure that is final ends the wait at once.
"""

STATES: Final[Mapping[State, ItemState]] = {
    "healthy": "healthy",
    "progressing": "progressing",
    "failed": "failed",
    "suspended": "applied",
    "terminating": "deleting",
}
"""A verdict in the words of an `Observer`."""

_AT_ONCE: Final = 1000
"""News that are taken in before the next look at the clock."""
_TOLD_ABOUT: Final = 10
_NAMED: Final = 3
"""So many are named in the first line, which stands for the whole in tables."""
"""Objects that are told about with events and logs; the others with their reason."""
_ASKERS: Final = 8
_END_SECONDS: Final = 2.0
"""How long to wait for threads that wait for a server that hangs."""
_GOES_ON: Final = "the next sync goes on from here"


def wait(
    cluster: Cluster,
    refs: Collection[Ref],
    *,
    timeout: float,
    stopped: Callable[[], bool],
    told: Callable[[Ref, Verdict], None],
    uids: Mapping[Ref, str] | None = None,
    grace: float = GRACE,
    unblock: bool = False,
) -> bool:
    """Wait until all objects are healthy, for at most `timeout` seconds. Returns True.

    Ends as soon as nothing can get better: only healthy and failed ones are left. What is suspended is not waited for,
    as only a person can go on with it, but for hooks: they are to be done. `told` is called by the calling thread with
    each new verdict; `stopped` is looked at every half second. `uids` are those of the objects that were written: another
    object of the same name is a failure. With `unblock`, pods for which a StatefulSet waits in vain are deleted, so
    that it can go back from a revision that never became ready.

    Raises UnhealthyError naming every object that is not healthy with its reason, its last events and the last log
    lines of its failing container, and Interrupted.
    """
    waiting = _Waiting(cluster, refs, told, uids or {}, grace, unblock=unblock)
    deadline = time.monotonic() + timeout
    try:
        waiting.begin()
        while not waiting.is_over():
            left = deadline - time.monotonic()
            _check(stopped)
            if left <= 0:
                raise waiting.unhealthy(f" after {round(timeout, 1 if timeout < 10 else None):g} s", stopped)
            waiting.look(min(LOOK, left))
        if waiting.bad():
            raise waiting.unhealthy("", stopped)
        return True
    finally:
        waiting.end()


class _Waiting:
    def __init__(
        self,
        cluster: Cluster,
        refs: Collection[Ref],
        told: Callable[[Ref, Verdict], None],
        uids: Mapping[Ref, str],
        grace: float,
        *,
        unblock: bool,
    ) -> None:
        self._cluster = cluster
        self._told = told
        self._grace = grace
        self._objects = {ref: Waited(ref, uids.get(ref, "")) for ref in sorted(refs)}
        self._open = set(self._objects.values())
        self._watched: dict[Feed, dict[str, Waited]] = {}
        self._trouble: dict[Feed, str] = {}
        self._refreshed = False
        self._round = Round()
        self._still_since: float | None = None
        self._news: SimpleQueue[News] = SimpleQueue()
        self._reasons = Reasons(cluster)
        self._asking = futures.ThreadPoolExecutor(_ASKERS, thread_name_prefix="reasons")
        self._workloads = Workloads(cluster, self._news, self._reasons, self._asking)
        self._unblocker = Unblocker(cluster, self._reasons, self._asking) if unblock else None
        self._claims = Claims(cluster, self._news, self._reasons)

    # --- the course of it ---

    def begin(self) -> None:
        """Start a watch for each kind and namespace whose objects can be anything but healthy."""
        groups: dict[tuple[Resource, str], dict[str, Waited]] = defaultdict(dict)
        for item in self._objects.values():
            ref = item.ref
            if not is_judged(ref):
                self._say(item, Verdict("healthy", ""))
                continue
            item.resource = resource = self._resource(ref)
            if resource is None:
                self._say(item, Verdict("failed", f"the server has no kind {ref.kind} of {ref.group or 'the core'}"))
            elif "watch" not in resource.verbs:
                self._say(item, Verdict("healthy", "its kind cannot be watched"))
            else:
                namespace = (ref.namespace or self._cluster.namespace) if resource.namespaced else ""
                groups[resource, namespace][ref.name] = item
        for (resource, namespace), items in groups.items():
            feed = Feed(self._cluster, resource, namespace, self._news, frozenset(items))
            self._watched[feed] = items
            feed.start()

    def _resource(self, ref: Ref) -> Resource | None:
        found = self._cluster.discovery.find(ref.group, ref.kind)
        if found is None and not self._refreshed:
            self._refreshed = True
            self._cluster.discovery.refresh()
            found = self._cluster.discovery.find(ref.group, ref.kind)
        return found

    def look(self, seconds: float) -> None:
        """Take in what is new, waiting for it for at most so many seconds, and judge."""
        touched: set[Waited] = set()
        with suppress(Empty):
            self._take(self._news.get(timeout=min(seconds, self._round.left())), touched)
            for _ in range(_AT_ONCE):
                self._take(self._news.get_nowait(), touched)
        now = self._now()
        if self._round.left():
            self._judge(touched, now)
        else:
            # The open ones again, too: pods tell about workloads, and time passes.
            with self._round:
                self._judge(touched | self._open, now)

    def is_over(self) -> bool:
        """Whether only healthy and failed ones are left, and the failed ones for good."""
        now = time.monotonic()
        if not (self._workloads.is_known and all(item.is_settled for item in self._open)):
            self._still_since = None
            return False
        self._still_since = self._still_since or now
        return not any(item.retried for item in self._open) or now - self._still_since >= self._grace

    def bad(self) -> list[Waited]:
        """Those that are not healthy."""
        return [item for item in self._objects.values() if not item.is_good]

    def end(self) -> None:
        """End all threads."""
        feeds = [*self._watched, *self._workloads.feeds, *self._claims.feeds]
        for feed in feeds:
            feed.end()
        deadline = time.monotonic() + _END_SECONDS
        for feed in feeds:
            feed.join(max(0.0, deadline - time.monotonic()))
        self._asking.shutdown(wait=False, cancel_futures=True)

    # --- news ---

    def _take(self, news: News, touched: set[Waited]) -> None:
        if news.kind == "crashed" and news.error:
            raise news.error
        if news.kind == "trouble":
            self._trouble[news.feed] = str(news.error)
        else:
            self._trouble.pop(news.feed, None)
        if self._workloads.take(news) or self._claims.take(news):
            self._round.want()
            return
        items = self._watched[news.feed]
        if news.kind == "refused":
            for item in items.values():
                self._conclude(item, Verdict("failed", f"it cannot be watched: {clip(str(news.error), 300)}"))
        elif news.kind == "listed":
            for name, item in items.items():
                body = news.objects.get(name)
                if body is None:
                    self._lose(item, item.body)
                else:
                    self._see(item, body, touched)
        else:
            for name, body in news.objects.items():
                if news.kind == "gone":
                    self._lose(items[name], body)
                else:
                    self._see(items[name], body, touched)

    def _see(self, item: Waited, body: Body, touched: set[Waited]) -> None:
        if item.resource is None:
            return
        item.uid = item.uid or uid_of(body)
        if uid_of(body) == item.uid:
            item.body = body
            touched.add(item)
        else:
            self._conclude(item, Verdict("failed", "it was replaced by another object of its name"))

    def _lose(self, item: Waited, last: Body | None) -> None:
        """An object is gone. A Job may have deleted itself after it ended."""
        if item.resource is None:
            return
        item.body = last or item.body
        found = Verdict("failed", "it is gone: somebody deleted it")
        if (item.ref.group, item.ref.kind) == ("batch", "Job"):
            found = self._how_it_ended(item) or found
        self._conclude(item, found)

    def _conclude(self, item: Waited, found: Verdict) -> None:
        """Nothing that happens from now on is about this object."""
        item.resource = None
        item.retried = False
        self._say(item, found)

    def _how_it_ended(self, item: Waited) -> Verdict | None:
        """What became of a Job that is gone, by its last state or, where nobody saw that, by the events about it."""
        if item.body is not None:
            if "ttlSecondsAfterFinished" not in table(item.body.get("spec")):
                return None
            metadata = {k: v for k, v in item.body["metadata"].items() if k != "deletionTimestamp"}
            last = verdict({**item.body, "metadata": metadata}, self._now())
            return last if last.state == "failed" else Verdict("healthy", "it ended and deleted itself")
        if item.uid:
            happened = {
                event.reason
                for event in self._reasons.events_of(item.ref.namespace or self._cluster.namespace, item.uid)
            }
            if "Completed" in happened:
                return Verdict("healthy", "it completed and is gone")
        return None

    # --- verdicts ---

    def _judge(self, items: Collection[Waited], now: float) -> None:
        for item in sorted(items, key=lambda item: item.ref):
            if item.resource is not None and item.body is not None:
                self._judge_one(item, item.body, now)

    def _judge_one(self, item: Waited, body: Body, now: float) -> None:
        kind = (item.ref.group, item.ref.kind)
        late = kind == CLAIM and self._claims.binds_late(body)
        found, item.retried = self._workloads.judge(kind, body, verdict(body, now, binds_late=late), now)
        self._say(item, found)
        if self._unblocker and kind == STATEFUL_SET and found.state == "progressing":
            self._unblocker.delete(self._workloads.in_the_way(body, now))

    def _say(self, item: Waited, found: Verdict) -> None:
        if item.verdict != found:
            item.verdict = found
            self._told(item.ref, found)
        if found.state == "healthy":
            self._open.discard(item)
        else:
            self._open.add(item)

    def _now(self) -> float:
        try:
            return self._cluster.client.now()
        except UnreachableError:  # nobody says what time it is there: it will be the same as here
            return time.time()

    # --- the end ---

    def unhealthy(self, after: str, stopped: Callable[[], bool]) -> UnhealthyError:
        """What is not healthy, and why, as an error. Raises Interrupted."""
        bad = self.bad()
        asked = [self._asking.submit(self._details, item, self._culprits(item)) for item in bad[:_TOLD_ABOUT]]
        while futures.wait(asked, timeout=LOOK).not_done:
            _check(stopped)
        details = [answer.result() for answer in asked] + [[] for _ in bad[_TOLD_ABOUT:]]
        if len(bad) == 1:
            lines = [f"{bad[0].ref} is not healthy{after}: {self._reason(bad[0])}"]
            lines += [f"  {line}" for line in details[0]]
        else:
            named = [str(item.ref) for item in bad[:_NAMED]]
            if len(bad) > _NAMED:
                named.append(f"{len(bad) - _NAMED} more")
            lines = [f"{len(bad)} of {plural(len(self._objects), 'object')} are not healthy{after}: {', '.join(named)}"]
            for item, more in zip(bad, details, strict=True):
                lines += [f"  {item.ref}: {self._reason(item)}", *(f"    {line}" for line in more)]
        lines += [f"  ({note})" for note in self._reasons.notes]
        return UnhealthyError("\n".join(lines), _hint(bad[0].ref, timed_out=bool(after)))

    def _reason(self, item: Waited) -> str:
        found = item.verdict
        reason = "the server has not said anything about it" if found is None else found.reason or found.state
        troubles = (said for feed, said in self._trouble.items() if item in self._watched.get(feed, {}).values())
        trouble = next(troubles, "")
        return f"{reason} (at the end the server did not answer: {trouble})" if trouble else reason

    def _culprits(self, item: Waited) -> list[Culprit]:
        if item.body is None or item.verdict is None or item.verdict.state == "terminating":
            return []
        return self._workloads.culprits((item.ref.group, item.ref.kind), item.body, self._now())

    def _details(self, item: Waited, culprits: Sequence[Culprit]) -> list[str]:
        """Lines below an object's reason."""
        if item.body is None:
            return []
        lines: list[str] = []
        for culprit in culprits:
            if item.ref.kind != "Pod" and (item.verdict is None or item.verdict.reason != culprit.line):
                lines.append(culprit.line)
            lines += self._reasons.about_pod(culprit)
        return lines or list(self._reasons.about(item.body))


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise Interrupted("stopped while waiting for health", _GOES_ON)


def _hint(ref: Ref, *, timed_out: bool) -> str:
    namespace = f"-n {ref.namespace} " if ref.namespace else ""
    kind = f"{ref.kind}.{ref.group}" if ref.group else ref.kind
    more = f"`kubectl {namespace}describe {kind.lower()} {ref.name}` tells more"
    return f"{more}; sync_policy.health_check.timeout gives it longer, and .ignore leaves it out" if timed_out else more
