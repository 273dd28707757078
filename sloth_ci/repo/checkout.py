"""The checkout around a folder: found without asking Git, which would refuse one that belongs to another user.

In CI the work tree is often another user's (a container that runs as root on a mounted workspace). Git's own rule is there because a
foreign configuration can name programs to run: hooks and file-system monitors are off for everything we do (see
`git.environment`), and only the folder that the run was started in, or one around it, is ever taken.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo import git
from sloth_ci.repo.address import Address, parse_address


@dataclass(frozen=True)
class Checkout:
    """A repository on this machine. `git_dir` is that of the work tree; `common_dir` holds refs and objects."""

    git_dir: Path
    common_dir: Path
    work_tree: Path | None

    @property
    def root(self) -> Path:
        """What a person would call its path."""
        return self.work_tree or self.git_dir

    def is_at(self, path: str, cwd: Path) -> bool:
        """Whether a real path names this checkout, seen from a folder inside of it (where `.` names it too)."""
        names = {os.path.realpath(p) for p in (self.git_dir, self.common_dir, self.root, cwd)}
        if path in names:
            return True
        other = find_checkout(Path(path))
        return other is not None and str(other.root) == path and other.common_dir == self.common_dir


def find_checkout(cwd: Path) -> Checkout | None:
    """The checkout that `cwd` is in; None where there is none."""
    here = Path(os.path.realpath(cwd))
    for folder in (here, *here.parents):
        dot_git = folder / ".git"
        if dot_git.is_dir() and _is_git_dir(dot_git):
            return Checkout(dot_git, _common(dot_git), folder)
        if dot_git.is_file():
            git_dir = _linked(dot_git)
            if git_dir is not None:
                return Checkout(git_dir, _common(git_dir), folder)
    if _is_git_dir(here):
        return Checkout(here, here, None)
    return None


def checkout_of(environ: Mapping[str, str], cwd: Path) -> Checkout | None:
    """The checkout that Git runs a hook for: the one that `GIT_DIR` names, else the one around `cwd`; None where there is none.

    Git sets `GIT_DIR`, which may be relative to `cwd`, and `GIT_WORK_TREE` only where the work tree is not found from it.
    """
    around = find_checkout(cwd)
    named = environ.get("GIT_DIR")
    if not named:
        return around
    git_dir = Path(os.path.realpath(cwd / named))
    if not _is_git_dir(git_dir):
        return around
    if around is not None and around.git_dir == git_dir:
        return around
    work_tree = environ.get("GIT_WORK_TREE")
    return Checkout(git_dir, _common(git_dir), Path(os.path.realpath(cwd / work_tree)) if work_tree else None)


def read_config(git_dir: Path, env: Mapping[str, str]) -> dict[str, list[str]]:
    """Git's whole configuration as it holds for a repository: keys as Git spells them, values in order."""
    out = git.run(
        ["config", "--list", "-z"], git_dir=git_dir, env=env, what=f"cannot read the configuration of {git_dir}"
    )
    config: dict[str, list[str]] = {}
    for item in out.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = item.partition("\n")
        config.setdefault(key, []).append(value)
    return config


def remotes(
    config: Mapping[str, list[str]], root: Path, environ: Mapping[str, str]
) -> list[tuple[Address, Credentials | None]]:
    """The remotes of a checkout, `origin` first, with the credentials that their URLs hold.

    GitLab's runner leaves its job token there; it is left out where another token was given to the job. Before all goes the
    project that a fork's merge request is for: its pipeline runs in the fork, and what counts is the branch it goes to. Remotes
    that we could not talk to are left out.
    """
    found = named_remotes(config, root, environ)
    target = environ.get("CI_MERGE_REQUEST_PROJECT_URL")
    if target and environ.get("CI_PROJECT_ID") != environ.get("CI_MERGE_REQUEST_PROJECT_ID"):
        found[""] = parse_address(f"{target}.git", cwd=root, environ=environ)
    if environ.get("SLOTH_TOKEN"):
        found = {name: (address, _without_job_token(given)) for name, (address, given) in found.items()}
    return [found[name] for name in sorted(found, key=lambda name: (name != "", name != "origin"))]


def is_partial(config: Mapping[str, list[str]]) -> bool:
    """Whether a clone has left objects out that Git fetches when they are wanted."""
    promised = any(key.startswith("remote.") and key.endswith(".promisor") for key in config)
    return promised or "extensions.partialclone" in config


def named_remotes(
    config: Mapping[str, list[str]], root: Path, environ: Mapping[str, str]
) -> dict[str, tuple[Address, Credentials | None]]:
    """The remotes of a checkout that we could talk to, by name, with the credentials that their URLs hold."""
    found = {}
    for key, values in config.items():
        if key.startswith("remote.") and key.endswith(".url") and values[0]:
            try:
                found[key[len("remote.") : -len(".url")]] = parse_address(values[0], cwd=root, environ=environ)
            except UsageError:
                continue  # a remote helper such as codecommit:: is the user's own business
    return found


def _without_job_token(given: Credentials | None) -> Credentials | None:
    return None if given is not None and given.username == "gitlab-ci-token" else given


def _is_git_dir(path: Path) -> bool:
    return (path / "HEAD").is_file() and (
        ((path / "objects").is_dir() and (path / "refs").is_dir()) or (path / "commondir").is_file()
    )


def _linked(dot_git: Path) -> Path | None:
    """The git directory that a `.git` file names (linked work trees, submodules)."""
    text = dot_git.read_text(encoding="utf-8", errors="surrogateescape").strip()
    if not text.startswith("gitdir: "):
        return None
    git_dir = Path(os.path.realpath(dot_git.parent / text.removeprefix("gitdir: ")))
    return git_dir if _is_git_dir(git_dir) else None


def _common(git_dir: Path) -> Path:
    try:
        text = (git_dir / "commondir").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return git_dir
    return Path(os.path.realpath(git_dir / text))
