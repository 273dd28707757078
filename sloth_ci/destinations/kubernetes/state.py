"""What sloth-ci remembers in a cluster: ledgers and backups in Secrets, the lock in a Lease, all in one namespace."""

from __future__ import annotations

from sloth_ci.core.state import LedgerStore
from sloth_ci.destinations.kubernetes.applyset import ID, TOOL, tool_of, workflow_of
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.lease import LeaseLock
from sloth_ci.destinations.kubernetes.ledger import LEDGER_TYPE, SecretLedger
from sloth_ci.destinations.kubernetes.state_namespace import SECRETS, StateNamespace

LOCK_NAME = "sloth-lock"


class KubernetesHome:
    """`core.state.StateHome` of the destination that a cluster's default namespace is, kept in `namespace`.

    Several destinations may keep their state in one namespace: each has a lock of its own there, and they are neighbours.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._space = StateNamespace(cluster, namespace)
        self._lock_name = LOCK_NAME if cluster.namespace == namespace else f"{LOCK_NAME}-{cluster.namespace}"

    def ledger(self, workflow_id: str) -> SecretLedger:
        """The ledger of a workflow."""
        return SecretLedger(self._space, workflow_id)

    def lock(self, holder: str, ttl: float) -> LeaseLock:
        """The lock of the destination. `ttl`: seconds, rounded up to whole ones."""
        return LeaseLock(self._space, self._lock_name, holder=holder, ttl=ttl)

    def neighbours(self, workflow_id: str) -> list[tuple[str, LedgerStore]]:
        """Other workflows of sloth-ci with a ledger here. Their ledgers are read when they are asked for."""
        parents = self._space.listed(SECRETS, labels=ID, fields=f"type={LEDGER_TYPE}")
        ours = [item["name"] for item in parents if tool_of(item.get("annotations") or {}) == TOOL]
        names = [name for name in map(workflow_of, ours) if name is not None and name != workflow_id]
        return [(name, self.ledger(name)) for name in names]
