"""What `sloth-ci init` writes: a starter workflow, a CI file and a hook. Existing files are never touched."""

from __future__ import annotations

import os
from pathlib import Path

from sloth_ci.assets import hooks_dir, lua_dir
from sloth_ci.core.errors import UsageError
from sloth_ci.render import DirectoryTree, candidates


def scaffold(root: Path, *, target_path: str | None, ci: str, hook: bool) -> tuple[list[str], list[str]]:
    """Write the files that are not there yet.

    `ci` is `github`, `gitlab`, `none`, or `auto` (what the repository looks like). Returns the paths written and those
    that were there already. Raises UsageError where a file cannot be written.
    """
    templates = lua_dir() / "templates"
    if target_path is None:
        found = candidates(DirectoryTree(root))
        target_path = found[0] if found else "manifests"
    wanted: dict[Path, str] = {
        root / "sloth.lua": (templates / "sloth.lua").read_text().replace("@TARGET_PATH@", target_path)
    }
    if ci == "auto":
        ci = "gitlab" if (root / ".gitlab-ci.yml").exists() else "github"
    if ci == "github":
        wanted[root / ".github/workflows/sloth.yml"] = (templates / "github.yml").read_text()
    elif ci == "gitlab":
        wanted[root / ".gitlab-ci.yml"] = (templates / "gitlab.yml").read_text()
    executable = None
    git_dir = root / ".git"
    if hook and git_dir.is_dir():
        executable = git_dir / "hooks" / "pre-push"
        wanted[executable] = (hooks_dir() / "pre-push").read_text()
    written, there = [], []
    for path, content in wanted.items():
        shown = os.path.relpath(path, root)
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
    return written, there
