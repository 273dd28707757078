"""What `sloth-ci init` writes: a starter workflow, a CI file and a hook. Existing files are never touched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from sloth_ci.assets import hooks_dir, lua_dir
from sloth_ci.core.errors import UsageError
from sloth_ci.render import DirectoryTree, candidates

_ALIGNED = re.compile(r'(@TARGET_PATH@", *)--')


class Scaffolded(NamedTuple):
    """What was done: paths written, paths that were there already, and what there is to know about `target_path`."""

    written: list[str]
    there: list[str]
    note: str


def scaffold(root: Path, *, target_path: str | None, ci: str, hook: bool) -> Scaffolded:
    """Write the files that are not there yet, at the top of the repository around `root`.

    `ci` is `github`, `gitlab`, `none`, or `auto` (what the repository looks like). Raises UsageError where a file cannot
    be written.
    """
    root = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    templates = lua_dir() / "templates"
    target_path, note = _target(root, target_path)
    workflow = _ALIGNED.sub(
        lambda line: line[0].replace(line[1], _quoted(target_path).ljust(len(line[1]))),
        (templates / "sloth.lua").read_text(),
    )
    wanted: dict[Path, str] = {root / "sloth.lua": workflow, root / ".sloth/.gitignore": "live/\n"}
    if ci == "auto":
        ci = "gitlab" if (root / ".gitlab-ci.yml").exists() else "github"
    if ci == "github":
        for name, template in (("sloth", "github"), ("sloth-forks", "github-forks")):
            wanted[root / f".github/workflows/{name}.yml"] = (templates / f"{template}.yml").read_text()
    elif ci == "gitlab":
        wanted[root / ".gitlab-ci.yml"] = (templates / "gitlab.yml").read_text()
    executable = None
    git_dir = root / ".git"
    if hook and git_dir.is_dir():
        executable = git_dir / "hooks" / "pre-push"
        wanted[executable] = (hooks_dir() / "pre-push").read_text()
    written, there = [], []
    for path, content in wanted.items():
        shown = os.path.relpath(path)
        if path.exists():
            there.append(shown)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            if path == executable:
                path.chmod(0o755)
        except OSError as error:
            raise UsageError(f"cannot write {shown}: {error.strerror}", "check the rights of the folder") from None
        written.append(shown)
    if not git_dir.exists():
        note = "this is not a Git repository yet: git init"
    return Scaffolded(written, there, note if os.path.relpath(root / "sloth.lua") in written else "")


def _target(root: Path, given: str | None) -> tuple[str, str]:
    """The folder of the manifests, and what to say about it."""
    if given is not None:
        return given, "" if (root / given).is_dir() else f"there is no folder '{given}' yet"
    found = candidates(DirectoryTree(root))
    if not found:
        return "manifests", "no manifests were found: put them into 'manifests', or correct target_path in sloth.lua"
    others = f"; there are also {', '.join(found[1:6])}" + (", …" if len(found) > 6 else "") if found[1:] else ""
    return found[0], f"target_path is '{found[0] or '.'}'{others}"


def _quoted(text: str) -> str:
    """As it stands in a Lua string, with what closes it."""
    return text.replace("\\", "\\\\").replace('"', '\\"') + '",'
