"""The tools that are judged, each asked by its real command line."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from scoreboard.judge import Claims, OwnManager
from scoreboard.place import Body, Key, Place
from scoreboard.scenario import Objects, Scenario

Keys = Sequence[Key]
CLIENT_SIDE: Final = ("kubectl-client-side-apply", "Update")


class Applied(NamedTuple):
    """How an apply went."""

    refused: frozenset[Key] = frozenset()
    """Objects that the cluster, or the tool itself, did not take."""
    unknown: frozenset[Key] = frozenset()
    """Objects that the tool did not get to, as it gave up at one that was refused."""


class Tool(Protocol):
    """A tool at work in one place."""

    own: OwnManager
    marks: frozenset[str]

    def declare(self, objects: Objects) -> None:
        """Put manifests to where the tool reads them, instead of those that are there."""

    def diff(self, keys: Keys) -> Claims:
        """What it says about objects (all that the scenario is about)."""

    def apply(self) -> Applied:
        """Apply what is declared."""


Make = Callable[[Place, Scenario], Tool]


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """A process: its exit code, what it prints, and its errors."""
    done = subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


class Kubectl:
    """`kubectl diff` and `kubectl apply`, server-side or as they are without that."""

    marks = frozenset[str]()

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
        self._bodies = self._place.write(objects, self._folder)

    def diff(self, keys: Keys) -> Claims:
        code, out, err = self._kubectl("diff", *self._way, "-f", str(self._folder))
        claims = Claims(text=out + err)
        # Each object is a file, named by group, version, kind, namespace and name.
        files = set(re.findall(r"^\+\+\+ \S*/MERGED-\d+/(\S+)", out, re.MULTILINE))
        claims.changes = {
            key for key in keys if any(f".{file}".endswith(f".{key.kind}.{key.namespace}.{key.name}") for file in files)
        }
        if code > 1 or "Warning: " in err:
            claims.conflicts = _named(keys, err)
        return claims

    def apply(self) -> Applied:
        refused = set()
        for number, body in enumerate(self._bodies):
            code, _, _ = self._kubectl("apply", *self._way, "-f", str(self._folder / f"{number:02}.yaml"))
            if code:
                refused.add(self._place.key(body))
        return Applied(frozenset(refused))

    def _kubectl(self, *args: str) -> tuple[int, str, str]:
        return run([str(self._place.program), f"--kubeconfig={self._place.kubeconfig}", *args], self._folder)


def server_side(place: Place, scenario: Scenario) -> Tool:
    """`kubectl diff --server-side`."""
    return Kubectl(place, scenario, server_side=True)


def client_side(place: Place, scenario: Scenario) -> Tool:
    """`kubectl diff`."""
    return Kubectl(place, scenario, server_side=False)


_NAMED: Final = re.compile(r"(?:create|update|delete) (\S+)/(\S+) \(\S+\) (?:namespace: ([^\s:]+)|cluster)")


class Kapp:
    """`kapp deploy --diff-run` and `kapp deploy`."""

    own: OwnManager = frozenset({("kapp", "Update"), ("kapp", "Apply")})
    marks = frozenset({"kapp.k14s.io/app", "kapp.k14s.io/association"})

    def __init__(self, place: Place, program: Path) -> None:
        self._place, self._program, self._folder = place, program, place.folder / "manifests"
        self._bodies: list[Body] = []

    def declare(self, objects: Objects) -> None:
        self._bodies = self._place.write(objects, self._folder)

    def diff(self, keys: Keys) -> Claims:
        code, out = self._kapp("--diff-run", "--diff-changes")
        named = {(key.kind, key.namespace, key.name): key for key in keys}
        tables = json.loads(out)["Tables"] or []
        rows = [row for table in tables for row in table["Rows"] if row["op"] in {"create", "update", "delete"}]
        # What lives in no namespace is shown as `(cluster)`.
        found = {(row["kind"], row["namespace"].strip("()").replace("cluster", ""), row["name"]) for row in rows}
        conflicts = _named(keys, out) if code else set()
        return Claims({named.get(row) or Key(*row) for row in found}, conflicts, text=out)

    def apply(self) -> Applied:
        code, out = self._kapp("--wait=false", "--apply-timeout=10s")
        if not code:
            return Applied()
        everything = frozenset(self._place.key(body) for body in self._bodies)
        error = out[out.index("kapp: Error") :]
        told = {(kind, namespace, name) for kind, name, namespace in _NAMED.findall(error)}
        refused = frozenset(key for key in everything if (key.kind.lower(), key.namespace, key.name) in told)
        # What it names no object for, it refuses as a whole.
        return Applied(refused, everything - refused) if refused else Applied(everything)

    def _kapp(self, *args: str) -> tuple[int, str]:
        where = [f"--kubeconfig={self._place.kubeconfig}", "-n", self._place.namespace, "-a", "board"]
        code, out, _ = run(
            [str(self._program), "deploy", *where, "-f", str(self._folder), "--json", "-y", *args], self._folder
        )
        return code, out


def _named(keys: Keys, text: str) -> set[Key]:
    """The objects that an error names; an error that names none is counted for every one."""
    found = {key for key in keys if re.search(rf"(?<![\w.-]){re.escape(key.name)}(?![\w.-])", text)}
    return found or set(keys)


def kapp(program: Path) -> Make:
    """`kapp deploy`, whose path is given."""
    return lambda place, scenario: Kapp(place, program)
