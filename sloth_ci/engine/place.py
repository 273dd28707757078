"""A workflow's place: its destination, the ledger of what was done there, and the lock of the destination."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sloth_ci.core.errors import LockedError, SlothError, UsageError
from sloth_ci.core.state import LedgerStore, Lock, StateHome
from sloth_ci.core.workflow import DestinationSpec, RepositorySpec, WorkflowSpec
from sloth_ci.destinations import Destination, open_destination
from sloth_ci.destinations.gitledger import GitLedger, GitLock, RefStore
from sloth_ci.engine.ownledger import OwnLedger
from sloth_ci.engine.session import Session
from sloth_ci.repo import Repository, StateRef

LOCK_REF = "lock"
_TRUSTED = 0.8
"""The share of its time to live for which a lock that cannot be renewed still counts."""
_TRIES = 30
"""How often in a time to live a failed renewal is tried again."""


@dataclass
class Place:
    """One workflow at its destination, in this run: what every step of a sync or a rollback works on."""

    session: Session
    workflow: WorkflowSpec
    destination: Destination
    ledger: LedgerStore
    lock: Lock
    neighbours: list[tuple[str, LedgerStore]]
    """Other workflows with a ledger at the same destination: id and ledger."""


class _Surroundings:
    """`destinations.Surroundings` of one workflow."""

    def __init__(self, session: Session, workflow: WorkflowSpec) -> None:
        self._session = session
        self._workflow = workflow
        self.root: Path = session.root
        self.environ: Mapping[str, str] = session.environ
        self.workflow_id = workflow.id
        self.unreviewed = session.unreviewed

    def branch_store(self, repository: str | None, branch: str) -> tuple[RefStore[Any], str]:
        spec = self._workflow.repository
        if repository is not None and repository != spec.url:
            spec = _repository_spec(self._session, repository, spec)
        opened, own = self._session.repository(spec), self._session.repository(self._workflow.repository)
        if opened.display == own.display and branch == self._session.branch_of(self._workflow):
            raise UsageError(
                f"destination: branch '{branch}' is the branch that the workflow reads",
                "render to another branch, or name another repository",
            )
        return StateRef(
            opened, f"refs/heads/{branch}"
        ), opened.display if spec.url != self._workflow.repository.url else ""


def _repository_spec(session: Session, repository: str, own: RepositorySpec) -> RepositorySpec:
    """A repository by its id or its URL.

    One that nobody registered has no credentials but those that `repo` finds for its host in the environment.
    """
    if repository in session.repositories:
        return session.repositories[repository]
    registered = next((spec for spec in session.repositories.values() if spec.url == repository), None)
    return registered or RepositorySpec(url=repository, submodules=own.submodules)


class _GitHome:
    """`core.state.StateHome` in the refs of the repository that a destination belongs to."""

    def __init__(self, repository: Repository, destination: str, clock: Callable[[], float]) -> None:
        self._repository = repository
        self._destination = destination
        self._clock = clock

    def ledger(self, workflow_id: str) -> LedgerStore:
        return GitLedger(self._ref(workflow_id))

    def lock(self, holder: str, ttl: float) -> Lock:
        return GitLock(self._ref(LOCK_REF), holder=holder, ttl=ttl, clock=self._clock)

    def neighbours(self, workflow_id: str) -> list[tuple[str, LedgerStore]]:
        refs = StateRef.list(self._repository, f"{self._destination}/")
        names = [ref.rpartition("/")[2] for ref in refs]
        return [(name, self.ledger(name)) for name in names if name not in {LOCK_REF, workflow_id}]

    def _ref(self, name: str) -> StateRef:
        return StateRef(self._repository, f"{self._destination}/{name}")


def reach(session: Session, workflow: WorkflowSpec) -> Destination:
    """Open a workflow's destination until the end of the session. Its state is not looked at."""
    spec = workflow.destination or default_destination(workflow)
    destination = open_destination(spec, _Surroundings(session, workflow))
    session.at_close(destination.close)
    return destination


def open_place(session: Session, workflow: WorkflowSpec, destination: Destination | None = None) -> Place:
    """Open a workflow's destination, where that was not done yet, and its state.

    That lies where the destination keeps such things, else in the repository that the destination belongs to.
    """
    spec = workflow.destination or default_destination(workflow)
    destination = destination or reach(session, workflow)
    home: StateHome
    if destination.home is not None:
        home = destination.home
    else:
        state_spec = workflow.repository
        if spec.repository is not None:
            state_spec = _repository_spec(session, spec.repository, workflow.repository)
        home = _GitHome(session.repository(state_spec), destination.id, session.clock)
    return Place(
        session,
        workflow,
        destination,
        OwnLedger(
            home.ledger(workflow.id),
            session.repository(workflow.repository).names,
            f"workflow '{workflow.name}' at {destination.label}",
            takes_over=workflow.conflicts.foreign_owner == "adopt",
        ),
        home.lock(session.holder, session.lock_ttl),
        home.neighbours(workflow.id),
    )


def default_destination(workflow: WorkflowSpec) -> DestinationSpec:
    """Where a workflow goes that names no destination: a directory of its own under `.sloth/live`."""
    return DestinationSpec(directory=f".sloth/live/{workflow.id}")


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the lock, renewing it in the background, and give it back at the end.

    Where the lock is lost, `session.stop` is set, so that the holder ends at its next safe point. Raises LockedError.
    """
    session, lock = place.session, place.lock
    dead = lock.acquire()
    if dead is not None:
        session.observer.log("warn", f"took the lock over from {dead.holder}, which is gone")
    ended = threading.Event()

    def keep() -> None:
        due, renewed = session.lock_ttl / 3, time.monotonic()
        while not ended.wait(due):
            try:
                lock.renew()
                due, renewed = session.lock_ttl / 3, time.monotonic()
            except SlothError as error:
                # Whoever keeps the lock may be away for a while: it is ours until it expires.
                left = session.lock_ttl * _TRUSTED - (time.monotonic() - renewed)
                if isinstance(error, LockedError) or left <= 0:
                    session.observer.log("error", f"the lock could not be renewed: {error.message}")
                    session.stop.set()
                    return
                due = min(left, session.lock_ttl / _TRIES)

    keeper = threading.Thread(target=keep, name="lock", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        try:
            lock.release()
        except SlothError as error:
            session.observer.log("warn", f"the lock could not be given back and expires by itself: {error.message}")
