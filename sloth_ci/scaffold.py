"""What `sloth-ci init` writes: a starter workflow and a CI file. Existing files are never touched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from sloth_ci.assets import lua_dir
from sloth_ci.core.errors import UsageError
from sloth_ci.render import DirectoryTree, candidates, detect
from sloth_ci.repo import git

_ALIGNED = re.compile(r'(@TARGET_PATH@", *)--')
_NAME = "@NAME@"
_LONGEST_NAME = 40
"""Characters of a workflow's name: it is in the names of what is kept in the cluster."""
_PREFERRED = ("plain", "kustomize", "helm")
"""What is deployed most likely as it stands: a chart beside plain manifests is for other people's clusters."""
_BRANCHES = "branches: [main]"
_GITLAB = ".gitlab-ci.yml"
_GUIDE = "https://github.com/sloth-runner/gitops/blob/main/docs"
_STEPS = {
    "github": f"the kubeconfigs, the secrets, the check: {_GUIDE}/github.md#set-it-up",
    "gitlab": f"the kubeconfigs, the token, the schedule, the webhook: {_GUIDE}/gitlab.md#set-it-up",
}
_PLAIN_WORD = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][\w./-]*", re.ASCII | re.IGNORECASE)


class Scaffolded(NamedTuple):
    """What was done: paths written, paths that were there already, what there is to know about `target_path`, what is next."""

    written: list[str]
    there: list[str]
    note: str
    following: list[str]


def scaffold(root: Path, *, target_path: str | None, ci: str) -> Scaffolded:
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
        (templates / "sloth.lua").read_text().replace(_NAME, _name(root)),
    )
    wanted: dict[Path, str] = {root / "sloth.lua": workflow, root / ".sloth/.gitignore": "live/\n"}
    if ci == "auto":
        ci = "gitlab" if (root / _GITLAB).exists() or _on_gitlab(root) else "github"
    if ci == "github":
        branches = f"branches: [{_yaml_word(_deployed_branch(root))}]"
        for name, template in (("sloth", "github"), ("sloth-forks", "github-forks")):
            text = (templates / f"{template}.yml").read_text().replace(_BRANCHES, branches)
            wanted[root / f".github/workflows/{name}.yml"] = text
    elif ci == "gitlab":
        wanted[root / _GITLAB] = (templates / "gitlab.yml").read_text()
    written, there = [], []
    for path, content in wanted.items():
        shown = os.path.relpath(path)
        if path.exists():
            there.append(shown)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        except OSError as error:
            raise UsageError(f"cannot write {shown}: {error.strerror}", "check the rights of the folder") from None
        written.append(shown)
    if os.path.relpath(root / "sloth.lua") in there:
        note = "--target-path was ignored, as sloth.lua is there already: set target_path in it" if given else ""
        return Scaffolded(written, there, note, ["sloth-ci preview"])
    if not (root / ".git").exists():
        note = "this is not a Git repository yet: git init"
    kept = ci == "gitlab" and os.path.relpath(root / _GITLAB) in there
    return Scaffolded(written, there, note, _following(ci, include=kept))


def _following(ci: str, *, include: bool) -> list[str]:
    """What is left to do with a new sloth.lua: as it is it deploys nothing from a runner, whose disk is gone with it."""
    if ci == "none":
        return ["sloth-ci preview"]
    own = [f"put the include into {_GITLAB}: {_GUIDE}/gitlab.md#set-it-up"] if include else []
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


def _remote(root: Path) -> str:
    """Where the repository is from; empty where it has no `origin`."""
    git_dir = root / ".git"
    if not git_dir.exists():
        return ""
    command = ["config", "--get", "remote.origin.url"]
    done = git.call(command, cwd=root, git_dir=git_dir, env=git.environment(os.environ))
    return done.out.decode(errors="replace").strip()


def _on_gitlab(root: Path) -> bool:
    """Whether the host of `origin` says so by its name."""
    host = re.match(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^/:]+)[/:]", _remote(root))
    return host is not None and "gitlab" in host[1].lower().split(".")


def _name(root: Path) -> str:
    """A workflow's name: the repository's. Two repositories of one name could take each other's objects for their own."""
    last = re.split(r"[/:\\\\]", _remote(root).rstrip("/"))[-1].removesuffix(".git") or root.resolve().name
    return re.sub(r"[^a-z0-9]+", "-", last.lower())[:_LONGEST_NAME].strip("-") or "app"


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
