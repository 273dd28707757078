"""What a change is about, in the few words that fit on its line: `image 1.25 → 1.26, replicas 3 → 5, +2 env`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from sloth_ci.core.objects import Body
from sloth_ci.core.plan import Change, FieldChange
from sloth_ci.core.words import plural
from sloth_ci.report.lines import compare
from sloth_ci.report.text import cut, one_line, width_of
from sloth_ci.report.values import is_plain, is_text, scalar

Style = Literal["text", "old", "new", "dim", "bad", "warn"]
Spans = tuple[tuple[str, Style], ...]
ARROW = " → "
INSIDE = " → "
"""In the path of a field, between a text and the place in the document that the text is."""
_PLACES = 2
"""So many different changes of fields of one name are told one by one."""
_VALUE = 28
"""Columns of a value in a brief."""
_COUNTED = 200_000
"""Characters of two texts up to which their changed lines are counted."""


class Piece(NamedTuple):
    """One phrase of a brief, as pairs of text and style, and the fields that it tells."""

    spans: Spans
    fields: tuple[FieldChange, ...] = ()
    summed: bool = False
    """Whether it only counts its fields."""

    @property
    def text(self) -> str:
        """The phrase without its styles."""
        return "".join(text for text, _ in self.spans)


class Fitted(NamedTuple):
    """The phrases that had room, the fields of those that had none, and those that are only counted."""

    spans: list[tuple[str, str]]
    left_out: list[FieldChange]
    summed: list[FieldChange]


def brief(change: Change) -> list[Piece]:
    """The phrases for one change, the most telling first."""
    if change.type == "create":
        return _about(change.desired_state)
    if change.type == "delete":
        return _about(change.current_state)
    return _updates(change.fields)


def fit(pieces: Sequence[Piece], columns: int, ellipsis: str = "…") -> Fitted:
    """As many phrases as fit; what is left out is counted in a last one."""
    spans: list[tuple[str, str]] = []
    used = 0
    for index, piece in enumerate(pieces):
        gap: list[tuple[str, str]] = [(", ", "dim")] if spans else []
        rest = sum(len(p.fields) for p in pieces[index + 1 :])
        tail = 2 + width_of(_more(rest, ellipsis)) if rest else 0
        if used + 2 * len(gap) + width_of(piece.text) + tail > columns:
            left = [field for p in pieces[index:] for field in p.fields]
            if left:
                told = any(p.fields for p in pieces[:index])
                spans += [*gap, (_more(len(left), ellipsis) if told else plural(len(left), "field"), "dim")]
            return Fitted(spans, left, [field for p in pieces[:index] if p.summed for field in p.fields])
        spans += [*gap, *piece.spans]
        used += 2 * len(gap) + width_of(piece.text)
    return Fitted(spans, [], [field for piece in pieces if piece.summed for field in piece.fields])


def in_brief(change: Change, columns: int = 160) -> str:
    """The phrases that fit, as text."""
    return "".join(text for text, _ in fit(brief(change), columns).spans)


def _more(count: int, ellipsis: str) -> str:
    return f"{ellipsis} {plural(count, 'more field')}"


# --- created and deleted objects ---


def _about(body: Body | None) -> list[Piece]:
    """What kind of thing it is: images and replicas, keys, ports, size."""
    if body is None:
        return []
    phrases = list(_traits(body))
    if not phrases:
        count = sum(_leaves(value) for key, value in body.items() if key not in {"apiVersion", "kind", "metadata"})
        phrases = [plural(count, "field")] if count else []
    return [Piece(((cut(one_line(phrase), 48), "text"),)) for phrase in phrases]


def _traits(body: Body) -> Iterable[str]:
    spec = _table(body.get("spec"))
    pod = _table(_table(_table(_table(spec.get("jobTemplate")).get("spec") or spec).get("template")).get("spec"))
    for container in _list(pod.get("containers") or spec.get("containers"))[:3]:
        if isinstance(container, dict) and isinstance(container.get("image"), str):
            yield "image " + container["image"].rsplit("/", 1)[-1].partition("@")[0]
    if isinstance(spec.get("replicas"), int):
        yield f"{spec['replicas']} replicas" if spec["replicas"] != 1 else "1 replica"
    if isinstance(spec.get("schedule"), str):
        yield spec["schedule"]
    if isinstance(spec.get("type"), str) and body.get("kind") == "Service":
        yield spec["type"]
    if body.get("kind") == "Service":
        ports = [str(port.get("port")) for port in _list(spec.get("ports")) if isinstance(port, dict)]
        if ports:
            yield ("port " if len(ports) == 1 else "ports ") + " ".join(ports)
    storage = _table(_table(spec.get("resources")).get("requests")).get("storage")
    if storage is not None:
        yield str(storage)
    keys = len(_table(body.get("data"))) + len(_table(body.get("binaryData")))
    if keys:
        yield plural(keys, "key")
    for field in ("rules", "subjects", "groups", "webhooks"):
        items = _list(body.get(field)) or _list(spec.get(field))
        if items:
            yield plural(len(items), field.removesuffix("s"))
    if body.get("kind") == "CustomResourceDefinition":
        versions = [v.get("name") for v in _list(spec.get("versions")) if isinstance(v, dict)]
        yield " ".join(str(version) for version in versions)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _leaves(value: Any) -> int:
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict) and item:
            stack.extend(item.values())
        elif isinstance(item, list) and item:
            stack.extend(item)
        else:
            count += 1
    return count


# --- updated objects ---

_TOKEN = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[[^\]]*\]|[^.\[]+')
_VAGUE = frozenset(
    {
        "cpu",
        "memory",
        "storage",
        "name",
        "value",
        "key",
        "type",
        "path",
        "port",
        "number",
        "enabled",
        "host",
        "operator",
        "values",
        "kind",
        "ephemeral-storage",
    }
)
# The lists of Kubernetes whose names have a number. Any other field keeps its name: `status` is no plural, and `required` has none.
_LISTS = """
    accessModes addresses annotations apiGroups configMaps containers endpoints ephemeralContainers finalizers groups hosts
    imagePullSecrets initContainers items keys labels metrics names nonResourceURLs ownerReferences paths ports
    readinessGates resourceNames resources rules secrets shortNames subjects subsets taints targets tolerations
    topologySpreadConstraints verbs versions volumeClaimTemplates volumeDevices volumeMounts volumes webhooks
