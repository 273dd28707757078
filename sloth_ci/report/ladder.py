"""Where the rest is when there is no room for all of it: comment, check, job summary, HTML report."""

from __future__ import annotations

from typing import Literal

import msgspec

from sloth_ci.report.text import link

Step = Literal["comment", "check", "summary", "html"]
_ORDER: tuple[Step, ...] = ("comment", "check", "summary", "html")
_NAMES: dict[Step, str] = {
    "comment": "the comment",
    "check": "the check",
    "summary": "the job's summary",
    "html": "the HTML report",
}


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of what tells of one run; empty where there is none."""

    check: str = ""
    summary: str = ""
    """The page of the run, which shows the job's summary."""
    html: str = ""
    """The HTML report, to download from."""


def ladder(step: Step, places: Places) -> str:
    """One line of Markdown for a step that is too small: the larger ones, and where they are."""
    urls = {"check": places.check, "summary": places.summary, "html": places.html}
    larger = [link(_NAMES[name], urls[name]) for name in _ORDER[_ORDER.index(step) + 1 :] if urls[name]]
    if not larger:
        return "\n> ✂️ There is more than has room here. `sloth-ci preview --verbose` shows all of it.\n"
    named = larger[0] if len(larger) == 1 else f"{', '.join(larger[:-1])} and {larger[-1]}"
    return f"\n> ✂️ There is more than has room here: more of it is in {named}.\n"
