"""`sloth-ci hook install` and `uninstall`, for one repository.

What is there is never in danger: the earlier hook gets its second name before ours takes its place, ours is written
beside and renamed, and each step can be the last one.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.finding import Finding
from sloth_ci.hook import everywhere as globally
from sloth_ci.hook.managers import Manager, manager_of
from sloth_ci.hook.shim import BEFORE, NAMES, Kind, hook_text, kind_of, recorded_in, this_command
from sloth_ci.hook.where import Where, where


class Offered(NamedTuple):
    """What `init` did about the hook: a path written, a path that was there, what is left to do. Each may be empty."""

    written: str = ""
    there: str = ""
    following: str = ""


def install(folder: Path, names: Sequence[str], *, everywhere: bool, environ: Mapping[str, str]) -> list[str]:
    """Install the hooks `names` of the repository around `folder`, or with `everywhere` of all of this user's.

    A hook that is there is kept, and run first. Returns what was done, a line each; nothing changes where all is as it
    should be. Raises UsageError where it cannot or must not be done, with the way out.
    """
    if everywhere:
        return globally.install(folder, names, environ=environ)
    place = _place(folder, environ)
    command = this_command(environ)
    missing = [name for name in names if _kind(place, name, command) not in _OURS]
    manager = manager_of(place) if missing else None
    if manager is not None:
        wanted = [name for name in missing if not manager.runs(name)]
        if wanted:
            raise _refused(manager, wanted)
        names = [name for name in names if name not in missing]
    lines = [f"{manager.name} runs {name} of sloth-ci already" for name in missing if manager]
    if place.setting is not None and names:
        lines.append(f"core.hooksPath ({place.setting.scope}) is {place.setting.value}: the hooks go there")
    for name in names:  # all is looked at before anything is written
        _check(place, name, folder, command)
    for name in names:
        lines += _install(place, name, folder, command)
    return lines


def uninstall(folder: Path, *, everywhere: bool, environ: Mapping[str, str]) -> list[str]:
    """Take our hooks out of the repository around `folder`, or with `everywhere` what that had set up.

    What was there before is there again, as it was. A hook that somebody edited is left, and that is said. Raises
    UsageError where it cannot be done.
    """
    if everywhere:
        return globally.uninstall(folder, environ=environ)
    place = _place(folder, environ, writing=False)
    # core.hooksPath may have been set since: what is in the folder without effect is ours all the same.
    folders = [place.folder, place.own] if place.inside and not place.off else [place.own]
    lines = [
        line
        for where_it_is in dict.fromkeys(folders)
        for name in NAMES
        for line in _uninstall(where_it_is / name, folder)
    ]
    manager = manager_of(place)
    told = [name for name in NAMES if manager and manager.runs(name)]
    if manager and told:
        lines.append(f"{manager.name} runs {' and '.join(told)} of sloth-ci: take it out of {manager.shown}")
    return lines or ["there is no hook of sloth-ci here"]


def offer(folder: Path, environ: Mapping[str, str]) -> Offered:
    """The pre-push hook for `init`: written where nothing is there yet, or an older one of ours. Never raises SlothError."""
    try:
        place = where(folder, environ)
        if place is None:
            return Offered()
        place = _usable(place, environ)
        command = this_command(environ)
        path = place.folder / "pre-push"
        found = _kind(place, "pre-push", command)
        if found in {Kind.NOTHING, Kind.OLDER}:
            manager = manager_of(place) if found is Kind.NOTHING else None
            if manager is not None and manager.runs("pre-push"):
                return Offered()
            if manager is not None:
                return Offered(
                    following=f"sloth-ci hook install: {manager.name} runs the hooks here, it says what to add"
                )
            _install(place, "pre-push", folder, command)
            return Offered(written=_shown(path, folder))
        return Offered(
            there=_shown(path, folder),
            following="sloth-ci hook install: it runs the hook that is there first" if found is Kind.FOREIGN else "",
        )
    except SlothError as error:
        return Offered(following=f"sloth-ci hook install: {error.message}")


def findings(folder: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """For `doctor`: whether the pre-push hook is there, and of this version. Nothing where no repository is."""
    try:
        place = where(folder, environ)
        if place is None:
            return
        yield _finding(_usable(place, environ), folder, environ)
    except SlothError as error:
        yield Finding("hook", False, error.message, error.hint or "", needed=False)


def _finding(place: Where, folder: Path, environ: Mapping[str, str]) -> Finding:
    def found(ok: bool, detail: str, mend: str = "") -> Finding:
        return Finding("hook", ok, detail, mend, needed=False)

    path = place.folder / "pre-push"
    with _told(path, "read"):
        # Which sloth-ci it falls back to makes it no other version.
        recorded = recorded_in(path) if path.is_file() else ""
        kind = _kind(place, "pre-push", recorded)
        manager = manager_of(place) if kind not in _OURS else None
        if manager is not None and manager.runs("pre-push"):
            return found(True, f"{manager.name} runs sloth-ci before a push")
    shown = _shown(path, folder)
    if kind is Kind.CALLING:
        return found(True, f"{shown} runs sloth-ci")
    if kind in {Kind.CURRENT, Kind.EDITED}:
        command = shutil.which("sloth-ci", path=environ.get("PATH")) or (
            recorded if os.access(recorded, os.X_OK) else ""
        )
        if not command:
            return found(False, f"{shown} finds no sloth-ci", "put sloth-ci on PATH, or: sloth-ci hook install")
        return found(True, shown + (", with changes of yours" if kind is Kind.EDITED else ""))
    if globally.runs(folder, "pre-push", environ):
        return found(True, "the hooks for all repositories of this user")
    if kind is Kind.OLDER:
        return found(False, f"{shown} is of another version", "sloth-ci hook install")
    return found(False, "there is no preview before a push", "sloth-ci hook install")


_OURS = frozenset({Kind.CURRENT, Kind.OLDER, Kind.EDITED, Kind.CALLING})


def _place(folder: Path, environ: Mapping[str, str], *, writing: bool = True) -> Where:
    place = where(folder, environ)
    if place is None:
        raise UsageError(
            "this is no Git repository",
            "run it inside one (git init makes it one); for all repositories of this user: --global",
        )
    return _usable(place, environ) if writing else place


def _usable(place: Where, environ: Mapping[str, str]) -> Where:
    """Where hooks of this repository can go. The hooks of `--global` run the repository's own."""
    setting = place.setting
    if setting is None:
        return place
    if place.off:
        way = f"git config --{setting.scope} --unset core.hooksPath"
        raise UsageError(
            f"hooks are switched off here: core.hooksPath ({setting.scope}) is '{setting.value}'",
            "take it out of the environment (GIT_CONFIG_COUNT and its like)" if setting.scope == "command" else way,
        )
    if place.inside:
        return place
    if place.folder == globally.home(environ):
        return place._replace(folder=place.own, setting=None)
    if manager_of(place) is not None:
        return place
    line = 'sloth-ci hook run pre-push "$@"'
    if setting.scope in {"global", "system"}:
        way = f"install them for all repositories: git config --{setting.scope} --unset core.hooksPath && sloth-ci hook install --global"
    else:
        way = f"give the repository its own hooks back: git config --{setting.scope} --unset core.hooksPath"
    raise UsageError(
        f"core.hooksPath ({setting.scope}) is {setting.value}, outside of this repository: others may use it, too",
        f"add `{line}` to {place.folder / 'pre-push'}, or {way}",
    )


