"""What is wrong with a document, in plain words that never quote it: libyaml's messages are for those who write parsers."""

from __future__ import annotations

import unicodedata
from typing import Final

from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

UNKNOWN_ESCAPE: Final = "an unknown escape after '\\' in a double-quoted string"
_WORDS: Final = {
    "mapping values are not allowed in this context": "a ': ' where none can be: quote the value, or mend the indentation",
    "could not find expected ':'": "a key without its ':', or a line that is not indented far enough",
    "did not find expected key": "a line that is neither a key nor indented below one",
    "did not find expected '-' indicator": "a line that is neither the next '- ' of its list nor indented below it",
    "did not find expected node content": "a value is missing, or starts with a character that needs quotes",
    "did not find expected ',' or '}'": "a map in braces needs ',' or '}' here",
    "did not find expected ',' or ']'": "a list in brackets needs ',' or ']' here",
    "did not find expected <document start>": "more content after the end of the document, or a directive (%)",
    "found unexpected ':'": "a ':' right before a bracket, brace or comma: put a space behind it, or quotes around it",
    "did not find expected tag URI": "a tag (!) that is none",
    "did not find expected whitespace or line break": "a tag (!) that is none",
    "block sequence entries are not allowed in this context": "a '- ' where no list can start",
    "block mapping entries are not allowed in this context": "a key where no map can start",
    "found unexpected end of stream": "the quoted string that starts here does not end",
    "found unknown escape character": UNKNOWN_ESCAPE,
    "found a tab character that violates indentation": "a tab in the indentation: YAML wants spaces",
    "found a tab character where an indentation space is expected": "a tab in the indentation: YAML wants spaces",
    "found undefined tag handle": "a tag (!) with a prefix that is not declared",
}


class Fault(Exception):
    """Where a document cannot be read on. The line is counted from 0."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def show_key(key: str) -> str:
    """A key on one line of a message, whatever it holds."""
    shown = key if len(key) <= 80 else key[:77] + "..."
    return "'" + "".join("?" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in shown) + "'"


def fault_of(error: YAMLError, chunk: bytes) -> Fault:
    """libyaml's error in plain words."""
    if isinstance(error, ReaderError):
        return Fault(chunk.count(b"\n", 0, error.position), "a control character, which YAML does not allow")
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or error.problem is None or mark is None:
        return Fault(0, "not YAML")
    if error.problem == "found unexpected end of stream" and error.context_mark:
        mark = error.context_mark
    reason = _WORDS.get(error.problem, error.problem)
    if error.problem == "found character that cannot start any token":
        reason = _bad_start(chunk, mark.line, mark.column)
    return Fault(mark.line, reason)


def _bad_start(chunk: bytes, line: int, column: int) -> str:
    lines = chunk.decode().splitlines()
    character = lines[line][column : column + 1] if line < len(lines) else ""
    if character == "\t":
        return "a tab in the indentation: YAML wants spaces"
    if character and character in "@`%":
        return f"a value that starts with '{character}' needs quotes"
    return "a character that cannot start a value without quotes"
