"""Deleting pods for which a StatefulSet waits in vain, so that it makes them anew at the revision that is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sloth_ci.core.errors import SlothError
from sloth_ci.core.objects import Body
from sloth_ci.core.rollout import uid_of
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.reasons import Culprit, Reasons

_SECONDS: Final = 10.0


class Unblocker:
    """Deletes each pod once; what cannot be deleted stays, and the wait tells about it. For one thread."""

    def __init__(self, cluster: Cluster, reasons: Reasons, asking: ThreadPoolExecutor) -> None:
        self._cluster = cluster
        self._reasons = reasons
        self._asking = asking
        self._asked: set[str] = set()

    def delete(self, culprits: Iterable[Culprit]) -> None:
        """Begin to delete those that were not asked about yet."""
        for culprit in culprits:
            uid = uid_of(culprit.pod)
            if uid not in self._asked:
                self._asked.add(uid)
                self._asking.submit(self._delete, culprit.pod)

    def _delete(self, pod: Body) -> None:
        metadata = pod["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        try:
            self._cluster.client.call(
                "DELETE",
                f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}",
                body={"preconditions": preconditions},
                timeout=_SECONDS,
            )
        except ApiFault as fault:
            if fault.code == 403:
                self._reasons.refused("pods that a StatefulSet waits for in vain could not be deleted", fault.message)
            elif fault.code == 409:
                self._asked.discard(metadata["uid"])  # it has changed: it may be well by now
        except SlothError:
            self._asked.discard(metadata["uid"])