"""
_PLURALS = {name.removesuffix("es" if name.endswith("sses") else "s"): name for name in _LISTS.split()}
_SINGULARS = {name: one for one, name in _PLURALS.items()}
_MAPS = frozenset({"selector", "matchLabels", "nodeSelector"})
# What a reviewer has to see first, and what can wait.
_RANK = {
    **dict.fromkeys(("privileged", "allowPrivilegeEscalation", "hostNetwork", "hostPID", "hostIPC", "hostPath"), 0),
    **dict.fromkeys(("serviceAccountName", "roleRef", "suspend", "clusterIP"), 0),
    "image": 1,
    "replicas": 2,
    "label": 8,
    "annotation": 9,
}


class _Name(NamedTuple):
    """How a field is called in a brief: what kind of thing it is, and which one."""

    noun: str
    which: str = ""

    def __str__(self) -> str:
        return f"{self.noun} {self.which}".strip()


def _updates(fields: Sequence[FieldChange]) -> list[Piece]:
    single = len({field.path.partition(INSIDE)[0] for field in fields if INSIDE in field.path}) == 1
    changed: dict[_Name, dict[Spans, list[FieldChange]]] = {}
    counted: dict[tuple[str, str], list[tuple[_Name, Any, FieldChange]]] = {}
    for field in fields:
        name = name_of(field.path, document=not single)
        if field.before is UNSET or field.after is UNSET:
            sign, value = ("+", field.after) if field.before is UNSET else ("-", field.before)
            items = [(one, inner, field) for one, inner in _items(name, value)]
            counted.setdefault((sign, name.noun), []).extend(items)
        else:
            changed.setdefault(name, {}).setdefault(_changed(name, field), []).append(field)
    pieces: list[tuple[int, Piece]] = []
    for name, phrases in changed.items():
        rank = _RANK.get(name.noun, 4)
        if len(phrases) > _PLACES:
            told = tuple(field for same in phrases.values() for field in same)
            label = cut(one_line(str(name)), 40)
            pieces.append((rank, Piece(((f"{label} ", "text"), (f"in {len(told)} places", "dim")), told, summed=True)))
        else:
            pieces += [(rank, Piece(spans, tuple(same))) for spans, same in phrases.items()]
    for (sign, noun), items in counted.items():
        text = f"{sign}{cut(one_line(_tally(noun, items)), 40)}"
        told = tuple(item[2] for i, item in enumerate(items) if i == 0 or items[i - 1][2] is not item[2])
        pieces.append((_RANK.get(noun, 4) + 1, Piece(((text, "new" if sign == "+" else "old"),), told)))
    return [piece for _, piece in sorted(pieces, key=lambda pair: pair[0])]


def _items(name: _Name, value: Any) -> list[tuple[_Name, Any]]:
    """A whole table of labels or keys that appears or goes counts as each of its keys."""
    if name.noun in {"label", "annotation", "key"} and not name.which and isinstance(value, dict) and value:
        return [(_Name(name.noun, _tail(str(key))), inner) for key, inner in value.items()]
    return [(name, value)]


def _tally(noun: str, items: Sequence[tuple[_Name, Any, FieldChange]]) -> str:
    """`env LOG_LEVEL`, `args --verbose`, `3 env`."""
    if len(items) > 1:
        return f"{len(items)} {_PLURALS.get(noun, noun)}"
    name, value, field = items[0]
    if name.which:
        return str(name)
    if field.masked or isinstance(value, dict | list) or not is_plain(value, 24):
        return _singular(noun) if field.path.endswith("]") else noun  # an item, or the whole list
    return f"{noun} {scalar(value)}"


def _changed(name: _Name, field: FieldChange) -> Spans:
    label = cut(one_line(str(name)), 40)
    if field.masked:
        return ((f"{label} ", "text"), ("changed", "warn"))
    before, after = field.before, field.after
    if is_text(before) and is_text(after) and len(before) + len(after) < _COUNTED:
        lines = Counter(line.mark for line in compare(before.split("\n"), after.split("\n")))
        counts: list[tuple[str, Style]] = []
        for mark, style in (("+", "new"), ("-", "old")):
            if lines[mark]:  # type: ignore[index]
                counts.append((f"{mark}{lines[mark]} ", style))  # type: ignore[index,arg-type]
        return ((f"{label} ", "text"), *counts, ("lines", "dim"))
    if not (is_plain(before, 200) and is_plain(after, 200)):
        return ((f"{label} ", "text"), ("changed", "dim"))
    if name.noun == "image" and isinstance(before, str) and isinstance(after, str):
        old, new = map(one_line, _images(before, after))
        if width_of(old) + width_of(new) > 2 * _VALUE:
            old, new = map(one_line, _short_images(before, after))
    else:
        old, new = scalar(before), scalar(after)
    if width_of(old) + width_of(new) > 2 * _VALUE:
        old, new = _differing(old, new)
    return ((f"{label} ", "text"), (old, "old"), (ARROW, "dim"), (new, "new"))


def _images(before: str, after: str) -> tuple[str, str]:
    """Only what differs: the tags, or the names without their registry, or all of it."""
    (old, old_tag), (new, new_tag) = _image(before), _image(after)
    if old == new and old_tag and new_tag:
        return old_tag, new_tag
    old_name, new_name = old.rsplit("/", 1)[-1], new.rsplit("/", 1)[-1]
    if old_name == new_name:
        old_name, new_name = old, new
    return f"{old_name}:{old_tag}".rstrip(":"), f"{new_name}:{new_tag}".rstrip(":")


def _short_images(before: str, after: str) -> tuple[str, str]:
    """Two long names by the first part in which they differ, and their tags: `google-samples/…:v1`."""
    parts = [_image(text)[0].split("/") for text in (before, after)]
    tags = [_image(text)[1] for text in (before, after)]
    differing = next((i for i, (x, y) in enumerate(zip(*parts, strict=False)) if x != y), None)
    if differing is None:
        return before, after
    names = []
    for path, tag in zip(parts, tags, strict=True):
        rest = "/…" if differing < len(path) - 1 else ""
        end = rest + (f":{cut(tag, 12)}" if tag else "")
        names.append(cut(path[differing], max(8, _VALUE - width_of(end))) + end)
    return names[0], names[1]


def _image(text: str) -> tuple[str, str]:
    name, at, digest = text.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    if at:
        algorithm, _, value = digest.partition(":")
        tag = f"{tag}@" * bool(tag) + f"{algorithm}:{value[:10]}"
    return repository, tag


def _differing(old: str, new: str) -> tuple[str, str]:
    """Both values without the long part that they begin with alike, and at most `_VALUE` columns each."""
    same = 0
    for x, y in zip(old, new, strict=False):
        if x != y:
            break
        same += 1
    if same > 12:
        old, new = "…" + old[same - 6 :], "…" + new[same - 6 :]
    return cut(old, _VALUE), cut(new, _VALUE)


def name_of(path: str, *, document: bool = True) -> _Name:
    """What a reader calls the field at a path: `image`, `env LOG_LEVEL`, `label version`, `app.json log.level`.

    Without `document`, a place inside an embedded document goes without the document's name.
    """
    outer, inside, inner = path.partition(INSIDE)
    tokens = _tokens(outer)
    if not tokens:
        return _Name(path)
    name = _plain_name(tokens)
    if not inside:
        return name
    places = _tokens(inner)
    words = [_key(token) for token in places if not token.startswith("[") or token.startswith('["')]
    if places and places[-1].startswith("[name="):
        words = [*words[-1:], _short(places[-1])]
    place = ".".join(words[-2:]) or inner
    return _Name(name.which or name.noun, place) if document else _Name(place)


def _tokens(path: str) -> list[str]:
    return _TOKEN.findall(path)


def _plain_name(tokens: list[str]) -> _Name:
    last = tokens[-1]
    above = tokens[:-1]
    for noun in ("label", "annotation"):
        if last == f"{noun}s":
            return _Name(noun)
        if above and above[-1] == f"{noun}s":
            return _Name(noun, _tail(_key(last)))
    if tokens[0] in {"data", "stringData", "binaryData"}:
        return _Name("key", _key(tokens[1])) if len(tokens) > 1 else _Name("key")
    if last.startswith("["):
        of = _key(above[-1]) if above else "item"
        return _Name(of) if last[1:-1].isdigit() else _Name(_singular(of), _short(last))
    if above and above[-1].startswith("[") and last in _VAGUE:
        return _plain_name(above)
    if above and above[-1] in _MAPS:
        return _Name(f"{above[-1]} {_key(last)}")
    if above and last in _VAGUE:
        return _Name(f"{_key(above[-1])}.{_key(last)}")
    return _Name(_key(last))


def _singular(noun: str) -> str:
    return _SINGULARS.get(noun, noun)


def _key(token: str) -> str:
    if token.startswith('["'):
        try:
            return str(json.loads(token[1:-1]))
        except ValueError:
            return token[2:-2]
    return token


def _short(token: str) -> str:
    """What an item is called: `web` for `[name=web]`, `80` for `[port=80]`."""
    if token.startswith('["'):
        return _key(token)
    if token.startswith("["):
        return "/".join(part.partition("=")[2] or part for part in token[1:-1].split(","))
    return token


def _tail(key: str) -> str:
    """A label's name without its domain."""
    return key.rsplit("/", 1)[-1]
