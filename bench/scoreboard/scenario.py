"""What a scenario is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scoreboard.place import Body, Event

Objects = Sequence[str | Body]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Manifests that a tool has applied, what happened since, and the manifests that come next."""

    name: str
    description: str
    """What a reader of the table is told, in one sentence."""
    before: Objects = ()
    """What the tool under test applies first; nothing where the objects are somebody else's."""
    formerly: Objects = ()
    """What somebody else has declared of the same objects, and the tool takes over."""
    setting: Sequence[Event] = ()
    """What holds before that: webhooks, CustomResourceDefinitions of the platform."""
    events: Sequence[Event] = ()
    """What happens in the cluster after it."""
    after: Objects | None = None
    """What is declared next; None: the same as before."""
    later: Sequence[Event] = ()
    """What is bound to happen between the diff and the apply."""
    ownership: Literal["fail", "force", "yield"] = "fail"
    """How the tool is told to treat the fields of others; kubectl knows the first two."""
    changes: frozenset[str] = frozenset()
    """`Kind/name` of what really changes when the next manifests are applied server-side: checked, not believed."""
    conflicts: frozenset[str] = frozenset()
    """The same of what is refused, or overwrites what somebody else set."""

    @property
    def next(self) -> Objects:
        """What is declared next."""
        return self.before if self.after is None else self.after
