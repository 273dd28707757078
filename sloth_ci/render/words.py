"""What a tool says, made fit to be shown: no folder of ours, no piece of a manifest, no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_LONGEST = 1500
_SECRET_KEY = re.compile(r"pass|secret|token|credential|private|api[-_]?key", re.IGNORECASE)
_SHORTEST_SECRET = 4

# Where the tools quote what they read. Each keeps what says where, and drops what says what.
_QUOTES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"`[^`]*`?", re.DOTALL), "(...)"),
    (re.compile(r"(?<= at )<.*?>(?=: )", re.DOTALL), "an expression"),
    (re.compile(r"\bmap\[.*?(?:\](?=[\s,:;)]|$)|$)", re.DOTALL), "(...)"),
    (re.compile(r"&\{.*?(?:\}(?=[\s,:;)]|$)|$)", re.DOTALL), "(...)"),
    (re.compile(r"(unable to parse SM or JSON patch from ).*", re.DOTALL), r"\1(...)"),
    (re.compile(r"(invalid literal source ).*?(, expected)", re.DOTALL), r"\1(...)\2"),
    (re.compile(r'"(?:[^"\\]|\\.)*"(?= is not a valid key name)'), "(...)"),
    (re.compile(r"'[^'\n]*'(?= does not match pattern)"), "(...)"),
    (re.compile(r"(?:cannot unmarshal |invalid character )(?:'.*?'|\".*?\")", re.DOTALL), "unexpected (...)"),
)
# helm tells the whole way into a template that another one includes: its end is where the fault is.
_WAY_IN = re.compile(
    r'(?:template: \S+ executing "[^"]*" at an expression: error calling (?:include|tpl): )+(?=template: \S+:\d+:\d+: )'
)
_GO_CRASH = re.compile(r"^(?:fatal error: |runtime: out of memory|runtime: goroutine stack exceeds)", re.MULTILINE)
_NOISE = re.compile(r"^\s*(?:Use --debug flag .*|Warning: .*|WARNING: .*)$\n?", re.MULTILINE)


def cleaned(errors: str, folders: Mapping[Path, str], secrets: Iterable[str] = ()) -> str:
    """The text of an error on one line. `folders` says what to call a folder on disk."""
    if _GO_CRASH.search(errors):
        return "it crashed, for want of memory perhaps"
    text = _NOISE.sub("", errors).strip().removeprefix("Error: ").removeprefix("error: ")
    for pattern, replacement in _QUOTES:
        text = pattern.sub(replacement, text)
    text = _WAY_IN.sub("", text)
    for folder, name in folders.items():
        text = text.replace(f"{folder}/", f"{name}/" if name else "").replace(str(folder), name or ".")
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "(...)")
    text = " ".join(text.split())
    text = "".join(char for char in text if char.isprintable())
    return f"{text[:_LONGEST]} ..." if len(text) > _LONGEST else text or "failed without a word"


def secrets_in(values: object, key: str = "") -> set[str]:
    """Texts of a table of values whose key says that they are secret."""
    if isinstance(values, Mapping):
        return {text for name, inner in values.items() for text in secrets_in(inner, f"{key}.{name}")}
    if isinstance(values, list):
        return {text for inner in values for text in secrets_in(inner, key)}
    return {str(values)} if values is not None and _SECRET_KEY.search(key) else set()


def secret_texts(body: Mapping[str, Any]) -> set[str]:
    """The values of a Secret, as they are written."""
    if body.get("kind") != "Secret":
        return set()
    tables = (body.get(field) for field in ("data", "stringData"))
    return {text for table in tables if isinstance(table, Mapping) for text in table.values() if isinstance(text, str)}
