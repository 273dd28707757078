"""Deleting what is no longer wanted, and nothing else: every rule of `core.prune` is checked once more, right before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import ApplyError, SlothError
from sloth_ci.core.graph import Graph, Node
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.owner import owner_of
from sloth_ci.core.prune import why_kept
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.blame import blame
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.single import UnknownKind, delete, get, wait_until_gone
from sloth_ci.destinations.kubernetes.work import Blame, Budget, Verb, work_off

_LOOKS: Final = 5
"""How often an object may change between a look at it and its deletion before the look no longer counts."""


def remove(
    cluster: Cluster,
    applyset_id: str,
    refs: Sequence[Ref],
    carrying: Carrying,
    *,
    seen: Mapping[Ref, str],
    kept: Mapping[Ref, str],
) -> None:
    """Delete these objects, those that need others first.

    `seen`: uids as the plan saw them; `kept`: those of what stays. What is gone already is a
    success, and what turns out to be somebody else's stays, which is logged. Raises as `work_off` does; ApplyError, too,
    for what must not be deleted.
    """
    live = dict(zip(refs, cluster.client.map(lambda ref: _look(cluster, ref), refs), strict=True))
    graph = Graph((Node(ref, body) for ref, body in live.items() if body is not None), deleting=True)
    for ref, body in live.items():
        if body is None:
            carrying.done(ref)
    work_off(graph, _Removal(cluster, applyset_id, graph, carrying, live, seen, kept), carrying)


def _look(cluster: Cluster, ref: Ref) -> Body | None:
    try:
        return get(cluster, ref)
    except UnknownKind:
        return None  # its objects went with their CRD


class _Removal:
    verb = Verb("deleted", "deleting", "deleted")
    done_when_settled = False

    def __init__(
        self,
        cluster: Cluster,
        applyset_id: str,
        graph: Graph,
        carrying: Carrying,
        live: Mapping[Ref, Body | None],
        seen: Mapping[Ref, str],
        kept: Mapping[Ref, str],
    ) -> None:
        self._cluster, self._applyset, self._graph = cluster, applyset_id, graph
        self._live, self._seen = live, seen
        self._kept_uids = {uid: ref for ref, uid in kept.items()}
        self._kept = kept
        self._budget = Budget(carrying.health_timeout)
        self._staying: set[Ref] = set()

    def act(self, ref: Ref) -> str | None:
        """Looks and deletes as one step: the deletion names the version that was looked at."""
        body = self._live[ref]
        for look in range(_LOOKS):
            if body is None or body["metadata"].get("deletionTimestamp"):
                return None
            stays = self._why_it_stays(ref, body)
            if stays:
                self._staying.add(ref)
                return f"{ref} is left in place: {stays}"
            self._refuse(ref, body)
            try:
                delete(self._cluster, ref, body["metadata"], exact=look < _LOOKS - 1)
            except ApiFault as fault:
                if fault.code != 409 or look == _LOOKS - 1:
                    raise
                body = get(self._cluster, ref)
            else:
                return None
        return None

    def _why_it_stays(self, ref: Ref, body: Body) -> str | None:
        metadata = body["metadata"]
        if (metadata.get("labels") or {}).get(PART_OF) != self._applyset:
            owner = owner_of(body) or ((metadata.get("labels") or {}).get(PART_OF) and "another workflow")
            return f"it belongs to {owner}" if owner else f"it no longer has the label {PART_OF} of this workflow"
        if self._seen.get(ref, metadata["uid"]) != metadata["uid"]:
            return "it was made anew since the plan was made"
        return None

    def _refuse(self, ref: Ref, body: Body) -> None:
        """The planner knows these rules, too: who gets here has found a way around it."""
        reason = why_kept(ref, body, running=True)
        same = self._kept_uids.get(body["metadata"]["uid"])
        if reason is None and same is not None:
            reason = f"it is {same} under its former API group"
        if reason is None and (ref.group, ref.kind) == ("", "Namespace"):
            inside = next((kept for kept in self._kept if kept.namespace == ref.name and self._is_there(kept)), None)
            reason = f"{inside} is in it" if inside else None
        if reason is not None:
            raise ApplyError(f"must not be deleted: {reason}", "look at the plan again")

    def _is_there(self, ref: Ref) -> bool:
        """What the plan saw may have been deleted since, by an earlier part of the same sync."""
        body = _look(self._cluster, ref)
        return body is not None and body["metadata"]["uid"] == self._kept[ref]

    def settle(self, refs: Collection[Ref], stopped: Callable[[], bool]) -> None:
        for ref in refs:
            live = self._live[ref]
            if ref not in self._staying and live is not None:
                uid = live["metadata"]["uid"]
                wait_until_gone(self._cluster, ref, uid, timeout=self._budget.left(), stopped=stopped)

    def blame(self, ref: Ref, error: SlothError) -> Blame:
        return blame(ref, None, error)
