"""Find the engines that the tests run against, and build what is missing, once per version, outside the work tree.

    python scripts/engines.py          build what is missing, and print where everything is

The clients are kubectl, kustomize and helm; the control plane is etcd, kube-apiserver, kube-controller-manager,
kube-scheduler and kwok, which plays nodes and pods. The versions are those of tests/tools/go.mod; Go fetches and verifies
the sources by tests/tools/go.sum. Helm comes with the pinned development requirements, into the virtual environment.

Where an engine is looked for, first to last: `SLOTH_TEST_<NAME>` (a path, or a name on PATH), for the control plane the
folder that `KUBEBUILDER_ASSETS` names, and the cache. What is in none of them is downloaded (`envtest.py`: etcd and the
API server, for those who reach it), else built.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import envtest

SOURCES: Final = Path(__file__).resolve().parent.parent / "tests" / "tools"


class Engine(NamedTuple):
    """A command in tests/tools, and the module that its version is the version of."""

    module: str
    kubernetes: bool = False
    """It belongs to a release of Kubernetes, and is stamped with it."""


CLIENTS: Final = {
    "kubectl": Engine("k8s.io/kubectl", kubernetes=True),
    "kustomize": Engine("sigs.k8s.io/kustomize/kustomize/v5"),
}
CONTROL_PLANE: Final = {
    "etcd": Engine("go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Engine("k8s.io/kubernetes", kubernetes=True),
    "kube-controller-manager": Engine("k8s.io/kubernetes", kubernetes=True),
    "kube-scheduler": Engine("k8s.io/kubernetes", kubernetes=True),
    "kwok": Engine("sigs.k8s.io/kwok"),
}
BUILT: Final = {**CLIENTS, **CONTROL_PLANE}
NAMES: Final = (*BUILT, "helm")
MEND: Final = "make tools"


class BuildError(Exception):
    """An engine cannot be built; the message says what to do."""


def find(name: str, environ: Mapping[str, str]) -> Path | None:
    """Where an engine is; None if it has to be built or installed first."""
    chosen = environ.get(variable(name))
    if chosen:
        found = shutil.which(chosen, path=environ.get("PATH"))
        return Path(found).absolute() if found else None
    places = [folder(environ) if name in BUILT else Path(sys.executable).parent]
    if name in CONTROL_PLANE and (assets := environ.get("KUBEBUILDER_ASSETS")):
        places.insert(0, Path(assets).absolute())
    return next((place / name for place in places if os.access(place / name, os.X_OK)), None)


def variable(name: str) -> str:
    """The environment variable that names another engine: `SLOTH_TEST_KUBE_APISERVER`."""
    return "SLOTH_TEST_" + name.upper().replace("-", "_")


def folder(environ: Mapping[str, str]) -> Path:
    """The cache folder of the pinned versions; another version, source or flag means another folder."""
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    state = hashlib.sha256(" ".join(_flags()).encode())
    for source in sorted(SOURCES.rglob("*")):
        if source.is_file():
            state.update(f"\0{source.relative_to(SOURCES)}\0".encode() + source.read_bytes())
    versions = {"kubernetes": "kube-apiserver", "kustomize": "kustomize", "etcd": "etcd", "kwok": "kwok"}
    label = "-".join(f"{label}-{version(name)}" for label, name in versions.items())
    return Path(cache, "sloth-ci", "tools", f"{label}-{state.hexdigest()[:10]}")


def version(name: str) -> str:
    """The release that go.mod pins, as the engine prints it: kubectl's library v0.37.2 is kubectl v1.37.2."""
    module, kubernetes = BUILT[name]
    found = re.search(rf"^\s*{re.escape(module)} v(\d+)(\.\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"tests/tools/go.mod does not require {module}")
    return f"v{1 if kubernetes else found[1]}{found[2]}"


def build(environ: Mapping[str, str]) -> None:
    """Get what is missing. Two processes may call this at once: one builds, the other waits for it and finds it done.

    Raises BuildError.
    """
    target = folder(environ)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, however that ends
        # One that somebody names is not built in its place, also where the name leads nowhere.
        missing = [name for name in BUILT if not environ.get(variable(name)) and not find(name, environ)]
        if not missing:
            return
        with tempfile.TemporaryDirectory(prefix="build-", dir=target) as scratch:
            got = _download(missing, environ, Path(scratch))
            missing = [name for name in missing if name not in got]
            if missing:
                _compile(missing, environ, Path(scratch))
            for name in (*got, *missing):
                Path(scratch, name).replace(target / name)


def _download(missing: Sequence[str], environ: Mapping[str, str], scratch: Path) -> Sequence[str]:
    wanted = [name for name in envtest.NAMES if name in missing]
    if not wanted:
        return ()
    try:
        print(
            f"got {' and '.join(wanted)} {envtest.fetch(version('kube-apiserver'), wanted, environ, scratch)}",
            flush=True,
        )
    except envtest.UnavailableError as error:
        print(f"{error}: they are built instead", flush=True)
        return ()
    return wanted


def _compile(missing: Sequence[str], environ: Mapping[str, str], scratch: Path) -> None:
    go = shutil.which("go", path=environ.get("PATH"))
    if not go:
        raise BuildError(
            f"Go is needed to build {_listed(missing)}: install it from https://go.dev/dl, or name your own by "
            + _listed([variable(name) for name in missing])
        )
    print(f"building {', '.join(f'{name} {version(name)}' for name in missing)} (minutes, once)", flush=True)
    command = [go, "build", *_flags(), "-o", str(scratch) + os.sep, *(f"./{name}" for name in missing)]
    if subprocess.run(command, cwd=SOURCES, env={**environ, "CGO_ENABLED": "0"}, check=False).returncode:
        raise BuildError("Go could not build the engines of the tests; what it says is above")


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _flags() -> list[str]:
    kubernetes = version("kube-apiserver")
    if version("kubectl") != kubernetes:
        raise BuildError(
            f"tests/tools/go.mod wants kubectl {version('kubectl')} and Kubernetes {kubernetes}: make them one"
        )
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    stamp = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "sigs.k8s.io/kustomize/api/provenance.version": version("kustomize"),
    }
    # modcacherw: a module cache that Go makes here can be removed like any other folder.
    link = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in stamp.items())])
    return ["-trimpath", "-buildvcs=false", "-modcacherw", "-ldflags", link]


def main() -> int:
    """Build, and print where each engine is. The exit code is 1 if one is missing at the end."""
    try:
        if any(not find(name, os.environ) for name in BUILT):
            build(os.environ)
    except BuildError as error:
        print(f"engines: {error}", file=sys.stderr)
    paths = {name: find(name, os.environ) for name in NAMES}
    width = max(map(len, NAMES))
    for name, path in paths.items():
        print(f"{name:<{width}} {path or 'missing'}")
    return 0 if all(paths.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
