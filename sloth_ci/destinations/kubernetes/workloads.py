"""Workloads and their pods: a workload that cannot get on says so only after ten minutes; its pods know at once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, NamedTuple

from sloth_ci.core.health import Verdict
from sloth_ci.core.objects import Body
from sloth_ci.core.pods import Stuck, stuck
from sloth_ci.core.rollout import CHILDREN, STATEFUL_SET, PodsOf, controller_of, every, is_over, newest, uid_of
from sloth_ci.core.status import Live, table, text
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.reasons import Culprit, Reasons, culprits
from sloth_ci.destinations.kubernetes.watches import Feed, News

_POD: Final = ("", "Pod")
_ASK_AGAIN: Final = 5.0
"""Seconds after which an autoscaler may have made up its mind about a pod without a node."""


class _Question(NamedTuple):
    asked: float
    answer: Future[bool]


class Workloads:
    """The pods of workloads, and what numbers their revisions. For one thread."""

    def __init__(self, cluster: Cluster, news: SimpleQueue[News], reasons: Reasons, asking: ThreadPoolExecutor) -> None:
        self._cluster = cluster
        self._news = news
        self._reasons = reasons
        self._asking = asking
        self._feeds: dict[tuple[tuple[str, str], str], Feed | None] = {}
        self._by_name: dict[Feed, dict[str, Body]] = {}
        self._by_controller: dict[Feed, dict[str, dict[str, Body]]] = {}
        self._heard: set[Feed] = set()
        self._questions: dict[str, _Question] = {}

    @property
    def feeds(self) -> list[Feed]:
        """Those that were started, each for the owner of this object to end."""
        return [feed for feed in self._feeds.values() if feed]

    @property
    def is_known(self) -> bool:
        """Whether everything that was asked for was answered, or could not be."""
        return len(self._heard) == len(self._by_name)

    def take(self, news: News) -> bool:
        """Take news in. False where they are about something else."""
        feed = news.feed
        if feed not in self._by_name:
            return False
        self._heard.add(feed)
        if news.kind == "listed":
            self._by_name[feed], self._by_controller[feed] = {}, {}
        for name, body in news.objects.items():
            old = self._by_name[feed].pop(name, None)
            if old is not None:
                self._by_controller[feed].get(controller_of(old), {}).pop(name, None)
            if news.kind != "gone":
                self._by_name[feed][name] = body
                self._by_controller[feed].setdefault(controller_of(body), {})[name] = body
        if news.kind == "refused":
            self._reasons.refused(f"{feed.resource.plural} could not be read", str(news.error))
        return True

    def judge(self, kind: tuple[str, str], body: Body, found: Verdict, now: float) -> tuple[Verdict, bool]:
        """The verdict on a workload or a pod with what its pods say.

        And whether kubelet or the scheduler goes on trying: a failure of that kind can still end well.
        """
        if kind == _POD:
            if found.state != "failed" or stuck(body, now) is None:
                return found, False
            if self._stuck(body, now) is None:
                return Verdict("progressing", found.reason), False
            return found, True
        if kind not in CHILDREN or found.state not in {"progressing", "failed"}:
            return found, False
        live = Live(body, now)
        pods = self._pods(kind, body)  # also where they decide nothing: they may tell why
        if found.state == "failed" or live.outdated or (kind != ("batch", "Job") and live.unseen):
            return found, False
        for pod in newest(body, self._children(kind, body), pods):
            why = None if is_over(pod) else self._stuck(pod, now)
            # A Job counts its crashes itself, up to backoffLimit.
            if why and not (kind == ("batch", "Job") and why.crashed):
                return Verdict("failed", Culprit(pod, why).line), True
        return found, False

    def culprits(self, kind: tuple[str, str], body: Body, now: float) -> list[Culprit]:
        """The pods that tell most about why it is not healthy."""
        if kind == _POD:
            return culprits([body], (), now)
        if kind not in CHILDREN:
            return []
        pods, children = self._pods(kind, body), self._children(kind, body)
        return culprits(_by_age(newest(body, children, pods)), _by_age(every(body, children, pods)), now)

    def in_the_way(self, stateful_set: Body, now: float) -> list[Culprit]:
        """The pods for which a StatefulSet waits in vain: stuck, and of a revision that it wants to replace.

        It replaces one pod after the other, each when the one before is ready: these never are (Kubernetes: "Forced
        rollback").
        """
        live = Live(stateful_set, now)
        if live.unseen or live.outdated or live.on_delete or live.spec.get("podManagementPolicy") == "Parallel":
            return []
        found = self.culprits(STATEFUL_SET, stateful_set, now)
        return [culprit for culprit in found if culprit.former and culprit.why.cause != "Unschedulable"]

    def _stuck(self, pod: Body, now: float) -> Stuck | None:
        """Why a pod does not get on; not where it waits for a node that is being made."""
        why = stuck(pod, now)
        if why is None or why.cause != "Unschedulable":
            return why
        return None if self._is_getting_a_node(pod) else why

    def _is_getting_a_node(self, pod: Body) -> bool:
        question = self._questions.get(uid_of(pod))
        if question and not question.answer.done():
            return True  # nobody knows yet
        if question and question.answer.result():
            return True
        if question is None or time.monotonic() - question.asked > _ASK_AGAIN:
            answer = self._asking.submit(self._reasons.is_getting_a_node, pod)
            self._questions[uid_of(pod)] = _Question(time.monotonic(), answer)
        return question is None

    def _pods(self, kind: tuple[str, str], workload: Body) -> PodsOf:
        """The pods of a controller in the workload's namespace. From now on they, and what numbers them, are watched."""
        feed = self._feed(_POD, workload)
        self._children(kind, workload)
        by_controller = self._by_controller[feed] if feed else {}
        return lambda uid: by_controller.get(uid, {}).values()

    def _children(self, kind: tuple[str, str], workload: Body) -> Collection[Body]:
        child = CHILDREN[kind]
        feed = self._feed(child, workload) if child else None
        return self._by_controller[feed].get(uid_of(workload), {}).values() if feed else ()

    def _feed(self, kind: tuple[str, str], workload: Body) -> Feed | None:
        """The feed about a kind in the workload's namespace, started where it is wanted for the first time."""
        namespace = text(table(workload.get("metadata")).get("namespace"))
        key = (kind, namespace)
        if key not in self._feeds:
            resource = self._cluster.discovery.find(*kind)
            feed = self._feeds[key] = Feed(self._cluster, resource, namespace, self._news) if resource else None
            if feed:
                self._by_name[feed], self._by_controller[feed] = {}, {}
                feed.start()
        return self._feeds[key]


def _by_age(pods: Iterable[Body]) -> list[Body]:
    return sorted(pods, key=lambda pod: text(table(pod.get("metadata")).get("creationTimestamp")))
