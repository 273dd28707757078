"""Planning and applying on a cluster, against the programs that do it today: whole processes, as people run them.

On a control plane of the run's own (etcd, the API server, the controllers), on this machine, with the objects of
`cluster_objects.py`. Each program has namespaces of its own, which it has itself applied to, so that each finds its own
traces and nobody else's. What a program says is checked by its exit code: a plan that is wrong is no measurement.

    SLOTH_BENCH_SIZES=100 make bench-cluster      fewer objects, for a quick look
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import cluster_objects as objects
from measure import SLOTH, Row, Side, compare_all, environment, git, peak, row, timed
from rivals import built, tool, version

sys.path += [str(Path(__file__).resolve().parent.parent / "tests")]

import engines
from support.cluster import PARTS, ControlPlane
from support.proxy import DelayProxy, FaultProxy
from support.waiting import until

SIZES: Final = tuple(int(size) for size in os.environ.get("SLOTH_BENCH_SIZES", "100,1000,5000").split(","))
ROUND_TRIP: Final = 0.02
"""Seconds to the far cluster: another region of the same continent."""
FAR: Final = 1000
"""The largest size at which changes and applies are measured over that distance, too."""
BUDGET: Final = 50.0
"""Seconds for the runs of one program in one row: five of 10 s. The slowest take more than that, once."""
REQUESTS: Final = 20
"""Of ours, where nothing changed, beside one list for each kind in each namespace."""
LARGE: Final = 5000
"""From this size on, memory is measured."""

REVISIONS: Final[Mapping[str, objects.Changed]] = {
    "main": objects.none,
    "one-percent": objects.one_percent,
    "all": objects.every,
}
PLANS: Final = {
    "unchanged": ("main", "nothing changed"),
    "1pct": ("one-percent", "one in a hundred changed"),
    "all": ("all", "every one changed"),
}
"""Rows: the revision that is planned, and what that is for a reader."""
_DISTANCE: Final = {"": "", "-rtt20": ", over a round trip of 20 ms"}
_NOISE, _LULL = 2, 0.5
"""The controllers have nothing left to do when so many writes or fewer happen in so many seconds."""

_WORKFLOW: Final = """\
local gitops = require("gitops")

