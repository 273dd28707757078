"""The ApplySet of a workflow: the labels and annotations by which kubectl and others find what belongs together.

The specification is KEP-3659; where its text and kubectl differ (the domain of the keys, the prefix and suffix of the id,
the empty value of a hint), this does what kubectl ships.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Final

from sloth_ci.core.objects import Ref

PART_OF: Final = "applyset.kubernetes.io/part-of"
"""Label of every member: the id of the set. It is the truth about membership; the parent's hints only speed listing."""
ID: Final = "applyset.kubernetes.io/id"
"""Label of the parent."""
TOOLING: Final = "applyset.kubernetes.io/tooling"
"""Annotation of the parent: `<tool>/<version>`. A tool leaves the sets of others alone."""
GROUP_KINDS: Final = "applyset.kubernetes.io/contains-group-kinds"
"""Annotation of the parent: what kinds the members are, so that nobody has to list all there are."""
NAMESPACES: Final = "applyset.kubernetes.io/additional-namespaces"
"""Annotation of the parent: where the members are, beside the parent's own namespace."""

TOOL: Final = "sloth-ci"
TOOLING_VERSION: Final = f"{TOOL}/v1"

_PREFIX: Final = "sloth-"


def parent_name(workflow_id: str) -> str:
    """The name of the Secret that is the parent of a workflow's set, and holds its ledger."""
    return f"{_PREFIX}{workflow_id}"


def workflow_of(parent: str) -> str | None:
    """The id of the workflow of a parent; None for a name that sloth-ci does not give."""
    return parent.removeprefix(_PREFIX) if parent.startswith(_PREFIX) else None


def applyset_id(name: str, namespace: str, kind: str = "Secret", group: str = "") -> str:
    """The id of the set with this parent: a label value of 55 characters.

    The hash keeps anybody from claiming the members of another set, and the ends are letters as label values need them.
    """
    hashed = hashlib.sha256(f"{name}.{namespace}.{kind}.{group}".encode()).digest()
    return f"applyset-{urlsafe_b64encode(hashed).rstrip(b'=').decode()}-v1"


def hints(members: Iterable[Ref], namespace: str) -> dict[str, str]:
    """The annotations of a parent in `namespace`: whose it is, and where its members are to be looked for."""
    kinds: set[str] = set()
    namespaces: set[str] = set()
    for ref in members:
        kinds.add(f"{ref.kind}.{ref.group}" if ref.group else ref.kind)
        namespaces.add(ref.namespace)
    return {
        TOOLING: TOOLING_VERSION,
        GROUP_KINDS: ",".join(sorted(kinds)),
        NAMESPACES: ",".join(sorted(namespaces - {"", namespace})),
    }


def tool_of(annotations: Mapping[str, str]) -> str:
    """The tool that a parent belongs to, without its version; empty where it does not say."""
    tooling = annotations.get(TOOLING, "")
    return tooling.rpartition("/")[0] or tooling
