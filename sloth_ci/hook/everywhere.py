"""`sloth-ci hook install --global`: hooks for every repository of this user that has a workflow file.

Git has one way for that: core.hooksPath in the user's configuration. With it, no hook of a repository's own is run by
Git any more, so our folder has a hook of each name that runs it. Two of Git's are missing on purpose: push-to-checkout,
whose being there switches off what Git does by itself, and fsmonitor-watchman, which is named by a setting of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sloth_ci.core.errors import UsageError
from sloth_ci.hook.shim import BEFORE, NAMES, Kind, hook_text, kind_of, this_command
from sloth_ci.hook.where import Setting, call, hooks_paths
from sloth_ci.repo import git

PASSED_ON: Final = (
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg"),
    *("commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-auto-gc"),
    *("post-rewrite", "sendemail-validate", "reference-transaction", "post-index-change"),
    *("p4-changelist", "p4-prepare-changelist", "p4-post-changelist", "p4-pre-submit"),
    # A bare repository on this machine that is pushed to.
    *("pre-receive", "update", "proc-receive", "post-receive", "post-update"),
)
"""Git's hooks that run a repository's own (githooks(5))."""


def home(environ: Mapping[str, str]) -> Path:
    """Our folder of hooks for all repositories."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return Path(os.path.abspath(base), "sloth-ci", "hooks")


def install(folder: Path, names: Sequence[str], *, environ: Mapping[str, str]) -> list[str]:
    """Set up the hooks for all repositories. Returns what was done. Raises UsageError where Git's setting is taken."""
    ours = home(environ)
    theirs = _taken(folder, ours, environ)
    if theirs is not None:
        place = Path(theirs.value, names[0])
        command = f"sloth-ci hook run {names[0]}" + (' "$@"' if names[0] == "pre-push" else "")
        raise UsageError(
            f"core.hooksPath ({theirs.scope}) is {theirs.value} already, and there is only one",
            f"add `{command}` to {place}, or give it up: git config --{theirs.scope} --unset core.hooksPath",
        )
    wanted = _files(names, environ)
    kinds = {name: kind_of(ours / name, text) for name, text in wanted.items()}
    for name, kind in kinds.items():
        if kind not in {Kind.NOTHING, Kind.CURRENT, Kind.OLDER}:
            raise UsageError(f"{ours / name} is not as sloth-ci wrote it", "move it away and install again")
    changed = [name for name, kind in kinds.items() if kind is not Kind.CURRENT]
    stale = [name for name in _left(ours) if name not in wanted]
    if not changed and not stale and _set(folder, ours, environ):
        return [f"{ours} is there already, and core.hooksPath (global) names it"]
    try:
        ours.mkdir(parents=True, exist_ok=True)
        for name in changed:
            new = ours / f"{name}.sloth-new"
            new.write_bytes(wanted[name])
            new.chmod(0o755)
            os.replace(new, ours / name)
        for name in stale:
            (ours / name).unlink()
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}", f"check the rights of {ours}") from None
    # Last: until now nothing has an effect.
    _config(["core.hooksPath", ours.as_posix()], folder, environ)
    return [
        f"wrote {ours}: {' and '.join(names)} in every repository that has a workflow file",
        "set core.hooksPath (global) to it; a repository's own hooks run as before",
    ]


def uninstall(folder: Path, *, environ: Mapping[str, str]) -> list[str]:
    """Take back what `install` has set up, and nothing else. Returns what was done."""
    ours = home(environ)
    lines = []
    if _set(folder, ours, environ):
        _config(["--unset", "core.hooksPath"], folder, environ)
        lines.append("took core.hooksPath (global) back")
    if ours.is_dir():
        try:
            for name in _left(ours):
                (ours / name).unlink()
            rest = sorted(path.name for path in ours.iterdir())
            if rest:
                lines.append(f"left {ours}: {', '.join(rest)} is not as sloth-ci wrote it")
            else:
                ours.rmdir()
                with suppress(OSError):  # something else is in it
                    ours.parent.rmdir()
                lines.append(f"removed {ours}")
        except OSError as error:
            raise UsageError(
                f"cannot remove {error.filename}: {error.strerror}", f"check the rights of {ours}"
            ) from None
    return lines or ["there are no hooks of sloth-ci for all repositories"]


def runs(folder: Path, name: str, environ: Mapping[str, str]) -> bool:
    """Whether the hook of that name for all repositories counts at `folder`."""
    ours = home(environ)
    settings = hooks_paths(folder, environ)
    text = hook_text(name, recorded=this_command(environ), everywhere=True)
    return bool(settings) and Path(settings[-1].value) == ours and kind_of(ours / name, text) is Kind.CURRENT


def _files(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, bytes]:
    """What is in our folder. Before a hook of ours comes the repository's own, as for one that was there already."""
    passing = hook_text("repository", recorded="")
    files = dict.fromkeys(PASSED_ON, passing)
    for name in NAMES:
        if name in names:
            files[name] = hook_text(name, recorded=this_command(environ), everywhere=True)
            files[name + BEFORE] = passing
    return files


def _left(ours: Path) -> Iterator[str]:
    """Files of our folder that are ours, and as some version of ours wrote them."""
    names = [*PASSED_ON, *(name + BEFORE for name in NAMES)]
    return iter([name for name in names if kind_of(ours / name, b"") is Kind.OLDER])


def _taken(folder: Path, ours: Path, environ: Mapping[str, str]) -> Setting | None:
    """A value that is not ours, and not of one repository alone."""
    shared = [setting for setting in hooks_paths(folder, environ) if setting.scope in {"global", "system"}]
    return next((setting for setting in reversed(shared) if Path(setting.value) != ours), None)


def _set(folder: Path, ours: Path, environ: Mapping[str, str]) -> bool:
    shared = [setting for setting in hooks_paths(folder, environ) if setting.scope == "global"]
    return any(Path(setting.value) == ours for setting in shared)


def _config(args: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
    args = ["config", "--global", *args]
    done = call(args, folder, environ)
    if done.code != 0:
        raise git.failure(args, done, what="cannot write Git's configuration of this user")