gitops.workflow({{
    name = "bench",
    repo = ".",
    branch = "main",
    target_path = "k8s",
    destination = {{ context = "test", namespace = "{namespace}" }},
    sync_policy = {{ health_check = {{ enabled = false }} }},
}})
"""


class Task(NamedTuple):
    """A command, and the exit codes by which it says what it should."""

    command: Sequence[str]
    codes: Sequence[int] = (0,)


class Program:
    """A program with namespaces of its own, whose manifests are in a folder for each revision."""

    def __init__(self, name: str, folder: Path, size: int) -> None:
        self.name, self.folder = name, folder / f"{name}-{size}"
        self.places = objects.namespaces(name, size)
        self.prepare(size)

    def prepare(self, size: int) -> None:
        """Write what it deploys."""
        for revision, changed in REVISIONS.items():
            objects.write(self.folder / revision, self.places, size, changed)

    def plan(self, revision: str) -> Task:
        """Say what would change."""
        raise NotImplementedError

    def apply(self) -> Task:
        """Make it so, without waiting for health."""
        raise NotImplementedError

    def seconds(self, task: Task, config: Path) -> float:
        """How long it takes."""
        return timed(task.command, cwd=self.folder, env=self._environment(config), codes=task.codes)

    def megabytes(self, task: Task, config: Path) -> float:
        """How much memory it takes."""
        return peak(task.command, cwd=self.folder, env=self._environment(config), codes=task.codes)

    def _environment(self, config: Path) -> dict[str, str]:
        own = {"KUBECONFIG": str(config), "KUBECACHEDIR": str(self.folder / "kube")}
        return {**environment(self.folder / "cache"), **own}


class Sloth(Program):
    """Ours: a Git repository with plain manifests and a Lua file."""

    def prepare(self, size: int) -> None:
        self.folder.mkdir(parents=True)
        git(self.folder, "init", "-q", "-b", "main")
        (self.folder / "sloth.lua").write_text(_WORKFLOW.format(namespace=self.places[0]))
        (self.folder / ".gitignore").write_text("cache/\n")
        for revision, changed in REVISIONS.items():
            if revision != "main":
                git(self.folder, "switch", "-q", "-c", revision, "main")
            objects.write(self.folder / "k8s", self.places, size, changed)
            git(self.folder, "add", "-A")
            git(self.folder, "commit", "-q", "-m", revision)
        git(self.folder, "switch", "-q", "main")

    def plan(self, revision: str) -> Task:
        codes = (0,) if revision == "main" else (20,)
        return Task([SLOTH, "preview", "--head", revision, "--exit-code"], codes)

    def apply(self) -> Task:
        return Task([SLOTH, "sync"])

    def approve(self, config: Path) -> Task:
        """Plan it as a pull request does; what is returned makes it so, as on merge: what was tried is not tried again."""
        report = self.folder / "cache" / "plan.json"
        self.seconds(Task([SLOTH, "preview", "--format", "json", "--output", str(report)]), config)
        return Task([SLOTH, "sync", "--approve", json.loads(report.read_text())["plans"][0]["digest"]])


class Kubectl(Program):
    """`kubectl diff` and `kubectl apply`, both server-side."""

    def plan(self, revision: str, concurrency: int = 1) -> Task:
        how = ["--server-side", f"--concurrency={concurrency}", "-R", "-f", revision]
        return Task([str(tool("kubectl")), "diff", *how], (0,) if revision == "main" else (1,))

    def apply(self) -> Task:
        return Task([str(tool("kubectl")), "apply", "--server-side", "-R", "-f", "main"])


class Kapp(Program):
    """`kapp deploy`, which compares what it once sent with what is there, without asking the server to try."""

    def plan(self, revision: str) -> Task:
        codes = (2,) if revision == "main" else (3,)
        return Task([*self._deploy(revision), "--diff-run", "--diff-exit-status"], codes)

    def apply(self) -> Task:
        return Task([*self._deploy("main"), "--yes", "--wait=false"])

    def _deploy(self, revision: str) -> list[str]:
        return [str(built("kapp")), "deploy", "-a", "bench", "-n", self.places[0], "-f", revision]


class Stage:
    """One size on a control plane: the programs, their namespaces, and what is measured of them."""

    def __init__(self, plane: ControlPlane, folder: Path, size: int) -> None:
        self.plane, self.size = plane, size
        self.sloth = Sloth("sloth-ci", folder, size)
        self.kubectl = Kubectl("kubectl", folder, size)
        self.kapp = Kapp("kapp", folder, size) if built("kapp") else None
        self.programs: list[Program] = [self.sloth, self.kubectl, *([self.kapp] if self.kapp else [])]
        for place in [place for program in self.programs for place in program.places]:
            plane.namespace(place)

    def rows(self) -> Iterator[Row]:
        """All that is measured at this size."""
        yield from self._apply_new("", self.plane.admin)
        for program in self.programs:
            self._quiet()
            program.seconds(program.plan("main"), self.plane.admin)  # so that everybody has its caches
        for name in PLANS:
            yield from self._plan(name, "", self.plane.admin)
        if self.size >= LARGE:
            yield self._memory()
        with DelayProxy(self.plane.server, round_trip=ROUND_TRIP) as far:
            config = self.plane.kubeconfig(server=far.url)
            yield from self._plan("unchanged", "-rtt20", config)
            if self.size <= FAR:
                yield from self._plan("1pct", "-rtt20", config)
                yield from self._apply_new("-rtt20", config)

    def _plan(self, name: str, suffix: str, config: Path) -> list[Row]:
        revision, words = PLANS[name]
        note = f"{self._about()}, {words}{_DISTANCE[suffix]}"
        if name == "unchanged" and not suffix:
            note += f"; {self._requests()}"

        def side(label: str, program: Program, task: Task) -> Side:
            return label, lambda: program.seconds(task, config)

        kubectl = "kubectl diff --server-side"
        rivals = {
            "": side(kubectl, self.kubectl, self.kubectl.plan(revision)),
            "kubectl8": side(f"{kubectl} --concurrency=8", self.kubectl, self.kubectl.plan(revision, 8)),
        }
        if self.kapp:
            rivals["kapp"] = side(f"kapp {version('kapp')} deploy --diff-run", self.kapp, self.kapp.plan(revision))
        ours = side("sloth-ci preview, warm", self.sloth, self.sloth.plan(revision))
        return compare_all(f"plan-{name}-{self.size}{suffix}", ours, rivals, budget=BUDGET, note=note)

    def _apply_new(self, suffix: str, config: Path) -> list[Row]:
        def side(label: str, program: Program, task: Task) -> Side:
            def run() -> float:
                self._empty(program.places)
                self._quiet()
                return program.seconds(task, config)

            return label, run

        self._empty(self.sloth.places)
        ours = side("sloth-ci sync --approve, as on merge", self.sloth, self.sloth.approve(config))
        label = "sloth-ci sync without a plan: it tries every object before it writes the first"
        rivals = {
            "": side("kubectl apply --server-side", self.kubectl, self.kubectl.apply()),
            "unapproved": side(label, self.sloth, self.sloth.apply()),
        }
        if self.kapp:
            rivals["kapp"] = side(f"kapp {version('kapp')} deploy --wait=false", self.kapp, self.kapp.apply())
        note = f"{self._about()}, none of them there before{_DISTANCE[suffix]}; nobody waits for health"
        return compare_all(f"apply-new-{self.size}{suffix}", ours, rivals, budget=BUDGET, note=note)

    def _memory(self) -> Row:
        def peaks(program: Program, runs: int) -> list[float]:
            return [program.megabytes(program.plan("main"), self.plane.admin) for _ in range(runs)]

        note = f"{self._about()}, nothing changed: the peak of the largest process"
        return row(
            f"memory-unchanged-{self.size}",
            "sloth-ci preview",
            peaks(self.sloth, 5),
            "kubectl diff --server-side",
            peaks(self.kubectl, 1),
            unit="MB",
            note=note,
        )

    def _about(self) -> str:
        return f"{self.size:,} objects of {len(objects.KINDS)} kinds in {len(self.sloth.places)} namespaces"

    def _requests(self) -> str:
        """How many requests of ours there are where nothing changed. Raises RuntimeError where there are too many."""
        limit = len(objects.KINDS) * len(self.sloth.places) + REQUESTS
        with FaultProxy(self.plane) as proxy:
            self.sloth.seconds(self.sloth.plan("main"), self.plane.kubeconfig(server=proxy.url))
            count = len(proxy.calls)
        if count > limit:
            raise RuntimeError(f"{count} requests for {self._about()} that have not changed, of at most {limit}")
        return f"{count} requests (at most {limit}: kinds × namespaces + {REQUESTS})"

    def _empty(self, places: Sequence[str]) -> None:
        """Delete everything in some namespaces, also what the programs remember there."""
        paths = [f"/{path.format(place)}" for place in places for path in objects.COLLECTIONS]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: self.plane.api("DELETE", path), paths))

    def _quiet(self) -> None:
        """Wait until the controllers have done what there was to do."""
        last = -1

        def still() -> bool:
            nonlocal last
            before, last = last, int(self.plane.api("GET", "/api/v1/nodes?limit=1")["metadata"]["resourceVersion"])
            return last - before <= _NOISE

        until(still, every=_LULL, timeout=120, what="the control plane is quiet")


def rows(folder: Path) -> list[Row]:
    """All rows; none where there is no control plane."""
    found = {name: engines.find(name, os.environ) for name in PARTS}
    parts = {name: path for name, path in found.items() if path}
    if len(parts) < len(PARTS):
        return []
    results = []
    with ControlPlane.start(folder / "plane", parts) as plane:
        definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        plane.api("POST", definition, objects.DEFINITION)
        path = f"{definition}/{objects.DEFINITION['metadata']['name']}"
        until(lambda: established(plane.api("GET", path)), what="the kind of the bench is served")
        for size in SIZES:
            for result in Stage(plane, folder, size).rows():
                sys.stderr.write(f"{result['name']}: {result['ours_value']} and {result['rival_value']}\n")
                results.append(result)
    return results


def established(definition: objects.Body) -> bool:
    """Whether the API server serves a kind that was defined."""
    conditions = definition.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
