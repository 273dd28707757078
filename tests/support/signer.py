"""A forge that makes commits in a bare repository, for tests of what asks for them. No network, no API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sloth_ci.core.errors import BranchRefused, ForgeError, StateMoved
from support.forges.bare import Signature
from support.github.bare import Bare

AUTHOR = Signature("github-actions[bot]", "github-actions[bot]@users.noreply.github.com", 1_767_400_000.0)


class Signer:
    """`engine.ports.Forge`: says what it was asked for, and does it unless it was told to fail."""

    request_word = "pull request"

    def __init__(self, path: Path, repository: str = "") -> None:
        self.repository = repository or str(path)
        self.bare = Bare(path)
        self.commits: list[tuple[str, str, dict[str, bytes | None]]] = []
        """Branch, message, files."""
        self.requests: list[tuple[str, str, str, str]] = []
        self.freeze: str | None = None
        """The project's own."""
        self.fails: list[ForgeError] = []
        """What the next commits and requests raise."""
        self.lost = False
        """The next commit is made, and nobody is told."""
        self.before: Callable[[], object] = lambda: None
        """Called before each commit."""
        self.spoil: Mapping[str, bytes | None] = {}
        """Files that get into each commit, and were not asked for."""

    def frozen(self) -> str | None:
        return self.freeze

    def commit(self, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
        self.before()
        if self.fails:
            raise self.fails.pop(0)
        self.commits.append((branch, message, dict(changes)))
        sha = self.bare.commit_tree(
            self.bare.changed_tree(parent, {**changes, **self.spoil}), [parent], message, AUTHOR
        )
        if not self.bare.set_ref(f"refs/heads/{branch}", sha, expected=parent):
            raise StateMoved(f"{branch} has moved")
        if self.lost:
            self.lost = False
            raise ForgeError("GitHub does not answer")
        return sha

    def request(self, branch: str, base: str, title: str, body: str) -> str:
        if self.fails:
            raise self.fails.pop(0)
        self.requests.append((branch, base, title, body))
        return "https://github.example/acme/shop/pull/7"


def protected(branch: str = "main") -> BranchRefused:
    """What a forge says for a branch that only pull requests change."""
    return BranchRefused(f"cannot commit to {branch}: Changes must be made through a pull request.")
