"""What really happened when a tool applied, and what its diff had said of it.

Nothing here is an opinion: every object is read before and after the apply, and compared in the fields that the
manifests declare, now or before.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from msgspec import UNSET

from scoreboard.place import Body, Key, Place
from sloth_ci.core.fieldpath import Path, get
from sloth_ci.core.managed import leaves, owners

OwnManager = frozenset[tuple[str, str]]
Snapshot = Mapping[Key, Body | None]
"""The objects of a scenario; None for one that is not there."""

_KEYED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("containers", "initContainers", "env", "volumes", "imagePullSecrets", "webhooks"), ("name",)),
    **dict.fromkeys(("volumeMounts",), ("mountPath",)),
}
"""Lists of which others may have items of their own, with what tells their items apart. All others count as one value."""

_BOOKS: Final = frozenset({"managedFields", "resourceVersion", "generation"})
_NOTES: Final = frozenset({"deployment.kubernetes.io/revision"})


class Applier(Protocol):
    """What has to be known of a tool to judge it."""

    own: OwnManager
    """Manager and operation of what it applies."""
    marks: frozenset[str]
    """Labels that it declares in every object, beside what the manifests say."""


@dataclass
class Claims:
    """What a diff said."""

    changes: set[Key] = field(default_factory=set)
    conflicts: set[Key] = field(default_factory=set)
    """Objects of which it said that somebody else set what would be overwritten, or that they are refused."""
    refusals: set[Key] = field(default_factory=set)
    """Those of them of which it said that they cannot be applied as they are."""
    text: str = ""
    """Its own words, for a person who doubts the judgement."""


@dataclass
class Truth:
    """What an apply did."""

    changes: set[Key] = field(default_factory=set)
    overwritten: dict[Key, list[str]] = field(default_factory=dict)
    """Whose fields it overwrote."""
    refused: set[Key] = field(default_factory=set)
    beside: set[Key] = field(default_factory=set)
    """Objects that changed only where nobody declares anything: to say that they change is not wrong, nor is it needed."""
    unknown: set[Key] = field(default_factory=set)
    """Objects that the apply did not get to."""

    @property
    def conflicts(self) -> set[Key]:
        """Objects that needed a word before the apply."""
        return self.refused | set(self.overwritten)


@dataclass
class Verdict:
    """Where claims and truth differ. An object that is refused does not change, whatever its diff would have been."""

    false_changes: list[str]
    missed_changes: list[str]
    missed_conflicts: list[str]
    shown: list[str]
    """Of the missed conflicts, those whose value the diff shows like any other edit."""
    false_conflicts: list[str]
    """It said that they cannot be applied, and they can."""

    @property
    def clean(self) -> bool:
        """Nothing is false and nothing is missed."""
        return not (self.false_changes or self.missed_changes or self.missed_conflicts or self.false_conflicts)


def judge(claims: Claims, truth: Truth) -> Verdict:
    """Compare."""
    missed = truth.conflicts - claims.conflicts
    open_ = truth.refused | truth.unknown

    def names(keys: Iterable[Key]) -> list[str]:
        return sorted(map(str, keys))

    return Verdict(
        false_changes=names(claims.changes - truth.changes - truth.beside - open_),
        missed_changes=names(truth.changes - claims.changes - open_),
        missed_conflicts=names(missed),
        shown=names(missed & claims.changes),
        false_conflicts=names(claims.refusals - truth.conflicts - open_),
    )


def by_key(place: Place, *declared: Sequence[Body]) -> dict[Key, list[Body]]:
    """Manifests by the object that they are about."""
    found: dict[Key, list[Body]] = {}
    for body in (body for bodies in declared for body in bodies):
        found.setdefault(place.key(body), []).append(body)
    return found


def look(place: Place, *declared: Sequence[Body]) -> dict[Key, Body | None]:
    """Every object that any of the manifests is about, in the version of the newest of them."""
    return {key: place.live(bodies[-1]) for key, bodies in by_key(place, *declared).items()}


def compare(before: Snapshot, after: Snapshot, declared: Mapping[Key, Sequence[Body]], tool: Applier) -> Truth:
    """What became of the objects between two looks, when a tool had applied."""
    truth = Truth()
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            if old is not new:
                truth.changes.add(key)
            continue
        wanted = [normal(body) for body in declared.get(key, ())]
        if tool.marks:
            wanted.append({"metadata": {"labels": dict.fromkeys(tool.marks, "")}})
        one, other = _view(old, wanted), _view(new, wanted)
        if one != other or old["metadata"]["uid"] != new["metadata"]["uid"]:
            truth.changes.add(key)
            if theirs := _overwritten(old, one, other, tool.own):
                truth.overwritten[key] = theirs
        elif _content(old) != _content(new):
            truth.beside.add(key)
    return truth


def _content(live: Body) -> Body:
    """An object without the books that the server and controllers keep in it."""
    kept = {key: value for key, value in live["metadata"].items() if key not in _BOOKS}
    annotations = {key: value for key, value in (kept.pop("annotations", None) or {}).items() if key not in _NOTES}
    return {**live, "metadata": kept, "status": None, "annotations": annotations}


def _overwritten(old: Body, one: Any, other: Any, own: OwnManager) -> list[str]:
    found = []
    for owner in owners(old):
        if (owner.manager, owner.operation) in own or owner.subresource == "status":
            continue
        if any(_differ(one, other, path) for path in leaves(owner.fields)):
            found.append(owner.manager)
    return found


def _differ(one: Any, other: Any, path: Path) -> bool:
    was = get(one, path)
    return was is not UNSET and was != get(other, path)


def normal(body: Body) -> Body:
    """A declared object as the server keeps it: `stringData` becomes `data`."""
    if body.get("kind") != "Secret" or not isinstance(body.get("stringData"), dict):
        return body
    plain = {key: base64.b64encode(str(value).encode()).decode() for key, value in body["stringData"].items()}
    rest = {key: value for key, value in body.items() if key != "stringData"}
    return {**rest, "data": {**(body.get("data") or {}), **plain}}


def _view(live: Any, declared: Sequence[Any], name: str = "") -> Any:
    """What a live value has of declared ones."""
    tables = [value for value in declared if isinstance(value, dict)]
    if isinstance(live, dict) and any(tables):
        keys = {key for table in tables for key in table}
        return {key: _view(live[key], [t[key] for t in tables if key in t], key) for key in live if key in keys}
    if isinstance(live, list) and name in _KEYED:
        items = [item for value in declared if isinstance(value, list) for item in value]
        return _view_items(live, items, _KEYED[name])
    return live


def _view_items(live: list[Any], declared: list[Any], names: tuple[str, ...]) -> list[Any]:
    found = []
    for item in live:
        same = [wanted for wanted in declared if all(wanted.get(name) == item.get(name) for name in names)]
        if same:
            found.append(_view(item, same))
    return found
