"""Reading manifests: how fast against PyYAML's own C loader, in how much memory, and whether as kubectl reads them.

Not named `yaml`: it starts itself as a script, and then PyYAML would be this file.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The tests' judge and the finder of engines are used here, too.
sys.path += [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]
RUNS = 7
BUNDLES = ("kube-prometheus", "microservices-demo")
Read = Callable[[bytes], list[Any]]


def ours(text: bytes) -> list[Any]:
    """All objects of a file, as sloth-ci reads them."""
    from sloth_ci.core.yaml import flatten, parse

    return [item.value for document in parse(text) for item in flatten(document)]


def rival(text: bytes) -> list[Any]:
    """All documents of a file, as PyYAML's CSafeLoader reads them."""
    import yaml

    return [document for document in yaml.load_all(text, Loader=stock_loader()) if document is not None]


@cache
def stock_loader() -> Any:
    """CSafeLoader, which by itself fails on a bare `=`: CustomResourceDefinitions have one in an enum."""
    import yaml

    class Loader(yaml.CSafeLoader):
        pass

    Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
    return Loader


READERS: dict[str, Read] = {"ours": ours, "rival": rival}


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows; none without the bundles of SLOTH_TEST_DATA."""
    if "SLOTH_TEST_DATA" not in os.environ:
        return []
    data = Path(os.environ["SLOTH_TEST_DATA"])
    head = [text for path, text in files(data / "kube-prometheus.bundle", "HEAD") if path.endswith(".yaml")]
    return [speed(head), memory(head, folder / "large.yaml"), *agreement(data)]


def speed(head: list[bytes]) -> dict[str, Any]:
    """Seconds to read every manifest of kube-prometheus."""
    size = sum(map(len, head)) / 1e6
    times: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(RUNS):
        for name, read in READERS.items():
            start = time.perf_counter()
            for text in head:
                read(text)
            times[name].append(time.perf_counter() - start)
    return row(
        "yaml-speed",
        {name: round(statistics.median(values), 4) for name, values in times.items()},
        "s",
        RUNS,
        f"{len(head)} manifests of kube-prometheus, {size:.1f} MB; the rival keeps no lines and no rules of kubectl",
    )


def memory(head: list[bytes], path: Path) -> dict[str, Any]:
    """Peak memory of a process that reads one file of about 30 MB."""
    path.write_bytes(b"\n---\n".join(head * 5))
    peaks: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(5):
        for name in READERS:
            command = [sys.executable, __file__, name, str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[name].append(float(done.stdout))
    medians = {name: round(statistics.median(values), 1) for name, values in peaks.items()}
    return row("yaml-memory", medians, "MB", 5, f"one file of {path.stat().st_size / 1e6:.0f} MB, peak of the process")


def agreement(data: Path) -> list[dict[str, Any]]:
    """How many files of all revisions are read as kubectl reads them; no row without a kubectl."""
    import engines
    from support.kubectl_judge import Judge

    kubectl = engines.find("kubectl", os.environ)
    if kubectl is None:
        return []
    judge = Judge(kubectl)
    texts = {text for name in BUNDLES for _, text in files(data / f"{name}.bundle", "--all")}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(judge.read, texts))
    alike = {
        name: sum(agrees(read, text, theirs) for text, theirs in zip(texts, answers, strict=True))
        for name, read in READERS.items()
    }
    differences = ", ".join(f"{name} differs in {len(texts) - count}" for name, count in alike.items())
    note = f"{len(texts)} files of all revisions, a refusal is compared, too: {differences}"
    return [row("yaml-agreement", alike, "files", 1, note, ratio=alike["ours"] / alike["rival"])]


def agrees(read: Read, text: bytes, theirs: list[Any] | None) -> bool:
    """Whether a reader has the objects of kubectl, or refuses what kubectl refuses."""
    from sloth_ci.core.objects import canonical

    try:
        mine = read(text)
        if theirs is None:
            # kubectl refuses what is no object, too, which is no matter of YAML.
            return not all(isinstance(item, dict) and item.get("kind") for item in mine)
        return canonical(mine) == canonical(theirs)
    except Exception:  # noqa: BLE001  the rival has many ways to fail
        return theirs is None


def files(bundle: Path, revisions: str) -> Iterator[tuple[str, bytes]]:
    """Every YAML file of some revisions, each content once."""
    with tempfile.TemporaryDirectory() as folder:
        git(folder, "clone", "--quiet", "--bare", str(bundle), ".")
        listed = git(folder, "rev-list", "--objects", revisions if revisions != "HEAD" else "HEAD^{tree}")
        for line in listed.decode().splitlines():
            sha, _, path = line.partition(" ")
            if path.endswith((".yaml", ".yml")):
                yield path, git(folder, "cat-file", "blob", sha)


def git(folder: str, *args: str) -> bytes:
    """What a Git command prints."""
    return subprocess.run(["git", "-C", folder, *args], check=True, capture_output=True).stdout


def row(
    name: str, values: dict[str, Any], unit: str, runs: int, note: str, ratio: float | None = None
) -> dict[str, Any]:
    """A measurement as `bench/results.json` has it; over 1, the ratio is in our favour."""
    return {
        "name": name,
        "ours": "sloth-ci",
        "rival": "PyYAML CSafeLoader",
        "ours_value": values["ours"],
        "rival_value": values["rival"],
        "unit": unit,
        "ratio": round(values["rival"] / values["ours"] if ratio is None else ratio, 2),
        "runs": runs,
        "note": note,
    }


if __name__ == "__main__":
    _, reader, large = sys.argv
    READERS[reader](Path(large).read_bytes())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
