"""Why an object is not healthy, in more words than its status has: last events, and last log lines of a container.

Both are asked for once, when a wait has ended, and are worth no failure: what cannot be had is left out. Texts come from
users' programs: they are cut to lines of reasonable length without control characters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sloth_ci.core.errors import SlothError
from sloth_ci.core.objects import Body
from sloth_ci.core.pods import Stuck, ended_badly, stuck, unready
from sloth_ci.core.rollout import is_over, uid_of
from sloth_ci.core.status import seconds, table, text
from sloth_ci.core.words import clip
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault

_EVENTS: Final = 3
_LOG_LINES: Final = 10
_LINE: Final = 200
_LOG_BYTES: Final = 65536
_SECONDS: Final = 5.0
"""How long an answer may take: it comes on top of a wait that is over."""
_PODS: Final = 2
"""How many pods of one workload are told about, each with another cause."""

_NODE_IS_COMING: Final = frozenset({"TriggeredScaleUp", "Nominated"})
# By cluster-autoscaler and by Karpenter, to a pod for which they make a node.


class Event(NamedTuple):
    """Something that happened to an object."""

    reason: str
    message: str
    at: float
    """Unix seconds; 0 where it does not say."""
    times: int
    is_warning: bool

    def line(self, now: float) -> str:
        """`FailedScheduling, 12 s ago, 3 times: 0/3 nodes are available`."""
        ago = f"{max(0, now - self.at):.0f} s ago" if self.at else ""
        times = f"{self.times} times" if self.times > 1 else ""
        return f"{', '.join(part for part in (self.reason, ago, times) if part)}: {self.message}"


class Culprit(NamedTuple):
    """A pod that keeps its workload from being healthy."""

    pod: Body
    why: Stuck
    former: bool = False
    """It is of a revision that is to be replaced, and stands in the way of that."""

    @property
    def line(self) -> str:
        """`pod web-1: container main: ImagePullBackOff: ...`."""
        which = ", of a former revision" if self.former else ""
        return f"pod {text(table(self.pod.get('metadata')).get('name'))}{which}: {self.why.reason}"


class Reasons:
    """Asks a cluster for details. Safe for many threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}

    @property
    def notes(self) -> list[str]:
        """What could not be done for want of rights, each once: `pods could not be read: ...`."""
        with self._lock:
            return [f"{what}: {why}" for what, why in self._refused.items()]

    def refused(self, what: str, why: str) -> None:
        """Note that something must not be done."""
        with self._lock:
            self._refused.setdefault(what, clip(why, 300))

    def events(self, body: Body) -> list[Event]:
        """Those of an object, newest first."""
        metadata = table(body.get("metadata"))
        # Events about objects without a namespace are kept in this one.
        namespace = text(metadata.get("namespace")) or "default"
        return self.events_of(namespace, uid_of(body))

    def events_of(self, namespace: str, uid: str) -> list[Event]:
        """Those of an object by its uid, even when it is gone; newest first."""
        try:
            answer = self._cluster.client.json(
                "GET",
                f"/api/v1/namespaces/{namespace}/events",
                query={"fieldSelector": f"involvedObject.uid={uid}"},
                timeout=_SECONDS,
                patient=False,
            )
        except ApiFault as fault:
            if fault.code == 403:
                self.refused("events could not be read", fault.message)
            return []
        except SlothError:
            return []
        found = [_event(item) for item in answer.get("items") or ()]
        return sorted(found, key=lambda event: (event.at, event.is_warning), reverse=True)

    def is_getting_a_node(self, pod: Body) -> bool:
        """Whether an autoscaler is making a node for a pod that found none."""
        return any(event.reason in _NODE_IS_COMING for event in self.events(pod))

    def about(self, body: Body) -> Iterator[str]:
        """Lines about an object: its last events."""
        now = self._cluster.client.now()
        for event in self.events(body)[:_EVENTS]:
            yield f"event {event.line(now)}"

    def about_pod(self, culprit: Culprit) -> Iterator[str]:
        """Lines about a pod: its last events, and the last log lines of the container that fails."""
        yield from self.about(culprit.pod)
        lines = self._log(culprit.pod, culprit.why) if culprit.why.log else []
        if lines:
            yield f"last {'line' if len(lines) == 1 else f'{len(lines)} lines'} of the log of {culprit.why.container}:"
            yield from (f"  {line}" for line in lines)

    def _log(self, pod: Body, why: Stuck) -> list[str]:
        metadata = table(pod.get("metadata"))
        query = {"container": why.container, "tailLines": str(_LOG_LINES), "limitBytes": str(_LOG_BYTES)}
        if why.log == "previous":
            query["previous"] = "true"
        try:
            log = self._cluster.client.call(
                "GET",
                f"/api/v1/namespaces/{text(metadata.get('namespace'))}/pods/{text(metadata.get('name'))}/log",
                query=query,
                accept="*/*",
                timeout=_SECONDS,
                patient=False,
            )
        except ApiFault as fault:
            # Anything else is a container that never ran, or a node that does not answer.
            if fault.code == 403:
                self.refused("logs could not be read", fault.message)
            return []
        except SlothError:
            return []
        lines = (clip(line, _LINE) for line in log.decode(errors="replace").splitlines()[-_LOG_LINES:])
        return [line for line in lines if line]


def culprits(newest: Sequence[Body], others: Sequence[Body], now: float) -> list[Culprit]:
    """The pods that tell most about why a workload is not healthy, one for each cause.

    First those of the newest revision that are stuck, then those that ended badly, then those of older ones that are
    stuck and may stand in its way, then those that run and are not ready.
    """
    live = [pod for pod in newest if not is_over(pod)]
    found = [Culprit(pod, why) for pod in live if (why := stuck(pod, now))]
    found = found or [Culprit(pod, why) for pod in reversed(newest) if (why := ended_badly(pod))]
    found = found or [
        Culprit(pod, why, former=True)
        for pod in others
        if pod not in newest and not is_over(pod) and (why := stuck(pod, now))
    ]
    found = found or [Culprit(pod, why) for pod in live if (why := unready(pod))]
    by_cause: dict[tuple[str, str], Culprit] = {}
    for culprit in found:
        by_cause.setdefault((culprit.why.cause, culprit.why.container), culprit)
    return list(by_cause.values())[:_PODS]


def _event(item: Any) -> Event:
    item = table(item)
    series = table(item.get("series"))
    metadata = table(item.get("metadata"))
    times = (
        series.get("lastObservedTime"),
        item.get("lastTimestamp"),
        item.get("eventTime"),
        item.get("firstTimestamp"),
        metadata.get("creationTimestamp"),
    )
    at = next((time for time in map(seconds, times) if time is not None), 0.0)
    count = series.get("count") or item.get("count") or 1
    return Event(
        clip(text(item.get("reason")), 100),
        clip(text(item.get("message")), _LINE),
        at,
        count if isinstance(count, int) else 1,
        item.get("type") == "Warning",
    )
