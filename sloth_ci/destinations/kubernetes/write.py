"""Applying: each object by server-side apply, as soon as what it needs is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import ApplyError, SlothError, UnhealthyError, UnreachableError
from sloth_ci.core.graph import Graph, Node
from sloth_ci.core.health import Verdict, verdict
from sloth_ci.core.immutable import STATEFUL
from sloth_ci.core.managed import intent
from sloth_ci.core.objects import Body, Manifest, Ref, Write
from sloth_ci.core.scope import Scope, defined_by
from sloth_ci.destinations.kubernetes import takeover, wait
from sloth_ci.destinations.kubernetes.blame import blame
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.known import Known, prepared
from sloth_ci.destinations.kubernetes.remove import remove
from sloth_ci.destinations.kubernetes.restore import is_restore, put_back
from sloth_ci.destinations.kubernetes.single import METADATA_ONLY, UnknownKind, apply, delete, get, wait_until_gone
from sloth_ci.destinations.kubernetes.work import Blame, Budget, Verb, work_off

_CATCH_UP: Final = 30.0
"""Seconds that the server may need to serve a new kind, or to fill a new namespace, once it said that it is there."""
_NEW_SCHEMA: Final = 5.0
"""Seconds that it may go on checking objects by the schema that a definition had before."""
_AGAIN: Final = 0.1


def write(
    cluster: Cluster,
    applyset_id: str,
    writes: Sequence[Write],
    known: Mapping[Ref, Known],
    carrying: Carrying,
    *,
    standing: Iterable[Manifest] = (),
) -> dict[Ref, str]:
    """Apply and delete, first everything that is applied. Returns the uids of what was applied.

    `known`: what the last observation saw. `standing`: desired objects that are as they should be; those of earlier
    waves, and those that something depends on, have to be healthy before others are written. Raises as `work_off` does,
    and ConflictError for objects that wait for each other.
    """
    applied = {item.ref: item for item in writes if item.body is not None}
    nodes = [Node(ref, item.body) for ref, item in applied.items() if item.body is not None]
    # What is put back waits for nothing, and one object that cannot be is no reason to leave the others as they are:
    # what is there now is what is wrong.
    restored = any(is_restore(node.body) for node in nodes)
    others = [manifest for manifest in standing if manifest.ref not in applied and not restored]
    nodes += [Node(manifest.ref, manifest.body, standing=True) for manifest in others]
    graph = Graph(nodes)
    job = _Writing(cluster, applyset_id, applied, known, graph, carrying)
    work_off(graph, job, carrying, thorough=restored)
    deleted = [item.ref for item in writes if item.body is None]
    if deleted:
        uids = {ref: seen.uid for ref, seen in known.items()} | job.uids
        kept = {ref: uid for ref, uid in uids.items() if ref not in set(deleted)}
        seen = {ref: known[ref].uid for ref in deleted if ref in known}
        remove(cluster, applyset_id, deleted, carrying, seen=seen, kept=kept)
    return job.uids


class _Writing:
    verb = Verb("written", "applying", "applied")
    done_when_settled = False

    def __init__(
        self,
        cluster: Cluster,
        applyset_id: str,
        writes: Mapping[Ref, Write],
        known: Mapping[Ref, Known],
        graph: Graph,
        carrying: Carrying,
    ) -> None:
        self._writes, self._known, self._graph, self._carrying = writes, known, graph, carrying
        self._apply = Applier(cluster, applyset_id, carrying, [w.body for w in writes.values() if w.body is not None])
        self._cluster = cluster
        self.uids: dict[Ref, str] = {}

    def act(self, ref: Ref) -> str | None:
        body = self._writes[ref].body
        assert body is not None
        if is_restore(body):
            self.uids[ref] = put_back(self._cluster, ref, body, self._apply.budget, self._carrying.stopped)
        else:
            self.uids[ref] = self._apply(ref, body, self._known.get(ref))
        return None

    def settle(self, refs: Collection[Ref], stopped: Callable[[], bool]) -> None:
        refs = [ref for ref in refs if self._carrying.awaited(ref)]

        def told(ref: Ref, verdict: Verdict) -> None:
            self._carrying.observer.item(str(ref), wait.STATES[verdict.state], verdict.reason)

        uids = {ref: self.uids[ref] for ref in refs if ref in self.uids}
        try:
            wait.wait(self._cluster, refs, timeout=self._apply.budget.left(), stopped=stopped, told=told, uids=uids)
        except UnhealthyError as error:
            if not self._carrying.lenient:
                raise
            self._carrying.observer.log("warn", f"{error.message}; ignored, as failure_mode says")

    def blame(self, ref: Ref, error: SlothError) -> Blame:
        return blame(ref, self._writes[ref].source, error)


class Applier:
    """Applies single objects, and sees to it that others can build on them. Safe for many threads."""

    def __init__(self, cluster: Cluster, applyset_id: str | None, carrying: Carrying, bodies: Iterable[Body]) -> None:
        """`bodies`: all that are applied together. Without an applyset id they do not become members."""
        self.budget = Budget(carrying.health_timeout)
        self._cluster, self._applyset, self._carrying = cluster, applyset_id, carrying
        self._defined: set[tuple[str, str]] = set()
        self._namespaces: set[str] = set()
        for body in bodies:
            scope = defined_by(body)
            if scope is not None:
                self._defined.add((scope.group, scope.kind))
            elif body["kind"] == "Namespace" and body["apiVersion"] == "v1":
                self._namespaces.add(body["metadata"]["name"])
        self._looking = threading.Lock()

    def __call__(self, ref: Ref, body: Body, known: Known | None) -> str:
        """Returns the uid. Raises ApiFault, ApplyError, UnhealthyError, UnreachableError, Interrupted."""
        if known is not None and known.takeover:
            takeover.take_over(self._cluster, ref, known)
        if known is not None and known.recreate:
            self._make_way(ref, known.uid)
            known = None
        live = self._apply(ref, body, known)
        if known is not None and known.yields and live["metadata"]["uid"] != known.uid:
            live = self._apply(ref, body, None)  # made anew: nobody is there any more to yield to
        while live["metadata"].get("deletionTimestamp"):
            self._wait_gone(ref, live["metadata"]["uid"])
            live = self._apply(ref, body, None)
        scope = defined_by(body)
        if scope is not None:
            self._wait_established(ref, body, scope, live)
        uid: str = live["metadata"]["uid"]
        return uid

    def _apply(self, ref: Ref, body: Body, known: Known | None) -> Body:
        force = self._carrying.force or (known is not None and known.force)
        sent = prepared(body, self._applyset, known) if self._applyset else intent(body)
        # The status is wanted only of those whose status is looked at here: the rest is answered in a few bytes.
        accept = "application/json" if ref.kind == "CustomResourceDefinition" else METADATA_ONLY
        started = time.monotonic()
        while True:
            try:
                return apply(self._cluster, ref, sent, force=force, accept=accept)
            except (ApiFault, UnknownKind) as error:
                if time.monotonic() - started >= self._catching_up(ref, error):
                    raise
            time.sleep(_AGAIN)

    def _catching_up(self, ref: Ref, error: ApiFault | UnknownKind) -> float:
        """For how many seconds a refusal may only mean that the server did not get round to what was made just now."""
        if (ref.group, ref.kind) in self._defined:
            if isinstance(error, UnknownKind) or error.code == 404:
                return _CATCH_UP
            misfit = error.code in {400, 422} or (error.code == 500 and not error.transient)
            return _NEW_SCHEMA if misfit else 0
        # A pod in a new namespace, whose `default` service account is made by a controller.
        waits_for_account = "serviceaccount" in error.message and "not found" in error.message
        return _CATCH_UP if waits_for_account and ref.namespace in self._namespaces else 0

    def _make_way(self, ref: Ref, uid: str) -> None:
        if ref.kind in STATEFUL:
            raise ApplyError(f"a {ref.kind} is never made anew", "leave the field as it is")
        live = get(self._cluster, ref)
        if live is None:
            return
        if live["metadata"]["uid"] != uid:
            return  # somebody, or a run that was interrupted, has made it anew
        delete(self._cluster, ref, live["metadata"], exact=False, policy="Foreground")
        self._wait_gone(ref, uid)

    def _wait_gone(self, ref: Ref, uid: str) -> None:
        wait_until_gone(self._cluster, ref, uid, timeout=self.budget.left(), stopped=self._carrying.stopped)

    def _wait_established(self, ref: Ref, body: Body, scope: Scope, live: Body) -> None:
        if verdict(live, self._cluster.client.now()).state != "healthy":
            wait.wait(
                self._cluster,
                [ref],
                timeout=self.budget.left(),
                stopped=self._carrying.stopped,
                told=lambda ref, verdict: None,
                uids={ref: live["metadata"]["uid"]},
            )
        versions = [version["name"] for version in body["spec"].get("versions", ()) if version.get("served")]
        deadline = time.monotonic() + _CATCH_UP
        while not self._is_served(scope, versions):
            if time.monotonic() > deadline:
                raise UnreachableError(f"the server does not serve {scope.kind} of {scope.group} yet", "sync again")
            time.sleep(_AGAIN)

    def _is_served(self, scope: Scope, versions: Sequence[str]) -> bool:
        """Looks anew where it is not: one thread at a time, as what one finds serves the others."""
        discovery = self._cluster.discovery

        def found() -> bool:
            return all(discovery.find(scope.group, scope.kind, version) for version in versions)

        with self._looking:
            if not found():
                discovery.refresh()
            return found()
