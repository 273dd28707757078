"""What `sloth-ci init` writes: a starter workflow, a CI file and a hook. Existing files are never touched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from sloth_ci.assets import hooks_dir, lua_dir
from sloth_ci.core.errors import UsageError
from sloth_ci.render import DirectoryTree, candidates, detect
from sloth_ci.repo import git

_ALIGNED = re.compile(r'(@TARGET_PATH@", *)--')
_PREFERRED = ("plain", "kustomize", "helm")
"""What is deployed most likely as it stands: a chart beside plain manifests is for other people's clusters."""
_BRANCHES = "branches: [main]"
_GITLAB = ".gitlab-ci.yml"
_STEPS = {
    "github": "the steps of docs/github.md of the project: the kubeconfigs, the secrets, the check",
    "gitlab": "the steps of docs/gitlab.md of the project: the kubeconfigs, the token, the webhook",
}
_PLAIN_WORD = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][\w./-]*", re.ASCII | re.IGNORECASE)


class Scaffolded(NamedTuple):
    """What was done: paths written, paths that were there already, what there is to know about `target_path`, what is next."""

    written: list[str]
    there: list[str]
    note: str
    following: list[str]


def scaffold(root: Path, *, target_path: str | None, ci: str, hook: bool) -> Scaffolded:
    """Write the files that are not there yet, at the top of the repository around `root`.

    `ci` is `github`, `gitlab`, `none`, or `auto` (what the repository looks like). Raises UsageError where a file cannot
    be written.
    """
    root = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    templates = lua_dir() / "templates"
    given = target_path
    target_path, note = _target(root, target_path)
    workflow = _ALIGNED.sub(
        lambda line: line[0].replace(line[1], _quoted(target_path).ljust(len(line[1]))),
        (templates / "sloth.lua").read_text(),
    )
    wanted: dict[Path, str] = {root / "sloth.lua": workflow, root / ".sloth/.gitignore": "live/\n"}
    if ci == "auto":
        ci = "gitlab" if (root / _GITLAB).exists() else "github"
    if ci == "github":
        branches = f"branches: [{_yaml_word(_deployed_branch(root))}]"
        for name, template in (("sloth", "github"), ("sloth-forks", "github-forks")):
            text = (templates / f"{template}.yml").read_text().replace(_BRANCHES, branches)
            wanted[root / f".github/workflows/{name}.yml"] = text
    elif ci == "gitlab":
        wanted[root / _GITLAB] = (templates / "gitlab.yml").read_text()
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
    if os.path.relpath(root / "sloth.lua") in there:
        note = "--target-path was ignored, as sloth.lua is there already: set target_path in it" if given else ""
        return Scaffolded(written, there, note, ["sloth-ci preview"])
    if not git_dir.exists():
        note = "this is not a Git repository yet: git init"
    kept = ci == "gitlab" and os.path.relpath(root / _GITLAB) in there
    return Scaffolded(written, there, note, _following(ci, include=kept))


def _following(ci: str, *, include: bool) -> list[str]:
    """What is left to do with a new sloth.lua: as it is it deploys nothing from a runner, whose disk is gone with it."""
    if ci == "none":
        return ["sloth-ci preview"]
    own = [f"put the include of docs/gitlab.md of the project into {_GITLAB}"] if include else []
    return ["set destination and auto_sync (or approval_required) in sloth.lua", *own, "sloth-ci preview", _STEPS[ci]]


def _deployed_branch(root: Path) -> str:
    """The branch whose pushes are deployed: the remote's default, else the one that is checked out."""
    git_dir, env = root / ".git", git.environment(os.environ)
    if not git_dir.exists():
        return "main"
    for ref, prefix in (("refs/remotes/origin/HEAD", "refs/remotes/origin/"), ("HEAD", "refs/heads/")):
        done = git.call(["symbolic-ref", "--quiet", ref], cwd=root, git_dir=git_dir, env=env)
        name = done.out.decode(errors="replace").strip()
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return "main"


def _yaml_word(branch: str) -> str:
    """A branch in a list of GitHub's filter patterns: its own `+` and `!` are no pattern, and YAML keeps it text."""
    if _PLAIN_WORD.fullmatch(branch):
        return branch
    quoted = re.sub(r"[+!]", r"\\\g<0>", branch).replace("'", "''")
    return f"'{quoted}'"


def _target(root: Path, given: str | None) -> tuple[str, str]:
    """The folder of the manifests, and what to say about it."""
    if given is not None:
        return given, "" if (root / given).is_dir() else f"there is no folder '{given}' yet"
    tree = DirectoryTree(root)
    entries = tree.entries()
    found = sorted(candidates(tree), key=lambda folder: _PREFERRED.index(detect(entries, folder)))
    if not found:
        return "manifests", "no manifests were found: put them into 'manifests', or correct target_path in sloth.lua"
    others = f"; there are also {', '.join(found[1:6])}" + (", …" if len(found) > 6 else "") if found[1:] else ""
    return found[0], f"target_path is '{found[0] or '.'}'{others}"


def _quoted(text: str) -> str:
    """As it stands in a Lua string, with what closes it."""
    return text.replace("\\", "\\\\").replace('"', '\\"') + '",'
