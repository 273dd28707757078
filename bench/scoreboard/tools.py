"""The tools that are judged, each asked by its real command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from scoreboard.judge import Claims, OwnManager
from scoreboard.place import Body, Key, Place
from scoreboard.scenario import Objects, Scenario
from support.gitrepo import GitRepo

CONFLICTS: Final = 4
"""The code that sloth-ci ends with where there are conflicts."""

Keys = Sequence[Key]
CLIENT_SIDE: Final = ("kubectl-client-side-apply", "Update")


class Tool(Protocol):
    """A tool at work in one place."""

    own: OwnManager

    def declare(self, objects: Objects) -> None:
        """Put manifests to where the tool reads them, instead of those that are there."""

    def diff(self, keys: Keys) -> Claims:
        """What it says about objects (all that the scenario is about)."""

    def apply(self) -> set[Key]:
        """Apply what is declared. Returns the objects that were refused."""


Make = Callable[[Place, Scenario], Tool]


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


class Kubectl:
    """`kubectl diff` and `kubectl apply`, server-side or as they are without that."""

    def __init__(self, place: Place, scenario: Scenario, *, server_side: bool, manager: str = "") -> None:
        self._place, self._folder = place, place.folder / "manifests"
        self._way = ["--server-side"] if server_side else []
        if server_side and scenario.ownership == "force":
            self._way.append("--force-conflicts")
        if manager:
            self._way.append(f"--field-manager={manager}")
        self.own = frozenset({CLIENT_SIDE, ("kubectl", "Apply"), ("kubectl-last-applied", "Apply")})
        self._bodies: list[Body] = []

    def declare(self, objects: Objects) -> None:
        self._folder.mkdir(exist_ok=True)
        for old in self._folder.iterdir():
            old.unlink()
        for number, text in enumerate(self._place.texts(objects)):
            (self._folder / f"{number:02}.yaml").write_text(text)
        self._bodies = self._place.bodies(objects)

    def diff(self, keys: Keys) -> Claims:
        code, out, err = self._kubectl("diff", *self._way, "-f", str(self._folder))
        claims = Claims(text=out + err)
        # Each object is a file, named by group, version, kind, namespace and name.
        files = set(re.findall(r"^\+\+\+ \S*/MERGED-\d+/(\S+)", out, re.MULTILINE))
        claims.changes = {
            key for key in keys if any(f".{file}".endswith(f".{key.kind}.{key.namespace}.{key.name}") for file in files)
        }
        if code > 1 or "Warning: " in err:
            # An error that names no object is counted for every one.
            named = {key for key in keys if re.search(rf"(?<![\w.-]){re.escape(key.name)}(?![\w.-])", err)}
            claims.conflicts = named or set(keys)
        return claims

    def apply(self) -> set[Key]:
        refused = set()
        for number, body in enumerate(self._bodies):
            code, _, err = self._kubectl("apply", *self._way, "-f", str(self._folder / f"{number:02}.yaml"))
            if code:
                refused.add(self._place.key(body))
        return refused

    def _kubectl(self, *args: str) -> tuple[int, str, str]:
        plane = self._place.plane
        command = [str(plane._kubectl), f"--kubeconfig={plane.admin}", "-n", self._place.namespace, *args]  # noqa: SLF001
        return _run(command, self._folder)


def server_side(place: Place, scenario: Scenario) -> Tool:
    """`kubectl diff --server-side`."""
    return Kubectl(place, scenario, server_side=True)


def client_side(place: Place, scenario: Scenario) -> Tool:
    """`kubectl diff`."""
    return Kubectl(place, scenario, server_side=False)


# --- ours -----------------------------------------------------------------------------------------------------------

Command = Callable[[Sequence[str], Path, Mapping[str, str]], tuple[int, str, str]]

_LUA: Final = """\
gitops.workflow{{
  name = "board", repo = ".", branch = "main", target_path = "k8s",
  destination = {{ kubeconfig = "{kubeconfig}", namespace = "{namespace}" }},
  conflicts = {{ field_ownership = "{ownership}" }},
  sync_policy = {{ retry = {{ limit = 0 }}, prune_limit = 1.0, health_check = {{ enabled = false }} }},
}}
"""


class Ours:
    """`sloth-ci preview` and `sloth-ci sync`."""

    own: OwnManager = frozenset({("sloth-ci", "Apply")})

    def __init__(self, place: Place, scenario: Scenario, command: Command) -> None:
        self._place, self._command = place, command
        self._git = GitRepo(place.folder / "repository")
        lua = _LUA.format(kubeconfig=place.plane.admin, namespace=place.namespace, ownership=scenario.ownership)
        self._git.write({"sloth.lua": lua})
        self._judge = Kubectl(place, scenario, server_side=True, manager="sloth-ci")

    def declare(self, objects: Objects) -> None:
        folder = self._git.path / "k8s"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        texts = self._place.texts(objects)
        self._git.commit("declared", {f"k8s/{number:02}.yaml": text for number, text in enumerate(texts)})
        self._objects = objects

    def diff(self, keys: Keys) -> Claims:
        code, out, err = self._sloth("preview", "--format", "json")
        if code not in {0, CONFLICTS}:
            raise RuntimeError(f"sloth-ci preview ended with {code}: {err}")
        [plan] = json.loads(out)["plans"]
        said = {change["resource"] for change in plan["changes"]}
        conflicts = {conflict["resource"] for conflict in plan["conflicts"]}
        conflicts |= {drift["resource"] for drift in plan["drift"] if drift["outcome"] != "left"}
        conflicts |= {
            change["resource"]
            for change in plan["changes"]
            if any(note.startswith("taken over from ") or "is taken over from" in note for note in change["notes"])
        }
        named = {str(key): key for key in keys}
        return Claims({_known(named, name) for name in said}, {_known(named, name) for name in conflicts}, out + err)

    def apply(self) -> set[Key]:
        code, _, err = self._sloth("sync")
        if code == 0:
            return set()
        if code != CONFLICTS:
            raise RuntimeError(f"sloth-ci sync ended with {code}: {err}")
        # It refuses all of it. What would have come of each object is found by applying it under the same name.
        self._judge.declare(self._objects)
        return self._judge.apply()

    def _sloth(self, *args: str) -> tuple[int, str, str]:
        environ = {**os.environ, "SLOTH_CACHE_DIR": str(self._place.folder / "cache"), "NO_COLOR": "1"}
        return self._command(args, self._git.path, environ)


def _known(named: Mapping[str, Key], name: str) -> Key:
    """One that the scenario does not know is a claim, too."""
    return named.get(name) or Key(*(name.split("/") if name.count("/") == 2 else (name, "", "")))
