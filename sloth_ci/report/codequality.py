"""Remarks on the lines of manifests as GitLab's Code Quality report, which a merge request shows beside its changes.

The format is that of doc/ci/testing/code_quality.md of GitLab.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sloth_ci.core.review import Annotation
from sloth_ci.report.text import shorten, visible

_DESCRIPTION = 1_000
"""Characters: a description is shown on one line."""
_SEVERITIES = {
    ("failure", ""): "blocker",
    ("warning", "critical-impact"): "critical",
    ("warning", ""): "major",
    ("warning", "policy-finding"): "minor",
    ("warning", "warning"): "minor",
    ("notice", ""): "info",
}
"""By the level of a remark and its check, for those of which the level says too little."""


def code_quality(annotations: Sequence[Annotation]) -> bytes:
    """The report as JSON in UTF-8, in the order of the remarks, those of `report.checkrun.remarks`.

    A fingerprint is made from the file and what the remark is about, not from its line and not from what it says: a
    finding that has moved is the same one, and no value is in it. Where there are several such they are counted.
    """
    return msgspec.json.format(msgspec.json.encode(list(_findings(annotations))), indent=2) + b"\n"


def _findings(annotations: Sequence[Annotation]) -> Iterator[dict[str, Any]]:
    seen: Counter[tuple[str, str]] = Counter()
    for one in annotations:
        path, title = _unicode(one.path), _unicode(one.title)
        check = re.sub(r"[^a-z0-9_]+", "-", title.partition(":")[0].lower()).strip("-") or "remark"
        seen[path, title] += 1
        identity = "\0".join((path, title, str(seen[path, title])))
        yield {
            "description": _description(one),
            "check_name": f"sloth-ci/{check}",
            "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
            "severity": _SEVERITIES.get((one.level, check)) or _SEVERITIES[one.level, ""],
            "location": {"path": path, "lines": {"begin": max(one.line, 1)}},
        }


def _description(one: Annotation) -> str:
    """One line. The widget of a merge request reads it as HTML, other pages as text: no tag begins in it."""
    lines = " ".join(line.strip() for line in one.message.split("\n") if line.strip())
    return visible(shorten(f"{one.title}: {lines}", _DESCRIPTION)).replace("<", "‹")


def _unicode(text: str) -> str:
    """A text without halves of surrogate pairs, which UTF-8 does not have."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
