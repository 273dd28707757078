"""A repository whose commits go through the pre-commit check."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from support.gitrepo import GitRepo

LUA = 'gitops.workflow{ repo = ".", name = "shop", target_path = "deploy" }\n'
SLOTH = Path(sys.executable).parent / "sloth-ci"
HOOK = f'#!/bin/sh\ncode=0\n"{SLOTH}" hook run pre-commit || code=$?\n[ "$code" -ne 4 ] || exit 1\n'


class Commit(NamedTuple):
    """What came of a `git commit`."""

    made: bool
    said: str
    """By the hook, and by Git on stderr."""

    @property
    def lines(self) -> list[str]:
        return self.said.splitlines()


class Committing:
    """Writes, stages and commits; each method that commits says what came of it."""

    def __init__(self, repo: GitRepo, files: Mapping[str, str | bytes] | None = None) -> None:
        """`files` are committed without a hook. None leaves the repository without any commit."""
        self.repo = repo
        self.path = repo.path
        if files is not None:
            repo.commit("before", files)
        hook = Path(repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks/pre-commit"))
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)

    def stage(self, files: Mapping[str, str | bytes], delete: tuple[str, ...] = ()) -> None:
        """Write files, delete others, and stage both."""
        self.repo.write(files)
        for name in delete:
            (self.path / name).unlink()
        self.repo.git("add", "--all", "--", *files, *delete)

    def commit(self, *args: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> Commit:
        """`git commit` in the work tree, or in another."""
        return self.git("commit", "--quiet", "--message", "a change", *args, cwd=cwd, environ=environ)

    def git(self, *args: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> Commit:
        """Any command of Git that commits."""
        env = {**os.environ, **(environ or {})}
        done = subprocess.run(
            ["git", *args], cwd=cwd or self.path, env=env, capture_output=True, text=True, check=False, encoding="utf-8"
        )
        return Commit(done.returncode == 0, done.stderr + done.stdout)

    def check(self, *, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
        """`sloth-ci hook run pre-commit` by hand: its exit code, and what it says."""
        env = {**os.environ, **(environ or {})}
        done = subprocess.run(
            [str(SLOTH), "hook", "run", "pre-commit"],
            cwd=cwd or self.path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr


def config_map(name: str = "a", **data: str) -> str:
    """A ConfigMap as a file."""
    lines = "".join(f"  {key}: {value}\n" for key, value in (data or {"k": "v"}).items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


def deployment(name: str = "web", *, field: str = "replicas", namespace: str = "") -> str:
    """A Deployment as a file; `field` is a chance for a slip of the pen, on line 6 (7 with a namespace)."""
    where = f"  namespace: {namespace}\n" if namespace else ""
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n{where}spec:\n  {field}: 2\n"
        "  selector:\n    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: web}\n"
        "    spec:\n      containers:\n        - name: web\n          image: registry.example.com/web:1\n"
    )
