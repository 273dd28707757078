"""The status of an object, read with suspicion: whatever a controller wrote there, reading it never fails.

Sources: Kubernetes API conventions ("Typical status properties"), kstatus (cli-utils).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sloth_ci.core.objects import Body
from sloth_ci.core.words import clip

LONGEST: Final = 300
"""Characters of a condition's message that are kept."""

_NOTHING: Final[Mapping[str, Any]] = {}


class Live:
    """A live object, as rules about its health see it."""

    __slots__ = ("_conditions", "body", "metadata", "now", "spec", "status")

    def __init__(self, body: Body, now: float) -> None:
        self.body = body
        self.now = now
        """Unix seconds, by the server's clock."""
        self.metadata = table(body.get("metadata"))
        self.spec = table(body.get("spec"))
        self.status = table(body.get("status"))
        self._conditions: dict[str, Mapping[str, Any]] | None = None

    # --- values ---

    def count(self, name: str) -> int:
        """A number of the status; 0 where there is none, since controllers leave zeros out."""
        value = self.status.get(name)
        return value if isinstance(value, int) else 0

    @property
    def wanted(self) -> int:
        """`spec.replicas`, which is 1 where it is not said."""
        value = self.spec.get("replicas")
        return value if isinstance(value, int) else 1

    @property
    def phase(self) -> str:
        return text(self.status.get("phase"))

    @property
    def generation(self) -> int | None:
        value = self.metadata.get("generation")
        return value if isinstance(value, int) else None

    @property
    def annotations(self) -> Mapping[str, Any]:
        return table(self.metadata.get("annotations"))

    @property
    def on_delete(self) -> bool:
        """Its controller does not replace pods by itself: a person deletes them one by one."""
        return table(self.spec.get("updateStrategy")).get("type") == "OnDelete"

    @property
    def unseen(self) -> str:
        """Its controller has not looked at it at all."""
        return "" if "observedGeneration" in self.status else "its controller has not looked at it yet"

    @property
    def outdated(self) -> str:
        """Its controller has not looked at its newest generation."""
        observed = self.status.get("observedGeneration")
        # Argo Rollouts writes a string.
        if self.generation is None or observed is None or str(observed) == str(self.generation):
            return ""
        return f"its controller has not looked at generation {self.generation} yet"

    # --- conditions ---

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """By type; the last one of a type counts."""
        if self._conditions is None:
            self._conditions = {text(item.get("type")): item for item in tables(self.status.get("conditions"))}
        return self._conditions

    def current(self, kind: str) -> bool:
        """Whether a condition is there and about the newest generation, as far as it says so."""
        condition = self.conditions.get(kind)
        if condition is None:
            return False
        observed = condition.get("observedGeneration")
        return not isinstance(observed, int) or self.generation is None or observed >= self.generation

    def holds(self, kind: str, status: str = "True") -> bool:
        """Whether a current condition has this status."""
        return self.current(kind) and self.conditions[kind].get("status") == status

    def said(self, kind: str, status: str = "True", reason: str | None = None) -> str:
        """What a current condition of this status (and reason) says: never empty where there is one."""
        if not self.holds(kind, status) or reason not in (None, self.conditions[kind].get("reason")):
            return ""
        return self.words(kind)

    def words(self, kind: str) -> str:
        """`Reason: message` of a condition; where it has neither, its type and status."""
        condition = self.conditions.get(kind, _NOTHING)
        return told(condition) or f"{kind} is {clip(text(condition.get('status')) or 'unknown', 20)}"

    def age(self, kind: str) -> float:
        """Seconds since a condition changed its status; without a time of its own, since the object was made."""
        since = seconds(self.conditions.get(kind, _NOTHING).get("lastTransitionTime"))
        since = seconds(self.metadata.get("creationTimestamp")) if since is None else since
        return 0.0 if since is None else self.now - since

    # --- phrases ---

    def short(self, have: int, want: int, word: str) -> str:
        """`1 of 3 ready`, where there are fewer than wanted."""
        return f"{have} of {want} {word}" if have < want else ""

    @property
    def extra(self) -> str:
        """Pods that have still to go."""
        surplus = self.count("replicas") - self.wanted
        return f"{surplus} more than {self.wanted} still to end" if surplus > 0 else ""


def told(value: Mapping[str, Any]) -> str:
    """`Reason: message` of a condition, a container's state or a whole status, as far as it has them."""
    parts = (clip(text(value.get("reason")), 100), clip(text(value.get("message")), LONGEST))
    return ": ".join(part for part in parts if part)


def table(value: object) -> Mapping[str, Any]:
    """The mapping, or an empty one where something else stands."""
    return value if isinstance(value, dict) else _NOTHING


def tables(value: object) -> Iterator[Mapping[str, Any]]:
    """The mappings of a list; nothing where something else stands."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def text(value: object) -> str:
    """The string, or an empty one where something else stands."""
    return value if isinstance(value, str) else ""


def seconds(value: object) -> float | None:
    """Unix seconds of an RFC 3339 time, as Kubernetes writes it."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
