"""Repositories with hooks: a `sloth-ci` that writes down how it is called, and Git as a person runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.gitrepo import GitRepo

BEFORE = "#!/bin/sh\n# not of sloth-ci\n"


def program(path: Path, text: str, mode: int = 0o755) -> Path:
    """Write a file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def noting(notes: Path, name: str, code: int = 0, *, reads: bool = True) -> str:
    """A hook that appends its name, arguments and stdin to `notes`, and ends with `code`."""
    stdin = "$(cat)" if reads else ""
    return f"#!/bin/sh\nprintf '%s\\n' \"{name} $* <{stdin}>\" >> {shlex.quote(str(notes))}\nexit {code}\n"


class Hooked:
    """A repository with a remote, and a stand-in for `sloth-ci` on PATH. `notes` is what ran, in its order."""

    def __init__(self, folder: Path, repo: GitRepo) -> None:
        self.folder = folder
        self.repo = repo
        self.root = repo.path
        self.notes_file = folder / "notes"
        self.bin = folder / "a bin"
        repo.commit("first", {"a.yaml": "a: 1\n"})
        self.origin = repo.clone_bare(folder / "origin.git")
        self.answer(0)

    def answer(self, code: int) -> None:
        """What the stand-in ends with."""
        program(self.bin / "sloth-ci", noting(self.notes_file, "sloth-ci", code))

    @property
    def hooks(self) -> Path:
        """Where Git itself says that hooks are."""
        return self.root / self.repo.git("rev-parse", "--git-path", "hooks")

    @property
    def notes(self) -> list[str]:
        """What was noted since this was asked last."""
        text = self.notes_file.read_text() if self.notes_file.exists() else ""
        self.notes_file.unlink(missing_ok=True)
        return text.splitlines()

    def git(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, path: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Git with the stand-in on PATH, or without any sloth-ci."""
        places = [place for place in os.environ["PATH"].split(os.pathsep) if not Path(place, "sloth-ci").exists()]
        return subprocess.run(
            ["git", *args],
            cwd=cwd or self.root,
            env={**os.environ, "PATH": os.pathsep.join([*([str(self.bin)] if path else []), *places]), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def push(
        self, *args: str, env: Mapping[str, str] | None = None, path: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A commit, and a push of it."""
        self.repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "more")
        return self.git("push", "-q", *(args or ("origin", "main")), env=env, path=path)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder: modes, bytes, and where links point."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }
