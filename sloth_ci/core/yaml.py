"""Manifests as text: YAML and JSON read the way kubectl reads them, and written so that kubectl reads them back.

kubectl is the judge (`tests/core/test_yaml_kubectl.py`), and where it refuses, so do we. On purpose we refuse more:

- the same key twice in one map, of which kubectl silently keeps the last;
- text that is not UTF-8 (or UTF-16 with its mark), of which kubectl silently replaces the bytes;
- more than 128 maps and lists inside one another, where kubectl allows 10,000;
- what follows after the end of a document without a `---`, which kubectl silently leaves out;
- a byte order mark at the start of a line that is not the first of its document;
- two forms that libyaml refuses and nobody writes: `[a:]` without a space or quotes, and brackets or commas in a tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sloth_ci.core.errors import RenderError
from sloth_ci.core.yaml_faults import Fault
from sloth_ci.core.yaml_json import SPACE, read_stream
from sloth_ci.core.yaml_reader import Parsed, read_document
from sloth_ci.core.yaml_writer import dump

__all__ = ["MAX_FILE_BYTES", "Document", "YamlError", "YamlProblem", "dump", "flatten", "parse"]

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
"""The largest file to read, in bytes. etcd takes no object over a few megabytes, but a file may hold many."""

_SHOWN: Final = 10
_SNIFFED: Final = 4096


class YamlProblem(NamedTuple):
    """What is wrong, without a word of what the file says: it may be a Secret. Names of keys may be named."""

    line: int
    """Counted from 1."""
    reason: str


class YamlError(RenderError):
    """A file that cannot be read, with all that is wrong with it, in the order of its lines."""

    def __init__(self, problems: list[YamlProblem]) -> None:
        self.problems = sorted(set(problems))
        shown = [f"line {line}: {reason}" for line, reason in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            shown.append(f"and {len(self.problems) - _SHOWN} more problems")
        super().__init__("; ".join(shown))


class Document(NamedTuple):
    """One document of a file: JSON data of any type, never null, and the line of its first node, counted from 1.

    `item_lines` are the lines of the items where the value is a `List`, else empty.
    """

    line: int
    value: Any
    item_lines: tuple[int, ...] = ()


def parse(data: bytes) -> list[Document]:
    """Read all documents of a file. Those that are empty, null or only comments are left out.

    Equal anchors are one Python object, so do not change a value in place. Raises YamlError with every problem found.
    """
    data = _utf8(data)
    faults: list[Fault] = []
    documents = _json_then_yaml(data, faults) if _looks_like_json(data) else _yaml(data, 0, faults)
    found = [
        Document(parsed.line + 1, parsed.value, tuple(line + 1 for line in parsed.item_lines))
        for parsed in documents
        if parsed.value is not None
    ]
    if faults:
        raise YamlError([YamlProblem(fault.line + 1, fault.reason) for fault in faults])
    return found


def flatten(document: Document) -> list[Document]:
    """The objects of a document: the items of a `List` of any kind, else the document itself.

    As in kubectl, whatever has a kind and top-level `items` is a list, and items without kind and apiVersion get them
    from it (`ConfigMapList` makes ConfigMaps). Raises YamlError where the document or an item is not an object.
    """
    line, value, lines = document
    if not isinstance(value, dict):
        raise YamlError([YamlProblem(line, f"expected an object, found {_kind_of(value)}")])
    kind = value.get("kind")
    if "items" not in value or not isinstance(kind, str) or not kind:
        return [document]
    items = value["items"]
    if items is None:
        return []
    if not isinstance(items, list):
        raise YamlError([YamlProblem(line, f"the items of {kind} must be a list, found {_kind_of(items)}")])
    if len(lines) != len(items):  # they came through an alias or a merge
        lines = (line,) * len(items)
    problems, objects = [], []
    for at, item in zip(lines, items, strict=True):
        if not isinstance(item, dict):
            problems.append(YamlProblem(at, f"expected an object in {kind}, found {_kind_of(item)}"))
        elif isinstance(item.get("items"), list):
            problems.append(YamlProblem(at, f"a list inside {kind}, which kubectl does not read"))
        else:
            typed = item.get("kind") or item.get("apiVersion")
            inherited = {} if typed else {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
            objects.append(Document(at, {**item, **inherited}))
    if problems:
        raise YamlError(problems)
    return objects


def _kind_of(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")


def _utf8(data: bytes) -> bytes:
    """The text as UTF-8 without a byte order mark."""
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16").encode()
        data = data.removeprefix(b"\xef\xbb\xbf")
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError([YamlProblem(line, "a byte that is not UTF-8")]) from None
    return data


def _looks_like_json(data: bytes) -> bool:
    return data[:_SNIFFED].decode(errors="ignore").lstrip(SPACE).startswith("{")


def _json_then_yaml(data: bytes, faults: list[Fault]) -> list[Parsed]:
    text = data.decode()
    documents, rest = read_stream(text, faults)
    if rest is not None:
        documents += _yaml(text[rest:].encode(), text.count("\n", 0, rest), faults)
    return documents


def _yaml(data: bytes, offset: int, faults: list[Fault]) -> list[Parsed]:
    """All documents between `---` lines; one that is broken does not hide the others. `offset` is the first line."""
    documents = []
    for chunk, line in _chunks(data, offset, faults):
        if not chunk.strip(b" \n") or chunk == b"---\n":
            continue
        found: list[Fault] = []
        parsed = read_document(chunk, found)
        faults.extend(Fault(fault.line + line, fault.reason) for fault in found)
        if parsed is not None:
            lines = tuple(item + line for item in parsed.item_lines)
            documents.append(Parsed(parsed.line + line, parsed.value, lines))
    return documents


def _chunks(data: bytes, line: int, faults: list[Fault]) -> Iterator[tuple[bytes, int]]:
    """Split at `---` lines as kubectl does, before any YAML is read: texts, each with the line that it starts on.

    A separator that is the first line of its text stays in it. Nothing but a comment may stand on its line, and
    the texts on both sides of one that breaks this are left out, since they are halves.
    """
    data = b"\n" + data.replace(b"\r\n", b"\n")  # so that every line starts behind a newline
    if not data.endswith(b"\n"):
        data += b"\n"
    start, position = 1, 0
    whole = True
    while (position := data.find(b"\n---", position)) >= 0:
        position += 1
        end = data.index(b"\n", position)
        separator_line = line + data.count(b"\n", start, position)
        rest = data[position + 3 : end].decode().strip(SPACE)
        bad = rest != "" and not rest.startswith("#")
        if bad:
            reason = "a line that starts with --- separates documents: only a comment may follow"
            faults.append(Fault(separator_line, reason))
        if position > start or bad:
            if whole and not bad:
                yield data[start:position], line
            whole = not bad
            start, line = end + 1, separator_line + 1
        position = end
    if whole and start < len(data):
        yield data[start:], line
