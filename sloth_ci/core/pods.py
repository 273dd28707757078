"""What keeps a pod from running: its containers' states and its scheduling.

Sources: the reasons that kubelet gives a waiting container (`pkg/kubelet/container`, `pkg/kubelet/images`), the
scheduler's `PodScheduled` condition, and cli-utils' 15 s before an unschedulable pod is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from sloth_ci.core.objects import Body
from sloth_ci.core.status import Live, table, tables, text, told
from sloth_ci.core.words import clip

SCHEDULING_SECONDS: Final = 15.0
"""How long a pod may find no node: a node that drains, or a volume that is being made, comes within that."""

# CrashLoopBackOff, ImagePullBackOff, ErrImagePull, ErrImageNeverPull, CreateContainerConfigError, RunContainerError, ...
_STUCK: Final = re.compile(r"(BackOff|Error)$|^(Err|InvalidImageName$|SignatureValidationFailed$)")


class Stuck(NamedTuple):
    """Why a pod does not get on."""

    reason: str
    """One line: `container web: ImagePullBackOff: Back-off pulling image ...`."""
    cause: str
    """Kubernetes' own word: `CrashLoopBackOff`, `Unschedulable`, ..."""
    container: str = ""
    """The container that it is about; none where the pod found no node."""
    log: Literal["", "current", "previous"] = ""
    """Which instance of the container may have logged why; none where it never ran."""

    @property
    def crashed(self) -> bool:
        """Whether the container ran and ended, and is to run again."""
        return self.log == "previous"


def stuck(body: Body, now: float) -> Stuck | None:
    """Why a pod does not get on, where that is already clear. `now`: Unix seconds by the server's clock."""
    pod = Live(body, now)
    for container in _containers(pod):
        state = table(table(container.get("state")).get("waiting"))
        cause = clip(text(state.get("reason")), 100)
        if _STUCK.search(cause):
            name = clip(text(container.get("name")), 100)
            ended = _ended(container)
            said = f"{told(state)} (last time {ended})" if ended else told(state)
            return Stuck(f"container {name}: {said}", cause, name, "previous" if ended else "")
    if pod.said("PodScheduled", "False", "Unschedulable") and pod.age("PodScheduled") > SCHEDULING_SECONDS:
        return Stuck(pod.words("PodScheduled"), "Unschedulable")
    return None


def ended_badly(body: Body) -> Stuck | None:
    """The container of a finished pod that ended with an error."""
    for container in _containers(Live(body, 0)):
        state = table(table(container.get("state")).get("terminated"))
        if state and state.get("exitCode") != 0:
            name = clip(text(container.get("name")), 100)
            return Stuck(f"container {name}: {_exit(state)}", clip(text(state.get("reason")), 100), name, "current")
    return None


def unready(body: Body) -> Stuck | None:
    """The container that a running pod still waits for."""
    for container in _containers(Live(body, 0)):
        if container.get("ready") is False and "running" in table(container.get("state")):
            name = clip(text(container.get("name")), 100)
            return Stuck(f"container {name} runs and is not ready", "NotReady", name, "current")
    return None


def _containers(pod: Live) -> Iterator[Any]:
    """Status of each, in the order in which they start."""
    yield from tables(pod.status.get("initContainerStatuses"))
    yield from tables(pod.status.get("containerStatuses"))


def _ended(container: Any) -> str:
    return _exit(table(table(container.get("lastState")).get("terminated")))


def _exit(state: Any) -> str:
    """`exit code 1, OOMKilled: message`."""
    if not state:
        return ""
    said = "" if text(state.get("reason")) == "Error" and not text(state.get("message")) else told(state)
    return ", ".join(part for part in (f"exit code {state.get('exitCode')}", said) if part)
