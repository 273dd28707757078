"""sloth-ci as the tool that is judged: as a process, as a person runs it, or within the process of a test."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from scoreboard.judge import Claims, OwnManager, normal
from scoreboard.place import Body, Key, Place
from scoreboard.scenario import Objects, Scenario
from scoreboard.tools import Applied, Keys, Kubectl, Tool, run
from sloth_ci.core.errors import ConflictError
from sloth_ci.core.workflow import RepositorySpec, WorkflowSpec, read_table
from sloth_ci.destinations.kubernetes.applyset import PART_OF
from support.gitrepo import GitRepo
from support.world import Listener, Person

MANAGER: Final = "sloth-ci"
_CONFLICTS: Final = 4
_LUA: Final = """\
gitops.workflow{{
  name = "board", repo = ".", branch = "main", target_path = "k8s",
  destination = {{ kubeconfig = "{kubeconfig}", namespace = "{namespace}" }},
  conflicts = {{ field_ownership = "{ownership}" }},
  sync_policy = {{ retry = {{ limit = 0 }}, prune_limit = 1.0, health_check = {{ enabled = false }} }},
}}
"""


class Sloth(Protocol):
    """The two things that are asked of it."""

    def preview(self) -> dict[str, Any]:
        """The plan, as `preview --format json` prints it."""

    def sync(self) -> bool:
        """Apply it. False where conflicts stand against it."""


class Process:
    """The command line, in a repository with a `sloth.lua`."""

    def __init__(self, root: Path, place: Place, scenario: Scenario, program: str) -> None:
        self._root, self._place, self._program = root, place, program
        lua = _LUA.format(kubeconfig=place.plane.admin, namespace=place.namespace, ownership=scenario.ownership)
        (root / "sloth.lua").write_text(lua)

    def preview(self) -> dict[str, Any]:
        code, out, err = self._run("preview", "--format", "json")
        if code not in {0, _CONFLICTS}:
            raise RuntimeError(f"sloth-ci preview ended with {code}: {err}")
        plan: dict[str, Any] = json.loads(out)["plans"][0]
        return plan

    def sync(self) -> bool:
        code, _, err = self._run("sync")
        if code not in {0, _CONFLICTS}:
            raise RuntimeError(f"sloth-ci sync ended with {code}: {err}")
        return code == 0

    def _run(self, *args: str) -> tuple[int, str, str]:
        environ = {**os.environ, "SLOTH_CACHE_DIR": str(self._place.folder / "cache"), "NO_COLOR": "1"}
        return run([self._program, *args], self._root, environ)


class Engine:
    """The use-cases of the engine, each in a session of its own as a new process would have it."""

    def __init__(self, root: Path, place: Place, scenario: Scenario) -> None:
        self._root, self._place = root, place
        self._workflow = read_table(
            {
                "repository": msgspec.to_builtins(RepositorySpec(url=str(root), branch="main")),
                "name": "board",
                "target_path": "k8s",
                "destination": {"kubeconfig": str(place.plane.admin), "namespace": place.namespace},
                "conflicts": {"field_ownership": scenario.ownership},
                "sync_policy": {"retry": {"limit": 0}, "prune_limit": 1.0, "health_check": {"enabled": False}},
            },
            WorkflowSpec,
            "workflow",
        )

    def preview(self) -> dict[str, Any]:
        from sloth_ci.engine.preview import preview
        from sloth_ci.report.document import plan_document

        with closing(self._session()) as session:
            document: dict[str, Any] = msgspec.to_builtins(plan_document(preview(session, self._workflow)))
        return document

    def sync(self) -> bool:
        from sloth_ci.engine.sync import sync

        try:
            with closing(self._session()) as session:
                outcome = sync(session, self._workflow)
        except ConflictError:
            return False
        if outcome.status not in {"succeeded", "nothing"}:
            raise RuntimeError(f"the sync {outcome.status}: {outcome.message}")
        return True

    def _session(self) -> Any:
        from sloth_ci.engine.session import Session

        return Session(
            root=self._root,
            environ=dict(os.environ),
            cache_dir=self._place.folder / "cache",
            observer=Listener(),
            gate=Person(),
            holder="scoreboard",
        )


class Ours:
    """`sloth-ci preview` and `sloth-ci sync` on a repository of its own."""

    own: OwnManager = frozenset({(MANAGER, "Apply")})
    marks = frozenset({PART_OF})

    def __init__(self, place: Place, scenario: Scenario, program: str = "") -> None:
        """`program`: the path of `sloth-ci`; without it, all is done in this process."""
        self._git = GitRepo(place.folder / "repository")
        self._place = place
        root = self._git.path
        self._sloth: Sloth = Process(root, place, scenario, program) if program else Engine(root, place, scenario)
        self._judge = Kubectl(place, scenario, server_side=True, manager=MANAGER)
        self._objects: Objects = ()

    def declare(self, objects: Objects) -> None:
        self._objects = objects
        self._place.write(objects, self._git.path / "k8s")
        self._git.commit("declared")

    def diff(self, keys: Keys) -> Claims:
        plan = self._sloth.preview()
        named = {str(key): key for key in keys}

        def known(resource: str) -> Key:
            """One that is no part of the scenario is a claim, too."""
            return named.get(resource) or Key(resource, "", "")

        refused = {known(conflict["resource"]) for conflict in plan["conflicts"]}
        told = {known(drift["resource"]) for drift in plan["drift"] if drift["outcome"] != "left"}
        told |= {
            known(change["resource"])
            for change in plan["changes"]
            if any("taken over from " in note for note in change["notes"])
        }
        changes = {known(change["resource"]) for change in plan["changes"]}
        return Claims(changes, refused | told, refused, json.dumps(plan, indent=1))

    def apply(self) -> Applied:
        if self._sloth.sync():
            return Applied()
        # It refuses all of it. What would have come of each object is found by applying it under the same name.
        self._judge.declare([self._as_sent(body) for body in self._place.bodies(self._objects)])
        return self._judge.apply()

    def _as_sent(self, body: Body) -> Body:
        """With the label of a member where the object is one, and `stringData` in `data`."""
        live = self._place.live(body)
        label = ((live or {}).get("metadata", {}).get("labels") or {}).get(PART_OF)
        if label is None:
            return normal(body)
        metadata = body["metadata"]
        return normal({**body, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), PART_OF: label}}})


def ours(place: Place, scenario: Scenario) -> Tool:
    """Within this process."""
    return Ours(place, scenario)
