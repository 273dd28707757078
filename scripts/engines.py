"""Build the kubectl and kustomize that the tests run against, once per version, outside the work tree.

    python scripts/engines.py          build what is missing, and print where everything is

The versions are those of tests/tools/go.mod; Go fetches and verifies the sources by tests/tools/go.sum. Helm comes with
the pinned development requirements, into the virtual environment.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).resolve().parent.parent / "tests" / "tools"
BUILT: Final = ("kubectl", "kustomize")
NAMES: Final = (*BUILT, "helm")
MEND: Final = "make tools"


class BuildError(Exception):
    """An engine cannot be built; the message says what to do."""


def find(name: str, environ: Mapping[str, str]) -> Path | None:
    """Where an engine is; None if it has to be built or installed first.

    `SLOTH_TEST_KUBECTL` (`_KUSTOMIZE`, `_HELM`), a path or a name on PATH, overrides the pinned one.
    """
    chosen = environ.get(f"SLOTH_TEST_{name.upper()}")
    if chosen:
        found = shutil.which(chosen)
        return Path(found).absolute() if found else None
    path = folder(environ) / name if name in BUILT else Path(sys.executable).parent / name
    return path if os.access(path, os.X_OK) else None


def folder(environ: Mapping[str, str]) -> Path:
    """The cache folder of the pinned versions; another version, source or flag means another folder."""
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    state = hashlib.sha256(" ".join(_flags()).encode())
    for source in sorted(SOURCES.rglob("*")):
        if source.is_file():
            state.update(f"\0{source.relative_to(SOURCES)}\0".encode() + source.read_bytes())
    versions = "-".join(f"{name}-{version(name)}" for name in BUILT)
    return Path(cache, "sloth-ci", "tools", f"{versions}-{state.hexdigest()[:10]}")


def version(name: str) -> str:
    """The release that go.mod pins, as the engine prints it: kubectl's library v0.37.2 is kubectl v1.37.2."""
    module = {"kubectl": "k8s.io/kubectl", "kustomize": "sigs.k8s.io/kustomize/kustomize/v5"}[name]
    found = re.search(rf"^\s*{re.escape(module)} v(\d+)(\.\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"tests/tools/go.mod does not require {module}")
    major = "1" if name == "kubectl" else found[1]
    return f"v{major}{found[2]}"


def build(environ: Mapping[str, str]) -> None:
    """Build what is missing. Two processes may call this at once: one builds, the other waits for it and finds it done.

    Raises BuildError.
    """
    target = folder(environ)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, however that ends
        missing = [name for name in BUILT if not os.access(target / name, os.X_OK)]
        if not missing:
            return
        go = shutil.which("go", path=environ.get("PATH"))
        if not go:
            raise BuildError(
                f"Go is needed to build {' and '.join(missing)}: install it from https://go.dev/dl, or name your own by "
                + " and ".join(f"SLOTH_TEST_{name.upper()}" for name in missing)
            )
        print(f"building {' and '.join(f'{name} {version(name)}' for name in missing)} (minutes, once)", flush=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=target) as scratch:
            command = [go, "build", *_flags(), "-o", scratch + os.sep, *(f"./{name}" for name in missing)]
            if subprocess.run(command, cwd=SOURCES, env={**environ, "CGO_ENABLED": "0"}, check=False).returncode:
                raise BuildError("Go could not build the engines of the tests; what it says is above")
            for name in missing:
                Path(scratch, name).replace(target / name)


def _flags() -> list[str]:
    kubectl, kustomize = version("kubectl"), version("kustomize")
    major, minor, _ = kubectl.removeprefix("v").split(".", 2)
    stamp = {
        "k8s.io/component-base/version.gitVersion": kubectl,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "sigs.k8s.io/kustomize/api/provenance.version": kustomize,
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
    for name, path in paths.items():
        print(f"{name:<10} {path or 'missing'}")
    return 0 if all(paths.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
