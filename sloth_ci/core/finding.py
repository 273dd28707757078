"""What `doctor` finds."""

from __future__ import annotations

from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    needed: bool = True
    """Whether nothing works without it."""

    def table(self) -> dict[str, Any]:
        """For `--format json`."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "mend": self.mend or None}
