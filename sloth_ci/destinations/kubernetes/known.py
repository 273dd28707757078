"""What observing a cluster leaves for writing to it, and what exactly is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sloth_ci.core.fieldpath import Path, remove
from sloth_ci.core.managed import intent
from sloth_ci.core.objects import Body, Ref, normalise
from sloth_ci.core.observed import Observed
from sloth_ci.destinations.kubernetes.applyset import PART_OF


class Known(NamedTuple):
    """One live object, as writing needs it."""

    uid: str
    resource_version: str
    yields: tuple[Path, ...] = ()
    """Fields left to their owner: taken out of what is applied."""
    force: bool = False
    """Every field that somebody else still owns is taken over: the settings say so of each of them."""
    takeover: bool = False
    """What a former manager owns becomes ours first, so that what is no longer declared goes."""
    recreate: bool = False
    former: frozenset[str] = frozenset()
    """The names of the former managers, where `takeover`."""


class Observation(NamedTuple):
    """A look at a cluster."""

    observed: Observed
    known: Mapping[Ref, Known]
    """Live objects that may be written."""
    raw: Mapping[Ref, bytes]
    """Their JSON, as the server gave it, for backups."""
    claims: frozenset[Ref] = frozenset()
    """Desired objects that are as they should be, but not every field of them is ours yet: writing them changes nothing
    that a person sees, and lets a later revision remove those fields."""


NOTHING_SEEN = Observation(Observed({}), {}, {})


def prepared(body: Body, applyset_id: str, known: Known | None) -> Body:
    """Exactly what is applied: the declared object as a member of the set.

    Without what only a server sets, and without fields that are left to their owners.
    """
    sent = normalise(intent(body))
    metadata = sent["metadata"]
    labels = metadata.get("labels")
    if labels is None or isinstance(labels, dict):  # anything else is for the server to refuse
        sent = {**sent, "metadata": {**metadata, "labels": {**(labels or {}), PART_OF: applyset_id}}}
    for path in known.yields if known else ():
        sent = remove(sent, path)
    return _collected(sent) if sent["kind"] == "ClusterRole" else sent


def _collected(role: Body) -> Body:
    """Rules that a ClusterRole aggregates are the controller's: to declare none of them means to leave them to it."""
    if role.get("aggregationRule") and not role.get("rules"):
        return {key: value for key, value in role.items() if key != "rules"}
    return role
