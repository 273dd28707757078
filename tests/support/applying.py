"""Writing to a cluster in tests: what is told on the way, and looks at what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.events import ItemState, Level
from sloth_ci.core.objects import Body, Ref, Source, Write
from sloth_ci.core.references import ref_of
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.single import get, resource_of

APPLYSET = "applyset-test-v1"
OURS = {PART_OF: APPLYSET}


class Told:
    """An observer that remembers, and what `done` was called with."""

    def __init__(self) -> None:
        self.done: list[Ref] = []
        self.logged: list[str] = []
        self.states: dict[str, list[str]] = {}
        self.details: dict[str, str] = {}

    def log(self, level: Level, message: str) -> None:
        self.logged.append(f"{level}: {message}")

    def phase(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, item: str) -> None:
        pass

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        self.states.setdefault(ref, []).append(state)
        if detail:
            self.details[ref] = detail

    @property
    def names(self) -> list[str]:
        """Of the objects that are done, in order."""
        return [ref.name for ref in self.done]


def carrying(
    told: Told | None = None,
    *,
    stopped: Callable[[], bool] = lambda: False,
    timeout: float = 60.0,
    force: bool = False,
    done: Callable[[Ref], None] | None = None,
) -> Carrying:
    told = told or Told()
    return Carrying(
        message="test",
        observer=told,
        done=done or told.done.append,
        stopped=stopped,
        health_timeout=timeout,
        force=force,
    )


def writes(*bodies: Body, sources: Iterable[Source] = ()) -> list[Write]:
    named = list(sources)
    return [Write(ref_of(body), body, named[n] if n < len(named) else None) for n, body in enumerate(bodies)]


def deletes(*bodies: Body) -> list[Write]:
    return [Write(ref_of(body), None) for body in bodies]


def live(cluster: Cluster, body: Body) -> Body | None:
    return get(cluster, ref_of(body))


def there(cluster: Cluster, body: Body) -> Body:
    found = live(cluster, body)
    assert found is not None, f"{ref_of(body)} is not there"
    return found


def uid(cluster: Cluster, body: Body) -> str:
    return str(there(cluster, body)["metadata"]["uid"])


def create(cluster: Cluster, body: Body, *, manager: str = "somebody") -> Body:
    """Make an object as somebody else."""
    ref = ref_of(body)
    path = resource_of(cluster, ref).path(ref.namespace)
    made: Body = cluster.client.json("POST", path, query={"fieldManager": manager}, body=body)
    return made


def patch(cluster: Cluster, body: Body, change: dict[str, Any], *, manager: str = "somebody", sub: str = "") -> Body:
    """Change an object as somebody else does, with a merge patch."""
    ref = ref_of(body)
    path = resource_of(cluster, ref).path(ref.namespace, ref.name, sub)
    query = {"fieldManager": manager}
    kind = "application/merge-patch+json"
    made: Body = cluster.client.json("PATCH", path, query=query, body=change, content_type=kind)
    return made


def remove(cluster: Cluster, body: Body) -> None:
    """Delete an object as somebody else does, without waiting until it is gone."""
    ref = ref_of(body)
    cluster.client.call("DELETE", resource_of(cluster, ref).path(ref.namespace, ref.name))


def managers(body: Body) -> set[tuple[str, str]]:
    """Who owns anything of it, and how."""
    return {(entry["manager"], entry["operation"]) for entry in body["metadata"]["managedFields"]}