def _refused(manager: Manager, hooks: Sequence[str]) -> UsageError:
    return UsageError(
        f"{manager.name} runs the hooks of this repository ({manager.shown}), so nothing was written",
        "\n".join(manager.lines(hooks)),
    )


def _kind(place: Where, name: str, recorded: str) -> Kind:
    path = place.folder / name
    with _told(path, "read"):
        return kind_of(path, hook_text(name, recorded=recorded))


def _check(place: Where, name: str, folder: Path, command: str) -> None:
    """Raises UsageError where a hook cannot be installed without a loss."""
    path = place.folder / name
    kind = _kind(place, name, command)
    if kind is Kind.FOLDER:
        raise UsageError(f"{_shown(path, folder)} is a folder: Git has no hook there", "move it away and install again")
    before = _before(path)
    if kind is Kind.FOREIGN and os.path.lexists(before) and not _same(path, before):
        raise UsageError(
            f"{_shown(before, folder)} is there already, and would be lost: {name} was to be kept under that name",
            f"move it away, or put it back by hand: mv {_shown(before, folder)} {_shown(path, folder)}",
        )


def _install(place: Where, name: str, folder: Path, command: str) -> list[str]:
    path = place.folder / name
    before = _before(path)
    shown = _shown(path, folder)
    kind = _kind(place, name, command)
    if kind is Kind.CURRENT:
        return [f"{shown} is there already"]
    if kind is Kind.CALLING:
        return [f"{shown} is your own and runs sloth-ci already"]
    if kind is Kind.EDITED:
        return [f"{shown} is there already, with changes of yours; for the one of this version: rm {shown}, then again"]
    with _told(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{name}.sloth-new")
        try:
            new.unlink(missing_ok=True)
            new.write_bytes(hook_text(name, recorded=command))
            new.chmod(0o755)
            if kind is Kind.FOREIGN and not os.path.lexists(before):
                _copy(path, before)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
    chained = [f"  {before.name} is the one that was there: it runs first"] if os.path.lexists(before) else []
    return [f"{'updated' if kind is Kind.OLDER else 'wrote'} {shown}", *chained]


def _uninstall(path: Path, folder: Path) -> list[str]:
    before, shown = _before(path), _shown(path, folder)
    with _told(path, "take back"):
        kind = kind_of(path, b"")
        kept = os.path.lexists(before)
        if kind is Kind.EDITED:
            rest = f"mv {_shown(before, folder)} {shown}" if kept else f"rm {shown}"
            return [f"{shown} was edited since it was installed, so it is left; without it: {rest}"]
        if kind is Kind.CALLING:
            return [f"{shown} is your own: take the line with sloth-ci out of it"]
        if kind in {Kind.FOREIGN, Kind.FOLDER}:
            return [f"{shown} is not of sloth-ci; {before.name} beside it was kept by it, and is left"] if kept else []
        if kept:
            os.replace(before, path)
            return [f"put back {shown}, as it was"]
        if kind is Kind.NOTHING:
            return []
        path.unlink()
        return [f"removed {shown}"]


def _copy(path: Path, before: Path) -> None:
    """A second name for the hook, whatever it is; where the file system has no such thing, a copy."""
    try:
        os.link(path, before, follow_symlinks=False)
    except (OSError, NotImplementedError):
        beside = before.with_name(before.name + "-new")
        try:
            beside.unlink(missing_ok=True)
            shutil.copy2(path, beside, follow_symlinks=False)
            os.replace(beside, before)
        finally:
            beside.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    """Whether both are the same thing: an installation was interrupted between two steps."""
    states = one.lstat(), other.lstat()
    if os.path.samestat(*states):
        return True
    if states[0].st_mode != states[1].st_mode:
        return False
    read: Callable[[Path], object] = os.readlink if stat.S_ISLNK(states[0].st_mode) else Path.read_bytes
    return read(one) == read(other)


def _before(path: Path) -> Path:
    return path.with_name(path.name + BEFORE)


def _shown(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    return str(path) if relative.startswith(os.path.join("..", "..", "..")) else relative


@contextmanager
def _told(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot {doing} {error.filename or path}: {error.strerror}", f"check the rights of {path.parent}"
        ) from None
