"""What each change of a plan is, kept in a note: 255 characters of a status hold no more than a digest of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256

Changes = Mapping[str, str]
"""A digest of each change, by `type resource`."""

_LIMIT = 200_000
"""Characters of a note, which may have a million."""
_MOST = 40
# Always the last thing in a note: what a manifest holds, further up, cannot pass for it.
_BLOCK = re.compile(r"\n*<!-- sloth-ci:changes (\{.*\}) -->\s*\Z")


def digest_of(changes: Changes) -> str:
    """32 hexadecimal digits that stand for all of them, too many for two plans that share them to be found; empty where there are none."""
    if not changes:
        return ""
    return sha256(json.dumps(dict(changes), sort_keys=True).encode()).hexdigest()[:32]


def read_changes(note: str) -> dict[str, dict[str, str]]:
    """What `with_changes` kept in a note, by its digest. What is not as it was written is left out."""
    match = _BLOCK.search(note)
    try:
        found = json.loads(match[1]) if match else {}
    except ValueError:
        return {}
    kept = {
        str(digest): {str(name): str(value) for name, value in changes.items()}
        for digest, changes in found.items()
        if isinstance(changes, dict)
    }
    return {digest: changes for digest, changes in kept.items() if digest_of(changes) == digest}


def with_changes(text: str, known: Mapping[str, Changes]) -> str:
    """A note with the newest of them, the last ones, as far as there is room. The block is always there."""
    kept: dict[str, Changes] = {}
    for digest, changes in list(known.items())[::-1][:_MOST]:
        if len(_packed({digest: changes, **kept})) > _LIMIT:
            break
        kept = {digest: changes, **kept}
    return f"{text.rstrip()}\n\n<!-- sloth-ci:changes {_packed(kept)} -->"


def _packed(known: Mapping[str, Changes]) -> str:
    # `-->` would end the comment; in JSON these characters are only in strings, where they may be escaped.
    packed = json.dumps({digest: dict(changes) for digest, changes in known.items()}, separators=(",", ":"))
    return packed.replace("-", "\\u002d").replace(">", "\\u003e").replace("<", "\\u003c")
