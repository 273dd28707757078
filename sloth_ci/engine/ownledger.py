"""A ledger is one repository's: two that give their workflows one id must not take each other's objects for their own.

The id of a workflow is made from what its file says, and `repo = "."` says nothing of which repository that is. So the
ledger remembers it, by its path on the server: that stays the same whatever the transport, on a mirror, and when the server
itself moves.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.ledger import Backup, Ledger
from sloth_ci.core.state import LedgerStore


class OwnLedger:
    """`core.state.LedgerStore` for one repository: another's is refused, unless `takes_over`."""

    def __init__(self, store: LedgerStore, names: Sequence[str], what: str, *, takes_over: bool) -> None:
        """`names`: what servers call the repository, the first one first; `what`: whose ledger it is, in words."""
        self._store = store
        self._names = names
        self._what = what
        self._takes_over = takes_over

    def load(self) -> Ledger:
        """The newest ledger. Raises ConflictError where it is another repository's."""
        ledger = self._store.load()
        if not self._is_ours(ledger) and not self._takes_over:
            raise ConflictError(
                f"the state of {self._what} belongs to the repository {ledger.repository}, and this is {self._names[0]}",
                "give the workflow another `name`: its objects are told apart by it. Where the repository was renamed, "
                'take its state over with conflicts = { foreign_owner = "adopt" }; '
                f"in a clone of a fork, add {ledger.repository} as a remote",
            )
        return ledger

    def save(self, ledger: Ledger, message: str, *, backup: Backup | None = None) -> Ledger:
        """Write it, as this repository's."""
        if self._names and not (ledger.repository and self._is_ours(ledger)):
            ledger = replace(ledger, repository=self._names[0])
        return self._store.save(ledger, message, backup=backup)

    def backup(self, backup_id: str) -> Backup:
        """Read one backup."""
        return self._store.backup(backup_id)

    def _is_ours(self, ledger: Ledger) -> bool:
        """Whether it is; also where nobody can tell, as with a path of a machine."""
        return not (ledger.repository and self._names) or any(_same(ledger.repository, name) for name in self._names)


def _same(one: str, other: str) -> bool:
    """Whether two paths are one repository's: a server may be seen through a proxy that puts a folder before all of them."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
