"""A stream of JSON documents, as kubectl reads a file whose first character is a brace.

Since version 1.33 kubectl goes on in YAML where the first or second document is no JSON; older ones refuse the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from sloth_ci.core.yaml_faults import Fault, show_key
from sloth_ci.core.yaml_reader import MAX_DEPTH, TOO_DEEP, Parsed
from sloth_ci.core.yaml_scalars import json_value, without_surrogates

# What Go's unicode.IsSpace takes for white space: not all that str.strip() does.
SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_JSON_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s"{}\[\],:]+')


def read_stream(text: str, faults: list[Fault]) -> tuple[list[Parsed], int | None]:
    """Read documents until the end, or until the text turns out to be YAML after all.

    The second result is where YAML starts; None where all was JSON. After two documents there is no going back to YAML.
    Faults are appended.
    """
    documents: list[Parsed] = []
    end = 0
    while (position := _skip(text, end)) < len(text):
        repeated: list[str] = []
        line = text.count("\n", 0, position)
        try:
            value, end = _decoder(repeated).raw_decode(text, position)
        except RecursionError:
            faults.append(Fault(line, TOO_DEEP))
            break
        except json.JSONDecodeError as error:
            rest = _yaml_start(text, end) if len(documents) < 2 else None
            if rest is not None:
                return documents, rest
            at = error.lineno - 1 if error.doc else line
            faults.append(Fault(at, f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"))
            break
        except ValueError:  # an integer of thousands of digits
            faults.append(Fault(line, "a number is out of range"))
            break
        try:
            value = _settled(value, 1, surrogates="\\u" in text)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
        item_lines: tuple[int, ...] = ()
        if repeated or (isinstance(value, dict) and "items" in value):
            item_lines = _survey(text, position, end, faults)
        documents.append(Parsed(line, value, item_lines))
    return documents, None


def _yaml_start(text: str, position: int) -> int | None:
    """Where kubectl takes up YAML behind JSON: past white space and one newline, and four bytes before the end."""
    while len(text[position : position + 4].encode()) >= 4:
        if text[position] not in SPACE:
            return position
        position += 1
        if text[position - 1] == "\n":
            return position
    return None


def _skip(text: str, position: int) -> int:
    match = _JSON_SPACE.match(text, position)
    return match.end() if match else position


def _decoder(repeated: list[str]) -> json.JSONDecoder:
    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(members)
        if len(mapping) != len(members):
            repeated.append("")
        return mapping

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise json.JSONDecodeError(f"no {name}", "", 0)


def _settled(value: Any, depth: int, *, surrogates: bool) -> Any:
    """The value as Kubernetes keeps it. Raises ValueError where it is too deep, or holds a number out of range."""
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    if type(value) is int or type(value) is float:
        return json_value(value)
    if isinstance(value, dict):
        settled = {k: _settled(v, depth + 1, surrogates=surrogates) for k, v in value.items()}
        return {without_surrogates(k): v for k, v in settled.items()} if surrogates else settled
    if isinstance(value, list):
        return [_settled(item, depth + 1, surrogates=surrogates) for item in value]
    return without_surrogates(value) if surrogates and isinstance(value, str) else value


def _survey(text: str, start: int, end: int, faults: list[Fault]) -> tuple[int, ...]:
    """Walk the tokens of a well-formed document: report keys that are there twice, return the lines of its items."""
    lines: list[int] = []
    keys: list[set[str] | None] = []  # for each open brace the keys so far, for each open bracket None
    in_items = False
    key = ""
    expect_key = False
    for token, line in _tokens(text, start, end):
        if in_items and len(keys) == 2 and token not in "],":
            lines.append(line)
        if token in "{[":
            in_items = in_items or (token == "[" and len(keys) == 1 and key == "items")
            keys.append(set() if token == "{" else None)
            expect_key = token == "{"
        elif token in "}]":
            keys.pop()
            in_items = in_items and len(keys) > 1
        elif token == ",":
            expect_key = keys[-1] is not None
        elif expect_key and token != ":":
            expect_key = False
            names = keys[-1]
            key = without_surrogates(json.loads(token))
            if names is not None:
                if key in names:
                    faults.append(Fault(line, f"the key {show_key(key)} is there twice"))
                names.add(key)
    return tuple(lines)


def _tokens(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    line, counted = text.count("\n", 0, start), start
    for match in _TOKEN.finditer(text, start, end):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        yield match[0], line
