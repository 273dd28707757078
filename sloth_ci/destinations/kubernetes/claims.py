"""Which claims wait for their first pod: their StorageClass says so, they do not."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Final

from sloth_ci.core.objects import Body
from sloth_ci.core.status import table, text
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.reasons import Reasons
from sloth_ci.destinations.kubernetes.watches import Feed, News

CLAIM: Final = ("", "PersistentVolumeClaim")


class Claims:
    """StorageClasses, from the first claim on that is not bound. For one thread."""

    def __init__(self, cluster: Cluster, news: SimpleQueue[News], reasons: Reasons) -> None:
        self._cluster = cluster
        self._news = news
        self._reasons = reasons
        self._feed: Feed | None = None
        self._late: dict[str, bool] = {}
        self._unreadable = False

    @property
    def feeds(self) -> list[Feed]:
        """What was started, for the owner of this object to end."""
        return [self._feed] if self._feed else []

    def take(self, news: News) -> bool:
        """Take news in. False where they are about something else."""
        if news.feed is not self._feed:
            return False
        if news.kind == "refused":
            self._unreadable = True
            self._reasons.refused(f"{news.feed.resource.plural} could not be read", str(news.error))
        elif news.kind == "listed":
            self._late = {}
        for name, body in news.objects.items():
            self._late[name] = news.kind != "gone" and body.get("volumeBindingMode") == "WaitForFirstConsumer"
        return True

    def binds_late(self, claim: Body) -> bool:
        """Whether a claim is bound only when a pod wants it.

        Where classes must not be read, it is taken for one: its pods tell when there is no volume for them, and a
        claim that is waited for in vain stops everything after it.
        """
        if table(claim.get("status")).get("phase") != "Pending":
            return False
        if self._feed is None:
            resource = self._cluster.discovery.find("storage.k8s.io", "StorageClass")
            if resource is None:
                return False
            self._feed = Feed(self._cluster, resource, "", self._news)
            self._feed.start()
        return self._unreadable or self._late.get(text(table(claim.get("spec")).get("storageClassName")), False)
