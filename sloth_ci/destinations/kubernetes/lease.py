"""The lock of a destination: a Lease, as Kubernetes' own controllers elect their leaders.

Times are the server's, so that clocks of runners do not matter. A Lease that is given back stays and says who had it last.
"""

from __future__ import annotations

import math
import secrets
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sloth_ci.core.errors import LockedError
from sloth_ci.core.ledger import LockInfo
from sloth_ci.core.objects import Body
from sloth_ci.destinations.holder import is_gone, this_process
from sloth_ci.destinations.kubernetes.state_namespace import LEASES, StateNamespace, annotation, renewed

HOLDER: Final = "sloth-ci/holder"
"""Annotation: `LockInfo` as JSON, which holds more than a Lease has fields for."""
LAST: Final = "sloth-ci/last-holder"
"""Annotation: who had it before, and until when."""

_TRIES: Final = 5


class LeaseLock:
    """`core.state.Lock` on a Lease.

    A holder on this machine whose process is gone is dead at once; one on another machine when it has expired.
    """

    def __init__(self, space: StateNamespace, name: str, *, holder: str, ttl: float) -> None:
        self._space = space
        self._name = name
        self._holder = holder
        self._ttl = ttl
        self._token = secrets.token_hex(8)
        self._mine: Body | None = None

    def acquire(self) -> LockInfo | None:
        """Take the lock, from a dead holder too. Makes the namespace where it is missing."""
        there = self._space.read(LEASES, self._name)
        before = _holder_of(there)
        if before is not None and not self._dead(before):
            raise self._refusal(before)
        now = self._space.client.now()
        last = f"{before.holder}, until it was taken over at {_time(now)}" if before else None
        transitions = there.get("spec", {}).get("leaseTransitions", 0) + 1 if there else 0
        mine = self._write(there, acquired=now, transitions=transitions, last=last)
        if mine is None:
            winner = _holder_of(self._space.read(LEASES, self._name))
            if winner is None:
                raise LockedError("another sync took the lock at the same moment", "run it again")
            raise self._refusal(winner)
        self._mine = mine
        return before

    def renew(self) -> None:
        """Push the expiry out by another time to live."""
        mine = self._mine
        for _ in range(_TRIES):
            if mine is None:
                break
            written = self._write(
                mine, acquired=_seconds(mine["spec"], "acquireTime"), transitions=mine["spec"]["leaseTransitions"]
            )
            if written is not None:
                self._mine = written
                return
            mine = self._still_mine()
        winner = _holder_of(self._space.read(LEASES, self._name))
        raise LockedError(
            f"the lock was lost to {winner.holder if winner else 'somebody who has released it'}",
            "this sync took longer than the lock allows; look at what the other one did",
        )

    def release(self) -> None:
        """Take the holder out, if it is still this one."""
        mine, self._mine = self._mine, None
        for _ in range(_TRIES):
            if mine is None:
                return  # it had expired and belongs to somebody else now: not ours to take away
            spec = {key: value for key, value in mine["spec"].items() if key != "holderIdentity"}
            last = f"{self._holder}, until {_time(self._space.client.now())}"
            if self._put(mine, spec, {HOLDER: None, LAST: last}) is not None:
                return
            mine = self._still_mine()
        raise LockedError(f"the Lease {self} changes all the time and could not be given back", "it expires by itself")

    def holder(self) -> LockInfo | None:
        """Who holds it now; a dead holder holds nothing."""
        info = _holder_of(self._space.read(LEASES, self._name))
        return None if info is None or self._dead(info) else info

    def __str__(self) -> str:
        return f"{self._space.name}/{self._name}"

    def _write(self, found: Body | None, *, acquired: float, transitions: int, last: str | None = None) -> Body | None:
        now = self._space.client.now()
        seconds = max(1, math.ceil(self._ttl))
        info = this_process(token=self._token, holder=self._holder, acquired=acquired, expires=now + seconds)
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": _time(acquired),
            "renewTime": _time(now),
            "leaseTransitions": transitions,
        }
        told: dict[str, str | None] = {HOLDER: msgspec.json.encode(info).decode()}
        return self._put(found, spec, told | ({LAST: last} if last else {}))

    def _put(self, found: Body | None, spec: Body, annotations: dict[str, str | None]) -> Body | None:
        metadata = renewed(found, labels={}, annotations=annotations, write=secrets.token_hex(8))
        metadata |= {"name": self._name, "namespace": self._space.name}
        lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        return self._space.put(LEASES, lease)

    def _still_mine(self) -> Body | None:
        """The Lease as it is now, where it was changed but not taken: somebody may have put a label on it."""
        found = self._space.read(LEASES, self._name)
        info = _holder_of(found)
        return found if info is not None and info.token == self._token else None

    def _dead(self, info: LockInfo) -> bool:
        return info.expires <= self._space.client.now() or is_gone(info)

    def _refusal(self, info: LockInfo) -> LockedError:
        left = max(0, round(info.expires - self._space.client.now()))
        return LockedError(
            f"locked by {info.holder}",
            f"wait for it to end; if it is dead, the lock expires in {left} s, and "
            f"kubectl delete lease {self._name} -n {self._space.name} frees it now",
        )


def _holder_of(lease: Body | None) -> LockInfo | None:
    """Who holds a Lease. Its own fields count, as a person may have changed them: the annotation says the rest."""
    spec: dict[str, Any] = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity")
    if lease is None or not holder:
        return None
    try:
        info = msgspec.json.decode(annotation(lease, HOLDER), type=LockInfo)
    except msgspec.DecodeError:
        info = None
    if info is None or info.holder != holder:
        info = LockInfo(token="", holder=holder, host="", boot="", pid=0, acquired=0, expires=0)
    acquired, renewed_at = _seconds(spec, "acquireTime"), _seconds(spec, "renewTime")
    expires = renewed_at + spec.get("leaseDurationSeconds", 0)
    return msgspec.structs.replace(info, acquired=acquired, expires=expires)


def _time(seconds: float) -> str:
    """As `metav1.MicroTime` is written."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(spec: Body, field: str) -> float:
    """Unix seconds; 0 where it is not there."""
    value = spec.get(field)
    return datetime.fromisoformat(value).timestamp() if value else 0.0
