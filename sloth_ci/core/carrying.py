"""What a destination is told while it carries out writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sloth_ci.core.events import Observer
from sloth_ci.core.objects import Ref


@dataclass(frozen=True)
class Carrying:
    """The settings of one stretch of work, and the ways to report about it."""

    message: str
    """Why, for destinations that keep messages."""
    observer: Observer
    done: Callable[[Ref], None] = lambda ref: None
    """To be called after each object, by the thread that called the destination."""
    stopped: Callable[[], bool] = lambda: False
    """Whether a person or the runner wants the run to end: the destination then raises Interrupted at its next safe point."""
    health_timeout: float = 300.0
    """Seconds that waiting for health may take, in all."""
    awaited: Callable[[Ref], bool] = lambda ref: True
    """Whether an object's health matters to anybody. What has to be there for others to be made is waited for anyway."""
    lenient: bool = False
    """What does not become healthy is logged, and the work goes on."""
    force: bool = False
    """Take fields over from others: only to put back what was there."""
