"""A host in memory, for tests of scripts: it deploys nothing and remembers everything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sloth_ci.core.errors import UsageError
from sloth_ci.core.events import Level
from sloth_ci.core.workflow import stable_id
from sloth_ci.script.limits import Limits
from sloth_ci.script.run import Script, load

UPDATE = {
    "type": "update",
    "resource": "Deployment/shop/web",
    "kind": "Deployment",
    "namespace": "shop",
    "name": "web",
    "impact": "medium",
    "reasons": ["image"],
    "reversible": "yes",
    "diff": "",
    "current_state": {},
    "desired_state": {},
}
DELETE_VOLUME = {
    **UPDATE,
    "type": "delete",
    "resource": "PersistentVolumeClaim/shop/data",
    "kind": "PersistentVolumeClaim",
    "name": "data",
    "impact": "critical",
    "reversible": "no",
    "desired_state": None,
}


class MemoryHost:
    """`Host` without an engine. A workflow changes `changes` until it is synced; names in `failing` fail to sync."""

    def __init__(self, *, trusted: bool = True, rehearsal: bool = False, answer: str = "y") -> None:
        self.trusted = trusted
        self.runs_commands = True
        self.rehearsal = rehearsal
        self.answer = answer
        self.logs: list[tuple[str, str]] = []
        self.variables: dict[str, str] = {}
        self.repositories: dict[str, dict[str, Any]] = {}
        self.workflows: dict[str, dict[str, Any]] = {}
        self.drift: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = [UPDATE]
        self.conflicts: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.failing: set[str] = set()
        self.synced: list[str] = []
        self.rolled_back: list[tuple[str, str | None, str | None]] = []
        self.auto_sync: list[str] = []
        self.before_sync: Callable[[str], None] = lambda _name: None
        self._lock = threading.Lock()

    @property
    def lines(self) -> list[str]:
        """What was logged, without the levels."""
        return [message for _, message in self.logs]

    def name_of(self, workflow_id: str) -> str:
        """The name of a declared workflow. Raises UsageError for an unknown id."""
        if workflow_id not in self.workflows:
            raise UsageError(f"no workflow has the id '{workflow_id}'", "the ids are: " + ", ".join(self.workflows))
        name: str = self.workflows[workflow_id]["name"]
        return name

    def register_repository(self, table: dict[str, object]) -> str:
        if not isinstance(table.get("url"), str):
            raise UsageError("gitops.register_repository: 'url': expected a string")
        repository = stable_id(str(table["url"]), str(table["url"]))
        self.repositories[repository] = table
        return repository

    def create_workflow(self, table: dict[str, object], what: str) -> str:
        repository = table.get("repo") or table.get("repository")
        if not isinstance(repository, str):
            raise UsageError(f"{what}: no repository", "give repo, or repository")
        name = str(table.get("name") or repository.rpartition("/")[2])
        workflow_id = stable_id(name, repository, str(table.get("target_path")), name)
        self.workflows[workflow_id] = {**table, "name": name, "repository": repository}
        return workflow_id

    def workflow_info(self, workflow_id: str) -> dict[str, object]:
        workflow = self.workflows[workflow_id]
        return {
            "workflow_id": workflow_id,
            "repository_id": workflow["repository"],
            "name": workflow["name"],
            "environment": workflow.get("environment"),
        }

    def generate_diff(self, workflow_id: str) -> dict[str, object] | None:
        if self.name_of(workflow_id) in self.synced or not (self.changes or self.conflicts or self.warnings):
            return None
        kinds = [change["type"] for change in self.changes]
        return {
            "workflow_id": workflow_id,
            "summary": {
                "total_changes": len(kinds),
                "created_resources": kinds.count("create"),
                "updated_resources": kinds.count("update"),
                "deleted_resources": kinds.count("delete"),
                "conflict_count": len(self.conflicts),
                "warning_count": len(self.warnings),
            },
            "changes": self.changes,
            "drift": self.drift,
            "conflicts": self.conflicts,
            "warnings": self.warnings,
        }

    def sync_workflow(self, workflow_id: str) -> tuple[bool, str | None]:
        name = self.name_of(workflow_id)
        self.before_sync(name)
        check = self.workflows[workflow_id].get("sync_policy", {}).get("health_check", {}).get("lua")
        if name in self.failing:
            return False, f"{name} is not healthy"
        if check is not None and _in_thread(check) is not True:
            return False, f"{name}: the check of the script does not hold"
        with self._lock:
            self.synced.append(name)
        return True, None

    def rollback_workflow(self, workflow_id: str, reason: str | None, to: str | None) -> tuple[bool, str | None]:
        name = self.name_of(workflow_id)
        self.rolled_back.append((name, reason, to))
        if f"{name} rollback" in self.failing:
            return False, "no backup"
        return True, None

    def get_workflow_status(self, workflow_id: str) -> dict[str, object]:
        done = self.name_of(workflow_id) in self.synced
        return {
            "id": workflow_id,
            "status": "synced" if done else "active",
            "last_sync_result": {
                "status": "succeeded" if done else "failed",
                "message": None,
                "metrics": {"duration": 1.5, "resources_applied": len(self.changes)},
            },
        }

    def list_workflows(self) -> list[dict[str, object]]:
        return [{"id": workflow_id, "name": table["name"]} for workflow_id, table in self.workflows.items()]

    def start_auto_sync(self) -> None:
        self.auto_sync.append("start")

    def stop_auto_sync(self) -> None:
        self.auto_sync.append("stop")

    def ask(self) -> str:
        return self.answer

    def log(self, level: Level, message: str) -> None:
        self.logs.append((level, message))

    def environment(self, name: str) -> str | None:
        if name != "CI" and name not in self.variables:
            raise UsageError(f"env.get: '{name}' is not allowed")
        return self.variables.get(name)


def _in_thread(function: Callable[[], object]) -> object:
    """Call it from another thread, as an engine with a pool of its own does."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def load_text(
    text: str,
    host: MemoryHost,
    folder: Path,
    *,
    files: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    params: Mapping[str, str] | None = None,
    values: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Script:
    """Load the text as `sloth.lua` of the folder, with `files` beside it."""
    for name, content in {"sloth.lua": text, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return load(folder / "sloth.lua", host, limits=limits, params=params, values=values, environ=environ)
