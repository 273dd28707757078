"""pre-commit and prek, the real ones, with this repository as a source of hooks.

The source is a repository of its own that holds what a commit of the work tree would. Each framework builds the environment of
its hooks from it once per test run, with what our pyproject.toml asks for, from the package index that pip is set up for
outside of the tests; the workers of a run share it. The hooks themselves run without a network, as every test does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.gitrepo import GitRepo
from support.project import ROOT, tracked_files

BIN = Path(sys.executable).parent
FRAMEWORKS = ("pre-commit", "prek")
_PACKAGED = {
    "sloth_ci",
    "lua",
    "hooks",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    ".pre-commit-hooks.yaml",
}
_INDEX = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE")
# Read before the guards of the tests take it away.
_IN_CI = os.environ.get("CI") == "true"
_OUTSIDE = {name: value for name, value in os.environ.items() if name.upper().startswith(_INDEX)}
_CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or os.path.expanduser("~"), ".cache")


class Frameworks:
    """`source` at `rev` is this repository; everything is in `base`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.source = base / "gitops"
        with self._once("source") as missing:
            if missing:
                self._make_source()
        self.rev = GitRepo(self.source).head

    def config(self) -> str:
        """A `.pre-commit-config.yaml` that has both hooks."""
        return (
            f"repos:\n  - repo: {self.source}\n    rev: {self.rev}\n"
            "    hooks:\n      - id: sloth-preview\n      - id: sloth-validate\n"
        )

    def environment(self, name: str) -> dict[str, str]:
        """The variables for a framework whose hooks are installed: no network, and no other sloth-ci in reach."""
        with self._once(name) as missing:
            if missing:
                if (self.base / "no-index").exists():
                    self._skip_without_index()
                self._build(name)
        return self._variables(name, os.environ)

    def outside(self, name: str, home: Path) -> dict[str, str]:
        """The variables for a framework that builds its environment anew in `home`, with the package index."""
        return self._variables(name, self._indexed(), home)

    def _build(self, name: str) -> None:
        user = GitRepo(self.base / f"user-{name}")
        user.write({".pre-commit-config.yaml": self.config()})
        done = subprocess.run(
            [BIN / name, "install-hooks"],
            cwd=user.path,
            env=self._variables(name, self._indexed()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            self._skip_without_index()
            raise AssertionError(f"{name} could not build the hooks: {done.stdout}{done.stderr}")

    def _skip_without_index(self) -> None:
        """Nobody can build anything where there is no index. In CI there is one."""
        told = self.base / "no-index"
        if _IN_CI:
            return
        if not told.exists():
            probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "hatchling"]
            found = subprocess.run(
                [*probe, "--dest", self.base / "probe"], env=self._indexed(), capture_output=True, check=False
            )
            if found.returncode == 0:
                return
            told.touch()
        pytest.skip("the package index cannot be reached, and pre-commit and prek build their environments from it")

    def _indexed(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_INDEX)}
        return {**kept, "PIP_CACHE_DIR": os.path.join(_CACHE, "pip"), **_OUTSIDE}

    def _variables(self, name: str, environ: Mapping[str, str], home: Path | None = None) -> dict[str, str]:
        # The tools of this environment but its sloth-ci; Python's own variables would lead the hooks back to it.
        tools = self.base / f"bin-{name}"
        tools.mkdir(exist_ok=True)
        for tool in (name, "uv"):
            if not (tools / tool).exists():
                (tools / tool).symlink_to(BIN / tool)
        places = [place for place in os.environ["PATH"].split(os.pathsep) if not Path(place, "sloth-ci").exists()]
        kept = {key: value for key, value in environ.items() if key not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}}
        variable = {"pre-commit": "PRE_COMMIT_HOME", "prek": "PREK_HOME"}[name]
        return {
            **kept,
            "PATH": os.pathsep.join([str(tools), *places]),
            variable: str(home or self.base / f"home-{name}"),
            "NO_COLOR": "1",
        }

    def _make_source(self) -> None:
        shutil.rmtree(self.source, ignore_errors=True)
        repo = GitRepo(self.source)
        for file in tracked_files():
            name = file.relative_to(ROOT)
            if name.parts[0] in _PACKAGED:
                (self.source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, self.source / name)
        repo.commit("what the work tree holds")

    @contextmanager
    def _once(self, name: str) -> Iterator[bool]:
        """Whether it is still to be made; the others wait. What failed is tried again by the next."""
        self.base.mkdir(parents=True, exist_ok=True)
        done = self.base / f"{name}.done"
        with (self.base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            missing = not done.exists()
            yield missing
            done.touch()
