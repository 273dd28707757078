"""One run of sloth-ci: what is declared in it, and the ways to the outside that all use-cases share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from sloth_ci.core.errors import UsageError
from sloth_ci.core.events import Observer
from sloth_ci.core.secrets import Fingerprinter
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import RepositorySpec, WorkflowSpec, did_you_mean
from sloth_ci.engine.ports import Forge, Gate
from sloth_ci.repo import Offline, Repository, open_repository


class Stop:
    """Told once that things should come to an end; what was started under it is told too."""

    def __init__(self) -> None:
        self._event = Event()
        self._children: list[Stop] = []

    def set(self) -> None:
        """Ask for the end."""
        self._event.set()
        for child in self._children:
            child.set()

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, unless the end is asked for; returns whether it is."""
        return self._event.wait(seconds)

    def child(self) -> Stop:
        """One that ends with this one, and can end alone."""
        child = Stop()
        self._children.append(child)
        if self.is_set():
            child.set()
        return child


@dataclass
class Session:
    """The registry of repositories and workflows, and the settings of the run.

    `clock` gives Unix seconds. `stop` is set when a person or the runner wants the run to end: long steps look at it.
    """

    root: Path
    """The directory of the workflow file: paths in it are counted from here."""
    environ: Mapping[str, str]
    cache_dir: Path
    observer: Observer
    gate: Gate
    holder: str
    """Who runs this, for locks and history."""
    clock: Callable[[], float] = time.time
    forge: Forge | None = None
    """Where reverts become signed commits and pull requests; None where there is only Git."""
    pull_request: int | None = None
    """The pull request whose change this run brings: it passes a suspension that is its own."""
    lock_ttl: float = 600.0
    """Seconds after which a lock whose holder gave no sign of life is free."""
    rehearsal: bool = False
    offline: Offline | None = None
    """Where nothing is fetched: what the remote has is what this machine saw last."""
    unreviewed: Unreviewed | None = None
    """What of the work tree is the change's own that is rehearsed: it is neither run nor believed."""
    branch: str | None = None
    """The branch that the run is about, for branch strategies; None: the one that CI or the checkout is on."""
    stop: Stop = field(default_factory=Stop)
    fingerprint: Fingerprinter = field(default_factory=lambda: Fingerprinter(secrets.token_bytes(32)))
    checkpoint: Callable[[str], None] = lambda name: None
    """Called between the steps of a sync, with the step that was just done; tests end the process here."""
    repositories: dict[str, RepositorySpec] = field(default_factory=dict)
    workflows: dict[str, WorkflowSpec] = field(default_factory=dict)
    inactive: dict[str, str] = field(default_factory=dict)
    """Workflows that the branch of this run does not deploy, by id, with the reason."""
    auto_sync_started: bool = False
    _told: set[str] = field(default_factory=set)
    _opened: dict[RepositorySpec, Repository] = field(default_factory=dict)
    _opening: Lock = field(default_factory=Lock)
    _closers: list[Callable[[], None]] = field(default_factory=list)

    def register_repository(self, spec: RepositorySpec) -> str:
        """Returns its id. The same URL and branch again is the same repository; other credentials for it are an error."""
        known = self.repositories.setdefault(spec.id, spec)
        if known != spec:
            raise UsageError(f"repository {spec.url} is registered twice with different settings", "register it once")
        return spec.id

    def tell_once(self, words: str) -> None:
        """What concerns the run rather than one of its workflows."""
        if words not in self._told:
            self._told.add(words)
            self.observer.log("info", words)

    def add_workflow(self, spec: WorkflowSpec, *, inactive: str | None = None) -> str:
        """Returns its id. Raises UsageError for a second one of the same repository, path, environment and name."""
        if spec.id in self.workflows:
            raise UsageError(
                f"workflow '{spec.name}' is declared twice for the same repository, path and environment",
                "give one of them another name",
            )
        self.workflows[spec.id] = spec
        if inactive is not None:
            self.inactive[spec.id] = inactive
        return spec.id

    def workflow(self, workflow_id: str) -> WorkflowSpec:
        """Raises UsageError for an unknown id."""
        try:
            return self.workflows[workflow_id]
        except KeyError:
            raise UsageError(
                f"there is no workflow '{workflow_id}'", did_you_mean(workflow_id, list(self.workflows) or ["(none)"])
            ) from None

    def repository(self, spec: RepositorySpec) -> Repository:
        """Open it, once a run."""
        with self._opening:
            if spec not in self._opened:
                self._opened[spec] = open_repository(
                    spec,
                    cwd=self.root,
                    environ=self.environ,
                    cache_dir=self.cache_dir,
                    notice=lambda text: self.observer.log("warn", text),
                    offline=self.offline,
                )
            return self._opened[spec]

    def at_close(self, closer: Callable[[], None]) -> None:
        """Have something called by `release`."""
        self._closers.append(closer)

    def release(self) -> None:
        """Let go of the connections to destinations: between two turns of the controller, and at the end."""
        while self._closers:
            self._closers.pop()()

    def online(self) -> None:
        """From here on remotes are asked: what was opened without is opened anew."""
        self.offline = None
        with self._opening:
            for repository in self._opened.values():
                repository.close()
            self._opened.clear()

    def close(self) -> None:
        """Let go of connections, and of what Git keeps running."""
        self.release()
        with self._opening:
            for repository in self._opened.values():
                repository.close()
            self._opened.clear()

    def branch_of(self, workflow: WorkflowSpec) -> str:
        """The branch that a workflow follows."""
        return workflow.branch or workflow.repository.branch or self.repository(workflow.repository).default_branch()
