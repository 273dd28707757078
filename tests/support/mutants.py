"""Objects with one thing wrong, or only unusual: what a schema has to tell from a mistake as its server does."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    3.0,
    1.5,
    "",
    "web",
    "8",
    "100m",
    "1Gi",
    [],
    ["a"],
    [{}],
    {},
    {"a": "b"},
    {"a": 1},
)
"""Each goes into every place."""


def mutants(body: dict[str, Any], chosen: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Copies of an object with one place changed: another value, a key that is not there, a key with a slip, or none."""
    places = [way for way in _ways(body, ()) if way[0] not in {"apiVersion", "kind"} and way != ("metadata", "name")]
    for _ in range(count):
        copied = copy.deepcopy(body)
        way = chosen.choice(places)
        around: Any = copied
        for step in way[:-1]:
            around = around[step]
        match chosen.choice(("value", "value", "drop", "rename", "add")):
            case "value":
                around[way[-1]] = copy.deepcopy(chosen.choice(VALUES))
            case "drop":
                del around[way[-1]]
            case "rename" if isinstance(way[-1], str):
                around[way[-1].swapcase()] = around.pop(way[-1])
            case _ if isinstance(around[way[-1]], dict):
                around[way[-1]]["unheardOf"] = "x"
            case _:
                around[way[-1]] = {"unheardOf": around[way[-1]]}
        yield copied


def _ways(value: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*way, key)
        yield from _ways(one, (*way, key))
