"""A wall before GitLab's quick actions: a line that starts with `/merge` would be done, with the rights of our token."""

from __future__ import annotations

import re

# GitLab takes every carriage return out before it looks, and newer versions look at the Markdown instead of the lines.
_BREAKS = re.compile("([\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")
_ACTION = re.compile(r"[\s\x00-\x1f\ufeff]*(?=/\w)")
_WALL = "\u200b"
"""A space of no width. A backslash would do outside of code; what is code, GitLab's two readers see differently."""


def without_actions(text: str) -> str:
    """The same text to the eye, in which no line starts with `/word`."""
    return "".join(_walled(part) for part in _BREAKS.split(text))


def _walled(line: str) -> str:
    action = _ACTION.match(line)
    return f"{action[0]}{_WALL}{line[action.end() :]}" if action else line
