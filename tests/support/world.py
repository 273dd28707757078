"""A small world for the engine: a bare origin, a checkout, and sessions on it. Everything is real but the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from sloth_ci.core.errors import ApprovalError
from sloth_ci.core.events import ItemState, Level
from sloth_ci.core.outcome import RollbackOutcome, SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import PolicySpec, RepositorySpec, WorkflowSpec, read_table
from sloth_ci.core.yaml import dump
from sloth_ci.engine.preview import preview
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.status import status
from sloth_ci.engine.sync import sync
from support.bodies import body, deployment
from support.gitrepo import GitRepo


class Listener:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[Level, str]] = []

    def log(self, level: Level, message: str) -> None:
        self.lines.append((level, message))

    def phase(self, name: str, total: int | None = None) -> None:
        self.lines.append(("debug", f"phase {name} {total or ''}".strip()))

    def advance(self, item: str) -> None:
        self.lines.append(("debug", item))

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        self.lines.append(("debug", f"{ref} {state} {detail}".rstrip()))

    def text(self) -> str:
        return "\n".join(message for _, message in self.lines)


class Person:
    """A gate: approves what it was told to, and remembers what it was shown."""

    def __init__(self, *, approves: bool = True) -> None:
        self.approves = approves
        self.shown: list[Plan] = []

    def guards(self, workflow: WorkflowSpec) -> bool:
        return workflow.approval_rules is not None

    def check(self, workflow: WorkflowSpec, plan: Plan) -> None:
        self.shown.append(plan)
        if not self.approves:
            raise ApprovalError(f"{workflow.name} is not approved")

    def policies(self, workflow: WorkflowSpec) -> Sequence[PolicySpec]:  # noqa: ARG002 (the workflow has its own)
        return ()

    def ask(self) -> str:
        return "y" if self.approves else ""


class World:
    """`origin` is bare, `checkout` is a clone of it; a session reads and pushes through the origin."""

    def __init__(self, folder: Path, git_repo: Callable[..., GitRepo]) -> None:
        self.folder = folder
        self.checkout = git_repo("shop")
        self.root = self.checkout.path
        self.checkout.commit("first", {"k8s/web.yaml": dump(deployment(image="web:1")), ".gitignore": "live/\n"})
        self.origin = self.checkout.clone_bare(folder / "origin.git")
        self.listener = Listener()
        self.person = Person()

    def push(
        self, message: str, files: Mapping[str, str | bytes | dict[str, Any]], delete: tuple[str, ...] = ()
    ) -> str:
        """Commit in the checkout and push; objects are written as YAML. Returns the sha."""
        content = {name: dump(text) if isinstance(text, dict) else text for name, text in files.items()}
        sha = self.checkout.commit(message, content, delete)
        self.checkout.git("push", "-q", "origin", "HEAD:main")
        return sha

    def pull(self) -> None:
        """Bring what was pushed by others into the checkout."""
        self.checkout.git("fetch", "-q", "origin")
        self.checkout.git("reset", "-q", "--hard", "origin/main")

    def log(self) -> list[str]:
        """Subjects on the origin's main, newest first."""
        return self.checkout.git("-C", str(self.origin), "log", "--format=%s", "main").splitlines()

    def workflow(self, **table: Any) -> WorkflowSpec:
        """A workflow into `live/`, with no waiting anywhere."""
        policy = {"retry": {"delay": 0, "limit": 1}, **table.pop("sync_policy", {})}
        return read_table(
            {
                "repository": msgspec.to_builtins(RepositorySpec(url=str(self.origin), branch="main")),
                "name": "shop",
                "target_path": "k8s",
                "destination": {"directory": "live"},
                "rollback_on_failure": True,
                "sync_policy": policy,
                **table,
            },
            WorkflowSpec,
            "workflow",
        )

    def session(self, **more: Any) -> Session:
        """As a new process would have it: nothing is remembered but what Git and the destination hold."""
        settings: dict[str, Any] = {
            "root": self.root,
            "environ": dict(os.environ),
            "cache_dir": self.folder / "cache",
            "observer": self.listener,
            "gate": self.person,
            "holder": "tester",
        }
        return Session(**{**settings, **more})

    @contextmanager
    def opened(self, session: Session | None = None) -> Iterator[Session]:
        """A session that is closed at the end."""
        session = session or self.session()
        try:
            yield session
        finally:
            session.close()

    def sync(self, workflow: WorkflowSpec, **more: Any) -> SyncOutcome:
        with self.opened(more.pop("session", None)) as session:
            return sync(session, workflow, **more)

    def preview(self, workflow: WorkflowSpec, **more: Any) -> Plan:
        with self.opened(more.pop("session", None)) as session:
            return preview(session, workflow, **more)

    def rollback(
        self, workflow: WorkflowSpec, to: str = "previous", reason: str = "because", **more: Any
    ) -> RollbackOutcome:
        with self.opened(self.session(**more)) as session:
            return rollback(session, workflow, to=to, reason=reason)

    def status(self, workflow: WorkflowSpec) -> dict[str, Any]:
        with self.opened() as session:
            return status(session, workflow)

    def live(self, folder: str = "live") -> dict[str, str]:
        """The destination: path to content."""
        root = self.root / folder
        return {p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


def failing_check(world: World, text: str = "broken") -> dict[str, Any]:
    """A health check that fails while any live file holds a word."""
    command = f"! grep -rq {text} {world.root}/live"
    return {"health_check": {"command": command, "timeout": "100ms", "interval": "50ms"}}


def configmap(name: str, **data: str) -> dict[str, Any]:
    return body("ConfigMap", name, data=data)
