"""One cluster, as the parts of this package get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import DestinationSpec, stable_id
from sloth_ci.destinations.kubernetes.access import find_access
from sloth_ci.destinations.kubernetes.client import Client
from sloth_ci.destinations.kubernetes.discovery import Discovery

MANAGER: Final = "sloth-ci"
"""The field manager of everything that is applied."""


@dataclass(frozen=True)
class Cluster:
    """Made once per run and destination."""

    client: Client
    discovery: Discovery
    namespace: str
    """Of namespaced objects that name none."""
    context: str
    """The name of the context, or `in-cluster`."""
    manager: str = MANAGER
    key: str = ""
    """As `Access.key`: what is remembered of it is kept under this name."""

    @property
    def label(self) -> str:
        """For a person."""
        return f"cluster {self.context} (namespace {self.namespace})"

    @property
    def id(self) -> str:
        """Stable as long as server and namespace are called the same."""
        return stable_id(self.context, "cluster", self.client.server, self.namespace)


def connect(
    spec: DestinationSpec, root: Path, environ: Mapping[str, str], unreviewed: Unreviewed | None = None
) -> Cluster:
    """Find the way to a cluster. Nothing is asked of it yet.

    `root`: the directory of the workflow file, from which paths are counted. `unreviewed`: what of the files there is not
    to be believed. Raises UsageError for a kubeconfig, context or certificate that is not there or cannot be read.
    """
    access = find_access(spec, root, environ, unreviewed)
    client = Client(access, environ)
    namespace = spec.namespace or access.namespace or "default"
    return Cluster(client, Discovery(client), namespace, access.context, key=access.key)
