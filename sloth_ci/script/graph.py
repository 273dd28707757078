"""The order of tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import did_you_mean


class Node(Protocol):
    """Something with dependencies."""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names."""


def check_graph(tasks: Mapping[str, Node], what: str, elsewhere: Collection[str] = ()) -> None:
    """Raise UsageError for a dependency that is missing and for a cycle, which is named whole.

    `elsewhere` are tasks that exist but do not belong here.
    """
    for name, task in tasks.items():
        for wanted in task.depends_on:
            if wanted not in tasks:
                hint = f"add '{wanted}' to its tasks" if wanted in elsewhere else did_you_mean(wanted, list(tasks))
                raise UsageError(f"{what}: task '{name}' depends on '{wanted}', which is not there", hint)
    try:
        TopologicalSorter({name: task.depends_on for name, task in tasks.items()}).prepare()
    except CycleError as error:
        circle = _from_first(error.args[1][::-1], list(tasks))
        raise UsageError(f"{what}: tasks wait for each other: {' → '.join(circle)}") from None


def with_dependencies(names: Sequence[str], tasks: Mapping[str, Node]) -> list[str]:
    """The names and all they depend on, in the order of `tasks`."""
    wanted: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(tasks[name].depends_on)
    return [name for name in tasks if name in wanted]


def _from_first(circle: list[str], order: list[str]) -> list[str]:
    """The same circle, starting with the task that was declared first."""
    ring = circle[:-1]
    start = min(range(len(ring)), key=lambda i: order.index(ring[i]))
    ring = ring[start:] + ring[:start]
    return [*ring, ring[0]]
