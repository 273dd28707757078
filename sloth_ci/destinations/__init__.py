"""Live state: where desired state goes, and what each place remembers of it.

A new kind of destination is a module with an `open_...` function and one entry in `OPENERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import UsageError
from sloth_ci.core.finding import Finding
from sloth_ci.core.hooks import HookPhase
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.objects import Body, Manifest, Ref, Write
from sloth_ci.core.observed import Observed
from sloth_ci.core.state import StateHome
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import ConflictPolicy, DestinationSpec
from sloth_ci.destinations.branch import BranchDestination
from sloth_ci.destinations.directory import DirectoryDestination
from sloth_ci.destinations.files import FileDestination
from sloth_ci.destinations.gitledger import RefStore


class Surroundings(Protocol):
    """What a destination may ask for when it is opened."""

    @property
    def root(self) -> Path:
        """The directory of the workflow file, from which paths are counted."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of the run."""

    @property
    def workflow_id(self) -> str:
        """Whose objects these are."""

    @property
    def unreviewed(self) -> Unreviewed | None:
        """What of the work tree is a change's own, and is neither run nor believed; None where all of it is the user's."""

    def branch_store(self, repository: str | None, branch: str) -> tuple[RefStore[Any], str]:
        """Files on a branch, and the name of its repository for a person (empty for the workflow's own)."""


class Destination(Protocol):
    """Where desired state goes."""

    @property
    def id(self) -> str:
        """Stable: locks and ledgers are kept under it."""

    @property
    def label(self) -> str:
        """For a person."""

    @property
    def atomic(self) -> bool:
        """All writes become visible in one step: deletions go with the rest, nothing is ever half applied."""

    @property
    def running(self) -> bool:
        """It is a system that runs.

        It has health, it runs objects that are marked as hooks (`run_hooks`) rather than keep them, and others change it, too.
        """

    @property
    def home(self) -> StateHome | None:
        """Where it keeps ledgers and the lock. None: in Git refs, beside the workflow's repository."""

    def settle(self, manifests: Sequence[Manifest]) -> Sequence[Manifest]:
        """The manifests with the identities that they have there (a cluster knows which kinds have no namespace).

        Raises UnreachableError.
        """

    def observe(
        self,
        desired: Sequence[Manifest],
        inventory: Collection[Ref],
        policy: ConflictPolicy,
        *,
        creations_tried: bool = False,
    ) -> Observed:
        """What is there of the desired objects and of the inventory, and what writing the desired ones would do.

        `creations_tried`: what is not there yet was tried out when the plan was made that was approved, and is not
        tried once more. Raises UnreachableError.
        """

    def saved(self, refs: Iterable[Ref]) -> Mapping[Ref, Body]:
        """These objects as a backup keeps them, as the last `observe` saw them; those that are not there are left out."""

    def current(self, refs: Collection[Ref]) -> Mapping[Ref, Body]:
        """The same, as they are now. Raises UnreachableError."""

    def restoring(self, items: Sequence[BackupItem]) -> Sequence[Write]:
        """The writes that put a backup back: only of what is not as it was then. Raises UnreachableError."""

    def write(self, writes: Sequence[Write], carrying: Carrying) -> None:
        """Create, replace and delete. Each object is either as it was or as it should be, whenever the process ends.

        `carrying.done` is called by the calling thread. Raises ApplyError, UnhealthyError, UnreachableError (some are
        written, and the others can be tried again), and whatever `carrying.done` raises.
        """

    def run_hooks(self, phase: HookPhase, hooks: Sequence[Manifest], carrying: Carrying) -> None:
        """Run those of one phase and wait for each. Raises ApplyError, UnhealthyError, UnreachableError, Interrupted."""

    def wait(self, refs: Collection[Ref], carrying: Carrying) -> bool:
        """Wait until the objects are healthy. False where nothing there can say so.

        Raises UnhealthyError that names every object that is not, with its reason, and Interrupted.
        """

    def findings(self) -> Iterable[Finding]:
        """What `doctor` looks at, beside whether it answers."""

    def learn(self, versions: Collection[str], cache_dir: Path, *, now: float) -> str | None:
        """Keep what it says of its kinds, for when nobody can ask: what was kept, in words; None where it says nothing.

        `versions` are those that are used (`v1`, `apps/v1`), `now` is in Unix seconds. Raises UnreachableError, ApplyError.
        """

    def close(self) -> None:
        """Let go of connections."""


def _open_directory(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    shown = spec.directory or ""
    return FileDestination(DirectoryDestination(surroundings.root / shown, shown))


def _open_branch(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    branch = spec.branch or ""
    store, where = surroundings.branch_store(spec.repository, branch)
    return FileDestination(BranchDestination(store, branch, spec.path, where))


def _open_kubernetes(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    # Imported here: ssl and http take 30 ms, and most commands on files need neither.
    from sloth_ci.destinations.kubernetes.destination import open_kubernetes

    return open_kubernetes(
        spec, surroundings.root, surroundings.environ, surroundings.workflow_id, surroundings.unreviewed
    )


OPENERS: dict[str, tuple[frozenset[str], Callable[[DestinationSpec, Surroundings], Destination]]] = {
    "kubernetes": (frozenset({"context", "kubeconfig", "kubeconfig_env", "in_cluster"}), _open_kubernetes),
    "directory": (frozenset({"directory"}), _open_directory),
    "branch": (frozenset({"branch"}), _open_branch),
}
"""By the kind: the keys of `destination = {...}` that choose it, and what opens it."""


def kind_of(spec: DestinationSpec) -> str:
    """The kind of destination that a table names. Raises UsageError where it names none, or two."""
    chosen = [kind for kind, (keys, _) in OPENERS.items() if any(_given(spec, key) for key in keys)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise UsageError(f"destination: {' and '.join(chosen)} at once", "declare one workflow for each")
    raise UsageError(
        "destination: it does not say where to",
        "name a cluster with context, kubeconfig, kubeconfig_env or in_cluster, or a directory, or a branch",
    )


def _given(spec: DestinationSpec, key: str) -> bool:
    return getattr(spec, key) not in (None, False) and (key == "context" or bool(getattr(spec, key)))


def open_destination(spec: DestinationSpec, surroundings: Surroundings) -> Destination:
    """Raises UsageError where the table names no kind of destination, or two."""
    return OPENERS[kind_of(spec)][1](spec, surroundings)
