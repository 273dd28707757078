"""Items of others in a list of ours: a server-side apply merges them in, and what comes out may not be valid.

A Service whose port 80 somebody patched to 81 has, after our apply, both of them, with one name. The manifest is right.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from sloth_ci.core.fieldpath import Path, get, parse, show
from sloth_ci.core.managed import is_ours, owners
from sloth_ci.core.objects import Body, Manifest
from sloth_ci.destinations.kubernetes.faults import Cause

_DUPLICATE: Final = "FieldValueDuplicate"
_IN_LIST: Final = re.compile(r"(?P<list>[^\[\]]+)\[\d+\](?:\.(?P<field>[^.\[\]]+))?")
_LONGEST_ITEM: Final = 300


class Beside(NamedTuple):
    """What stands in the way of a manifest that is right."""

    description: str
    suggestions: tuple[str, ...]


def beside(cause: Cause, manifest: Manifest, live: Body) -> Beside | None:
    """Whose item has the value that is there twice; None where nobody else's has it."""
    place = _IN_LIST.fullmatch(cause.field)
    path = parse(f".{place['list']}", live, manifest.body) if place else None
    if cause.reason != _DUPLICATE or place is None or path is None:
        return None
    ours = get(manifest.body, path)
    theirs = get(live, path)
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return None
    for manager, item in _of_others(live, path):
        twin = next((mine for mine in ours if _same(mine, get(live, item), place["field"])), None)
        if twin is None or get(manifest.body, item) is not UNSET:
            continue
        whose = f"{show(item)} of {manager} stands beside yours"
        position = theirs.index(get(live, item))
        alone = not any(get(manifest.body, (*path, element)) is not UNSET for element in _keys(live, path))
        return Beside(whose, (_way_out(manifest, path, position, twin if alone else None), "or change the manifest"))
    return None


def _of_others(live: Body, path: Path) -> Iterator[tuple[str, Path]]:
    """The items of a list that another manager owns: whose, and where. The newest manager first."""
    for owner in sorted(owners(live), key=lambda owner: owner.time, reverse=True):
        found: Any = owner.fields
        for element in path:
            found = found.get(element) or {}
        for key in found:
            item = (*path, key)
            if key.startswith("k:") and not is_ours(owner) and get(live, item) is not UNSET:
                yield owner.manager, item


def _keys(live: Body, path: Path) -> set[str]:
    """The keys of all items that anybody owns."""
    keys: set[str] = set()
    for owner in owners(live):
        found: Any = owner.fields
        for element in path:
            found = found.get(element) or {}
        keys.update(key for key in found if key.startswith("k:") and get(live, (*path, key)) is not UNSET)
    return keys


def _same(mine: Any, theirs: Any, field: str | None) -> bool:
    """Whether two items have the same in the field that is there twice."""
    if field is None:
        return True
    return isinstance(mine, dict) and isinstance(theirs, dict) and field in mine and mine[field] == theirs.get(field)


def _way_out(manifest: Manifest, path: Path, position: int, instead: Any) -> str:
    """The command that takes the item out. Where the list would be empty then, which few kinds allow, ours comes for it."""
    ref = manifest.ref
    kind = f"{ref.kind}.{ref.group}".lower() if ref.group else ref.kind.lower()
    where = ["--namespace", ref.namespace] if ref.namespace else []
    names = (element.removeprefix("f:").replace("~", "~0").replace("/", "~1") for element in path)
    step: dict[str, Any] = {"op": "remove", "path": f"/{'/'.join(names)}/{position}"}
    if instead is not None:
        step |= {"op": "replace", "value": instead}
    patch = json.dumps([step], ensure_ascii=False)
    if len(patch) > _LONGEST_ITEM:
        return f"take it out: {shlex.join(['kubectl', 'edit', kind, ref.name, *where])}"
    return (
        f"take it out: {shlex.join(['kubectl', 'patch', kind, ref.name, *where, '--type', 'json', '--patch', patch])}"
    )
