"""Where Git looks for hooks, as Git itself says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sloth_ci.repo import git


class Setting(NamedTuple):
    """A value of `core.hooksPath`, and whose it is: `local`, `worktree`, `global`, `system` or `command`."""

    scope: str
    value: str


class Where(NamedTuple):
    """The hooks of one repository."""

    folder: Path
    """The one that Git uses."""
    own: Path
    """The one that Git uses where `core.hooksPath` is not set. Linked worktrees share it, a submodule has its own."""
    top: Path | None
    """The work tree; None in a bare repository."""
    setting: Setting | None

    @property
    def off(self) -> bool:
        """Whether Git can find no hook at all: people name /dev/null or nothing."""
        empty = self.setting is not None and not self.setting.value
        return empty or (self.folder.exists() and not self.folder.is_dir() and self.setting is not None)

    @property
    def inside(self) -> bool:
        """Whether the folder is this repository's alone. One that the user's configuration names outright is for all."""
        if self.setting and self.setting.scope in {"global", "system"} and os.path.isabs(self.setting.value):
            return False
        folder = Path(os.path.realpath(self.folder))
        around = [self.own.parent, *([self.top] if self.top else [])]
        return any(folder.is_relative_to(os.path.realpath(place)) for place in around)


def where(folder: Path, environ: Mapping[str, str]) -> Where | None:
    """The hooks of the repository around `folder`, or of the one that GIT_DIR names; None where there is none.

    Raises GitError where Git refuses to look.
    """
    common = _path(["rev-parse", "--path-format=absolute", "--git-common-dir"], folder, environ)
    if common is None:
        return None
    top = _path(["rev-parse", "--show-toplevel"], folder, environ, refused="must be run in a work tree")
    if top is None and common.name == ".git":  # we stand in the .git of a work tree
        top = common.parent
    own = common / "hooks"
    settings = hooks_paths(folder, environ)
    if not settings:
        return Where(own, own, top, None)
    # `rev-parse --git-path hooks` gives a relative one as it stands; Git takes it from where hooks run.
    setting = settings[-1]
    used = Path(os.path.normpath((top or common) / setting.value))
    return Where(used, own, top, setting)


def hooks_paths(folder: Path, environ: Mapping[str, str]) -> list[Setting]:
    """All values of `core.hooksPath` that count at `folder`, the one that wins last; `~` is expanded."""
    args = ["config", "--show-scope", "--null", "--type=path", "--get-all", "core.hooksPath"]
    done = call(args, folder, environ)
    if done.code == 1:  # it is not set
        return []
    if done.code != 0:
        raise git.failure(args, done, what="cannot read core.hooksPath")
    words = os.fsdecode(done.out).split("\0")
    return [Setting(*pair) for pair in zip(words[::2], words[1::2], strict=False)]


def call(args: Sequence[str], folder: Path, environ: Mapping[str, str]) -> git.Completed:
    """Git as the user has it: with the repository that GIT_DIR names, and with the user's hooks."""
    return git.call(args, cwd=folder, env={**environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"})


def _path(
    args: Sequence[str], folder: Path, environ: Mapping[str, str], refused: str = "not a git repository"
) -> Path | None:
    done = call(args, folder, environ)
    if done.code == 0:
        return Path(os.fsdecode(done.out.removesuffix(b"\n")))
    if refused in done.err:
        return None
    raise git.failure(args, done, what="cannot look into the repository")
