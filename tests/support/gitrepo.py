"""Real Git repositories for the tests, a line each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

FIRST_COMMIT = 1_767_225_600
"""The date of a repository's first commit, in seconds since the epoch: 2026-01-01T00:00:00Z."""


class GitRepo:
    """A repository and its work tree at `path`, on branch `main`.

    Each commit is dated a minute after the one before, so that the same calls give the same shas on every machine,
    and "the state of an hour ago" is a question that a test can ask.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits = 0
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, check: bool = True) -> str:
        """Run Git in the work tree and return what it printed, without the white space at the end.

        Raises AssertionError with Git's own words if it fails and `check` is set.
        """
        result = subprocess.run(
            ["git", "-C", str(self.path), *args],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            env=self._environment(),
        )
        if check and result.returncode != 0:
            raise AssertionError(f"git {' '.join(args)} exited with {result.returncode}: {result.stderr.strip()}")
        return result.stdout.rstrip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files, by their path in the work tree; text is UTF-8 and its line ends stay as they are."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        message: str,
        files: Mapping[str, str | bytes] | None = None,
        delete: Iterable[str] = (),
    ) -> str:
        """Write and delete files, then commit everything there is in the work tree. Returns the sha.

        A commit without any change is made too.
        """
        self.write(files or {})
        for name in delete:
            (self.path / name).unlink()
        self.git("add", "--all")
        self._commits += 1
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    def branch(self, name: str, start: str = "HEAD") -> None:
        """Create a branch and check it out."""
        self.git("checkout", "--quiet", "-b", name, start)

    def checkout(self, revision: str) -> None:
        """Check out a branch, or a revision with a detached HEAD."""
        self.git("checkout", "--quiet", revision)

    def merge(self, revision: str, message: str | None = None, *, squash: bool = False) -> str:
        """Merge into the current branch, never by fast-forward. Returns the sha of the merge (or squash) commit."""
        message = message or f"Merge {revision}"
        self._commits += 1
        if squash:
            self.git("merge", "--quiet", "--squash", revision)
            self.git("commit", "--quiet", "--allow-empty", "--message", message)
        else:
            self.git("merge", "--quiet", "--no-ff", "--message", message, revision)
        return self.head

    def clone_bare(self, path: Path) -> Path:
        """Make a bare clone at `path`, set it as the remote `origin`, and return its path."""
        self.git("clone", "--quiet", "--bare", "--no-local", ".", str(path))
        self.git("remote", "add", "origin", str(path))
        self.git("fetch", "--quiet", "origin")
        return path

    @property
    def head(self) -> str:
        """The sha of HEAD."""
        return self.sha("HEAD")

    def sha(self, revision: str) -> str:
        """The full sha of a revision."""
        return self.git("rev-parse", "--verify", revision)

    def log(self, revision: str = "HEAD") -> list[str]:
        """The subjects of the commits that a revision reaches, the newest first."""
        return self.git("log", "--format=%s", revision).splitlines()

    def show(self, path: str, revision: str = "HEAD") -> str:
        """What a file holds at a revision."""
        return self.git("show", f"{revision}:{path}")

    def files(self, revision: str = "HEAD") -> list[str]:
        """The paths of all files of a revision, sorted."""
        return [name for name in self.git("ls-tree", "-r", "-z", "--name-only", revision).split("\0") if name]

    def _environment(self) -> dict[str, str]:
        date = f"{FIRST_COMMIT + 60 * self._commits} +0000"
        return {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
