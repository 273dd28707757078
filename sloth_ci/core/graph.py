"""What has to wait for what: a graph of objects that lets each go as soon as what it needs is there.

Three kinds of waiting, the stronger first:

    waves       nothing of a wave starts before all of the wave before is written and healthy
    needs       a CRD before its resources, a Namespace before its content, and what `depends-on` says, which waits for
                health; cycles are errors
    wishes      a ConfigMap before the Deployment that names it: an order that is good to have, given up where it
                contradicts the other two

A deletion is the mirror image: dependents go first, the last wave goes first, and instead of healthy an object is gone.

Sources: Argo CD "Sync Waves"; cli-utils "depends-on" (the annotation and its format).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.hooks import wave
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.order import rank
from sloth_ci.core.references import ref_of, references
from sloth_ci.core.scope import defined_by

DEPENDS_ON = ("config.kubernetes.io/depends-on", "sloth-ci/depends-on")
"""Annotations: `group/namespaces/namespace/Kind/name` or `group/Kind/name`, several with commas between them."""


class Node(NamedTuple):
    """One object of the graph."""

    ref: Ref
    body: Body
    standing: bool = False
    """It is there already, as it should be: others may have to wait until it is healthy."""


class _Edge(NamedTuple):
    """`ref` waits for `needs`."""

    ref: Ref
    needs: Ref
    why: str
    hard: bool = True
    settled: bool = False
    """That it is written is not enough: it has to be healthy, or, in a deletion, gone."""


class Graph:
    """Objects in the order in which they may be worked on. Not safe for several threads.

    `take` gives what can be begun and `to_settle` what has to be waited for; `finished` and `settled` tell what became
    of it. What fails is never told: so nothing that waits for it is ever given out.
    """

    def __init__(self, nodes: Iterable[Node], *, deleting: bool = False, settle_all: bool = False) -> None:
        """`settle_all`: the last wave is waited for, too.

        Raises ConflictError for a cycle, naming it, and for a `depends-on` that cannot be read.
        """
        given = {node.ref: node for node in nodes}
        self._waves, edges = _acyclic(given)
        if deleting:
            self._waves = {ref: -number for ref, number in self._waves.items()}
            edges = [edge._replace(ref=edge.needs, needs=edge.ref) for edge in edges]
        standing = {ref for ref, node in given.items() if node.standing}
        last = max((number for ref, number in self._waves.items() if ref not in standing), default=-math.inf)
        wanted = {edge.needs for edge in edges if edge.settled}
        for ref in standing:
            if ref not in wanted and self._waves[ref] >= last:
                del self._waves[ref]  # nothing comes after it
        edges = [e for e in edges if e.ref not in standing and (e.settled or e.needs not in standing)]

        self._deleting, self._settle_all = deleting, settle_all
        self._open: dict[int, set[Ref]] = {}
        self._unsettled: dict[int, set[Ref]] = {}
        for ref, number in self._waves.items():
            self._unsettled.setdefault(number, set()).add(ref)
            self._open.setdefault(number, set()).update(() if ref in standing else (ref,))
        self._order = sorted(self._unsettled)
        self._dependents: dict[Ref, list[_Edge]] = {}
        self._blockers = dict.fromkeys(self._waves, 0)
        for edge in edges:
            self._dependents.setdefault(edge.needs, []).append(edge)
            self._blockers[edge.ref] += 1
        by_kind = sorted(self._waves, key=rank, reverse=deleting)
        self._priority = {ref: place for place, ref in enumerate(by_kind)}
        self._ready: list[tuple[int, Ref]] = []
        self._asked: set[Ref] = set()
        self._to_settle = standing & wanted
        self._enter_wave()

    @property
    def left(self) -> list[Ref]:
        """What is not finished."""
        return sorted(ref for refs in self._open.values() for ref in refs)

    @property
    def wave(self) -> int | None:
        """The wave that is worked on, as the annotations count; None where there is only one."""
        if not self._order or len(self._unsettled) == 1:
            return None
        return -self._order[0] if self._deleting else self._order[0]

    def settles(self, ref: Ref) -> bool:
        """Whether anything will wait until this object is settled."""
        if self._settle_all or self._waves[ref] != max(self._unsettled):
            return True
        return any(edge.settled for edge in self._dependents.get(ref, ()))

    def take(self) -> Ref | None:
        """The next object to begin, by kind; None while all that are left wait for something."""
        return heapq.heappop(self._ready)[1] if self._ready else None

    def finished(self, ref: Ref) -> None:
        """It is written, or its deletion is accepted."""
        self._open[self._waves[ref]].discard(ref)
        for edge in self._dependents.get(ref, ()):
            if edge.settled:
                self._to_settle.add(ref)
            else:
                self._unblock(edge.ref)

    def to_settle(self) -> list[Ref]:
        """What is finished and has to be settled before others can begin. Each is told once."""
        if self._order and not self._open[self._order[0]] and (len(self._order) > 1 or self._settle_all):
            self._to_settle |= self._unsettled[self._order[0]]
        told = sorted(self._to_settle - self._asked)
        self._asked.update(told)
        self._to_settle.clear()
        return told

    def settled(self, refs: Collection[Ref]) -> None:
        """They are healthy, or gone."""
        for ref in refs:
            self._unsettled[self._waves[ref]].discard(ref)
            for edge in self._dependents.get(ref, ()):
                if edge.settled:
                    self._unblock(edge.ref)
        while self._order and not self._unsettled[self._order[0]]:
            self._order.pop(0)
            self._enter_wave()

    def _enter_wave(self) -> None:
        for ref in self._open[self._order[0]] if self._order else ():
            if not self._blockers[ref]:
                heapq.heappush(self._ready, (self._priority[ref], ref))

    def _unblock(self, ref: Ref) -> None:
        self._blockers[ref] -= 1
        if not self._blockers[ref] and self._waves[ref] == self._order[0]:
            heapq.heappush(self._ready, (self._priority[ref], ref))


def depends_on(body: Body) -> list[Ref]:
    """What an object says that it depends on. Raises ConflictError where that cannot be read."""
    annotations = body["metadata"].get("annotations") or {}
    said = [(key, text.strip()) for key in DEPENDS_ON for text in str(annotations.get(key) or "").split(",")]
    return [_explicit(text, key, body) for key, text in said if text]


def _explicit(text: str, key: str, body: Body) -> Ref:
    match text.split("/"):
        case [group, "namespaces", namespace, kind, name] if namespace and kind and name:
            return Ref(group, kind, namespace, name)
        case [group, kind, name] if kind and name:
            return Ref(group, kind, "", name)
    raise ConflictError(
        f"{ref_of(body)}: {key} names no object: {text}",
        "write group/namespaces/NAMESPACE/Kind/name or group/Kind/name; the group of v1 is empty: /namespaces/shop/Secret/key",
    )


def _acyclic(nodes: Mapping[Ref, Node]) -> tuple[dict[Ref, int], list[_Edge]]:
    """The wave of each object, and the edges among them, without those wishes that would close a circle.

    Kahn's algorithm; where it gets stuck, the first object by kind that only wishes hold up is let go.
    """
    needs = _needs(nodes)
    waves = {ref: wave(node.body) for ref, node in nodes.items()}
    for edge in needs:
        if not edge.settled:  # a Namespace of a late wave is made for the first of its content
            waves[edge.needs] = min(waves[edge.needs], waves[edge.ref])
    for edge in needs:
        if waves[edge.needs] > waves[edge.ref]:
            back = _Edge(edge.needs, edge.ref, f"wave {waves[edge.needs]} comes after wave {waves[edge.ref]}")
            raise _cycle([edge, back])
    edges = {(edge.ref, edge.needs): edge for edge in _wishes(nodes) if waves[edge.needs] <= waves[edge.ref]}
    edges |= {(edge.ref, edge.needs): edge for edge in needs}
    holding: dict[Ref, dict[Ref, _Edge]] = {ref: {} for ref in nodes}
    waiting: dict[Ref, list[Ref]] = {}
    for edge in edges.values():
        holding[edge.ref][edge.needs] = edge
        waiting.setdefault(edge.needs, []).append(edge.ref)
    free = [(rank(ref), ref) for ref, held in holding.items() if not held]
    heapq.heapify(free)
    while holding:
        if not free:
            wishing = [ref for ref, held in holding.items() if not any(edge.hard for edge in held.values())]
            if not wishing:
                raise _cycle(_find_cycle(holding))
            ref = min(wishing, key=rank)
            for needed in holding[ref]:
                del edges[ref, needed]
                waiting[needed].remove(ref)
            free.append((rank(ref), ref))
        ref = heapq.heappop(free)[1]
        del holding[ref]
        for other in waiting.get(ref, ()):
            del holding[other][ref]
            if not holding[other]:
                heapq.heappush(free, (rank(other), other))
    return waves, list(edges.values())


def _needs(nodes: Mapping[Ref, Node]) -> list[_Edge]:
    definitions = {
        (scope.group, scope.kind): ref for ref, node in nodes.items() if (scope := defined_by(node.body)) is not None
    }
    found: dict[tuple[Ref, Ref], _Edge] = {}
    for ref, node in nodes.items():
        definition = definitions.get((ref.group, ref.kind))
        if definition is not None:
            found[ref, definition] = _Edge(ref, definition, "is defined by it")
        namespace = Ref("", "Namespace", "", ref.namespace)
        if namespace in nodes:
            found[ref, namespace] = _Edge(ref, namespace, "is in it")
        for needed in depends_on(node.body):
            if needed in nodes:
                found[ref, needed] = _Edge(ref, needed, "depends on it", settled=True)
    return list(found.values())


def _wishes(nodes: Mapping[Ref, Node]) -> Iterator[_Edge]:
    for ref, node in nodes.items():
        for needed in references(node.body):
            if needed in nodes and needed != ref:
                yield _Edge(ref, needed, "refers to it", hard=False)


def _find_cycle(holding: Mapping[Ref, Mapping[Ref, _Edge]]) -> list[_Edge]:
    """A circle of needs, where every object that is left is held up by one."""
    path: list[_Edge] = []
    seen: dict[Ref, int] = {}
    ref = min(holding, key=rank)
    while ref not in seen:
        seen[ref] = len(path)
        path.append(next(edge for edge in holding[ref].values() if edge.hard))
        ref = path[-1].needs
    return path[seen[ref] :]


def _cycle(edges: list[_Edge]) -> ConflictError:
    told = "; ".join(f"{edge.ref} waits for {edge.needs}, as it {edge.why}" for edge in edges)
    return ConflictError(
        f"a circle of objects that wait for each other: {told}",
        f"take one of them out of it: {' or '.join(DEPENDS_ON)}, or a sync wave",
    )
