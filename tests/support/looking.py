"""A look at a cluster, as a plan takes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.core.observed import Foreseen
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.known import Observation
from sloth_ci.destinations.kubernetes.observe import observe
from support.bodies import manifest
from support.editors import APPLYSET, Editors

T = TypeVar("T")


def look(editors: Editors, *desired: Body | Manifest, inventory: Collection[Ref] = (), **policy: Any) -> Observation:
    """Observe; further arguments are keys of `conflicts = {...}`."""
    manifests = [item if isinstance(item, Manifest) else manifest(item) for item in desired]
    settings = msgspec.convert(policy, ConflictPolicy)
    return observe(editors.cluster, APPLYSET, manifests, inventory, settings)


def foreseen(seen: Observation, body: Body) -> Foreseen:
    """What would become of one object."""
    return seen.observed.foreseen[manifest(body).ref]


def the_only(found: Mapping[Ref, T]) -> T:
    """The value of a mapping with one entry."""
    (value,) = found.values()
    return value
