"""The structural difference of two objects, field by field.

A plain walk, because it is a hundred times faster than a general library and because it has to know Kubernetes: lists
whose items have a key are compared by that key, so that an inserted container is one added container and not three
changed ones, and JSON or YAML inside a ConfigMap is compared as what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from msgspec import UNSET

from sloth_ci.core.objects import Body, canonical
from sloth_ci.core.plan import FieldChange

# The merge keys of Kubernetes' own types (`x-kubernetes-list-map-keys` and `patchMergeKey` of its OpenAPI description),
# by the name of the field. Where a field has several, the first whose keys are in every item and unique is taken.
LIST_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ports": (("containerPort", "protocol"), ("port", "protocol"), ("port",), ("name",)),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "conditions": (("type",),),
    "ownerReferences": (("uid",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "subjects": (("kind", "namespace", "name"), ("kind", "name")),
    "rules": (("alert",), ("record",), ("host",), ("name",)),
}
_USUAL_KEYS: tuple[tuple[str, ...], ...] = (("name",), ("key",), ("id",))
_ALIGN_LIMIT = 1000
"""Longer lists are paired position by position: aligning them could take quadratic time."""
_DEFAULTS = {"protocol": "TCP"}
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def diff(before: Body, after: Body) -> list[FieldChange]:
    """All fields in which two objects differ, in the order of the object. Nothing is masked here."""
    embedded = before.get("kind") != "Secret"
    return list(_walk(before, after, "", "", embedded=embedded))


def child(path: str, key: str) -> str:
    """The path of a field below `path`: `a.b`, or `a["b/c"]` where the key is not a plain word."""
    if _PLAIN_KEY.match(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _walk(before: Any, after: Any, path: str, field: str, *, embedded: bool) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from _walk(value, after[key], child(path, key), key, embedded=embedded)
            else:
                yield FieldChange(child(path, key), value, UNSET)
        for key, value in after.items():
            if key not in before:
                yield FieldChange(child(path, key), UNSET, value)
    elif isinstance(before, list) and isinstance(after, list):
        keys = _list_keys(before, after, field)
        if keys:
            yield from _walk_keyed(before, after, path, keys, embedded=embedded)
        else:
            yield from _walk_positions(before, after, path, embedded=embedded)
    elif type(before) is not type(after) or before != after:
        inner = _embedded(before, after, path) if embedded else None
        if inner is None:
            yield FieldChange(path, before, after)
        else:
            yield from inner


def _list_keys(before: list[Any], after: list[Any], field: str) -> tuple[str, ...] | None:
    """The key fields by which the items of both lists can be told apart, or None."""
    if not all(isinstance(item, dict) for item in before) or not all(isinstance(item, dict) for item in after):
        return None
    for keys in (*LIST_KEYS.get(field, ()), *_USUAL_KEYS):
        if _is_key(before, keys) and _is_key(after, keys):
            return keys
    return None


def _is_key(items: list[dict[str, Any]], keys: tuple[str, ...]) -> bool:
    seen = set()
    for item in items:
        identity = _identity(item, keys)
        if any(value is None or isinstance(value, dict | list) for value in identity) or identity in seen:
            return False
        seen.add(identity)
    return True


def _identity(item: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)


def _walk_keyed(
    before: list[Any], after: list[Any], path: str, keys: tuple[str, ...], *, embedded: bool
) -> Iterator[FieldChange]:
    old = {_identity(item, keys): item for item in before}
    new = {_identity(item, keys): item for item in after}
    for identity, item in old.items():
        here = _item_path(path, keys, identity)
        if identity in new:
            yield from _walk(item, new[identity], here, "", embedded=embedded)
        else:
            yield FieldChange(here, item, UNSET)
    for identity, item in new.items():
        if identity not in old:
            yield FieldChange(_item_path(path, keys, identity), UNSET, item)
    # Order can mean something (init containers, env that refers to env), so a new one is a change of its own.
    order_before = [identity for identity in old if identity in new]
    order_after = [identity for identity in new if identity in old]
    if order_before != order_after:
        yield FieldChange(f"{path} (order)", [_label(i) for i in order_before], [_label(i) for i in order_after])


def _label(identity: tuple[Any, ...]) -> str:
    return "/".join(str(value) for value in identity)


def _item_path(path: str, keys: tuple[str, ...], identity: tuple[Any, ...]) -> str:
    shown = [f"{key}={value}" for key, value in zip(keys, identity, strict=True) if _DEFAULTS.get(key) != value]
    return f"{path}[{','.join(shown)}]"


def _walk_positions(before: list[Any], after: list[Any], path: str, *, embedded: bool) -> Iterator[FieldChange]:
    """Items without a key: those that both lists have in the same order are the same, what lies between is paired."""
    if max(len(before), len(after)) > _ALIGN_LIMIT:
        blocks = [("replace", 0, len(before), 0, len(after))]
    else:
        old, new = [canonical(item) for item in before], [canonical(item) for item in after]
        blocks = list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    for tag, start_old, end_old, start_new, end_new in blocks:
        if tag == "equal":
            continue
        for offset in range(max(end_old - start_old, end_new - start_new)):
            at_old, at_new = start_old + offset, start_new + offset
            if at_old >= end_old:
                yield FieldChange(f"{path}[{at_new}]", UNSET, after[at_new])
            elif at_new >= end_new:
                yield FieldChange(f"{path}[{at_old}]", before[at_old], UNSET)
            else:
                yield from _walk(before[at_old], after[at_new], f"{path}[{at_new}]", "", embedded=embedded)


def _embedded(before: Any, after: Any, path: str) -> list[FieldChange] | None:
    """The difference inside two JSON or YAML texts, or None where they are not that."""
    old, new = _document(before, path), _document(after, path)
    if old is None or new is None:
        return None
    inside = [
        FieldChange(f"{path} → {change.path}" if change.path else path, change.before, change.after)
        for change in _walk(old, new, "", "", embedded=False)
    ]
    return inside or [FieldChange(f"{path} (formatting only)", before, after)]


def _document(text: Any, path: str) -> dict[str, Any] | list[Any] | None:
    if not isinstance(text, str):
        return None
    if text.lstrip()[:1] in {"{", "["}:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict | list) else None
    if "\n" in text and path.endswith(('.yaml"]', '.yml"]')):
        # Imported here: most plans have no YAML inside YAML.
        from sloth_ci.core.yaml import YamlError, parse

        try:
            documents = parse(text.encode())
        except (YamlError, UnicodeEncodeError):
            return None
        if len(documents) == 1 and isinstance(documents[0].value, dict | list):
            return documents[0].value
    return None
